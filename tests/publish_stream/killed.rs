//! A gateway that is killed in the middle of a publish stream: the caller goes on at another one.

use std::time::Duration;

use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{PublishAckMode, PublishOpen, PublishOrdering};
use serde_json::json;

use super::{into_orders, numbered, payloads};
use crate::support::consuming::time;
use crate::support::publishing::Publishing;
use crate::support::{Replica, SOON, start_with_stream};

/// Kills a gateway that has sent messages to JetStream and heard nothing of them, and sends what it
/// did not answer again through another. What the stream holds then.
async fn go_on_elsewhere(open: PublishOpen) -> Vec<String> {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "allow_batched": true });
    let (nats, _, mut wire) = start_with_stream(config).await;
    let first = Replica::start(&nats.url()).await;
    let second = Replica::start(&nats.url()).await;
    let open = PublishOpen {
        producer_id: "shop".to_owned(),
        publish_timeout: time(SOON * 3),
        heartbeat_interval: time(Duration::from_secs(1)),
        ..open
    };
    let mut publishing = Publishing::open(&first.clients, open.clone()).await;
    let producer_id = publishing.opened.producer_id.clone();
    publishing.publish(1, numbered(1..=100)).await;
    publishing.settled(100).await;

    nats.pause();
    publishing.publish(101, numbered(101..=500)).await;
    publishing
        .until(|frame| match frame {
            Frame::Heartbeat(heartbeat) => (heartbeat.in_flight_messages > 0).then_some(()),
            _ => None,
        })
        .await;
    first.kill().await;
    nats.resume();
    publishing.end().await.unwrap_err();

    let resumed = PublishOpen {
        producer_id,
        resume: true,
        ..open
    };
    assert_eq!(failures(&publishing), 0);
    let unanswered = publishing.settled_through + 1;
    let mut publishing = Publishing::open(&second.clients, resumed).await;
    publishing
        .publish(unanswered, numbered(unanswered..=700))
        .await;
    publishing.half_close();
    publishing.end().await.unwrap();
    assert_eq!(
        (publishing.settled_through, failures(&publishing)),
        (700, 0)
    );
    payloads(&mut wire, "ORDERS").await
}

fn failures(publishing: &Publishing) -> usize {
    let outcomes = publishing.outcomes.values();
    outcomes.filter(|it| !it.reason().is_empty()).count()
}

fn texts() -> Vec<String> {
    (1..=700).map(|number: u64| number.to_string()).collect()
}

#[tokio::test]
async fn each_message_is_stored_once() {
    let mut stored = go_on_elsewhere(into_orders()).await;
    stored.sort_by_key(|text| text.parse::<u64>().unwrap());
    assert_eq!(stored, texts());
}

#[tokio::test]
async fn each_message_of_a_fast_batch_is_stored_once() {
    let open = PublishOpen {
        ack_mode: PublishAckMode::Cumulative as i32,
        ..into_orders()
    };
    assert_eq!(go_on_elsewhere(open).await, texts());
}

#[tokio::test]
async fn the_order_of_a_strict_stream_holds() {
    let open = PublishOpen {
        ordering: PublishOrdering::Strict as i32,
        ..into_orders()
    };
    assert_eq!(go_on_elsewhere(open).await, texts());
}
