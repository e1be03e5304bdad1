//! Receivers of all kinds: none of them slows a call or breaks one, and what they miss is counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jetgate::proto::PublishOpen;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::support::otlp::Manner;
use crate::support::pki::Authority;
use crate::support::publishing::Publishing;

/// More spans than wait in the gateway.
const FLOOD: u64 = 12_000;

/// Messages of a frame.
const FRAME: u64 = 1_000;

/// The spans that were dropped for this reason, or exported.
async fn spans(gateway: &Gateway, series: &str) -> u64 {
    let (_, text) = http_get(&gateway.admin_url("/metrics")).await.unwrap();
    let line = text.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

const EXPORTED: &str = "jetgate_spans_exported_total";
const QUEUE_FULL: &str = "jetgate_spans_dropped_total{why=\"queue_full\"}";
const UNREACHABLE: &str = "jetgate_spans_dropped_total{why=\"unreachable\"}";
const REJECTED: &str = "jetgate_spans_dropped_total{why=\"rejected\"}";

/// Waits until so many spans, at least, went this way.
async fn until(gateway: &Gateway, series: &str, least: u64) -> u64 {
    eventually(3 * SOON, async || {
        let count = spans(gateway, series).await;
        (count >= least).then_some(count)
    })
    .await
}

async fn gateway_for(nats: &NatsServer, url: String) -> Gateway {
    Gateway::start_with(&nats.url(), |config| {
        config.traces.otlp_endpoint = Some(url);
        config.traces.sample_ratio = 0.0;
    })
    .await
}

/// An address that is ours, and where nobody listens.
fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// Publishes messages with a trace each, and returns how long that took.
async fn flood(gateway: &Gateway) -> Duration {
    let began = Instant::now();
    let mut stream = Publishing::open(gateway, PublishOpen::default()).await;
    for first in (1..=FLOOD).step_by(FRAME as usize) {
        let messages = (first..first + FRAME).map(|number| traced_order(number.into(), true));
        stream.publish(first, messages.collect()).await;
        // Answers are read as they come, so that the window has room for the next frame.
        stream.settled(first.saturating_sub(FRAME / 2)).await;
    }
    stream.settled(FLOOD).await;
    began.elapsed()
}

#[tokio::test]
async fn one_that_never_answers_holds_nobody_up() {
    let (nats, mut wire) = start_nats().await;
    let receiver = OtlpReceiver::start_as(Manner::Hangs).await;
    let gateway = gateway_for(&nats, receiver.url()).await;

    let took = flood(&gateway).await;

    assert_eq!(wire.count(STREAM).await, FLOOD);
    // One attempt alone is given ten seconds.
    eprintln!("{FLOOD} messages took {took:?}");
    let dropped = until(&gateway, QUEUE_FULL, 1).await;
    assert!(dropped < FLOOD, "{dropped}");
    assert_eq!(spans(&gateway, EXPORTED).await, 0);
    // Nor does it hold up the end.
    gateway.shutdown().await;
}

#[tokio::test]
async fn one_that_comes_later_gets_what_was_kept() {
    let (nats, _wire) = start_nats().await;
    let (socket, url) = nobody();
    let gateway = gateway_for(&nats, url).await;

    gateway
        .publisher()
        .publish(traced(order(), 7, true))
        .await
        .unwrap();
    let receiver = OtlpReceiver::start_on(socket);

    receiver.trace(7, 2).await;
    until(&gateway, EXPORTED, 2).await;
    assert_eq!(spans(&gateway, UNREACHABLE).await, 0);
}

#[tokio::test]
async fn one_that_is_never_there_costs_the_spans_alone() {
    let (nats, _wire) = start_nats().await;
    let (_socket, url) = nobody();
    let gateway = gateway_for(&nats, url).await;

    gateway
        .publisher()
        .publish(traced(order(), 7, true))
        .await
        .unwrap();

    assert_eq!(until(&gateway, UNREACHABLE, 2).await, 2);
    gateway
        .publisher()
        .publish(traced(order(), 8, true))
        .await
        .unwrap();
    gateway.shutdown().await;
}

#[tokio::test]
async fn what_one_does_not_want_is_counted() {
    let (nats, _wire) = start_nats().await;
    for (manner, exported, rejected) in [(Manner::Refuses, 0, 2), (Manner::TakesAllButOne, 1, 1)] {
        let receiver = OtlpReceiver::start_as(manner).await;
        let gateway = gateway_for(&nats, receiver.url()).await;
        gateway
            .publisher()
            .publish(traced(order(), 7, true))
            .await
            .unwrap();

        until(&gateway, REJECTED, rejected).await;
        assert_eq!(spans(&gateway, EXPORTED).await, exported);
    }
}

/// A port before a receiver, of which the first connection never hears a word.
async fn silent_at_first(receiver: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let _silent = listener.accept().await.unwrap();
        loop {
            let (mut sender, _) = listener.accept().await.unwrap();
            let mut receiver = TcpStream::connect(receiver).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut sender, &mut receiver).await });
        }
    });
    port
}

/// One with TLS gets spans, at this port.
async fn gets_spans_at(port: u16, receiver: &OtlpReceiver, authority: &Authority) {
    let (nats, _wire) = start_nats().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.traces.otlp_endpoint = Some(format!("https://localhost:{port}"));
        config.traces.otlp_ca_file = Some(authority.file());
    })
    .await;

    gateway
        .publisher()
        .publish(traced(order(), 7, true))
        .await
        .unwrap();
    receiver.trace(7, 2).await;
}

#[tokio::test]
async fn one_with_tls_is_known_by_its_authority() {
    let authority = Authority::new();
    let receiver = OtlpReceiver::start_with_tls(&authority.issue("otlp", "localhost")).await;
    gets_spans_at(receiver.address().port(), &receiver, &authority).await;
}

#[tokio::test]
async fn one_that_hangs_in_its_handshake_is_asked_again() {
    let authority = Authority::new();
    let receiver = OtlpReceiver::start_with_tls(&authority.issue("otlp", "localhost")).await;
    let port = silent_at_first(receiver.address()).await;
    gets_spans_at(port, &receiver, &authority).await;
}

#[tokio::test]
async fn a_gateway_that_ends_sends_what_it_has() {
    let (nats, _wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = gateway_for(&nats, receiver.url()).await;

    gateway
        .publisher()
        .publish(traced(order(), 7, true))
        .await
        .unwrap();
    gateway.shutdown().await;

    assert_eq!(receiver.spans().len(), 2);
}

#[tokio::test]
async fn a_gateway_that_ends_sends_nothing_twice() {
    let (nats, _wire) = start_nats().await;
    let receiver = OtlpReceiver::start_as(Manner::TakesItsTime).await;
    let gateway = gateway_for(&nats, receiver.url()).await;
    let order = traced(order(), 7, true);
    gateway.publisher().publish(order).await.unwrap();

    // It ends while the answer is on its way.
    receiver.trace(7, 2).await;
    gateway.shutdown().await;

    assert_eq!(receiver.spans().len(), 2);
}
