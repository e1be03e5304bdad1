//! The gateway behind the proxies that deployments have: real ones, with the configurations of `deploy/`.
//!
//! Their idle timers and the gateway's heartbeat are scaled down together: 5 s for 60 s, 1 s for 15 s.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jetgate::config::Config;
use jetgate::proto::publish_request::Payload;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{AckKind, PublishBatchRequest, PublishOpen, PublishRequest, SubscribeRequest};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::consume::{Consume, open, range};
use crate::support::consuming::{
    STREAM, Session, acknowledge, create_consumer, fetch, fetched, nanoseconds, say, subscribe,
    time,
};
use crate::support::edge::{Edge, Proxy};
use crate::support::publishing::Publishing;
use crate::support::worker::{Ledger, Worker};
use crate::support::{Clients, Gateway, NatsServer, SOON, Wire, eventually, http_get, refused};

mod addresses;
mod headers;
mod pages;

/// What the proxies' timers of a minute are here.
const IDLE: Duration = Duration::from_secs(5);

/// What they are where nothing is idle on purpose, and for how long a stream is silent that is cut off.
const LONG: Duration = Duration::from_secs(60);

/// Callers that publish at a time: enough that no proxy sends all of their calls to one gateway.
const PUBLISHERS: usize = 8;

macro_rules! through {
    ($($module:ident: $proxy:expr;)*) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn calls_of_every_kind_come_through() {
                super::calls_of_every_kind_come_through($proxy).await;
            }

            #[tokio::test]
            async fn large_messages_come_through() {
                super::large_messages_come_through($proxy).await;
            }

            #[tokio::test]
            async fn heartbeats_keep_idle_streams_and_their_absence_does_not() {
                super::heartbeats_keep_idle_streams_and_their_absence_does_not($proxy).await;
            }
        }
    )*};
}

through! {
    envoy: Proxy::Envoy;
    nginx: Proxy::Nginx;
    haproxy: Proxy::Haproxy;
}

#[tokio::test]
async fn calls_are_spread_by_envoy_and_a_gateway_drains_unnoticed() {
    calls_are_spread_and_a_gateway_drains_unnoticed(Proxy::Envoy).await;
}

#[tokio::test]
async fn calls_are_spread_by_haproxy_and_a_gateway_drains_unnoticed() {
    calls_are_spread_and_a_gateway_drains_unnoticed(Proxy::Haproxy).await;
}

// It does not ask whether a gateway drains, and breaks calls that it sends there: they are repeated, and what
// they had delivered may come again.
#[tokio::test]
async fn calls_are_spread_by_nginx_and_a_gateway_drains_without_loss() {
    calls_are_spread_and_a_gateway_drains_without_loss(Proxy::Nginx).await;
}

async fn start_nats() -> (NatsServer, Wire) {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({ "ack_wait": nanoseconds(600) })).await;
    (nats, wire)
}

async fn start_gateway(nats: &NatsServer) -> Gateway {
    let change = |config: &mut Config| {
        config.web.origins = crate::support::page::ORIGIN.parse().unwrap();
    };
    Gateway::start_with(&nats.url(), change).await
}

fn order(text: impl Into<String>) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(Payload::Text(text.into())),
        ..PublishRequest::default()
    }
}

async fn calls_of_every_kind_come_through(proxy: Proxy) {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let Some(edge) = Edge::start(proxy, &[&gateway], LONG).await else {
        return;
    };
    let clients = edge.clients();

    // Unary, with an error's code and details.
    let stored = clients.publisher().publish(order("1")).await.unwrap();
    assert_eq!(stored.into_inner().sequence, 1);
    let nowhere = clients.publisher().publish(PublishRequest::default()).await;
    refused(nowhere, Code::InvalidArgument, "INVALID_REQUEST");

    // Streams in both directions.
    let mut stream = Publishing::open(&clients, PublishOpen::default()).await;
    stream.publish(1, vec![order("2"), order("3")]).await;
    stream.settled(2).await;
    let mut consume = Consume::open_at_once(&clients, open()).await;
    assert_eq!(consume.messages(3).await.len(), 3);
    let settled = consume.settle(vec![range(AckKind::Ack, 1, 3)], true).await;
    let is_fine = settled.results.iter().all(|item| item.code == 0);
    assert!(is_fine, "{settled:?}");
    consume.half_close();
    consume.end().await.unwrap();

    // From the gateway alone, with an acknowledgement by another call.
    let mut session = Session::open(&clients, subscribe()).await;
    clients.publisher().publish(order("4")).await.unwrap();
    let message = session.messages(1).await.remove(0);
    let results = acknowledge(&clients, vec![say(AckKind::Ack, &message.ack_token)]).await;
    assert_eq!(results[0].code, 0, "{results:?}");
}

async fn large_messages_come_through(proxy: Proxy) {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let Some(edge) = Edge::start(proxy, &[&gateway], LONG).await else {
        return;
    };
    let clients = edge.clients();

    // 7 MB in one request: the gateway takes 8 MiB, and nats-server 1 MiB for each message.
    let large = "x".repeat(1_000_000);
    let request = PublishBatchRequest {
        messages: (0..7).map(|_| order(large.clone())).collect(),
        ..PublishBatchRequest::default()
    };
    let results = clients.publisher().publish_batch(request).await.unwrap();
    assert_eq!(results.into_inner().results.len(), 7);
    // Nearly 3 MiB in one response.
    let messages = fetched(&clients, fetch(10)).await;
    assert!(messages.len() >= 2, "{}", messages.len());
}

async fn heartbeats_keep_idle_streams_and_their_absence_does_not(proxy: Proxy) {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let Some(edge) = Edge::start(proxy, &[&gateway], IDLE).await else {
        return;
    };
    let clients = edge.clients();

    let silent = SubscribeRequest {
        heartbeat_interval: time(LONG),
        ..subscribe()
    };
    let silent = clients.subscriber().subscribe(silent).await.unwrap();
    let mut silent = silent.into_inner();
    let mut heard = Session::open(&clients, subscribe()).await;
    let mut spoken = Consume::open(&clients, open()).await;
    let began = Instant::now();

    // Without heartbeats the proxy takes the stream for dead.
    let cut = tokio::time::timeout(SOON, async {
        while let Some(frame) = silent.message().await? {
            assert!(!matches!(frame.event, Some(Event::Heartbeat(_))));
        }
        Ok::<_, tonic::Status>(())
    });
    let both = async {
        while began.elapsed() < 4 * IDLE {
            heard.heartbeat().await;
            spoken.heartbeat().await;
            spoken.ping(1);
        }
        // They live, and do what they are for.
        clients.publisher().publish(order("after")).await.unwrap();
        let mut got = tokio::select! {
            messages = heard.messages(1) => messages,
            messages = spoken.messages(1) => messages,
        };
        assert_eq!(got.remove(0).stream_sequence, 1);
    };
    let (cut, ()) = tokio::join!(cut, both);
    let cut = cut.expect("a silent stream is not cut off: the others prove nothing");
    eprintln!("{proxy:?} ended the silent stream with {:?}", cut.err());
}

/// How many calls a gateway has begun.
async fn calls(gateway: &Gateway) -> u64 {
    let (_, text) = http_get(&gateway.admin_url("/metrics")).await.unwrap();
    let started =
        |line: &&str| line.starts_with("grpc_server_started_total") && line.contains("\"Publish\"");
    let line = text.lines().find(started).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn calls_are_spread_and_a_gateway_drains_unnoticed(proxy: Proxy) {
    let Some((ledger, failed)) = calls_are_spread_and_a_gateway_drains_without_loss(proxy).await
    else {
        return;
    };
    ledger.lock().unwrap().assert_nothing_came_twice();
    // Mostly none: a call that meets the end of a connection is its caller's to repeat.
    assert!(failed.len() <= PUBLISHERS, "{failed:?}");
}

/// What the workers did, and why calls were repeated.
async fn calls_are_spread_and_a_gateway_drains_without_loss(
    proxy: Proxy,
) -> Option<(Arc<Mutex<Ledger>>, Vec<String>)> {
    let (nats, mut wire) = start_nats().await;
    let mut first = start_gateway(&nats).await;
    let second = start_gateway(&nats).await;
    let edge = Edge::start(proxy, &[&first, &second], LONG).await?;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let work = Duration::from_millis(50);
    let workers: Vec<_> = (0..4)
        .map(|_| Worker::start(edge.clients(), &ledger, work))
        .collect();
    let enough = CancellationToken::new();
    let load: Vec<_> = (0..PUBLISHERS)
        .map(|name| tokio::spawn(publish_until(edge.clients(), name, enough.clone())))
        .collect();

    let begun = async |least| {
        eventually(3 * SOON, async || {
            let (first, second) = (calls(&first).await, calls(&second).await);
            (first >= least && second >= least).then_some(())
        })
        .await;
    };
    begun(20).await;
    first.request_shutdown();
    first.until_ended(3 * SOON).await;
    // The other one goes on alone.
    let done = calls(&second).await;
    eventually(3 * SOON, async || {
        (calls(&second).await >= done + 50).then_some(())
    })
    .await;
    enough.cancel();
    let (mut stored, mut failed) = (BTreeSet::new(), Vec::new());
    for publisher in load {
        let (sequences, repeated) = publisher.await.unwrap();
        stored.extend(sequences);
        failed.extend(repeated);
    }

    let all = wire.count(STREAM).await;
    eventually(3 * SOON, async || {
        (ledger.lock().unwrap().done() as u64 == all).then_some(())
    })
    .await;
    for worker in workers {
        worker.stop().await;
    }
    eprintln!(
        "{proxy:?}: {} messages, {} calls repeated while a gateway drained",
        stored.len(),
        failed.len()
    );
    // Each message is there once, and a worker had it.
    assert_eq!(all, stored.len() as u64);
    ledger.lock().unwrap().assert_kept(1..=all);
    Some((ledger, failed))
}

/// Publishes one message after the other, each until it is stored; the sequences, and why calls had to be repeated.
async fn publish_until(
    clients: Clients,
    name: usize,
    enough: CancellationToken,
) -> (BTreeSet<u64>, Vec<String>) {
    let (mut stored, mut failed) = (BTreeSet::new(), Vec::new());
    let mut number = 0;
    while !enough.is_cancelled() {
        number += 1;
        let request = PublishRequest {
            message_id: format!("{name}-{number}"),
            ..order("under load")
        };
        loop {
            match clients.publisher().publish(request.clone()).await {
                Ok(answer) => {
                    stored.insert(answer.into_inner().sequence);
                    break;
                }
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    failed.push(status.message().to_owned());
                }
            }
        }
    }
    (stored, failed)
}
