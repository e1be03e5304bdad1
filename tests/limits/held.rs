//! Streams beyond a limit: held, and nothing of them is lost.

use std::time::Duration;

use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{FlowLimits, OrderedConsumer, PublishOpen, SubscribeRequest};
use serde_json::json;
use tokio::time::Instant;

use super::{House, Limits, ask, kib, limited, message, publish};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{Session, create_consumer, subscribe_ordered};
use crate::support::publishing::Publishing;
use crate::support::{SOON, eventually};

#[tokio::test]
async fn frames_of_a_stream_are_requests() {
    let mut house = House::with(Limits {
        requests_per_second: 20,
        ..Limits::default()
    })
    .await;
    let began = Instant::now();
    let mut stream = Publishing::open(&house.ada(), PublishOpen::default()).await;
    for number in 1..=80 {
        stream.publish(number, vec![message(1)]).await;
    }
    stream.settled(80).await;

    // A second's worth goes at once, the rest as the rate allows, but for what comes along with the last.
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(house.wire.count("ORDERS").await, 80);
    assert!(house.metric("requests_per_second", "held").await >= 1);
}

#[tokio::test]
async fn bytes_of_a_stream_pass_as_the_rate_allows() {
    let mut house = House::with(Limits {
        bytes_per_second: kib(128),
        ..Limits::default()
    })
    .await;
    let began = Instant::now();
    let mut stream = Publishing::open(&house.ada(), PublishOpen::default()).await;
    for number in 1..=16 {
        stream.publish(number, vec![message(32 << 10)]).await;
    }
    // Nobody else is held up by that.
    for _ in 0..10 {
        publish(&house.bob(), 1).await.unwrap();
    }
    stream.settled(16).await;
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(house.wire.count("ORDERS").await, 26);
    assert!(house.metric("bytes_per_second", "held").await >= 1);
}

#[tokio::test]
async fn what_a_caller_receives_counts_as_well() {
    let mut house = House::with(Limits {
        bytes_per_second: kib(128),
        ..Limits::default()
    })
    .await;
    for _ in 0..16 {
        house.wire.store("orders.x", &[7; 32 << 10]).await;
    }
    let began = Instant::now();
    // One message a frame.
    let flow = FlowLimits {
        max_outstanding_messages: Some(1),
        max_outstanding_bytes: None,
    };
    let request = SubscribeRequest {
        flow: Some(flow),
        ..subscribe_ordered(OrderedConsumer::default())
    };
    let mut session = Session::open(&house.ada(), request).await;
    let messages = session.messages(16).await;
    assert_eq!(messages.len(), 16);
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_caller_that_is_held_is_not_taken_for_gone() {
    let mut house = House::configured(|config| {
        config.limits.requests_per_second = 2;
        config.publish.ping_within = Duration::from_secs(2);
        config.subscribe.ping_within = Duration::from_secs(2);
    })
    .await;
    create_consumer(&mut house.wire, json!({})).await;
    let ada = house.ada();
    // It says nothing, and could not be heard if it did.
    let mut consuming = Consume::open(&ada, open()).await;
    let publishing = eventually(SOON, async || {
        let opened = Publishing::try_open(&ada, PublishOpen::default()).await;
        opened.ok()
    });
    let mut publishing = publishing.await;
    for number in 1..=16 {
        publishing.publish(number, vec![message(1)]).await;
    }
    publishing.settled(16).await;

    let messages = consuming.messages(16).await;
    consuming.ack(&messages).await;
}

#[tokio::test]
async fn streams_of_a_caller_share_what_it_may_have_in_flight() {
    let house = House::with(Limits {
        max_in_flight: 10,
        ..Limits::default()
    })
    .await;
    let ada = house.ada();
    let open = || PublishOpen {
        heartbeat_interval: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..PublishOpen::default()
    };
    let mut streams = [
        Publishing::open(&ada, open()).await,
        Publishing::open(&ada, open()).await,
    ];
    house.nats.pause();
    for stream in &mut streams {
        stream.publish(1, vec![message(1); 500]).await;
    }
    let mut in_flight = 0;
    for stream in &mut streams {
        let held = |frame: &Frame| match frame {
            Frame::Heartbeat(beat) => Some(beat.in_flight_messages),
            _ => None,
        };
        in_flight += stream.until(held).await;
    }
    // One beside the limit for each stream.
    assert!((3..=12).contains(&in_flight), "{in_flight}");
    limited(publish(&ada, 1).await, "max_in_flight");
    ask(&ada).await.unwrap();

    house.nats.resume();
    for stream in &mut streams {
        stream.settled(500).await;
        assert!(stream.outcomes.values().all(|it| it.reason().is_empty()));
    }
    publish(&ada, 1).await.unwrap();
}
