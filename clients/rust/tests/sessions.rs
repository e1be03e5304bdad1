//! Consumers between two sessions, and over drains that take long.

use std::collections::HashSet;
use std::time::Duration;

use jetgate_client::v1::gateway_service_client::GatewayServiceClient;
use jetgate_client::{Client, ErrorReason, v1};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::consuming::{SOON, next, with_messages};
use super::proxy::{Proxy, Way};
use super::world::World;

/// Long enough that a program does not wait for the next session itself.
const MUCH_LATER: Duration = Duration::from_secs(60);

async fn state(client: &Client) -> v1::ConsumerState {
    let info = client.consumer_info("USERS", "worker").await.unwrap();
    info.state.unwrap()
}

/// Waits until no gateway has a session of a consumer any more.
async fn until_no_session(client: &Client) {
    let mut gateway = GatewayServiceClient::new(client.connection());
    let ended = async {
        loop {
            let listed = gateway.list_sessions(v1::ListSessionsRequest::default());
            if listed.await.unwrap().get_ref().sessions.is_empty() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, ended).await.unwrap();
}

/// The one gateway that has a session of the consumer.
async fn gateway_of_worker(world: &World) -> usize {
    let mut having = Vec::new();
    for (gateway, address) in world.gateways().into_iter().enumerate() {
        let one = world.builder(&[address], None).connect().unwrap();
        let mut calls = GatewayServiceClient::new(one.connection());
        let info = calls.get_info(v1::GetInfoRequest {}).await.unwrap();
        // Of this gateway alone: without an id it asks all of them.
        let request = v1::ListSessionsRequest {
            consumer: "worker".into(),
            gateway_id: info.into_inner().gateway_id,
            ..Default::default()
        };
        let listed = calls.list_sessions(request).await.unwrap();
        if !listed.get_ref().sessions.is_empty() {
            having.push(gateway);
        }
    }
    assert_eq!(having.len(), 1, "{having:?}");
    having[0]
}

async fn until(client: &Client, reached: impl Fn(&v1::ConsumerState) -> bool) {
    let reached = async {
        while !reached(&state(client).await) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, reached).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_without_a_session_is_delivered_by_close() {
    let world = World::start(json!({})).await;
    let beside = with_messages(&world, 3, 30).await;
    let proxy = Proxy::start(&world.gateways()[0]).await;
    let builder = world.builder(&proxy.addresses(), None);
    let client = builder.backoff(MUCH_LATER, MUCH_LATER).connect().unwrap();
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut consumer).await);
    }
    proxy.set(Way::Cut);
    held[0].ack();
    held[1].term("it can never succeed");
    let confirming = held.pop().unwrap();
    let confirmed = tokio::spawn(async move { confirming.ack_confirmed().await });
    // The gateway has noticed, too.
    until_no_session(&beside).await;
    proxy.set(Way::Open);
    consumer.close().await.unwrap();
    confirmed.await.unwrap().unwrap();
    until(&beside, |state| state.num_ack_pending == 0).await;
    assert_eq!(state(&beside).await.num_redelivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_gateway_does_not_take_is_delivered_by_another() {
    let world = World::start(json!({"gateways": 2})).await;
    let client = with_messages(&world, 1, 60).await;
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    let held = next(&mut consumer).await;
    let silent = gateway_of_worker(&world).await;
    let other = [world.gateways()[1 - silent].clone()];
    let beside = world.builder(&other, None).connect().unwrap();
    world.gateway("pause_gateway", silent).await;
    held.ack();
    timeout(SOON, consumer.close()).await.unwrap().unwrap();
    until(&beside, |state| state.num_ack_pending == 0).await;
    world.gateway("resume_gateway", silent).await;
    assert_eq!(state(&beside).await.num_redelivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn close_says_that_something_could_not_be_delivered() {
    let world = World::start(json!({})).await;
    with_messages(&world, 3, 30).await;
    let proxy = Proxy::start(&world.gateways()[0]).await;
    let client = world.builder(&proxy.addresses(), None).connect().unwrap();
    for settles in [false, true] {
        let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
        let held = next(&mut consumer).await;
        proxy.set(Way::Cut);
        if settles {
            held.ack();
        }
        let closing = timeout(SOON / 2, consumer.close());
        let closed = closing.await.expect("it ends in time");
        let reason = closed.err().map(|error| error.reason());
        assert_eq!(
            reason,
            settles.then_some(ErrorReason::AckOutcomeUnknown),
            "what nobody has settled is given back, and needs no word of it"
        );
        proxy.set(Way::Open);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_anothers_is_not_handed_out() {
    let world = World::start(json!({})).await;
    let beside = with_messages(&world, 20, 2).await;
    let proxy = Proxy::start(&world.gateways()[0]).await;
    let client = world.builder(&proxy.addresses(), None).connect().unwrap();
    let builder = client.consumer("USERS", "worker").lease(Duration::ZERO);
    let mut consumer = builder.open().await.unwrap();
    until(&beside, |state| state.num_ack_pending == 20).await;
    // With the first, what has come by then leaves the queue for the program's side.
    let held = next(&mut consumer).await;
    proxy.set(Way::Cut);
    let mut other = beside.consumer("USERS", "worker").open().await.unwrap();
    // Where this machine stands still for longer than ack_wait, some come to it more than once.
    let mut confirmed = HashSet::new();
    while confirmed.len() < 20 {
        let message = next(&mut other).await;
        if message.ack_confirmed().await.is_ok() {
            confirmed.insert(message.text().into_owned());
        }
    }
    other.close().await.unwrap();
    proxy.set(Way::Open);
    beside.publish(("users.new", "later")).await.unwrap();
    // Once that is answered, the next session is open.
    let _ = timeout(SOON, held.ack_confirmed()).await.unwrap();
    let later = next(&mut consumer).await;
    assert_eq!((&*later.text(), later.attempt()), ("later", 1));
    later.ack();
    consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_time_that_is_asked_for_without_a_session_is_given() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 1, 30).await;
    let builder = client.consumer("USERS", "worker").lease(Duration::ZERO);
    let mut consumer = builder.open().await.unwrap();
    let held = next(&mut consumer).await;
    let delivered = Instant::now();
    world.gateway("kill_gateway", 0).await;
    sleep_until(delivered + Duration::from_secs(4)).await;
    held.in_progress();
    world.gateway("start_gateway", 0).await;
    // Without that it would come again after its ack_wait.
    let until = delivered + Duration::from_secs(32);
    let again = tokio::time::timeout_at(until, consumer.next()).await;
    assert!(again.is_err(), "{again:?}");
    held.ack_confirmed().await.unwrap();
    assert_eq!(state(&client).await.num_redelivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_held_over_a_drain_that_takes_longer_than_ack_wait() {
    let world = World::start(json!({"gateways": 2, "config": {"shutdown.drain": "90s"}})).await;
    let client = with_messages(&world, 20, 5).await;
    let builder = world.builder(&world.gateways(), None);
    let patient = builder.call_timeout(2 * SOON).connect().unwrap();
    world.gateway("kill_gateway", 1).await;
    let mut consumer = patient.consumer("USERS", "worker").open().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(next(&mut consumer).await);
    }
    // No other gateway takes the session on for several times the ack_wait.
    world.gateway("drain_gateway", 0).await;
    sleep(Duration::from_secs(12)).await;
    world.gateway("start_gateway", 1).await;
    let ended = json!({"do": "wait_gateway", "gateway": 0, "within": 60});
    world.tell(ended).await;
    world.gateway("start_gateway", 0).await;
    for message in &held {
        message.ack_confirmed().await.unwrap();
    }
    client.publish(("users.new", "later")).await.unwrap();
    let later = next(&mut consumer).await;
    assert_eq!((&*later.text(), later.attempt()), ("later", 1));
    later.ack_confirmed().await.unwrap();
    let state = state(&client).await;
    assert_eq!((state.num_redelivered, state.num_ack_pending), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_program_is_taken_along_after_its_ack_wait() {
    let world = World::start(json!({"gateways": 2, "config": {"shutdown.drain": "30s"}})).await;
    let client = with_messages(&world, 300, 8).await;
    let builder = client.consumer("USERS", "worker").max_outstanding(100);
    let mut consumer = builder.open().await.unwrap();
    let first = next(&mut consumer).await;
    // Only leases keep what waits here, and only renewed tokens take it along.
    sleep(Duration::from_secs(9)).await;
    for gateway in 0..2 {
        world.gateway("drain_gateway", gateway).await;
        world.gateway("wait_gateway", gateway).await;
        world.gateway("start_gateway", gateway).await;
    }
    first.ack_confirmed().await.unwrap();
    let mut seen = HashSet::from([first.text().into_owned()]);
    while seen.len() < 300 {
        let message = next(&mut consumer).await;
        assert_eq!(message.attempt(), 1, "{} came again", message.text());
        assert!(seen.insert(message.text().into_owned()));
        message.ack();
    }
    consumer.close().await.unwrap();
    until(&client, |state| state.num_ack_pending == 0).await;
}
