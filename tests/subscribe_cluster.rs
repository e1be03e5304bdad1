//! Consuming from a consumer with three replicas while servers crash.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{AckKind, EphemeralConsumer, OrderedConsumer, StallReason, SubscribeRequest};
use serde_json::{Value, json};

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, acknowledge, fetch, fetched, say, sequences, subscribe,
    subscribe_ordered, time,
};
use crate::support::{Gateway, NatsCluster, Wire, eventually};

/// An election takes more than five seconds on an idle machine, and the tests share theirs.
const ELECTION: Duration = Duration::from_secs(60);

/// A cluster with a stream and a consumer of three replicas, and a gateway that knows all servers.
async fn start() -> (NatsCluster, Gateway) {
    let cluster = NatsCluster::start().await;
    let mut wire = cluster.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"], "num_replicas": 3 }))
        .await;
    let config = json!({ "durable_name": CONSUMER, "ack_policy": "explicit", "num_replicas": 3 });
    wire.create_consumer(STREAM, config).await;
    let gateway = Gateway::start(&cluster.url()).await;
    (cluster, gateway)
}

async fn leader_of_consumer(cluster: &NatsCluster) -> usize {
    leader_of(cluster, CONSUMER).await
}

async fn leader_of(cluster: &NatsCluster, consumer: &str) -> usize {
    let subject = format!("CONSUMER.INFO.{STREAM}.{consumer}");
    eventually(ELECTION, async || {
        let info = cluster.wire().await.try_api(&subject, Value::Null).await?;
        let leader = info["cluster"]["leader"].as_str()?;
        leader.strip_prefix('n')?.parse().ok()
    })
    .await
}

/// Publishes with ids until each is stored, as callers of a cluster do.
async fn store_surely(wire: &mut Wire, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let headers = format!("Nats-Msg-Id: {number}\r\n");
        eventually(ELECTION, async || {
            let answer = wire
                .request("orders.x", Some(headers.as_bytes()), b"")
                .await?;
            let ack: Value = serde_json::from_slice(&answer.payload).ok()?;
            ack["seq"].as_u64()
        })
        .await;
    }
}

/// Acks all that comes until `count` different messages have come.
async fn consume(session: &mut Session, gateway: &Gateway, seen: &mut HashSet<u64>, count: usize) {
    let started = Instant::now();
    while seen.len() < count {
        assert!(started.elapsed() < 2 * ELECTION, "{} messages", seen.len());
        let batch = session.batch().await;
        seen.extend(sequences(&batch));
        // What is not confirmed during an election comes again and is acked then.
        let items = batch
            .iter()
            .map(|message| say(AckKind::Ack, &message.ack_token))
            .collect();
        acknowledge(gateway, items).await;
    }
}

#[tokio::test]
async fn fetching_spends_no_attempts() {
    const COUNT: u64 = 600;
    let (cluster, gateway) = start().await;
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 1..=COUNT).await;

    // The servers agree on each delivery before it is sent, and the end of its pull is told before that.
    let mut seen = HashSet::new();
    let mut no_wait = false;
    while seen.len() < COUNT as usize {
        let mut request = fetch(50);
        if no_wait {
            (request.no_wait, request.max_wait) = (true, None);
        }
        let batch = fetched(&gateway, request).await;
        assert!(batch.iter().all(|message| message.delivery_attempt == 1));
        seen.extend(sequences(&batch));
        ack(&gateway, &batch).await;
        no_wait = !no_wait;
    }

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["delivered"]["consumer_seq"], COUNT);
}

#[tokio::test]
async fn a_session_outlives_the_leader_of_its_consumer() {
    let (mut cluster, gateway) = start().await;
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 1..=20).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let mut seen = HashSet::new();
    consume(&mut session, &gateway, &mut seen, 20).await;

    let leader = leader_of_consumer(&cluster).await;
    cluster.kill(leader);
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 21..=40).await;
    consume(&mut session, &gateway, &mut seen, 40).await;

    assert_eq!(seen, (1..=40).collect());
    assert_ne!(leader_of_consumer(&cluster).await, leader);
}

#[tokio::test]
async fn a_session_outlives_the_leader_of_its_stream() {
    let (mut cluster, gateway) = start().await;
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 1..=20).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let mut seen = HashSet::new();
    consume(&mut session, &gateway, &mut seen, 10).await;

    let leader = cluster.leader_of_stream(STREAM).await;
    cluster.kill(leader);
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 21..=40).await;
    consume(&mut session, &gateway, &mut seen, 40).await;

    assert_eq!(seen, (1..=40).collect());
}

#[tokio::test]
async fn an_ordered_session_outlives_every_leader_in_turn() {
    let (mut cluster, gateway) = start().await;
    store_surely(&mut cluster.wire().await, 1..=10).await;
    let request = subscribe_ordered(OrderedConsumer::default());
    let mut session = Session::open(&gateway, request).await;
    let mut messages = session.messages(10).await;

    for round in 1..=2 {
        let leader = cluster.leader_of_stream(STREAM).await;
        cluster.kill(leader);
        let first = round * 10 + 1;
        store_surely(&mut cluster.wire().await, first..=first + 9).await;
        messages.extend(session.messages(10).await);
        cluster.restart(leader).await;
        cluster.until_complete().await;
    }

    assert_eq!(sequences(&messages), (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn acks_survive_the_leader_of_the_consumer() {
    let (mut cluster, gateway) = start().await;
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 1..=10).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(10).await;

    ack(&gateway, &messages).await;
    let leader = leader_of_consumer(&cluster).await;
    cluster.kill(leader);

    // What was confirmed is known to a majority: nothing comes again.
    let mut wire = cluster.wire().await;
    store_surely(&mut wire, 11..=11).await;
    let next = session.messages(1).await;
    assert_eq!(sequences(&next), [11]);
    assert_eq!(next[0].delivery_attempt, 1);
}

#[tokio::test]
async fn a_session_says_that_its_consumer_has_no_leader_and_goes_on() {
    let (mut cluster, gateway) = start().await;
    store_surely(&mut cluster.wire().await, 1..=5).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let mut seen = HashSet::new();
    consume(&mut session, &gateway, &mut seen, 5).await;

    // R10: the one that is left cannot become the leader.
    let leader = leader_of_consumer(&cluster).await;
    let lost = [leader, (leader + 1) % 3];
    lost.into_iter().for_each(|number| cluster.kill(number));
    eventually(ELECTION, async || {
        let stall = session.heartbeat().await.stall_reason();
        (stall == StallReason::ConsumerLeaderless).then_some(())
    })
    .await;
    for number in lost {
        cluster.restart(number).await;
    }
    cluster.until_complete().await;
    store_surely(&mut cluster.wire().await, 6..=10).await;
    consume(&mut session, &gateway, &mut seen, 10).await;

    assert_eq!(seen, (1..=10).collect());
}

/// A session of an ephemeral consumer on so many servers, which is kept for so long without a pull.
fn subscribe_ephemeral(num_replicas: u32, inactive_threshold: Duration) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ephemeral(EphemeralConsumer {
            num_replicas,
            inactive_threshold: time(inactive_threshold),
            ..EphemeralConsumer::default()
        })),
        ..subscribe()
    }
}

#[tokio::test]
async fn an_ephemeral_consumer_outlives_its_leader() {
    let (mut cluster, gateway) = start().await;
    store_surely(&mut cluster.wire().await, 1..=10).await;
    let mut session = Session::open(&gateway, subscribe_ephemeral(3, ELECTION)).await;
    let consumer = session.opened.consumer.clone();
    let mut seen = HashSet::new();
    consume(&mut session, &gateway, &mut seen, 10).await;

    let leader = leader_of(&cluster, &consumer).await;
    cluster.kill(leader);
    store_surely(&mut cluster.wire().await, 11..=20).await;
    consume(&mut session, &gateway, &mut seen, 20).await;

    assert_eq!(seen, (1..=20).collect());
    assert_ne!(leader_of(&cluster, &consumer).await, leader);
}

#[tokio::test]
async fn an_ephemeral_consumer_whose_only_server_is_gone_is_made_anew_elsewhere() {
    let (mut cluster, gateway) = start().await;
    store_surely(&mut cluster.wire().await, 1..=10).await;
    let mut session = Session::open(&gateway, subscribe_ephemeral(1, Duration::from_secs(5))).await;
    let consumer = session.opened.consumer.clone();
    let first = session.messages(10).await;
    ack(&gateway, &first[..6]).await;

    // It never comes back; what was not settled comes again, and what is new comes.
    cluster.kill(leader_of(&cluster, &consumer).await);
    store_surely(&mut cluster.wire().await, 11..=15).await;
    let mut seen = HashSet::new();
    consume(&mut session, &gateway, &mut seen, 9).await;

    assert_eq!(seen, (7..=15).collect());
}
