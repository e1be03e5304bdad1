//! Lists of letters, page by page, and their removal.

use std::time::{Duration, SystemTime};

use jetgate::proto::{
    DeadLetter, DeadLetterCause, DeadLetterFilter, DeadLetterOrder, ListDeadLettersRequest,
    PurgeDeadLettersRequest,
};
use serde_json::json;

use crate::support::consuming::{CONSUMER, STREAM, create_consumer, store_many};
use crate::support::dead_letters::{
    LETTERS, filter, letters, list, pull, purge, replay, replay_all, start_collecting, term,
    terminate, until_letters,
};
use crate::support::{Clients, Gateway, NatsServer, Wire};

/// Every letter of a filter, by pages of this size.
async fn pages(
    clients: &Clients,
    filter: Option<DeadLetterFilter>,
    order: DeadLetterOrder,
    page_size: u32,
) -> Vec<u64> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let (filter, order) = (filter.clone(), order as i32);
        let request = ListDeadLettersRequest {
            filter,
            order,
            page_size,
            page_token,
        };
        let (page, next) = list(clients, request).await.unwrap();
        assert!(page.len() <= page_size as usize);
        found.extend(page.iter().map(|letter| letter.sequence));
        if next.is_empty() {
            return found;
        }
        page_token = next;
    }
}

/// Messages on three subjects by turns, which die for two consumers: the second one's are few.
async fn start_with_letters(count: u64) -> (NatsServer, Gateway, Wire) {
    let (nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    wire.create_consumer(
        STREAM,
        json!({ "durable_name": "rare", "ack_policy": "explicit" }),
    )
    .await;
    for number in 0..count {
        wire.store(
            &format!("orders.{}", ["eu", "us", "asia"][number as usize % 3]),
            b"payload",
        )
        .await;
    }
    let ack = pull(&mut wire, STREAM, "rare", 1).await.remove(0);
    term(&mut wire, &ack, "rare").await;
    terminate(&mut wire, count as usize, "many").await;
    until_letters(&gateway, &mut wire, count as usize + 1).await;
    (nats, gateway, wire)
}

#[tokio::test]
async fn pages_go_through_all_letters_in_either_direction() {
    let (_nats, gateway, mut wire) = start_with_letters(300).await;
    // Holes in the letters' stream, among them its beginning and its end.
    for sequence in [1, 2, 150, 301] {
        wire.api(
            &format!("STREAM.MSG.DELETE.{LETTERS}"),
            json!({ "seq": sequence }),
        )
        .await;
    }
    let all: Vec<u64> = letters(&gateway)
        .await
        .iter()
        .map(|letter| letter.sequence)
        .collect();
    assert_eq!(all.len(), 297);
    let backwards: Vec<u64> = all.iter().rev().copied().collect();

    for page_size in [7, 100, 1_000] {
        assert_eq!(
            pages(&gateway, None, DeadLetterOrder::OldestFirst, page_size).await,
            all
        );
        assert_eq!(
            pages(&gateway, None, DeadLetterOrder::NewestFirst, page_size).await,
            backwards
        );
    }
}

#[tokio::test]
async fn filters_find_the_few_among_the_many() {
    let (_nats, gateway, _wire) = start_with_letters(150).await;
    let order = DeadLetterOrder::NewestFirst;
    let found = async |filter| pages(&gateway, filter, order, 1_000).await.len();

    assert_eq!(found(filter(|it| it.consumer = "rare".into())).await, 1);
    assert_eq!(found(filter(|it| it.consumer = CONSUMER.into())).await, 150);
    assert_eq!(found(filter(|it| it.stream = "OTHER".into())).await, 0);
    assert_eq!(
        found(filter(|it| it.subject = "orders.eu".into())).await,
        51
    );
    assert_eq!(
        found(filter(|it| it.subject = "orders.*".into())).await,
        151
    );
    assert_eq!(
        found(filter(|it| it.set_cause(DeadLetterCause::Terminated))).await,
        151
    );
    assert_eq!(
        found(filter(|it| it.set_cause(DeadLetterCause::MaxDeliveries))).await,
        0
    );

    let hour = Duration::from_secs(3_600);
    let (before, after) = (SystemTime::now() - hour, SystemTime::now() + hour);
    assert_eq!(found(filter(|it| it.from = Some(before.into()))).await, 151);
    assert_eq!(found(filter(|it| it.from = Some(after.into()))).await, 0);
    assert_eq!(found(filter(|it| it.until = Some(before.into()))).await, 0);
    let all = letters(&gateway).await;
    let tenth = all[9].time;
    assert_eq!(
        found(filter(|it| it.until = tenth)).await,
        all.iter().filter(|it| is_before(it, &all[9])).count()
    );

    let ids: Vec<_> = all[..3]
        .iter()
        .map(|letter| letter.letter_id.clone())
        .collect();
    let unknown = "S.c.9.none".to_owned();
    let mut ids = filter(|it| it.letter_ids = [ids, vec![unknown]].concat());
    assert_eq!(found(ids.clone()).await, 3);
    assert_eq!(pages(&gateway, ids.clone(), order, 1).await.len(), 3);
    ids.as_mut().unwrap().consumer = "rare".into();
    assert_eq!(
        found(ids).await,
        all[..3].iter().filter(|it| it.consumer == "rare").count()
    );
}

fn is_before(one: &DeadLetter, other: &DeadLetter) -> bool {
    let time = |letter: &DeadLetter| letter.time.map(|time| (time.seconds, time.nanos));
    time(one) < time(other)
}

#[tokio::test]
async fn purges_by_filter_by_id_and_all() {
    let (_nats, gateway, mut wire) = start_with_letters(30).await;
    let (_, summary) = replay(&gateway, replay_all("r1")).await.unwrap();
    assert_eq!(summary.published, 31);
    let purged = async |filter, dry_run| {
        let request = PurgeDeadLettersRequest {
            filter,
            dry_run,
            all: false,
        };
        let answer = purge(&gateway, request).await.unwrap();
        assert!(answer.complete);
        answer.purged
    };

    let eu = filter(|it| it.subject = "orders.eu".into());
    assert_eq!(purged(eu.clone(), true).await, 11);
    assert_eq!(letters(&gateway).await.len(), 31);
    assert_eq!(purged(eu, false).await, 11);

    let id = letters(&gateway).await[0].letter_id.clone();
    let one = filter(|it| it.letter_ids = vec![id]);
    assert_eq!(purged(one.clone(), true).await, 1);
    assert_eq!(purged(one.clone(), false).await, 1);
    assert_eq!(purged(one, false).await, 0);

    let past = filter(|it| it.until = Some(SystemTime::UNIX_EPOCH.into()));
    assert_eq!(purged(past, false).await, 0);

    let everything = PurgeDeadLettersRequest {
        all: true,
        ..PurgeDeadLettersRequest::default()
    };
    let dry = PurgeDeadLettersRequest {
        dry_run: true,
        ..everything.clone()
    };
    assert_eq!(purge(&gateway, dry).await.unwrap().purged, 19);
    assert_eq!(purge(&gateway, everything).await.unwrap().purged, 19);
    assert!(letters(&gateway).await.is_empty());
    // The notes of replays are gone as well, and the messages are not.
    assert_eq!(wire.count(LETTERS).await, 0);
    assert_eq!(wire.count(STREAM).await, 61);
}

#[tokio::test]
async fn a_letter_that_was_purged_can_be_written_again() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({ "max_deliver": 3 })).await;
    store_many(&mut wire, 1).await;
    terminate(&mut wire, 1, "first").await;
    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    let id = letter.letter_id.clone();
    let request = PurgeDeadLettersRequest {
        filter: filter(|it| it.letter_ids = vec![id]),
        ..Default::default()
    };
    purge(&gateway, request).await.unwrap();

    // The consumer is reset, so the message dies once more.
    wire.api(
        &format!("CONSUMER.RESET.{STREAM}.{CONSUMER}"),
        json!({ "seq": 1 }),
    )
    .await;
    terminate(&mut wire, 1, "second").await;

    let again = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!(
        (again.letter_id, again.reason.as_str()),
        (letter.letter_id, "second")
    );
}
