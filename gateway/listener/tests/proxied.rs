//! Connections that proxies pass on.

use proxy_header::{ProxiedAddress, ProxyHeader};

use super::*;

const CALLER: &str = "192.0.2.7:4660";

fn behind(proxies: &str) -> Config {
    Config {
        proxy_protocol_from: proxies.parse().unwrap(),
        ..Config::default()
    }
}

fn version_1(source: &str) -> Vec<u8> {
    let (address, port) = source.rsplit_once(':').unwrap();
    format!("PROXY TCP4 {address} 10.0.0.1 {port} 50051\r\n").into_bytes()
}

fn version_2(source: &str) -> Vec<u8> {
    let address =
        ProxiedAddress::stream(source.parse().unwrap(), "10.0.0.1:50051".parse().unwrap());
    let mut bytes = [0; 256];
    let header = ProxyHeader::with_address(address);
    let length = header.encode_to_slice_v2(&mut bytes).unwrap();
    bytes[..length].to_vec()
}

/// A connection that begins with these pieces, and its own address.
async fn connect_with(running: &Running, pieces: &[&[u8]]) -> (TcpStream, SocketAddr) {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let local = stream.local_addr().unwrap();
    (stream, local)
}

/// Whom the listener takes the connection to be of; `None` where it is not served.
async fn peer(running: &Running, stream: TcpStream) -> Option<(String, SendRequest<Empty<Bytes>>)> {
    let handshaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshaken.ok()?;
    tokio::spawn(connection);
    let response = sender.send_request(get(running.address, "/")).await.ok()?;
    Some((
        response.headers()["peer"].to_str().unwrap().to_owned(),
        sender,
    ))
}

async fn peer_with(running: &Running, header: &[u8]) -> Option<String> {
    let (stream, _) = connect_with(running, &[header]).await;
    peer(running, stream).await.map(|(peer, _)| peer)
}

/// How many connections were refused for this reason.
fn refused(running: &Running, why: &str) -> u64 {
    let text = running.metrics.encode().unwrap();
    let series = format!("jetgate_refused_connections_total{{why=\"{why}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_proxy_tells_whose_connection_it_passes_on() {
    let running = run(behind("127.0.0.0/8")).await;

    assert_eq!(
        peer_with(&running, &version_1(CALLER)).await.as_deref(),
        Some(CALLER)
    );
    assert_eq!(
        peer_with(&running, &version_2(CALLER)).await.as_deref(),
        Some(CALLER)
    );
    // In as many pieces as there are bytes.
    for header in [version_1(CALLER), version_2(CALLER)] {
        let pieces: Vec<&[u8]> = header.chunks(1).collect();
        let (stream, _) = connect_with(&running, &pieces).await;
        assert_eq!(peer(&running, stream).await.unwrap().0, CALLER);
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_for_itself_is_its_own_peer() {
    let running = run(behind("127.0.0.1")).await;
    let local = ProxyHeader::with_local();
    let mut bytes = [0; 64];
    let length = local.encode_to_slice_v2(&mut bytes).unwrap();

    for header in [&bytes[..length], b"PROXY UNKNOWN\r\n"] {
        let (stream, own) = connect_with(&running, &[header]).await;
        assert_eq!(peer(&running, stream).await.unwrap().0, own.to_string());
    }
}

#[tokio::test]
async fn connections_of_a_proxy_without_a_header_are_closed_and_counted() {
    let running = run(behind("127.0.0.1")).await;

    for header in [
        &b""[..],
        b"PROXY TCP4 nobody\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(peer_with(&running, header).await, None);
    }

    assert_eq!(refused(&running, "proxy_header"), 3);
}

#[tokio::test]
async fn a_header_has_as_much_time_as_a_preface() {
    let running = run(Config {
        preface_timeout: Duration::from_millis(500),
        ..behind("127.0.0.1")
    })
    .await;
    let (mut silent, _) = connect_with(&running, &[b"PROXY TCP4 "]).await;
    let start = Instant::now();

    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);

    assert!(
        start.elapsed() >= Duration::from_millis(480),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(refused(&running, "proxy_header"), 1);
}

#[tokio::test]
async fn others_cannot_speak_for_anybody() {
    let running = run(behind("10.0.0.0/8")).await;

    assert_eq!(peer_with(&running, &version_1(CALLER)).await, None);

    assert_eq!(refused(&running, "protocol"), 1);
    let (stream, own) = connect_with(&running, &[]).await;
    assert_eq!(peer(&running, stream).await.unwrap().0, own.to_string());
}

#[tokio::test]
async fn the_limit_of_an_address_counts_those_of_callers() {
    let running = run(Config {
        max_connections_per_address: 1,
        ..behind("127.0.0.1")
    })
    .await;
    let open = async |source: &str| {
        let (stream, _) = connect_with(&running, &[&version_2(source)]).await;
        peer(&running, stream).await
    };

    let first = open(CALLER).await;
    assert!(first.is_some());
    assert!(open("192.0.2.7:4661").await.is_none());
    assert!(open("192.0.2.8:4660").await.is_some());

    assert_eq!(refused(&running, "address_full"), 1);
}

#[tokio::test]
async fn proxies_that_say_nothing_do_not_delay_the_end() {
    let running = run(behind("127.0.0.1")).await;
    let _silent = connect_with(&running, &[b"PROXY "]).await;
    assert!(peer_with(&running, &version_1(CALLER)).await.is_some());

    running.stop.cancel();

    running.server.await.unwrap();
}
