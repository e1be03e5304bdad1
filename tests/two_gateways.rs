//! Several gateways before one JetStream: any of them settles what another delivered.

use std::time::{Duration, Instant};

use jetgate::proto::{AckKind, StallReason};
use serde_json::json;

use crate::support::consume::{Consume, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, acknowledge, fetch, fetched, say, sequences,
    start_with_consumer, store_many, subscribe, subscribe_window,
};
use crate::support::{Clients, Gateway, NatsServer, RoundRobin, SOON, Wire, eventually};

/// How many messages a session of the balanced gateways takes.
const MESSAGES: u64 = 300;

/// A server and two gateways before it.
async fn start() -> (NatsServer, Gateway, Gateway, Wire) {
    let (nats, first, wire) = start_with_consumer(json!({})).await;
    let second = Gateway::start(&nats.url()).await;
    (nats, first, second, wire)
}

#[tokio::test]
async fn a_balancer_does_not_stall_a_session() {
    let (_nats, first, second, mut wire) = start().await;
    for _ in 0..MESSAGES {
        wire.publish("orders.x", b"payload").await;
    }
    let proxy = RoundRobin::start(&[first.public(), second.public()]).await;
    let clients = Clients::at(proxy.address());
    let mut session = Session::open(&clients, subscribe_window(4)).await;

    // R5: the gateway of the session learns at once what the other one settled. If it did not, a window would be full
    // after eight messages, and stay so for most of a second: half a minute for all.
    let mut waited = Duration::ZERO;
    let mut seen = 0;
    while seen < MESSAGES {
        let waiting = Instant::now();
        let messages = session.batch().await;
        waited += waiting.elapsed();
        // One by one, so that they go to both gateways by turns.
        for message in messages {
            seen += 1;
            assert_eq!(
                (message.stream_sequence, message.delivery_attempt),
                (seen, 1)
            );
            ack(&clients, &[message]).await;
        }
    }

    // The acknowledgements take a busy machine its time, which is not the session's.
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], MESSAGES);
    assert_eq!(info["num_redelivered"], 0);
}

#[tokio::test]
async fn a_balancer_does_not_stall_a_consume() {
    let (_nats, first, second, mut wire) = start().await;
    for _ in 0..MESSAGES {
        wire.publish("orders.x", b"payload").await;
    }
    let proxy = RoundRobin::start(&[first.public(), second.public()]).await;
    let clients = Clients::at(proxy.address());
    let mut session = Consume::open(&clients, open_window(10)).await;

    // R5: some are settled in the stream, some by calls that reach either gateway.
    let started = Instant::now();
    for sequence in 1..=MESSAGES {
        let messages = session.messages(1).await;
        assert_eq!(sequences(&messages), [sequence]);
        assert_eq!(messages[0].delivery_attempt, 1);
        match sequence % 3 {
            0 => session.say(vec![range(AckKind::Ack, messages[0].delivery_id, 0)]),
            _ => ack(&clients, &messages).await,
        }
    }

    assert!(started.elapsed() < 3 * SOON, "{:?}", started.elapsed());
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == MESSAGES).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_ack_at_another_gateway_makes_room_at_once() {
    let (_nats, first, second, mut wire) = start().await;
    store_many(&mut wire, 50).await;
    let mut session = Session::open(&first, subscribe_window(1)).await;

    for sequence in 1..=50 {
        let messages = session.messages(1).await;
        assert_eq!(sequences(&messages), [sequence]);
        ack(&second, &messages).await;
    }

    let heartbeat = session.stalled_by(StallReason::NoMessages).await;
    assert_eq!(heartbeat.outstanding_messages, 0);
}

#[tokio::test]
async fn work_in_progress_at_another_gateway_keeps_the_delivery() {
    let settings = json!({ "ack_wait": 3_000_000_000_u64 });
    let (nats, first, mut wire) = start_with_consumer(settings).await;
    let second = Gateway::start(&nats.url()).await;
    store_many(&mut wire, 2).await;
    let mut session = Session::open(&first, subscribe_window(1)).await;
    let mut message = session.messages(1).await.remove(0);

    // More heartbeats, one a second, than the ack wait has seconds.
    for _ in 0..5 {
        let item = say(AckKind::InProgress, &message.ack_token);
        let result = acknowledge(&second, vec![item]).await.remove(0);
        assert_eq!(result.code, 0, "{result:?}");
        message.ack_token = result.metadata["ack_token"].clone();
        assert_eq!(session.heartbeat().await.outstanding_messages, 1);
    }
    ack(&second, &[message]).await;

    assert_eq!(sequences(&session.messages(1).await), [2]);
}

#[tokio::test]
async fn a_settlement_that_jetstream_knows_of_makes_room_in_the_end() {
    let (_nats, first, _second, mut wire) = start().await;
    store_many(&mut wire, 4).await;
    let mut session = Session::open(&first, subscribe_window(2)).await;
    session.messages(2).await;
    session.stalled_by(StallReason::WindowFull).await;

    // R5: acked behind the gateways' backs; nobody tells the session.
    for sequence in [1, 2] {
        let subject = format!("$JS.ACK.{STREAM}.{CONSUMER}.1.{sequence}.{sequence}.1.0");
        wire.request(&subject, None, b"+ACK").await.expect("no ack");
    }

    assert_eq!(sequences(&session.messages(2).await), [3, 4]);
}

#[tokio::test]
async fn tokens_outlive_the_gateway_that_made_them() {
    let (_nats, first, second, mut wire) = start().await;
    store_many(&mut wire, 5).await;
    let messages = fetched(&first, fetch(5)).await;

    first.shutdown().await;
    ack(&second, &messages).await;

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 5);
}

#[tokio::test]
async fn sessions_at_both_gateways_share_the_consumer() {
    let (_nats, first, second, mut wire) = start().await;
    let mut sessions = [
        Session::open(&first, subscribe_window(10)).await,
        Session::open(&second, subscribe_window(10)).await,
    ];
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 2).then_some(())
    })
    .await;
    store_many(&mut wire, 20).await;

    let mut all = Vec::new();
    for session in &mut sessions {
        all.extend(sequences(&session.messages(10).await));
    }
    all.sort_unstable();

    assert_eq!(all, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_vanished_caller_held_comes_to_a_session_elsewhere() {
    let (_nats, first, second, mut wire) = start().await;
    store_many(&mut wire, 5).await;
    let mut gone = Session::open(&first, subscribe()).await;
    gone.messages(5).await;
    let mut other = Session::open(&second, subscribe()).await;
    other.heartbeat().await;

    // R7: the ack wait is 30 s.
    let left = Instant::now();
    drop(gone);
    let messages = other.messages(5).await;

    assert!(
        left.elapsed() < Duration::from_secs(5),
        "{:?}",
        left.elapsed()
    );
    assert!(messages.iter().all(|message| message.delivery_attempt == 2));
}
