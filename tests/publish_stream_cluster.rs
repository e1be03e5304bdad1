//! Publish streams into a stream with three replicas while its leader crashes.

use std::time::Duration;

use jetgate::proto::publish_request::Payload;
use jetgate::proto::{PublishOpen, PublishOrdering, PublishRequest};
use serde_json::json;

use crate::support::consuming::time;
use crate::support::publishing::{Outcome, Publishing, assert_truthful, stored_numbers};
use crate::support::{Gateway, NatsCluster};

/// An election takes more than five seconds on an idle machine, and the tests share theirs.
const ELECTION: Duration = Duration::from_secs(60);

const MESSAGES: u64 = 300;

fn open() -> PublishOpen {
    PublishOpen {
        stream: "ORDERS".to_owned(),
        publish_timeout: time(ELECTION),
        heartbeat_interval: time(Duration::from_secs(1)),
        ..PublishOpen::default()
    }
}

fn frame(first: u64) -> Vec<PublishRequest> {
    let numbers = first..first + 10;
    let message = |number: u64| PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(Payload::Text(number.to_string())),
        ..PublishRequest::default()
    };
    numbers.map(message).collect()
}

/// Publishes while the stream's leader is killed in the middle; the answers, with the cluster whole
/// again.
async fn publish_through_a_crash(open: PublishOpen) -> (NatsCluster, Publishing) {
    let mut cluster = NatsCluster::start().await;
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "num_replicas": 3 });
    cluster.wire().await.create_stream(config).await;
    let gateway = Gateway::start(&cluster.url()).await;
    let mut publishing = Publishing::open(&gateway, open).await;
    let leader = cluster.leader_of_stream("ORDERS").await;

    for first in (1..=MESSAGES).step_by(10) {
        publishing.publish(first, frame(first)).await;
        if first == MESSAGES / 2 + 1 {
            publishing.answered(10).await;
            cluster.kill(leader);
        }
    }
    publishing.half_close();
    publishing.end().await.unwrap();
    assert_eq!(publishing.outcomes.len() as u64, MESSAGES);

    cluster.restart(leader).await;
    cluster.until_complete().await;
    cluster.leader_of_stream("ORDERS").await;
    (cluster, publishing)
}

fn failures(publishing: &Publishing) -> Vec<String> {
    let reasons = publishing.outcomes.values().map(Outcome::reason);
    reasons.filter(|reason| !reason.is_empty()).collect()
}

#[tokio::test]
async fn with_ids_every_message_is_stored_once() {
    let open = PublishOpen {
        mint_message_ids: true,
        ..open()
    };
    let (cluster, publishing) = publish_through_a_crash(open).await;

    assert_eq!(failures(&publishing), Vec::<String>::new());
    let mut wire = cluster.wire().await;
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
    assert_eq!(wire.count("ORDERS").await, MESSAGES);
}

#[tokio::test]
async fn without_ids_every_answer_is_true() {
    let (cluster, publishing) = publish_through_a_crash(open()).await;

    let failures = failures(&publishing);
    assert!(
        failures.iter().all(|it| it == "PUBLISH_OUTCOME_UNKNOWN"),
        "{failures:?}"
    );
    assert_truthful(&mut cluster.wire().await, "ORDERS", &publishing.outcomes).await;
}

#[tokio::test]
async fn a_strict_stream_keeps_its_order() {
    let open = PublishOpen {
        ordering: PublishOrdering::Strict as i32,
        mint_message_ids: true,
        ..open()
    };
    let (cluster, publishing) = publish_through_a_crash(open).await;

    assert_eq!(failures(&publishing), Vec::<String>::new());
    let stored = stored_numbers(&mut cluster.wire().await, "ORDERS").await;
    let in_order: Vec<u64> = stored.values().flatten().copied().collect();
    assert_eq!(in_order, (1..=MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_strict_stream_without_ids_stores_a_prefix() {
    let open = PublishOpen {
        ordering: PublishOrdering::Strict as i32,
        ..open()
    };
    let (cluster, publishing) = publish_through_a_crash(open).await;

    let mut wire = cluster.wire().await;
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
    let stored = stored_numbers(&mut wire, "ORDERS").await;
    let numbers: Vec<u64> = stored.keys().copied().collect();
    let prefix: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, prefix, "nothing behind what failed");
}
