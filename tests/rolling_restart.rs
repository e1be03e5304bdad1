//! Three gateways behind one address are restarted one after the other, under load.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetgate::config::Config;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::consuming::{CONSUMER, STREAM, create_consumer, nanoseconds};
use crate::support::worker::{Ledger, Worker};
use crate::support::{Clients, Gateway, NatsServer, Port, RoundRobin, SOON, eventually};

/// How long each message is worked on: longer than a hand-over.
const WORK: Duration = Duration::from_millis(700);

/// The time between two messages.
const PACE: Duration = Duration::from_millis(5);

/// The longest gap between two sessions of a consumer.
const LONGEST_GAP: Duration = Duration::from_secs(5);

async fn start_at(nats: &NatsServer, port: &Port) -> Gateway {
    let change = |config: &mut Config| config.server.listen = port.address();
    Gateway::start_with(&nats.url(), change).await
}

#[tokio::test]
async fn a_rolling_restart_loses_nothing_and_burns_no_attempt() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    // Whatever came again by itself would come too late for this test.
    create_consumer(&mut wire, json!({ "ack_wait": nanoseconds(600) })).await;
    let mut gateways = Vec::new();
    let ports = [(); 3].map(|()| Port::reserve());
    for port in &ports {
        gateways.push(start_at(&nats, port).await);
    }
    let addresses: Vec<SocketAddr> = ports.iter().map(Port::address).collect();
    let proxy = RoundRobin::start(&addresses).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let workers: Vec<Worker> = (0..6)
        .map(|_| Worker::start(Clients::at(proxy.address()), &ledger, WORK))
        .collect();

    let enough = CancellationToken::new();
    let load = tokio::spawn({
        let enough = enough.clone();
        async move {
            let mut stored = 0;
            while !enough.is_cancelled() {
                stored = wire.store("orders.x", b"payload").await;
                sleep(PACE).await;
            }
            (wire, stored)
        }
    });
    for (place, port) in ports.iter().enumerate() {
        let done = ledger.lock().unwrap().done();
        eventually(SOON, async || {
            (ledger.lock().unwrap().done() > done + 100).then_some(())
        })
        .await;
        let mut old = gateways.remove(place);
        old.request_shutdown();
        old.until_ended(2 * SOON).await;
        drop(old);
        gateways.insert(place, start_at(&nats, port).await);
    }
    enough.cancel();
    let (mut wire, stored) = load.await.unwrap();
    eventually(3 * SOON, async || {
        (ledger.lock().unwrap().done() as u64 == stored).then_some(())
    })
    .await;
    for worker in workers {
        worker.stop().await;
    }

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], stored);

    let mut ledger = ledger.lock().unwrap();
    ledger.assert_kept(1..=stored);
    ledger.assert_nothing_came_twice();
    ledger.gaps.sort_unstable();
    let longest = ledger.gaps.last().copied().expect("sessions moved");
    let median = ledger.gaps[ledger.gaps.len() / 2];
    println!(
        "{stored} messages, {} hand-overs: the gap was {median:?} (median), {longest:?} (longest)",
        ledger.gaps.len()
    );
    assert!(longest < LONGEST_GAP, "{longest:?}");
}
