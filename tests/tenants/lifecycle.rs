//! When tenants are connected: from their first call until nobody calls any more.

use std::time::Duration;

use futures_util::future::join_all;
use jetgate::config::Config;
use jetgate::proto::AckKind;
use jetgate::proto::subscribe_response::Event;
use tonic::Code;

use super::{House, info, publish, tenants};
use crate::support::consuming::{Session, settle, subscribe};
use crate::support::{Clients, SOON, eventually, metadata, refused};

const OPEN: &str = "jetgate_tenants_open";

fn idle_soon(config: &mut Config) {
    config.tenants.idle_timeout = Duration::from_secs(1);
}

#[tokio::test]
async fn calls_that_come_at_the_same_time_share_what_is_opened() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    assert!(house.connections("jetgate-acme").await.is_empty());
    let callers: Vec<Clients> = (0..20).map(|_| house.of("acme")).collect();
    let calls = callers.iter().map(info);
    for answer in join_all(calls).await {
        assert!(answer.unwrap().nats.is_some());
    }
    house
        .until_metric("jetgate_tenant_connected{tenant=\"acme\"}", 3)
        .await;
    assert_eq!(house.connections("jetgate-acme").await.len(), 3);
    assert!(house.connections("jetgate-globex").await.is_empty());
    assert_eq!(house.metric(OPEN).await, 1);
}

#[tokio::test]
async fn who_is_not_called_is_closed_and_opened_again() {
    let house = House::configured(&tenants(["acme", "globex"]), idle_soon).await;
    for user in ["acme", "globex"] {
        house.stream(user, 0).await;
    }
    // A session counts as much as calls.
    let mut session = Session::open(&house.of("acme"), subscribe()).await;
    for _ in 0..2 {
        publish(&house.of("globex"), "orders.x").await.unwrap();
        house.until_metric(OPEN, 1).await;
        house.until_left("jetgate-globex").await;
    }
    let sent = house.wire("acme").await.store("orders.x", b"").await;
    assert_eq!(session.messages(1).await[0].stream_sequence, sent);
    drop(session);
    house.until_metric(OPEN, 0).await;
    house
        .until_metric("jetgate_tenant_connected{tenant=\"acme\"}", 0)
        .await;
}

#[tokio::test]
async fn as_many_are_open_as_may_be_and_idle_ones_make_place() {
    let house = House::configured(&tenants(["acme", "globex"]), |config| {
        config.tenants.max_open = 1;
    })
    .await;
    for user in ["acme", "globex"] {
        house.stream(user, 0).await;
    }
    let session = Session::open(&house.of("acme"), subscribe()).await;
    let status = refused(
        info(&house.of("globex")).await,
        Code::ResourceExhausted,
        "TOO_MANY_TENANTS",
    );
    assert_eq!(metadata(&status, "max").as_deref(), Some("1"));
    let refused_calls =
        "jetgate_tenant_refused_calls_total{tenant=\"globex\",why=\"too_many_open\"}";
    assert_eq!(house.metric(refused_calls).await, 1);
    info(&house.of("acme")).await.unwrap();
    info(&house.of("nobody")).await.unwrap();

    drop(session);
    eventually(SOON, async || info(&house.of("globex")).await.ok()).await;
    assert_eq!(house.metric(OPEN).await, 1);
    house.until_left("jetgate-acme").await;
}

#[tokio::test]
async fn a_drain_waits_for_the_sessions_of_tenants() {
    let mut house = House::with(&tenants(["acme", "globex"])).await;
    let mut wire = house.stream("acme", 1).await;
    let acme = house.of("acme");
    let mut session = Session::open(&acme, subscribe()).await;
    let messages = session.messages(1).await;
    house.gateway.request_shutdown();
    while !matches!(session.try_event().await.unwrap(), Event::Draining(_)) {}
    settle(&acme, AckKind::Ack, &messages).await;
    refused::<()>(Err(session.end().await), Code::Unavailable, "DRAINING");
    house.gateway.until_ended(SOON).await;
    let info = wire.consumer_info("ORDERS", "c").await;
    assert_eq!(
        (&info["num_ack_pending"], &info["ack_floor"]["stream_seq"]),
        (&0.into(), &1.into())
    );
    house.until_left("jetgate-acme").await;
}
