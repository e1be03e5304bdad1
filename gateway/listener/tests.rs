//! The accept loop against real sockets: limits, refusals and its end.

use std::time::Instant;

use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};
use tower::service_fn;

use super::*;

mod proxied;

#[test]
fn a_call_that_is_held_leaves_its_connection_room() {
    let of = |stream: u64, connection: u64| {
        let server = Config {
            http2_stream_window: ByteSize::kib(stream),
            http2_connection_window: ByteSize::kib(connection),
            ..Config::default()
        };
        let whole = crate::config::Config {
            server,
            ..crate::config::Config::default()
        };
        whole.validate().is_ok()
    };
    for (stream, connection) in [(64, 4_096), (256, 16_384), (1_024, 65_536)] {
        assert!(of(stream, connection));
        assert!(!of(stream + 1, connection), "{stream}");
        // What h2 counts of a window that is full of frames of this size, and when it ends the connection.
        for size in 8..256 {
            let lacking = stream * 1_024 / size * (256 - size);
            assert!(lacking <= connection * 1_024 / 2, "{stream} {size}");
        }
    }
    assert!(!of(64, 1_024));
}

struct Running {
    address: SocketAddr,
    metrics: Metrics,
    stop: CancellationToken,
    hard_stop: CancellationToken,
    server: JoinHandle<()>,
}

/// Answers `/hang` never and everything else with the peer's address as a header.
async fn run(config: Config) -> Running {
    run_with(config, false).await
}

/// The same, perhaps for HTTP/1.1 as well.
async fn run_with(config: Config, http1: bool) -> Running {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let metrics = Metrics::new();
    let listener = Listener {
        name: "public",
        socket,
        config,
        tls: None,
        http1,
        metrics: metrics.clone(),
    };
    let (stop, hard_stop) = (CancellationToken::new(), CancellationToken::new());
    let service = service_fn(async |request: Request<Incoming>| {
        if request.uri().path() == "/hang" {
            std::future::pending::<()>().await;
        }
        let PeerAddr(peer) = *request.extensions().get().unwrap();
        let response = Response::builder().header("peer", peer.to_string());
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    });
    let tokens = (stop.clone(), hard_stop.clone());
    let server = tokio::spawn(async move {
        listener.serve(service, tokens.0, tokens.1).await;
    });
    Running {
        address,
        metrics,
        stop,
        hard_stop,
        server,
    }
}

async fn connect(address: SocketAddr) -> (SendRequest<Empty<Bytes>>, SocketAddr) {
    let stream = TcpStream::connect(address).await.unwrap();
    let local = stream.local_addr().unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    (sender, local)
}

fn get(address: SocketAddr, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}{path}"))
        .body(Empty::new())
        .unwrap()
}

#[tokio::test]
async fn requests_carry_their_peer() {
    let running = run(Config::default()).await;
    let (mut sender, local) = connect(running.address).await;

    let response = sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();

    assert_eq!(response.headers()["peer"], local.to_string());
}

#[tokio::test]
async fn stops_when_idle_connections_are_told_to_go() {
    let running = run(Config::default()).await;
    let (mut sender, _) = connect(running.address).await;
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();

    running.stop.cancel();

    running.server.await.unwrap();
    assert!(
        sender
            .send_request(get(running.address, "/"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn connections_that_sent_nothing_do_not_delay_the_end() {
    let running = run(Config::default()).await;
    let _silent = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, _) = connect(running.address).await;
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();

    running.stop.cancel();

    running.server.await.unwrap();
}

#[tokio::test]
async fn hard_stop_cuts_off_what_still_runs() {
    let running = run(Config::default()).await;
    let (mut sender, _) = connect(running.address).await;
    let hanging = tokio::spawn(sender.send_request(get(running.address, "/hang")));
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();
    let start = Instant::now();

    running.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!running.server.is_finished());
    running.hard_stop.cancel();

    running.server.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let running = run(Config {
        max_connections: 1,
        ..Config::default()
    })
    .await;
    let (mut sender, _) = connect(running.address).await;
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();

    let mut refused = TcpStream::connect(running.address).await.unwrap();

    assert_eq!(refused.read(&mut [0; 1]).await.unwrap_or(0), 0);
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();
}

#[tokio::test]
async fn clients_of_http_1_are_told_what_this_is() {
    let running = run(Config::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();

    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 505 "), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}: {body}"
    );
}

#[tokio::test]
async fn http_1_is_served_where_it_may_and_a_stop_ends_it() {
    let running = run_with(Config::default(), true).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let get = || get(running.address, "/");
    for _ in 0..2 {
        let response = sender.send_request(get()).await.unwrap();
        assert!(response.headers().contains_key("peer"));
        sender.ready().await.unwrap();
    }
    let (mut other, _) = connect(running.address).await;
    other.send_request(get()).await.unwrap();

    running.stop.cancel();

    running.server.await.unwrap();
    assert!(sender.send_request(get()).await.is_err());
}

#[tokio::test]
async fn http_1_waits_for_a_request_no_longer_than_it_may() {
    let config = Config {
        http1_idle_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let running = run_with(config, true).await;
    for begun in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nho",
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(begun).await.unwrap();

        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), end)
            .await
            .expect("still open");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_of_their_address_are_closed() {
    let running = run(Config {
        max_connections_per_address: 1,
        ..Config::default()
    })
    .await;
    let (mut sender, _) = connect(running.address).await;
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();

    let mut refused = TcpStream::connect(running.address).await.unwrap();

    assert_eq!(refused.read(&mut [0; 1]).await.unwrap_or(0), 0);
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = other.connect(running.address).await.unwrap();
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
        .send_request(get(running.address, "/"))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_its_calls_end_with_the_grace() {
    let running = run(Config {
        max_connection_age: Duration::from_millis(200),
        max_connection_age_grace: Duration::from_millis(300),
        ..Config::default()
    })
    .await;
    let (mut sender, _) = connect(running.address).await;
    let start = Instant::now();

    let hanging = sender.send_request(get(running.address, "/hang"));

    assert!(hanging.await.is_err());
    assert!(
        start.elapsed() >= Duration::from_millis(480),
        "{:?}",
        start.elapsed()
    );
    assert!(
        sender
            .send_request(get(running.address, "/"))
            .await
            .is_err()
    );
}
