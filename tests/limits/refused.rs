//! Calls, sessions and messages beyond a limit: refused, with whose limit it is and when to come again.

use std::time::Duration;

use jetgate::proto::{GetInfoRequest, PublishBatchRequest, PublishOpen};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep_until};
use tonic::Code;
use tonic::transport::Endpoint;

use super::{House, Limits, ask, kib, limited, message, publish};
use crate::support::consume::{Consume, open};
use crate::support::consuming::create_consumer;
use crate::support::publishing::Publishing;
use crate::support::{Clients, Gateway, NatsServer, SOON, eventually, metadata, refused};

#[tokio::test]
async fn requests_beyond_the_rate_are_refused_until_it_allows_more() {
    let house = House::with(Limits {
        requests_per_second: 2,
        ..Limits::default()
    })
    .await;
    let (ada, bob) = (house.ada(), house.bob());
    let mut refused_at = None;
    // The burst is two; a machine that makes two calls a second only would never be refused.
    for _ in 0..1_000 {
        if let Err(status) = ask(&ada).await {
            let wait = limited(Err::<(), _>(status), "requests_per_second");
            refused_at = Some(Instant::now() + wait);
            break;
        }
    }
    // Another caller does not notice, nor does who asks for the gateway's health.
    ask(&bob).await.unwrap();
    for _ in 0..20 {
        assert!(house.gateway.status_of("").await.is_some());
    }
    sleep_until(refused_at.expect("never refused")).await;
    ask(&ada).await.unwrap();
    assert!(house.metric("requests_per_second", "refused").await >= 1);
}

#[tokio::test]
async fn a_caller_that_has_sent_too_much_waits() {
    let house = House::with(Limits {
        bytes_per_second: kib(64),
        ..Limits::default()
    })
    .await;
    let (ada, began) = (house.ada(), Instant::now());
    let large = publish(&ada, 300 << 10);
    let meanwhile = async {
        // What is beyond a second's burst takes its time.
        let is_refused = async || ask(&ada).await.err();
        let status = eventually(SOON, is_refused).await;
        limited(Err::<(), _>(status), "bytes_per_second");
        publish(&house.bob(), 1 << 10).await.unwrap();
    };
    let (stored, ()) = tokio::join!(large, meanwhile);
    stored.unwrap();
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    eventually(SOON, async || publish(&ada, 1 << 10).await.ok()).await;
}

#[tokio::test]
async fn calls_that_are_denied_count_as_well() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("policy.toml");
    std::fs::write(&rules, "").unwrap();
    let house = House::configured(|config| {
        config.limits.requests_per_second = 2;
        config.auth.policy_file = Some(rules);
    })
    .await;
    let ada = house.ada();
    let mut denied = 0;
    let status = loop {
        let status = ask(&ada).await.unwrap_err();
        if status.code() != Code::PermissionDenied {
            break status;
        }
        denied += 1;
        assert!(denied < 1_000, "never limited");
    };
    limited(Err::<(), _>(status), "requests_per_second");
    assert!(denied >= 2, "{denied}");
}

#[tokio::test]
async fn calls_at_a_time_are_counted() {
    let mut house = House::with(Limits {
        max_calls: 2,
        ..Limits::default()
    })
    .await;
    create_consumer(&mut house.wire, json!({})).await;
    let (ada, bob) = (house.ada(), house.bob());
    let first = Consume::open(&ada, open()).await;
    let _second = Publishing::open(&ada, PublishOpen::default()).await;
    limited(ask(&ada).await, "max_calls");
    ask(&bob).await.unwrap();

    drop(first);
    eventually(SOON, async || ask(&ada).await.ok()).await;
}

#[tokio::test]
async fn sessions_at_a_time_are_counted() {
    let mut house = House::with(Limits {
        max_sessions: 2,
        ..Limits::default()
    })
    .await;
    create_consumer(&mut house.wire, json!({})).await;
    let (ada, bob) = (house.ada(), house.bob());
    let first = Consume::open(&ada, open()).await;
    let _second = Publishing::open(&ada, PublishOpen::default()).await;
    let third = Consume::try_open(&ada, open()).await;
    limited(third.map(|_| ()), "max_sessions");
    let third = Publishing::try_open(&ada, PublishOpen::default()).await;
    limited(third.map(|_| ()), "max_sessions");
    // Other calls are no sessions, and other callers have their own.
    ask(&ada).await.unwrap();
    Consume::open(&bob, open()).await;

    drop(first);
    let opened = async || Consume::try_open(&ada, open()).await.ok();
    eventually(SOON, opened).await;
}

#[tokio::test]
async fn messages_in_flight_are_counted() {
    let house = House::with(Limits {
        max_in_flight: 3,
        ..Limits::default()
    })
    .await;
    let (ada, bob) = (house.ada(), house.bob());
    publish(&ada, 1).await.unwrap();
    let batch = |count| PublishBatchRequest {
        messages: vec![message(1); count],
        ..PublishBatchRequest::default()
    };
    // What can never be is no matter of coming again later.
    let too_many = ada.publisher().publish_batch(batch(4)).await;
    let status = refused(too_many, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(metadata(&status, "max").as_deref(), Some("3"));
    ada.publisher().publish_batch(batch(3)).await.unwrap();

    house.nats.pause();
    let sending = (0..3).map(|_| publish(&ada, 1));
    let sending = futures_util::future::join_all(sending);
    let refused = async {
        let is_full = async || publish(&ada, 1).await.err();
        let status = eventually(SOON, is_full).await;
        limited(Err::<(), _>(status), "max_in_flight");
        let others = publish(&bob, 1);
        house.nats.resume();
        others.await.unwrap();
    };
    let (sent, ()) = tokio::join!(sending, refused);
    for answer in sent {
        answer.unwrap();
    }
    publish(&ada, 1).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_larger_than_its_caller_may_send_is_refused() {
    let house = House::with(Limits {
        max_message_bytes: kib(1),
        ..Limits::default()
    })
    .await;
    let ada = house.ada();
    publish(&ada, 900).await.unwrap();
    let too_large = publish(&ada, 1_100).await;
    refused(too_large, Code::InvalidArgument, "MESSAGE_TOO_LARGE");

    let batch = PublishBatchRequest {
        messages: vec![message(1_100), message(900)],
        ..PublishBatchRequest::default()
    };
    let answer = ada.publisher().publish_batch(batch).await.unwrap();
    assert_eq!(answer.into_inner().failed_count, 1);
    let mut stream = Publishing::open(&ada, PublishOpen::default()).await;
    stream.publish(1, vec![message(1_100), message(900)]).await;
    stream.answered(2).await;
    assert_eq!(stream.outcomes[&1].reason(), "MESSAGE_TOO_LARGE");
    assert_eq!(stream.outcomes[&2].reason(), "");
    assert_eq!(house.metric("max_message_bytes", "refused").await, 3);
}

#[tokio::test]
async fn callers_that_nobody_asks_for_names_are_told_apart_by_their_addresses() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| config.limits.max_sessions = 1).await;
    let from = |address: &str| {
        let endpoint = Endpoint::from_shared(format!("http://{}", gateway.public())).unwrap();
        let endpoint = endpoint.local_address(Some(address.parse().unwrap()));
        Clients::over(endpoint.connect_lazy())
    };
    let (one, other) = (from("127.0.0.1"), from("127.0.0.2"));
    let _open = Publishing::open(&one, PublishOpen::default()).await;
    let second = Publishing::try_open(&one, PublishOpen::default()).await;
    let status = refused(second.map(|_| ()), Code::ResourceExhausted, "CALLER_LIMIT");
    assert!(!status.message().is_empty());
    Publishing::open(&other, PublishOpen::default()).await;
    one.gateway().get_info(GetInfoRequest {}).await.unwrap();
}
