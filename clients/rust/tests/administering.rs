//! What a program reads, removes and stops beside publishing and consuming.

use std::time::Duration;

use futures_util::FutureExt as _;
use jetgate_client::ErrorReason;
use jetgate_client::v1::{self, StallReason};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::consuming::{SOON, next, with_messages};
use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn stored_messages_are_read_and_removed() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 5, 30).await;
    client.publish(("users.gone", "other")).await.unwrap();
    let second = client.message("USERS", 2).await.unwrap();
    let payload = v1::stored_message::Payload::Data("1".into());
    assert_eq!(second.payload, Some(payload));
    let none = client.last_message("USERS", "users.old").await;
    assert_eq!(none.unwrap_err().reason(), ErrorReason::MessageNotFound);
    let last = client.last_message("USERS", "users.new").await.unwrap();
    assert_eq!(last.sequence, 5);
    client.delete_message("USERS", 2).await.unwrap();
    let gone = client.message("USERS", 2).await.unwrap_err();
    assert_eq!(gone.reason(), ErrorReason::MessageNotFound);
    let purge = v1::PurgeStreamRequest {
        stream: "USERS".into(),
        filter: "users.new".into(),
        limit: Some(v1::purge_stream_request::Limit::Keep(1)),
    };
    assert_eq!(client.purge_stream(purge).await.unwrap(), 3);
    let state = client.stream("USERS").await.unwrap().state.unwrap();
    assert_eq!((state.messages, state.first_sequence), (2, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_consumer_delivers_nothing_until_it_is_resumed() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 0, 30).await;
    let paused = client.pause_consumer("USERS", "worker", Duration::from_secs(3_600));
    assert!(paused.await.unwrap().paused);
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    client.publish(("users.new", "later")).await.unwrap();
    let is_paused = async {
        while consumer.status().stall != StallReason::Paused {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, is_paused).await.unwrap();
    assert!(consumer.next().now_or_never().is_none());
    client.resume_consumer("USERS", "worker").await.unwrap();
    let message = next(&mut consumer).await;
    assert_eq!(message.text(), "later");
    message.ack();
    assert!(consumer.drain(SOON).await);
}
