//! Many sessions at once: everyone is served, and nobody pays for another's slowness.

use std::collections::BTreeSet;

use jetgate::proto::{FlowLimits, OrderedConsumer, SubscribeRequest};
use serde_json::json;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, nanoseconds, sequences, start_with_consumer, store_many,
    subscribe_ordered, subscribe_window,
};
use crate::support::{Gateway, SOON, Wire, eventually};

/// Sessions of one consumer: more than JetStream holds waiting pulls for.
const SESSIONS: usize = 600;

/// How many messages a consumer has delivered that are not acknowledged.
async fn pending(wire: &mut Wire) -> u64 {
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    info["num_ack_pending"].as_u64().unwrap()
}

#[tokio::test]
async fn six_hundred_sessions_of_one_consumer_all_get_their_turn() {
    let settings = json!({ "ack_wait": nanoseconds(300) });
    let (nats, first, mut wire) = start_with_consumer(settings).await;
    let second = Gateway::start(&nats.url()).await;
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let gateway = if number % 2 == 0 { &first } else { &second };
        let request = SubscribeRequest {
            heartbeat_interval: None,
            ..subscribe_window(1)
        };
        sessions.push(Session::open(gateway, request).await);
    }

    // With room for one message each, every session has to take its share.
    for round in 1..=2 {
        store_many(&mut wire, SESSIONS as u64).await;
        let mut received = Vec::new();
        for session in &mut sessions {
            received.extend(session.messages(1).await);
        }
        assert!(received.iter().all(|message| message.delivery_attempt == 1));
        let different: BTreeSet<_> = sequences(&received).into_iter().collect();
        assert_eq!(different.len(), SESSIONS, "round {round}");
        ack(&first, &received).await;
    }
}

#[tokio::test]
async fn a_reader_that_stops_holds_its_window_and_slows_nobody() {
    let settings = json!({ "ack_wait": nanoseconds(300), "max_ack_pending": 5_000 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let (window, messages) = (10, 1_000);
    let stopped = Session::open(&gateway, subscribe_window(window)).await;
    let mut reader = Session::open(&gateway, subscribe_window(100)).await;

    store_many(&mut wire, messages).await;
    let mut read = 0;
    while read < messages - u64::from(window) {
        let batch = reader.batch().await;
        read += batch.len() as u64;
        ack(&gateway, &batch).await;
    }

    eventually(SOON, async || {
        (pending(&mut wire).await == messages - read).then_some(())
    })
    .await;
    assert!(messages - read <= window.into(), "{read} were read");
    // What the other one holds is its own: it is given to nobody while its session lives. A heartbeat may be older than
    // the last acks.
    eventually(SOON, async || {
        (reader.heartbeat().await.outstanding_messages == 0).then_some(())
    })
    .await;
    drop(stopped);
    let left = reader
        .messages(usize::try_from(messages - read).unwrap())
        .await;
    ack(&gateway, &left).await;
    eventually(SOON, async || (pending(&mut wire).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_reader_that_stops_holds_no_more_bytes_than_its_window() {
    let settings = json!({ "ack_wait": nanoseconds(300) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let size: u64 = 64 * 1024;
    let flow = FlowLimits {
        max_outstanding_messages: Some(1_000),
        max_outstanding_bytes: Some(16 * size),
    };
    let request = SubscribeRequest {
        flow: Some(flow),
        ..subscribe_window(1_000)
    };
    let mut stopped = Session::open(&gateway, request).await;
    for _ in 0..200 {
        wire.publish("orders.x", &vec![b'x'; size as usize - 1_024])
            .await;
    }

    // It does not read, and its connection has room for a few messages only.
    eventually(SOON, async || {
        (pending(&mut wire).await == 16).then_some(())
    })
    .await;
    // Three heartbeats of another session later it is no more.
    let nothing = OrderedConsumer {
        filter_subjects: vec!["orders.nothing".to_owned()],
        ..OrderedConsumer::default()
    };
    let mut clock = Session::open(&gateway, subscribe_ordered(nothing)).await;
    for _ in 0..3 {
        clock.heartbeat().await;
    }
    assert_eq!(pending(&mut wire).await, 16);

    let messages = stopped.messages(16).await;
    ack(&gateway, &messages).await;
    assert!(!stopped.messages(1).await.is_empty());
}
