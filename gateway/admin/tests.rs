//! The operator's listener against real sockets: what it says, and that nobody keeps it from saying so.

use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::*;

struct Running {
    address: SocketAddr,
    readiness: watch::Sender<Readiness>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

async fn run() -> Running {
    run_with(Config::default()).await
}

async fn run_with(config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (readiness, receiver) = watch::channel(Readiness::Starting);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let server = tokio::spawn(async move {
        serve(listener, &config, Metrics::new(), receiver, stopped).await;
    });
    Running {
        address,
        readiness,
        stop,
        server,
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn readiness_follows_its_channel_and_liveness_does_not() {
    let running = run().await;

    let starting = get(running.address, "/readyz").await;
    running.readiness.send_replace(Readiness::NatsUnavailable);
    let unavailable = get(running.address, "/readyz").await;
    let alive = get(running.address, "/livez").await;
    running.readiness.send_replace(Readiness::Ready);
    let ready = get(running.address, "/readyz").await;

    assert!(starting.starts_with("HTTP/1.1 503 "), "{starting}");
    assert!(
        unavailable.ends_with("nats is unavailable\n"),
        "{unavailable}"
    );
    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
}

/// As checks of HAProxy do whose servers speak it.
#[tokio::test]
async fn probes_may_come_by_http_2_and_stay_no_longer_than_they_may() {
    let running = run_with(Config {
        request_timeout: Duration::from_secs(1),
        ..Config::default()
    })
    .await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (io, executor) = (TokioIo::new(stream), TokioExecutor::new());
    let (mut requests, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);

    for _ in 0..2 {
        let uri = format!("http://{}/livez", running.address);
        let request = http::Request::get(uri).body(Body::empty()).unwrap();
        let answer = requests.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    let _ = connection.await.unwrap();
    assert!(requests.is_closed());
}

#[tokio::test]
async fn metrics_end_with_the_mark_that_scrapers_require() {
    let running = run().await;

    let answer = get(running.address, "/metrics").await;

    assert!(
        answer.contains("content-type: application/openmetrics-text"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn half_a_request_does_not_delay_the_end() {
    let running = run_with(Config {
        request_timeout: Duration::from_secs(3600),
        ..Config::default()
    })
    .await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /readyz HT").await.unwrap();
    get(running.address, "/livez").await;

    running.stop.cancel();

    let end = tokio::time::timeout(Duration::from_secs(20), running.server);
    end.await.expect("it still waits").unwrap();
}

/// Half a request, from another address of this machine.
async fn half_a_request(address: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    // Whoever is refused is refused.
    let _ = stream.write_all(b"GET /readyz HT").await;
    stream
}

/// The gateway ends this connection, with this answer.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn half_requests_of_one_address_keep_no_probe_away() {
    let running = run_with(Config {
        max_connections: 5,
        max_connections_per_address: 4,
        request_timeout: Duration::from_secs(3600),
        ..Config::default()
    })
    .await;
    let mut halves = Vec::new();
    for _ in 0..20 {
        halves.push(half_a_request(running.address, [127, 0, 0, 2]).await);
    }
    // Those that are too many are closed at once.
    for refused in halves.split_off(4) {
        until_closed(refused).await;
    }

    let alive = get(running.address, "/livez").await;

    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
    let mut finished = halves.swap_remove(0);
    let rest = b"TP/1.1\r\nhost: x\r\n\r\n";
    finished.write_all(rest).await.unwrap();
    let starting = until_closed(finished).await;
    assert!(starting.starts_with("HTTP/1.1 503 "), "{starting}");
}

#[tokio::test]
async fn no_more_are_open_than_may_be_whatever_their_addresses() {
    let running = run_with(Config {
        max_connections: 1,
        request_timeout: Duration::from_secs(3600),
        ..Config::default()
    })
    .await;
    let mut first = half_a_request(running.address, [127, 0, 0, 2]).await;

    until_closed(half_a_request(running.address, [127, 0, 0, 3]).await).await;

    let rest = b"TP/1.1\r\nhost: x\r\n\r\n";
    first.write_all(rest).await.unwrap();
    let starting = until_closed(first).await;
    assert!(starting.starts_with("HTTP/1.1 503 "), "{starting}");
}

#[tokio::test]
async fn half_a_request_is_waited_for_no_longer_than_it_may_take() {
    let running = run_with(Config {
        max_connections: 1,
        request_timeout: Duration::from_millis(200),
        ..Config::default()
    })
    .await;

    until_closed(half_a_request(running.address, [127, 0, 0, 1]).await).await;

    let alive = get(running.address, "/livez").await;
    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
}

#[tokio::test]
async fn a_connection_carries_one_request() {
    let running = run().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let twice = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);

    stream.write_all(&twice).await.unwrap();

    let answers = until_closed(stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 1, "{answers}");
}
