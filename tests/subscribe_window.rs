//! How much a session delivers, and what it says when it delivers nothing.

use std::time::{Duration, Instant, SystemTime};

use jetgate::proto::{AckKind, ErrorReason, FlowLimits, StallReason, SubscribeRequest};
use serde_json::{Value, json};

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, ack_thousands, acknowledge, fetch, fetched, nanoseconds, say,
    sequences, settle, start_with_consumer, store_many, subscribe, subscribe_window,
};
use crate::support::{Gateway, SOON, eventually};

/// A session with room for this many bytes.
fn subscribe_bytes(bytes: u64) -> SubscribeRequest {
    let flow = FlowLimits {
        max_outstanding_messages: None,
        max_outstanding_bytes: Some(bytes),
    };
    SubscribeRequest {
        flow: Some(flow),
        ..subscribe()
    }
}

#[tokio::test]
async fn delivers_no_more_than_the_window_and_one_for_each_ack() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 50).await;

    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let messages = session.messages(10).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 10);
    assert!(heartbeat.outstanding_bytes > 0);
    assert_eq!((heartbeat.stream_sequence, heartbeat.pending), (10, 40));
    // R3: nothing is pulled that there is no room for.
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(
        (&info["num_ack_pending"], &info["num_waiting"]),
        (&json!(10), &json!(0))
    );

    for (number, message) in messages.iter().enumerate() {
        let one = std::slice::from_ref(message);
        // Twice: each settlement makes room once.
        ack(&gateway, one).await;
        ack(&gateway, one).await;
        let next = session.messages(1).await;
        assert_eq!(next[0].stream_sequence, 11 + number as u64);
    }
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 10);
    assert_eq!(heartbeat.stream_sequence, 20);
}

#[tokio::test]
async fn every_way_to_settle_makes_room() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;

    let mut session = Session::open(&gateway, subscribe_window(1)).await;
    let first = session.messages(1).await;
    settle(&gateway, AckKind::Term, &first).await;
    let second = session.messages(1).await;
    settle(&gateway, AckKind::Nak, &second).await;
    let third = session.messages(1).await;
    settle(&gateway, AckKind::InProgress, &third).await;

    // Work in progress keeps its place.
    session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(first[0].stream_sequence, 1);
    assert_eq!(second[0].stream_sequence, 2);
}

#[tokio::test]
async fn delivers_no_more_bytes_than_the_window() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for _ in 0..10 {
        wire.store("orders.x", &[b'x'; 1_000]).await;
    }

    // Each message counts a little more than its payload.
    let mut session = Session::open(&gateway, subscribe_bytes(3_900)).await;
    let messages = session.messages(3).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 3);
    assert!((3_000..=3_900).contains(&heartbeat.outstanding_bytes));

    // R3: a settled message makes room for another of its size.
    ack(&gateway, &messages[..1]).await;
    let next = session.messages(1).await;
    assert_eq!(sequences(&next), [4]);
    ack(&gateway, &messages[1..]).await;
    ack(&gateway, &next).await;
    let rest = session.consume(&gateway, 6).await;
    assert_eq!(rest.last().unwrap().stream_sequence, 10);
}

#[tokio::test]
async fn a_message_larger_than_the_window_comes_alone() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.store("orders.x", b"small").await;
    wire.store("orders.x", &[b'x'; 10_000]).await;
    wire.store("orders.x", b"small").await;

    let mut session = Session::open(&gateway, subscribe_bytes(2_000)).await;
    for sequence in [1, 2, 3] {
        let messages = session.messages(1).await;
        assert_eq!(sequences(&messages), [sequence]);
        if sequence < 3 {
            session.stalled_by(StallReason::WindowFull).await;
        }
        ack(&gateway, &messages).await;
    }
}

#[tokio::test]
async fn what_expires_is_not_replaced_until_the_caller_settles_something() {
    let settings = json!({ "ack_wait": nanoseconds(5) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 50).await;

    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let messages = session.messages(10).await;
    let heartbeat = session.stalled_by(StallReason::NothingSettled).await;
    assert_eq!(heartbeat.outstanding_messages, 0);
    // R3: a caller that hangs uses up no attempts: nothing comes in the next heartbeats either.
    for _ in 0..4 {
        let heartbeat = session.informed_heartbeat().await;
        assert_eq!(heartbeat.stall_reason(), StallReason::NothingSettled);
    }

    ack(&gateway, &messages[..1]).await;
    let next = session.messages(10).await;
    assert!(next.iter().all(|message| message.stream_sequence != 1));
}

#[tokio::test]
async fn a_caller_that_has_nothing_left_to_settle_gets_a_message_to_try() {
    let settings = json!({ "ack_wait": nanoseconds(1) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 20).await;
    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    session.messages(10).await;

    // R3: whatever it said of all these got lost on its way, and it waits for them to come again.
    session.stalled_by(StallReason::NothingSettled).await;
    let one = session.messages(1).await;
    session.stalled_by(StallReason::NothingSettled).await;

    // One at a time, until something is settled.
    let another = session.messages(1).await;
    ack(&gateway, &another).await;
    session.messages(9).await;
    assert_eq!(one[0].delivery_attempt, 2);
}

#[tokio::test]
async fn work_in_progress_does_not_expire() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 2).await;

    let mut session = Session::open(&gateway, subscribe_window(1)).await;
    let mut message = session.messages(1).await.remove(0);
    // R6: a heartbeat every second, and more of them than the ack wait has seconds.
    for _ in 0..6 {
        let item = say(AckKind::InProgress, &message.ack_token);
        let mut results = acknowledge(&gateway, vec![item]).await;
        assert_eq!(results[0].code, 0, "{results:?}");
        message.ack_token = results[0].metadata.remove("ack_token").unwrap();
        assert_eq!(session.heartbeat().await.outstanding_messages, 1);
    }
    ack(&gateway, &[message]).await;

    assert_eq!(sequences(&session.messages(1).await), [2]);
}

#[tokio::test]
async fn heartbeats_say_that_there_are_no_messages() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;

    let heartbeat = session.stalled_by(StallReason::NoMessages).await;
    assert_eq!((heartbeat.stream_sequence, heartbeat.pending), (0, 0));
    store_many(&mut wire, 1).await;
    session.messages(1).await;

    let heartbeat = session.stalled_by(StallReason::NoMessages).await;
    assert_eq!(heartbeat.stream_sequence, 1);
    assert_eq!(heartbeat.outstanding_messages, 1);
}

#[tokio::test]
async fn heartbeats_tell_the_position_even_where_nothing_matches() {
    let settings = json!({ "filter_subject": "orders.a" });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    store_many(&mut wire, 5).await;

    // R10.
    eventually(SOON, async || {
        let heartbeat = session.stalled_by(StallReason::NoMessages).await;
        (heartbeat.stream_sequence == 5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn heartbeats_come_in_time() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;

    // R10: one a second. The first is not early, and a slow machine may be late.
    let started = Instant::now();
    for _ in 0..5 {
        session.heartbeat().await;
    }

    let elapsed = started.elapsed();
    let expected = Duration::from_secs(4)..Duration::from_secs(10);
    assert!(expected.contains(&elapsed), "{elapsed:?}");
}

#[tokio::test]
async fn heartbeats_say_that_the_consumer_is_paused() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let until = SystemTime::now() + Duration::from_secs(600);
    let until = prost_types::Timestamp::from(until).to_string();
    let subject = format!("CONSUMER.PAUSE.{STREAM}.{CONSUMER}");
    wire.api(&subject, json!({ "pause_until": until })).await;
    store_many(&mut wire, 1).await;

    // R10.
    session.stalled_by(StallReason::Paused).await;
    wire.api(&subject, Value::Null).await;

    assert_eq!(sequences(&session.messages(1).await), [1]);
}

#[tokio::test]
async fn heartbeats_say_that_max_ack_pending_is_reached() {
    let settings = json!({ "max_ack_pending": 3 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 5).await;
    let mut first = Session::open(&gateway, subscribe()).await;
    let messages = first.messages(3).await;

    // R10: the limit is one for all sessions together.
    let mut second = Session::open(&gateway, subscribe()).await;
    first.stalled_by(StallReason::MaxAckPending).await;
    second.stalled_by(StallReason::MaxAckPending).await;
    drop(second);
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 1).then_some(())
    })
    .await;
    ack(&gateway, &messages).await;

    assert_eq!(sequences(&first.messages(2).await), [4, 5]);
}

#[tokio::test]
async fn heartbeats_say_that_other_sessions_have_all_the_pulls() {
    let settings = json!({ "max_waiting": 1 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(Session::open(&gateway, subscribe()).await);
    }

    // R10: whoever has no turn says so.
    sessions[3].stalled_by(StallReason::MaxWaiting).await;
    store_many(&mut wire, 1).await;
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert!(info["num_waiting"].as_u64().unwrap() <= 1, "{info}");
}

#[tokio::test]
async fn heartbeats_say_that_the_gateway_has_no_pull_slot_left() {
    let (nats, _gateway, mut wire) = start_with_consumer(json!({})).await;
    let gateway = Gateway::start_with(&nats.url(), |config| config.nats.pull_slots = 2).await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(Session::open(&gateway, subscribe()).await);
    }

    // R10; the pulls of the others are short, so each has its turn.
    sessions[7].stalled_by(StallReason::MaxWaiting).await;
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert!(info["num_waiting"].as_u64().unwrap() <= 2, "{info}");
}

#[tokio::test]
async fn a_late_settlement_that_is_refused_still_shows_that_the_caller_lives() {
    let settings = json!({ "ack_wait": nanoseconds(1) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let mut session = Session::open(&gateway, subscribe_window(1)).await;
    let message = session.messages(1).await.remove(0);
    session.stalled_by(StallReason::NothingSettled).await;

    // R3: a slow caller that only ever naks too late must not be stuck for ever.
    let item = say(AckKind::Nak, &message.ack_token);
    let result = acknowledge(&gateway, vec![item]).await.remove(0);
    assert_eq!(result.reason(), ErrorReason::LeaseExpired);

    assert_eq!(session.messages(1).await[0].delivery_attempt, 2);
}

#[tokio::test]
async fn thousands_settled_at_once_make_room_at_once() {
    let settings = json!({ "max_ack_pending": -1, "ack_wait": nanoseconds(300) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    for _ in 0..9_000 {
        wire.publish("orders.x", b"").await;
    }
    let mut session = Session::open(&gateway, subscribe_window(10_000)).await;
    let messages = session.messages(9_000).await;

    ack_thousands(&gateway, &messages).await;

    // R3: each settlement frees its room. Heartbeats of the time that the call took are on their way.
    eventually(SOON, async || {
        let heartbeat = session.heartbeat().await;
        (heartbeat.outstanding_messages == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_late_ack_makes_room_for_the_repetition_as_well() {
    let settings = json!({ "ack_wait": nanoseconds(6) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let mut session = Session::open(&gateway, subscribe_window(2)).await;
    let first = session.messages(1).await;
    let second = session.messages(1).await;
    assert_eq!(second[0].delivery_attempt, 2);

    // The message is settled, by whichever of its tokens: nothing of it is outstanding any more.
    ack(&gateway, &first).await;

    eventually(SOON, async || {
        (session.heartbeat().await.outstanding_messages == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn keeps_to_what_the_consumer_allows_one_pull() {
    let settings = json!({
        "max_batch": 3,
        "max_expires": nanoseconds(1),
        "max_bytes": 2_000,
    });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    for _ in 0..50 {
        wire.store("orders.x", &[b'x'; 500]).await;
    }

    let fetched = fetched(&gateway, fetch(20)).await;
    assert_eq!(sequences(&fetched), (1..=20).collect::<Vec<_>>());
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(30).await;
    assert_eq!(sequences(&messages), (21..=50).collect::<Vec<_>>());

    // Also when nothing comes for longer than one pull may wait.
    for _ in 0..3 {
        session.stalled_by(StallReason::NoMessages).await;
    }
    wire.store("orders.x", b"later").await;
    assert_eq!(sequences(&session.messages(1).await), [51]);
}
