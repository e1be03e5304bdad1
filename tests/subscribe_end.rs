//! How sessions end, and what becomes of what they held.

use std::time::{Duration, Instant, SystemTime};

use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{OnSessionEnd, StallReason, SubscribeRequest};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, create_consumer, fetch, fetched, nanoseconds, sequences,
    start_with_consumer, store_many, subscribe, subscribe_window,
};
use crate::support::{Gateway, SOON, Wire, eventually, http_get, refused};

/// A session that does this with what its caller leaves.
fn subscribe_ending(on_session_end: OnSessionEnd) -> SubscribeRequest {
    SubscribeRequest {
        on_session_end: on_session_end as i32,
        ..subscribe()
    }
}

/// Waits until the gateway has no session any more: it has done with the session what it does.
async fn until_no_sessions(gateway: &Gateway) {
    eventually(SOON, async || {
        let (_, text) = http_get(&gateway.admin_url("/metrics")).await?;
        let line = text
            .lines()
            .find(|line| line.starts_with("jetgate_sessions"))?;
        line.ends_with(" 0").then_some(())
    })
    .await;
}

async fn ack_pending(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"].take()
}

#[tokio::test]
async fn what_a_vanished_caller_held_comes_to_another_session_soon() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;
    let mut gone = Session::open(&gateway, subscribe()).await;
    gone.messages(5).await;
    let mut other = Session::open(&gateway, subscribe()).await;
    other.heartbeat().await;

    // R7: a second, give or take half; the ack wait is 30.
    let left = Instant::now();
    drop(gone);
    let messages = other.messages(5).await;

    let after = left.elapsed();
    let expected = Duration::from_millis(500)..Duration::from_secs(5);
    assert!(expected.contains(&after), "{after:?}");
    assert!(messages.iter().all(|message| message.delivery_attempt == 2));
}

#[tokio::test]
async fn what_a_vanished_caller_held_comes_at_once_when_asked_for() {
    let settings = json!({ "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 5).await;
    let mut gone = Session::open(&gateway, subscribe_ending(OnSessionEnd::Nak)).await;
    gone.messages(5).await;

    drop(gone);

    let messages = fetched(&gateway, fetch(5)).await;
    let mut sequences = sequences(&messages);
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_a_vanished_caller_held_is_left_alone_when_asked_for() {
    let settings = json!({ "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 2).await;
    let mut gone = Session::open(&gateway, subscribe_ending(OnSessionEnd::Leave)).await;
    gone.messages(2).await;

    drop(gone);
    until_no_sessions(&gateway).await;
    store_many(&mut wire, 1).await;

    // Three heartbeats last longer than any delay of a hand-over.
    let mut other = Session::open(&gateway, subscribe()).await;
    assert_eq!(sequences(&other.messages(1).await), [3]);
    for _ in 0..3 {
        other.heartbeat().await;
    }
    assert_eq!(ack_pending(&mut wire).await, 3);
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["num_redelivered"], 0);
}

#[tokio::test]
async fn the_last_attempt_of_a_message_is_left_to_its_ack_wait() {
    // JetStream gives a message up at once when its last delivery is naked.
    let settings = json!({ "max_deliver": 1, "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let advisory = wire
        .subscribe(&format!(
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{STREAM}.{CONSUMER}"
        ))
        .await;
    store_many(&mut wire, 1).await;
    let mut gone = Session::open(&gateway, subscribe_ending(OnSessionEnd::Nak)).await;
    let message = gone.messages(1).await.remove(0);

    drop(gone);
    until_no_sessions(&gateway).await;

    // R7: the caller that comes back may still settle it.
    assert_eq!(ack_pending(&mut wire).await, 1);
    ack(&gateway, &[message]).await;
    assert_eq!(ack_pending(&mut wire).await, 0);
    assert!(wire.next(advisory, Duration::ZERO).await.is_none());
}

#[tokio::test]
async fn what_has_expired_is_not_naked() {
    let settings = json!({ "ack_wait": nanoseconds(4) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let request = SubscribeRequest {
        on_session_end: OnSessionEnd::Nak as i32,
        ..subscribe_window(1)
    };
    let mut gone = Session::open(&gateway, request).await;
    gone.messages(1).await;
    gone.stalled_by(StallReason::NothingSettled).await;
    let other = fetched(&gateway, fetch(1)).await;
    assert_eq!(other[0].delivery_attempt, 2);

    // R7: the nak would hit the one who holds the message now.
    let held = other[0].ack_deadline.unwrap();
    drop(gone);
    until_no_sessions(&gateway).await;
    let again = fetched(&gateway, fetch(1)).await;

    assert_eq!(again[0].delivery_attempt, 3);
    // A second less than the ack wait: the gateway may have seen the second delivery late.
    let lease = Duration::from_secs(3);
    let earliest = SystemTime::try_from(held).unwrap() + lease;
    let deadline = SystemTime::try_from(again[0].ack_deadline.unwrap()).unwrap();
    assert!(deadline >= earliest, "{deadline:?} {held}");
}

#[tokio::test]
async fn a_backoff_does_not_hold_up_what_a_vanished_caller_held() {
    // JetStream by itself adds what a step has over the first: 40 s to the second nak.
    let backoff = [20, 60].map(nanoseconds);
    let settings = json!({ "backoff": backoff, "max_deliver": 5 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;

    // R7.
    let started = Instant::now();
    for attempt in 1..=3 {
        let mut session = Session::open(&gateway, subscribe()).await;
        assert_eq!(session.messages(1).await[0].delivery_attempt, attempt);
    }

    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn ends_when_the_consumer_is_deleted() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;

    let subject = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    wire.api(&subject, Value::Null).await;

    let deleted = Instant::now();
    let end = session.end().await;
    refused::<()>(Err(end), Code::NotFound, "CONSUMER_NOT_FOUND");
    assert!(deleted.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn ends_when_the_stream_is_deleted() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;

    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;

    let deleted = Instant::now();
    let end = session.end().await;
    refused::<()>(Err(end), Code::NotFound, "STREAM_NOT_FOUND");
    assert!(deleted.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn ends_when_the_consumer_is_deleted_while_the_window_is_full() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;
    let mut session = Session::open(&gateway, subscribe_window(2)).await;
    session.messages(2).await;
    session.stalled_by(StallReason::WindowFull).await;

    let subject = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    wire.api(&subject, Value::Null).await;

    let end = session.end().await;
    refused::<()>(Err(end), Code::NotFound, "CONSUMER_NOT_FOUND");
}

#[tokio::test]
async fn ends_when_the_stream_is_deleted_while_the_window_is_full() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;
    let mut session = Session::open(&gateway, subscribe_window(2)).await;
    session.messages(2).await;
    session.stalled_by(StallReason::WindowFull).await;

    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;

    let end = session.end().await;
    refused::<()>(Err(end), Code::NotFound, "STREAM_NOT_FOUND");
}

#[tokio::test]
async fn a_consumer_made_anew_ends_the_session_or_goes_on_with_good_tokens() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    session.heartbeat().await;

    let subject = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    wire.api(&subject, Value::Null).await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;

    let message = loop {
        match session.try_event().await {
            Ok(Event::Messages(mut batch)) => break batch.messages.remove(0),
            Ok(Event::Heartbeat(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(end) => {
                refused::<()>(Err(end), Code::NotFound, "CONSUMER_NOT_FOUND");
                return;
            }
        }
    };
    // By the seventh second's heartbeat nothing old is remembered any more.
    for _ in 0..7 {
        session.heartbeat().await;
    }
    ack(&gateway, &[message]).await;
}

#[tokio::test]
async fn a_session_goes_on_where_its_consumer_is_reset_to() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(3).await;
    ack(&gateway, &messages).await;

    // A reset consumer counts its deliveries anew, as one does that a crash took back.
    let subject = format!("CONSUMER.RESET.{STREAM}.{CONSUMER}");
    wire.api(&subject, json!({ "seq": 1 })).await;

    let again = session.messages(3).await;
    assert_eq!(sequences(&again), [1, 2, 3]);
    ack(&gateway, &again).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_of_a_vanished_caller_leaves_no_pull_behind() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let session = Session::open(&gateway, subscribe()).await;
    let waiting =
        async |wire: &mut Wire| wire.consumer_info(STREAM, CONSUMER).await["num_waiting"].as_u64();
    eventually(SOON, async || {
        (waiting(&mut wire).await == Some(1)).then_some(())
    })
    .await;

    drop(session);

    eventually(SOON, async || {
        (waiting(&mut wire).await == Some(0)).then_some(())
    })
    .await;
}
