//! Consumers that the gateway makes for a program, and deletes at its end.

use std::collections::HashSet;
use std::time::Duration;

use jetgate_client::{Client, Code, duration, v1};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::consuming::{SOON, next, with_messages};
use super::world::World;

/// All messages, with an `ack_wait` of so many seconds.
fn all(ack_wait: u64) -> v1::EphemeralConsumer {
    v1::EphemeralConsumer {
        ack_wait: Some(duration(Duration::from_secs(ack_wait))),
        ..Default::default()
    }
}

/// Waits until the stream has only its durable consumer.
async fn until_deleted(client: &Client) {
    let deleted = async {
        while client.consumers("USERS").await.unwrap().len() > 1 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, deleted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_killed_gateways_and_not_its_program() {
    let world = World::start(json!({"gateways": 2})).await;
    let client = with_messages(&world, 300, 30).await;
    let builder = client.ephemeral("USERS", all(30)).max_outstanding(50);
    let mut consumer = builder.open().await.unwrap();
    let (mut seen, mut names) = (HashSet::new(), HashSet::new());
    while seen.len() < 300 {
        let message = next(&mut consumer).await;
        let text = message.text().into_owned();
        assert!(seen.insert(text), "{} came again", message.text());
        names.insert(message.consumer().to_owned());
        match seen.len() {
            // Once that is answered there is a session, which ends as its program wants it.
            300 => message.ack_confirmed().await.unwrap(),
            _ => message.ack(),
        }
        if seen.len() % 100 == 50 {
            for gateway in 0..2 {
                world.gateway("kill_gateway", gateway).await;
                world.gateway("start_gateway", gateway).await;
            }
        }
    }
    assert_eq!(names.len(), 1, "{names:?}");
    consumer.close().await.unwrap();
    until_deleted(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_holds_is_taken_along_when_gateways_are_drained() {
    let world = World::start(json!({"gateways": 2, "config": {"shutdown.drain": "3s"}})).await;
    let client = with_messages(&world, 20, 30).await;
    let builder = client.ephemeral("USERS", all(10)).max_outstanding(10);
    let mut consumer = builder.open().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(next(&mut consumer).await);
    }
    for gateway in 0..2 {
        world.gateway("drain_gateway", gateway).await;
        world.gateway("wait_gateway", gateway).await;
        world.gateway("start_gateway", gateway).await;
    }
    for message in held.drain(..) {
        message.ack_confirmed().await.unwrap();
    }
    for _ in 5..20 {
        let message = next(&mut consumer).await;
        assert_eq!(message.attempt(), 1, "{} came again", message.text());
        message.ack();
    }
    assert!(consumer.drain(SOON).await);
    until_deleted(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_where_it_should() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 30, 30).await;
    let unacknowledged = v1::EphemeralConsumer {
        ack_policy: v1::AckPolicy::None as i32,
        ..Default::default()
    };
    for config in [all(30), unacknowledged] {
        let builder = client.ephemeral("USERS", config).until_last();
        let mut consumer = builder.open().await.unwrap();
        for number in 0..30 {
            let message = next(&mut consumer).await;
            assert_eq!(message.text(), number.to_string());
            message.ack();
        }
        assert!(timeout(SOON, consumer.next()).await.unwrap().is_none());
        until_deleted(&client).await;
    }
    let durable = client.consumer("USERS", "worker").until_last();
    assert_eq!(
        durable.open().await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
