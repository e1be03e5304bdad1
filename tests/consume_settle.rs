//! Settling inside of a `Consume`: ranges, tokens, confirmations, and items that fail.

use std::time::Duration;

use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::{AckKind, Acknowledgement, SettleFrame, StallReason};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, acknowledge, create_consumer, fetch, fetched, item_reason, nanoseconds, say,
    sequences, start_with_consumer, store_many, time,
};
use crate::support::{SOON, Wire, eventually, refused, violated_field};

async fn info(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await
}

async fn until_ack_floor(wire: &mut Wire, floor: u64) {
    eventually(SOON, async || {
        (info(wire).await["ack_floor"]["stream_seq"] == floor).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_range_settles_all_its_deliveries() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 300).await;
    let mut session = Consume::open(&gateway, open_window(100)).await;
    session.messages(100).await;

    // R5: confirmed, JetStream has it.
    let settled = session.settle(vec![range(AckKind::Ack, 1, 60)], true).await;
    assert_eq!((settled.results.len(), settled.results[0].code), (1, 0));
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 60);

    // Not confirmed, it has it soon.
    let settled = session
        .settle(
            vec![range(AckKind::Ack, 61, 80), range(AckKind::Ack, 81, 0)],
            false,
        )
        .await;
    assert_eq!(settled.results.len(), 2);
    until_ack_floor(&mut wire, 81).await;

    // R3: each has made room once.
    session.messages(81).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 100);
}

#[tokio::test]
async fn a_quiet_frame_is_answered_only_where_it_failed() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(3).await;

    session.say(vec![range(AckKind::Ack, 1, 0)]);
    session.say(vec![range(AckKind::Ack, 2, 0), range(AckKind::Ack, 9, 0)]);
    session.say(vec![range(AckKind::Ack, 3, 0)]);

    let settled = session.settled().await;
    assert_eq!((settled.settle_id, settled.results[0].code), (0, 0));
    assert_eq!(
        item_reason(&settled.results[1], Code::InvalidArgument),
        "INVALID_REQUEST"
    );
    until_ack_floor(&mut wire, 3).await;
    session.heartbeat().await;
}

#[tokio::test]
async fn bad_items_fail_by_themselves() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 4).await;
    let mut session = Consume::open(&gateway, open()).await;
    let messages = session.messages(4).await;
    let delayed = |kind| Acknowledgement {
        delay: time(Duration::from_secs(1)),
        ..range(kind, 1, 0)
    };

    // R5: one by one, and never the end of the stream.
    for confirm in [false, true] {
        let settled = session
            .settle(
                vec![
                    range(AckKind::Ack, 0, 0),
                    range(AckKind::Ack, 5, 0),
                    range(AckKind::Ack, 3, 2),
                    range(AckKind::Ack, 3, 5),
                    range(AckKind::Unspecified, 1, 0),
                    delayed(AckKind::Ack),
                    Acknowledgement {
                        reason: "x".to_owned(),
                        ..range(AckKind::InProgress, 1, 0)
                    },
                    Acknowledgement {
                        target: None,
                        ..range(AckKind::Ack, 1, 0)
                    },
                    say(AckKind::Ack, "nonsense"),
                    say(AckKind::Ack, &messages[3].ack_token),
                ],
                confirm,
            )
            .await;
        let reasons = settled.results[..8]
            .iter()
            .map(|item| item_reason(item, Code::InvalidArgument));
        assert_eq!(reasons.collect::<Vec<_>>(), ["INVALID_REQUEST"; 8]);
        assert_eq!(
            item_reason(&settled.results[8], Code::InvalidArgument),
            "INVALID_TOKEN"
        );
        assert_eq!(settled.results[9].code, 0);
    }
    session.ack(&messages[..3]).await;
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 4);
}

#[tokio::test]
async fn a_frame_of_too_many_items_or_none_ends_the_session() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    for items in [0, 10_001] {
        let mut session = Consume::open(&gateway, open()).await;

        session.send(Request::Settle(SettleFrame {
            acknowledgements: vec![range(AckKind::Ack, 1, 0); items],
            ..SettleFrame::default()
        }));

        let status = refused(
            session.end().await,
            Code::InvalidArgument,
            "INVALID_REQUEST",
        );
        assert_eq!(violated_field(&status), "settle.acknowledgements");
    }
}

#[tokio::test]
async fn settling_twice_is_harmless() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 10).await;
    let mut session = Consume::open(&gateway, open_window(5)).await;
    let messages = session.messages(5).await;

    // R5: by range, by token and elsewhere; R3: each makes room once.
    session.ack(&messages).await;
    session.ack(&messages).await;
    let tokens = messages
        .iter()
        .map(|message| say(AckKind::Ack, &message.ack_token));
    for result in session.settle(tokens.clone().collect(), true).await.results {
        assert_eq!(result.code, 0, "{result:?}");
    }
    for result in acknowledge(&gateway, tokens.collect()).await {
        assert_eq!(result.code, 0, "{result:?}");
    }

    assert_eq!(sequences(&session.messages(5).await), [6, 7, 8, 9, 10]);
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 5);
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 5);
}

#[tokio::test]
async fn naks_and_terms_do_what_they_say() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let advisory = wire
        .subscribe(&format!(
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{STREAM}.{CONSUMER}"
        ))
        .await;
    store_many(&mut wire, 4).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(4).await;

    let delayed = Acknowledgement {
        delay: time(Duration::from_secs(2)),
        ..range(AckKind::Nak, 3, 0)
    };
    let hopeless = Acknowledgement {
        reason: "cannot be parsed".to_owned(),
        ..range(AckKind::Term, 4, 0)
    };
    let items = vec![
        range(AckKind::Ack, 1, 0),
        range(AckKind::Nak, 2, 0),
        delayed,
        hopeless,
    ];
    let naked = std::time::Instant::now();
    let settled = session.settle(items, false).await;
    assert!(
        settled.results.iter().all(|result| result.code == 0),
        "{settled:?}"
    );

    let at_once = session.messages(1).await.remove(0);
    assert_eq!((at_once.stream_sequence, at_once.delivery_attempt), (2, 2));
    let later = session.messages(1).await.remove(0);
    assert_eq!((later.stream_sequence, later.delivery_attempt), (3, 2));
    assert!(
        naked.elapsed() >= Duration::from_secs(2),
        "{:?}",
        naked.elapsed()
    );
    let advisory = wire.next(advisory, SOON).await.expect("no advisory");
    let advisory: Value = serde_json::from_slice(&advisory.payload).unwrap();
    assert_eq!(
        (&advisory["stream_seq"], &advisory["reason"]),
        (&json!(4), &json!("cannot be parsed"))
    );
}

#[tokio::test]
async fn work_in_progress_keeps_a_delivery() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(3) })).await;
    store_many(&mut wire, 1).await;
    let mut session = Consume::open(&gateway, open()).await;
    let message = session.messages(1).await.remove(0);

    // R6: for longer than the ack wait, by range and by token, whose own deadline has long passed.
    for second in 0..6 {
        let item = match second % 2 {
            0 => range(AckKind::InProgress, 1, 0),
            _ => say(AckKind::InProgress, &message.ack_token),
        };
        let settled = session.settle(vec![item], second % 3 == 0).await;
        assert_eq!(settled.results[0].code, 0, "{settled:?}");
        let heartbeat = session.heartbeat().await;
        assert_eq!(heartbeat.outstanding_messages, 1);
    }
    let settled = session
        .settle(vec![say(AckKind::Nak, &message.ack_token)], true)
        .await;
    assert_eq!(settled.results[0].code, 0, "{settled:?}");

    let again = session.messages(1).await.remove(0);
    assert_eq!(again.delivery_attempt, 2);
}

#[tokio::test]
async fn what_has_expired_can_only_be_acked_and_says_so() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(2) })).await;
    store_many(&mut wire, 3).await;
    let mut session = Consume::open(&gateway, open_window(3)).await;
    session.messages(3).await;
    session.stalled_by(StallReason::NothingSettled).await;

    // R5: the message may be someone else's now. R3: the caller lives, so there is room again.
    let items = vec![
        range(AckKind::Nak, 1, 3),
        range(AckKind::Term, 1, 1),
        range(AckKind::InProgress, 2, 3),
        range(AckKind::Ack, 3, 0),
    ];
    let settled = session.settle(items, true).await;
    for (place, failed) in [(0, "3"), (1, "1"), (2, "2")] {
        let result = &settled.results[place];
        assert_eq!(
            item_reason(result, Code::FailedPrecondition),
            "LEASE_EXPIRED"
        );
        assert_eq!(result.metadata["failed"], failed);
    }
    assert_eq!(
        (
            settled.results[3].code,
            settled.results[3].metadata["late"].as_str()
        ),
        (0, "true")
    );

    let again = session.messages(2).await;
    let mut sequences = sequences(&again);
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2]);
}

#[tokio::test]
async fn tokens_of_other_consumers_are_settled_as_well() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let other = json!({ "durable_name": "other", "ack_policy": "explicit" });
    wire.create_consumer(STREAM, other).await;
    store_many(&mut wire, 2).await;
    let request = jetgate::proto::FetchRequest {
        consumer: "other".to_owned(),
        ..fetch(2)
    };
    let foreign = fetched(&gateway, request).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(2).await;

    for (confirm, message) in [(true, &foreign[0]), (false, &foreign[1])] {
        let settled = session
            .settle(vec![say(AckKind::Ack, &message.ack_token)], confirm)
            .await;
        assert_eq!(settled.results[0].code, 0, "{settled:?}");
    }

    // Only there, and the session's own deliveries stay.
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, "other").await;
        (info["ack_floor"]["stream_seq"] == 2).then_some(())
    })
    .await;
    assert_eq!(info(&mut wire).await["num_ack_pending"], 2);
    assert_eq!(session.heartbeat().await.outstanding_messages, 2);
}

#[tokio::test]
async fn tokens_of_a_consumer_made_anew_are_stale() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let old = fetched(&gateway, fetch(1)).await.remove(0);
    wire.api(&format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"), Value::Null)
        .await;
    create_consumer(&mut wire, json!({})).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(1).await;

    let settled = session
        .settle(vec![say(AckKind::Ack, &old.ack_token)], true)
        .await;

    assert_eq!(
        item_reason(&settled.results[0], Code::FailedPrecondition),
        "STALE_TOKEN"
    );
    assert_eq!(info(&mut wire).await["num_ack_pending"], 1);
}

#[tokio::test]
async fn an_ack_of_policy_all_settles_what_came_before() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({ "ack_policy": "all" })).await;
    store_many(&mut wire, 20).await;
    let mut session = Consume::open(&gateway, open_window(10)).await;
    session.messages(10).await;

    // R16: the session frees its own.
    let settled = session.settle(vec![range(AckKind::Ack, 7, 0)], true).await;
    assert_eq!(settled.results[0].code, 0);
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 7);
    session.messages(7).await;

    session.say(vec![range(AckKind::Ack, 8, 17)]);
    session.messages(3).await;
    until_ack_floor(&mut wire, 17).await;
}

#[tokio::test]
async fn without_acks_there_is_nothing_to_settle() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({ "ack_policy": "none" })).await;
    store_many(&mut wire, 50).await;
    let mut session = Consume::open(&gateway, open_window(5)).await;

    // R16: no tokens, and the window holds nothing up.
    let messages = session.messages(50).await;
    assert!(messages.iter().all(|message| message.ack_token.is_empty()));
    let settled = session.settle(vec![range(AckKind::Ack, 1, 50)], true).await;
    assert_eq!(
        item_reason(&settled.results[0], Code::FailedPrecondition),
        "CONSUMER_WITHOUT_ACKS"
    );
}

#[tokio::test]
async fn a_range_belongs_to_a_consume() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(1).await;

    let results = acknowledge(&gateway, vec![range(AckKind::Ack, 1, 1)]).await;

    assert_eq!(
        item_reason(&results[0], Code::InvalidArgument),
        "INVALID_REQUEST"
    );
    assert_eq!(session.heartbeat().await.outstanding_messages, 1);
}
