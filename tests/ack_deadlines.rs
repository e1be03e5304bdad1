//! Until when to settle a delivery: JetStream counts from when it delivered, not from when the caller
//! read.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{FetchRequest, ReceivedMessage, SubscribeRequest};
use serde_json::json;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, fetch, fetched, nanoseconds, sequences, start_with_consumer,
    store_many, subscribe, time,
};
use crate::support::{Gateway, SOON, eventually};

/// The clocks of gateway and test are one, but not read at the same moment.
const SLACK: Duration = Duration::from_millis(500);

fn deadline(message: &ReceivedMessage) -> SystemTime {
    message.ack_deadline.unwrap().try_into().unwrap()
}

#[tokio::test]
async fn a_caller_that_reads_late_is_told_the_true_deadline() {
    let ack_wait = Duration::from_secs(20);
    let settings = json!({ "ack_wait": nanoseconds(20), "filter_subject": "orders.x" });
    let (nats, _, mut wire) = start_with_consumer(settings).await;
    let mut config = json!({ "durable_name": "clock", "ack_policy": "explicit" });
    config["filter_subject"] = json!("orders.clock");
    wire.create_consumer(STREAM, config).await;
    let gateway =
        Gateway::start_with(&nats.url(), |config| config.nats.consume_connections = 1).await;
    // More than a connection holds that nobody reads, and less than the window.
    for _ in 0..70 {
        wire.store("orders.x", &[b'x'; 100_000]).await;
    }

    let mut late = Session::open(&gateway, subscribe()).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_ack_pending"] == 70).then_some(())
    })
    .await;
    let request = SubscribeRequest {
        source: Some(Source::Consumer("clock".to_owned())),
        ..subscribe()
    };
    let mut clock = Session::open(&gateway, request).await;
    // A stream sends in order, and all comes on one connection: when this is here, so are the 70.
    wire.store("orders.clock", b"").await;
    clock.messages(1).await;
    let delivered = SystemTime::now();
    // Four heartbeats of this other session are four seconds.
    for _ in 0..4 {
        clock.heartbeat().await;
    }
    let messages = late.messages(70).await;

    let latest = delivered + ack_wait + SLACK;
    let wrong: Vec<_> = messages
        .iter()
        .filter(|message| deadline(message) > latest)
        .map(|message| message.stream_sequence)
        .collect();
    assert_eq!(
        wrong, [0; 0],
        "JetStream delivers these again before their deadline"
    );
}

#[tokio::test]
async fn a_fetch_that_waits_beyond_the_ack_wait_returns_no_message_twice() {
    let settings = json!({ "ack_wait": nanoseconds(1) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 2).await;
    let request = FetchRequest {
        max_wait: time(Duration::from_secs(4)),
        ..fetch(20)
    };

    let messages = fetched(&gateway, request).await;

    let sequences = sequences(&messages);
    let distinct: HashSet<_> = sequences.iter().collect();
    assert_eq!(distinct.len(), sequences.len(), "{sequences:?}");
    // What comes can still be settled.
    for message in &messages {
        assert!(deadline(message) > SystemTime::now());
    }
    ack(&gateway, &messages).await;
}

#[tokio::test]
async fn a_fetch_that_waits_tells_the_true_deadline() {
    let settings = json!({ "ack_wait": nanoseconds(10) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let published = SystemTime::now();
    store_many(&mut wire, 1).await;
    let request = FetchRequest {
        max_wait: time(Duration::from_secs(3)),
        ..fetch(2)
    };

    let messages = fetched(&gateway, request).await;

    // It was delivered when the fetch began, which was at once.
    let latest = published + Duration::from_secs(10) + 2 * SLACK;
    assert!(deadline(&messages[0]) <= latest);
}
