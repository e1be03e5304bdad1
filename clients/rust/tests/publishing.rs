//! Publishers whose gateways are killed, paused and drained.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use jetgate_client::v1::gateway_service_client::GatewayServiceClient;
use jetgate_client::{Client, Code, ErrorReason, Message, v1};
use serde_json::json;

use super::world::World;

/// Nobody consumes here.
const ACK_WAIT: Duration = Duration::from_secs(30);

async fn stored(client: &Client) -> u64 {
    client
        .stream("USERS")
        .await
        .unwrap()
        .state
        .unwrap()
        .messages
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_outlive_killed_gateways() {
    let world = World::start(json!({"gateways": 2})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().max_in_flight(500).start();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let publisher = publisher.clone();
            tokio::spawn(async move {
                let mut acks = Vec::new();
                for number in 0..2_000 {
                    let message = Message::new("users.new", format!("{writer}-{number}"));
                    acks.push(publisher.publish(message).await.unwrap());
                }
                acks
            })
        })
        .collect();
    for gateway in 0..2 {
        world.gateway("kill_gateway", gateway).await;
        world.gateway("start_gateway", gateway).await;
    }
    for writer in writers {
        for ack in writer.await.unwrap() {
            ack.await.unwrap();
        }
    }
    publisher.close().await.unwrap();
    assert_eq!(stored(&client).await, 8_000);
    assert!(
        publisher
            .publish(("users.new", "late"))
            .await
            .unwrap_err()
            .is_closed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ids_a_broken_connection_leaves_outcomes_unknown() {
    let world = World::start(json!({})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().without_message_ids().start();
    publisher
        .publish(("users.new", "1"))
        .await
        .unwrap()
        .await
        .unwrap();
    world.tell(json!({"do": "pause_nats"})).await;
    let second = publisher.publish(("users.new", "2")).await.unwrap();
    let mut sessions = GatewayServiceClient::new(client.connection());
    loop {
        let listed = sessions
            .list_sessions(v1::ListSessionsRequest::default())
            .await
            .unwrap();
        if listed
            .get_ref()
            .sessions
            .iter()
            .any(|session| session.outstanding_messages > 0)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.gateway("kill_gateway", 0).await;
    let failed = second.await.unwrap_err();
    assert!(failed.is_outcome_unknown(), "{failed:?}");
    world.tell(json!({"do": "resume_nats"})).await;
    world.gateway("start_gateway", 0).await;
    publisher
        .publish(("users.new", "3"))
        .await
        .unwrap()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_full_refuses_or_waits() {
    let world = World::start(json!({})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().max_in_flight(2).start();
    world.gateway("pause_gateway", 0).await;
    let first = publisher.try_publish(("users.new", "1")).unwrap();
    let second = publisher.try_publish(("users.new", "2")).unwrap();
    let full = publisher.try_publish(("users.new", "3")).unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    let waiting = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.publish(("users.new", "3")).await }
    });
    world.gateway("resume_gateway", 0).await;
    for (sequence, ack) in (1..).zip([first, second, waiting.await.unwrap().unwrap()]) {
        assert_eq!(ack.await.unwrap().sequence(), sequence);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_does_not_wait_for_what_others_publish_meanwhile() {
    let world = World::start(json!({})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().linger(Duration::from_millis(50)).start();
    let others = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            loop {
                drop(publisher.publish(("users.new", "other")).await.unwrap());
                tokio::task::yield_now().await;
            }
        }
    });
    for number in 0..20 {
        let mine = Message::new("users.new", "mine").message_id(format!("mine-{number}"));
        let mine = publisher.publish(mine).await.unwrap();
        let flushed = tokio::time::timeout(Duration::from_secs(30), publisher.flush()).await;
        flushed.expect("it ends").unwrap();
        mine.now_or_never().expect("it is answered").unwrap();
        assert!(!others.is_finished());
    }
    others.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_taken_fails_in_time() {
    let world = World::start(json!({})).await;
    let client = world.with_users(ACK_WAIT).await;
    world.gateway("kill_gateway", 0).await;
    let publisher = client.publisher().timeout(Duration::from_secs(2)).start();
    let failed = publisher
        .publish(("users.new", "1"))
        .await
        .unwrap()
        .await
        .unwrap_err();
    assert_eq!(failed.code(), Code::DeadlineExceeded);
    // Nothing is left to be waited for.
    publisher.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_publisher_stores_what_it_was_given() {
    let world = World::start(json!({})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().start();
    let mut last = None;
    for number in 0..5_000 {
        let message = Message::new("users.new", number.to_string());
        last = Some(publisher.publish(message).await.unwrap());
    }
    drop(publisher);
    assert_eq!(last.unwrap().await.unwrap().sequence(), 5_000);
    assert_eq!(stored(&client).await, 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_stream_is_missing_says_so_to_all() {
    let world = World::start(json!({})).await;
    let publisher = world.client().publisher().stream("NOWHERE").start();
    let ack = publisher.publish(("users.new", "1")).await.unwrap();
    assert_eq!(ack.await.unwrap_err().reason(), ErrorReason::StreamNotFound);
    let after = publisher.flush().await.unwrap_err();
    assert_eq!(after.reason(), ErrorReason::StreamNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_too_large_fail_alone() {
    let world = World::start(json!({})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().start();
    let mut acks = Vec::new();
    for size in [10, 2 << 20, 9 << 20, 10] {
        acks.push(
            publisher
                .publish(("users.new", vec![0; size]))
                .await
                .unwrap(),
        );
    }
    let mut reasons = Vec::new();
    for ack in acks {
        reasons.push(
            ack.await
                .map_or_else(|error| error.reason(), |_| ErrorReason::Unspecified),
        );
    }
    let large = ErrorReason::MessageTooLarge;
    assert_eq!(
        reasons,
        [
            ErrorReason::Unspecified,
            large,
            large,
            ErrorReason::Unspecified
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_pass_over_a_gateway_that_is_gone() {
    let world = World::start(json!({"gateways": 2})).await;
    world.with_users(ACK_WAIT).await;
    world.gateway("kill_gateway", 1).await;
    let client = world.client();
    let messages = || {
        vec![
            Message::new("users.new", "1"),
            Message::new("users.new", "2"),
        ]
    };
    for _ in 0..10 {
        client.publish(("users.new", "one")).await.unwrap();
        // A batch is not repeated, unless it has surely not left.
        for outcome in client.publish_batch(messages()).await.unwrap() {
            outcome.unwrap();
        }
    }
    assert_eq!(stored(&client).await, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_tokens_is_asked_for_each_call() {
    let world = World::start(json!({"api_key": true})).await;
    let key = world.api_key().unwrap().to_owned();
    let asked = Arc::new(AtomicUsize::new(0));
    let source = {
        let asked = Arc::clone(&asked);
        move || {
            let (key, turn) = (key.clone(), asked.fetch_add(1, Ordering::Relaxed));
            async move {
                match turn {
                    0 => Err("there is none yet".into()),
                    1 => Ok("another".to_owned()),
                    _ => Ok(key),
                }
            }
        }
    };
    let builder = Client::builder(&world.gateways()[0]);
    let client = builder.token(source).connect().unwrap();
    for reason in ["", "UNAUTHENTICATED"] {
        let refused = client.info().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(refused.reason_name(), reason);
    }
    client.info().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_outlasts_the_age_of_its_stream() {
    let world = World::start(json!({"config": {"publish.max_stream_age": "1s"}})).await;
    let client = world.with_users(ACK_WAIT).await;
    let publisher = client.publisher().start();
    let until = tokio::time::Instant::now() + Duration::from_secs(4);
    let mut count = 0;
    while tokio::time::Instant::now() < until {
        publisher
            .publish(("users.new", "1"))
            .await
            .unwrap()
            .await
            .unwrap();
        count += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    publisher.close().await.unwrap();
    assert_eq!(stored(&client).await, count);
}
