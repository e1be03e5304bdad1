//! `Consume` while gateways, servers and consumers break. What the callers recorded shows that nothing
//! was lost, and nothing came again that was confirmed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetgate::proto::{AckKind, StallReason};
use rustix::process::Signal;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consume::{Consume, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, create_consumer, item_reason, nanoseconds, sequences, start_with_consumer,
    store_many,
};
use crate::support::worker::{Ledger, Worker};
use crate::support::{
    Clients, Gateway, NatsCluster, NatsServer, Replica, RoundRobin, SOON, Wire, eventually, refused,
};

/// How long each message is worked on where a worker is at work.
const WORK: Duration = Duration::from_millis(20);

async fn info(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await
}

/// A server whose every message is on disk before it is acknowledged, so that a crash loses none.
async fn start_durable(ack_wait: u64) -> (NatsServer, Wire) {
    let nats = NatsServer::start_with("jetstream: { sync_interval: always }").await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({ "ack_wait": nanoseconds(ack_wait) })).await;
    (nats, wire)
}

/// Two gateways, processes of their own, and a proxy that goes from one to the other.
async fn two_replicas(nats: &NatsServer) -> (Replica, Replica, RoundRobin) {
    let url = nats.url();
    let (first, second) = (Replica::start(&url).await, Replica::start(&url).await);
    let proxy = RoundRobin::start(&[first.public, second.public]).await;
    (first, second, proxy)
}

async fn until_done(ledger: &Arc<Mutex<Ledger>>, count: usize) {
    eventually(3 * SOON, async || {
        (ledger.lock().unwrap().done() >= count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_gateway_loses_nothing() {
    let (nats, mut wire) = start_durable(4).await;
    let (first, _second, proxy) = two_replicas(&nats).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let workers = [(); 2].map(|()| Worker::start(Clients::at(proxy.address()), &ledger, WORK));
    store_many(&mut wire, 200).await;
    until_done(&ledger, 50).await;

    // In the middle of the stream; it hands nothing over, so the ack wait decides.
    first.process.signal(Signal::KILL);
    store_many(&mut wire, 200).await;
    until_done(&ledger, 400).await;

    for worker in workers {
        worker.stop().await;
    }
    ledger.lock().unwrap().assert_kept(1..=400);
    eventually(SOON, async || {
        (info(&mut wire).await["ack_floor"]["stream_seq"] == 400).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_terminated_gateway_loses_and_repeats_nothing() {
    let (nats, mut wire) = start_durable(600).await;
    let (mut first, _second, proxy) = two_replicas(&nats).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let workers = [(); 2].map(|()| Worker::start(Clients::at(proxy.address()), &ledger, WORK));
    store_many(&mut wire, 200).await;
    until_done(&ledger, 50).await;

    // R9, R15: no ack wait would end in the time of this test.
    first.process.signal(Signal::TERM);
    store_many(&mut wire, 200).await;
    until_done(&ledger, 400).await;

    for worker in workers {
        worker.stop().await;
    }
    ledger.lock().unwrap().assert_kept(1..=400);
    ledger.lock().unwrap().assert_nothing_came_twice();
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 400);
    assert_eq!(first.process.ended(2 * SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_restart_of_the_only_server_loses_nothing() {
    let (mut nats, mut wire) = start_durable(4).await;
    let gateway = Gateway::start(&nats.url()).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let worker = Worker::start(Clients::at(gateway.public()), &ledger, WORK);
    store_many(&mut wire, 100).await;
    until_done(&ledger, 20).await;

    // R12. A crash may take back the acks of its last moments, so only loss is checked.
    nats.restart().await;
    let mut wire = nats.wire().await;
    store_many(&mut wire, 100).await;
    until_done(&ledger, 200).await;

    worker.stop().await;
    eventually(SOON, async || {
        (info(&mut wire).await["delivered"]["stream_seq"] == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_leader_loses_nothing_and_repeats_nothing_that_is_confirmed() {
    let mut cluster = NatsCluster::start().await;
    let mut wire = cluster.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"], "num_replicas": 3 }))
        .await;
    let settings = json!({ "num_replicas": 3, "ack_wait": nanoseconds(10) });
    create_consumer(&mut wire, settings).await;
    let gateway = Gateway::start(&cluster.url()).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let worker = Worker::start(Clients::at(gateway.public()), &ledger, WORK);
    store_many(&mut wire, 100).await;
    until_done(&ledger, 20).await;

    let leader = cluster.leader_of_stream(STREAM).await;
    cluster.kill(leader);
    let mut wire = cluster.wire().await;
    let mut stored = 100;
    eventually(3 * SOON, async || {
        let answer = wire.request("orders.x", None, b"").await?;
        let answer: Value = serde_json::from_slice(&answer.payload).ok()?;
        stored = stored.max(answer["seq"].as_u64()?);
        (stored >= 150).then_some(())
    })
    .await;
    until_done(&ledger, stored as usize).await;

    worker.stop().await;
    ledger.lock().unwrap().assert_kept(1..=stored);
}

#[tokio::test]
async fn a_purged_stream_makes_room() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 20).await;
    let mut session = Consume::open(&gateway, open_window(5)).await;
    session.messages(5).await;
    session.stalled_by(StallReason::WindowFull).await;

    wire.api(&format!("STREAM.PURGE.{STREAM}"), Value::Null)
        .await;
    store_many(&mut wire, 3).await;

    // R5: the consumer's ack floor has passed what the session holds; settling it does no harm.
    assert_eq!(sequences(&session.messages(3).await), [21, 22, 23]);
    let settled = session.settle(vec![range(AckKind::Ack, 1, 8)], true).await;
    assert_eq!(settled.results[0].code, 0, "{settled:?}");
    assert_eq!(info(&mut wire).await["num_ack_pending"], 0);
}

#[tokio::test]
async fn a_deleted_consumer_fails_what_is_settled_behind_it() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let mut session = Consume::open(&gateway, open_window(2)).await;
    let messages = session.messages(2).await;
    wire.api(&format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"), Value::Null)
        .await;

    refused(session.end().await, Code::NotFound, "CONSUMER_NOT_FOUND");
    let results = crate::support::consuming::acknowledge(
        &gateway,
        vec![crate::support::consuming::say(
            AckKind::Ack,
            &messages[0].ack_token,
        )],
    )
    .await;

    assert_eq!(
        item_reason(&results[0], Code::NotFound),
        "CONSUMER_NOT_FOUND"
    );
}
