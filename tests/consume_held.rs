//! What a caller holds while it works: leases that are extended, and deliveries that it brings along.

use std::time::Duration;

use jetgate::proto::{
    AckKind, ConsumeOpen, Lease, OnSessionEnd, ReceivedMessage, StallReason, SubscribeRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, acknowledge, create_consumer, fetch, fetched, item_reason,
    nanoseconds, say, sequences, start_with_consumer, store_many, subscribe_window, time,
};
use crate::support::{Gateway, Wire, refused, violated_field};

async fn info(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await
}

/// A session that keeps its deliveries for this many seconds.
fn open_kept(seconds: u64) -> ConsumeOpen {
    let lease = Lease {
        auto_extend: true,
        max: time(Duration::from_secs(seconds)),
    };
    ConsumeOpen {
        lease: Some(lease),
        ..open()
    }
}

fn open_holding(messages: &[ReceivedMessage]) -> ConsumeOpen {
    let held = messages.iter().map(|message| message.ack_token.clone());
    ConsumeOpen {
        held: held.collect(),
        ..open_window(10)
    }
}

#[tokio::test]
async fn a_caller_at_work_keeps_its_deliveries() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(3) })).await;
    store_many(&mut wire, 10).await;
    let mut session = Consume::open(&gateway, open_kept(3_600)).await;
    let messages = session.messages(10).await;

    // R6: for three times the ack wait, while it only pings.
    for _ in 0..9 {
        session.ping(1);
        let heartbeat = session.heartbeat().await;
        assert_eq!(heartbeat.outstanding_messages, 10);
    }
    assert_eq!(info(&mut wire).await["num_redelivered"], 0);
    session.ack(&messages[..5]).await;
    let nak = session.settle(vec![range(AckKind::Nak, 6, 10)], true).await;
    assert_eq!(nak.results[0].code, 0);

    let again = session.messages(5).await;
    assert!(again.iter().all(|message| message.delivery_attempt == 2));
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 5);
}

#[tokio::test]
async fn a_lease_is_extended_no_longer_than_its_maximum() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(2) })).await;
    store_many(&mut wire, 1).await;
    let request = ConsumeOpen {
        flow: open_window(1).flow,
        ..open_kept(3)
    };
    let mut session = Consume::open(&gateway, request).await;
    session.messages(1).await;

    // R6: three seconds, and one ack wait more at most; R3: then nothing comes by itself.
    let delivered = std::time::Instant::now();
    session.stalled_by(StallReason::NothingSettled).await;
    let kept = delivered.elapsed();
    assert!(
        kept > Duration::from_secs(3) && kept < Duration::from_secs(9),
        "{kept:?}"
    );

    session.say(vec![range(AckKind::InProgress, 1, 0)]);
    let failed = session.settled().await;
    assert_eq!(
        item_reason(&failed.results[0], Code::FailedPrecondition),
        "LEASE_EXPIRED"
    );
    assert_eq!(session.messages(1).await[0].delivery_attempt, 2);
}

#[tokio::test]
async fn leases_end_with_their_caller() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(2) })).await;
    store_many(&mut wire, 1).await;
    let request = ConsumeOpen {
        on_session_end: OnSessionEnd::Leave as i32,
        ..open_kept(3_600)
    };
    let mut session = Consume::open(&gateway, request).await;
    session.messages(1).await;

    drop(session);

    // R6: nobody extends any more.
    assert_eq!(fetched(&gateway, fetch(1)).await[0].delivery_attempt, 2);
}

#[tokio::test]
async fn a_backoff_decides_when_a_lease_is_extended() {
    let backoff = [3, 6].map(nanoseconds);
    let settings = json!({ "backoff": backoff, "max_deliver": 5 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let mut session = Consume::open(&gateway, open_kept(3_600)).await;
    session.messages(1).await;

    // R6: the first delivery has three seconds, the second has six.
    for (attempt, heartbeats) in [(1, 5), (2, 8)] {
        for _ in 0..heartbeats {
            assert_eq!(session.heartbeat().await.outstanding_messages, 1);
        }
        if attempt == 1 {
            session.say(vec![range(AckKind::Nak, 1, 0)]);
            assert_eq!(session.messages(1).await[0].delivery_attempt, 2);
        }
    }
}

#[tokio::test]
async fn what_is_held_is_the_next_sessions_own() {
    let (nats, first, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    let second = Gateway::start(&nats.url()).await;
    store_many(&mut wire, 20).await;
    let request = ConsumeOpen {
        on_session_end: OnSessionEnd::Leave as i32,
        ..open_window(4)
    };
    let mut session = Consume::open(&first, request).await;
    let messages = session.messages(4).await;
    drop(session);

    // R15: counted, settled by the old token or the new one, and handed over when it ends (R7).
    let mut session = Consume::open(&second, open_holding(&messages)).await;
    assert_eq!(
        (session.opened.held.len(), session.opened.not_held.len()),
        (4, 0)
    );
    session.messages(6).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 10);
    let renewed = session.opened.held.clone();
    let items = vec![
        say(AckKind::Ack, &messages[0].ack_token),
        say(AckKind::Ack, &renewed[1]),
        say(AckKind::InProgress, &renewed[2]),
    ];
    let settled = session.settle(items, true).await;
    assert!(
        settled.results.iter().all(|result| result.code == 0),
        "{settled:?}"
    );
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 2);
    session.messages(2).await;
    drop(session);

    let mut third = Consume::open(&first, open_window(20)).await;
    let again = third.messages(18).await;
    let repeated = again.iter().filter(|message| message.delivery_attempt == 2);
    let mut repeated: Vec<u64> = repeated.map(|message| message.stream_sequence).collect();
    repeated.sort_unstable();
    assert_eq!(repeated, (3..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_held_any_more_comes_back() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(4) })).await;
    store_many(&mut wire, 1).await;
    let expired = fetched(&gateway, fetch(1)).await;
    let again = fetched(&gateway, fetch(1)).await;
    assert_eq!(again[0].delivery_attempt, 2);
    ack(&gateway, &again).await;
    store_many(&mut wire, 1).await;
    let held = fetched(&gateway, fetch(1)).await;

    // R15: expired, settled, held; in their order.
    let all = [expired, again, held].concat();
    let session = Consume::open(&gateway, open_holding(&all)).await;

    assert_eq!(
        session.opened.not_held,
        [all[0].ack_token.clone(), all[1].ack_token.clone()]
    );
    assert_eq!(session.opened.held.len(), 1);
}

#[tokio::test]
async fn tokens_of_a_consumer_made_anew_are_not_held() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let old = fetched(&gateway, fetch(1)).await;
    wire.api(&format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"), Value::Null)
        .await;
    create_consumer(&mut wire, json!({})).await;

    let mut session = Consume::open(&gateway, open_holding(&old)).await;

    assert_eq!(session.opened.not_held, [old[0].ack_token.clone()]);
    assert_eq!(session.messages(1).await[0].delivery_attempt, 1);
}

#[tokio::test]
async fn what_cannot_be_held_is_refused() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.create_consumer(
        STREAM,
        json!({ "durable_name": "other", "ack_policy": "explicit" }),
    )
    .await;
    store_many(&mut wire, 1).await;
    let request = jetgate::proto::FetchRequest {
        consumer: "other".to_owned(),
        ..fetch(1)
    };
    let other = fetched(&gateway, request).await;
    let holding = |held: Vec<String>| ConsumeOpen {
        held,
        ..open_window(2)
    };

    // R15: at most the window, and of this consumer only.
    let answer = Consume::try_open(&gateway, holding(vec![other[0].ack_token.clone(); 3])).await;
    let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "open.held");
    let answer = Consume::try_open(&gateway, holding(vec![other[0].ack_token.clone()])).await;
    let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "held[0]");
    let answer = Consume::try_open(&gateway, holding(vec!["nonsense".to_owned()])).await;
    refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_lease_goes_on_with_what_is_held() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(3) })).await;
    store_many(&mut wire, 2).await;
    let held = fetched(&gateway, fetch(2)).await;

    // R15, R6.
    let request = ConsumeOpen {
        lease: open_kept(3_600).lease,
        ..open_holding(&held)
    };
    let mut session = Consume::open(&gateway, request).await;
    assert_eq!(session.opened.held.len(), 2);
    for _ in 0..6 {
        assert_eq!(session.heartbeat().await.outstanding_messages, 2);
    }
    let renewed = session.opened.held.clone();
    let items = renewed
        .iter()
        .map(|token| say(AckKind::Ack, token))
        .collect();
    let settled = session.settle(items, true).await;
    assert!(
        settled.results.iter().all(|result| result.code == 0),
        "{settled:?}"
    );

    let info = info(&mut wire).await;
    assert_eq!(
        (&info["ack_floor"]["stream_seq"], &info["num_redelivered"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn a_subscription_holds_as_well() {
    let (nats, first, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    let second = Gateway::start(&nats.url()).await;
    store_many(&mut wire, 5).await;
    let held = fetched(&first, fetch(2)).await;

    // R15: its tokens are the way to settle, on any replica, and room is made at once (R5).
    let request = SubscribeRequest {
        held: held
            .iter()
            .map(|message| message.ack_token.clone())
            .collect(),
        ..subscribe_window(2)
    };
    let mut session = Session::open(&first, request).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 2);
    let renewed = session.opened.held.clone();
    let results = acknowledge(&second, vec![say(AckKind::Ack, &renewed[0])]).await;
    assert_eq!(results[0].code, 0);

    assert_eq!(sequences(&session.messages(1).await), [3]);
}
