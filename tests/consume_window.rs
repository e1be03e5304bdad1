//! The window of a `Consume`, which changes while it runs.

use jetgate::proto::{AckKind, StallReason};
use serde_json::json;
use tonic::Code;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{CONSUMER, STREAM, sequences, start_with_consumer, store_many};
use crate::support::{SOON, eventually, refused, violated_field};

#[tokio::test]
async fn the_window_grows_shrinks_and_closes() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 100).await;
    let mut session = Consume::open(&gateway, open_window(2)).await;
    session.messages(2).await;
    session.stalled_by(StallReason::WindowFull).await;

    // R4: a larger window is used at once.
    session.resize(10);
    session.messages(8).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 10);

    // A smaller one lets nothing come before there is room in it, and 0 lets nothing come at all.
    session.resize(5);
    session.settle(vec![range(AckKind::Ack, 1, 5)], true).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 5);
    session.resize(0);
    session.settle(vec![range(AckKind::Ack, 6, 10)], true).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 0);

    session.resize(90);
    assert_eq!(
        sequences(&session.messages(90).await),
        (11..=100).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_smaller_window_ends_the_pulls_that_wait() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Consume::open(&gateway, open_window(100)).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 1).then_some(())
    })
    .await;

    // R4: the pull that waits asked for a hundred.
    session.resize(3);
    eventually(SOON, async || {
        session.ping(1);
        session.pong().await;
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 1).then_some(())
    })
    .await;
    session.resize(0);
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 0).then_some(())
    })
    .await;
    store_many(&mut wire, 20).await;
    session.stalled_by(StallReason::WindowFull).await;

    session.resize(3);
    session.messages(3).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 3);
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(
        (&info["num_ack_pending"], &info["num_redelivered"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn a_window_that_changes_under_load_loses_and_repeats_nothing() {
    const MESSAGES: u64 = 2_000;
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for _ in 0..MESSAGES {
        wire.publish("orders.x", b"payload").await;
    }
    let mut session = Consume::open(&gateway, open_window(256)).await;

    // R4: what was on its way when a pull was ended is delivered all the same.
    let mut seen = Vec::new();
    while seen.len() < MESSAGES as usize {
        let message = session.messages(1).await.remove(0);
        if seen.len() % 97 == 0 {
            session.resize(1 + seen.len() as u32 % 200);
        }
        session.say(vec![range(AckKind::Ack, message.delivery_id, 0)]);
        assert_eq!(message.delivery_attempt, 1);
        seen.push(message.stream_sequence);
    }
    seen.sort_unstable();

    assert_eq!(seen, (1..=MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_window_that_is_too_large_ends_the_session() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let mut session = Consume::open(&gateway, open()).await;

    session.resize(u32::MAX);

    let status = refused(
        session.end().await,
        Code::InvalidArgument,
        "INVALID_REQUEST",
    );
    assert_eq!(violated_field(&status), "flow.max_outstanding_messages");
}
