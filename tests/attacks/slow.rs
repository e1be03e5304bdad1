//! Little, and very slowly.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::frames::{Connection, DATA, END_HEADERS, END_STREAM, HEADERS, call, frame, message};
use super::{House, STREAMS, Target};
use crate::support::SOON;

/// SETTINGS_INITIAL_WINDOW_SIZE, nothing.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// The first bytes of a TLS handshake that announces 512.
const HELLO: [u8; 9] = [22, 3, 1, 2, 0, 1, 0, 1, 252];

/// Connections that have begun with this, and do not go on.
async fn begun(address: SocketAddr, with: &[u8], count: usize) -> Vec<TcpStream> {
    let mut begun = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Whoever is refused is refused.
        let _ = stream.write_all(with).await;
        begun.push(stream);
    }
    begun
}

/// What is slow stays for a moment.
async fn linger() {
    sleep(Duration::from_millis(100)).await;
}

/// Answers that are never read: the longest that there is to an empty request.
pub(super) async fn unread_answers(target: &Target) {
    let mut connection = Connection::open_with(target.address, &NO_WINDOW).await;
    let path = "/jetgate.v1.GatewayService/ListErrorReasons";
    for _ in 0..2 * STREAMS {
        let stream = connection.begin(&target.call(path)).await;
        let data = frame(DATA, END_STREAM, stream, &message(0, &[]));
        connection.send(&data).await;
    }
    linger().await;
}

/// Frames that come byte by byte.
pub(super) async fn single_bytes(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    let stream = connection.stream();
    for byte in frame(HEADERS, END_HEADERS, stream, &call("/x/y")) {
        if !connection.send(&[byte]).await {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Greetings that never end.
pub(super) async fn greetings(target: &Target) {
    let _greeting = begun(target.address, b"PRI * HTTP", 10).await;
    linger().await;
}

/// Handshakes that never end.
pub(super) async fn handshakes(target: &Target) {
    let _shaking = begun(target.address, &HELLO, 20).await;
    linger().await;
}

/// Many connections that say nothing, and many that are answered and say nothing more.
pub(super) async fn left_handshakes(target: &Target) {
    let _silent = begun(target.address, &[], 50).await;
    let _left = begun(target.address, &target.hello, 50).await;
    sleep(Duration::from_millis(500)).await;
}

/// Connections that say nothing more.
pub(super) async fn idle_connections(target: &Target) {
    let mut idle = Vec::new();
    for _ in 0..25 {
        idle.push(Connection::open(target.address).await);
    }
    linger().await;
}

/// Streams without a deadline that are opened and left.
pub(super) async fn idle_streams(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    for _ in 0..STREAMS {
        for method in ["Subscriber/Consume", "Publisher/PublishStream"] {
            let (service, method) = method.split_once('/').unwrap();
            let path = format!("/jetgate.v1.{service}Service/{method}");
            connection.begin(&target.call(&path)).await;
        }
    }
    linger().await;
}

#[tokio::test]
async fn greetings_that_never_end_are_cut_off_and_hold_no_shutdown_up() {
    let mut house = House::start().await;
    let mut waiting = begun(house.target.address, b"PRI * HTTP", 100).await;
    // Each is closed without having said a word more.
    for stream in &mut waiting {
        let mut answer = Vec::new();
        let end = timeout(2 * SOON, stream.read_to_end(&mut answer));
        let _ = end.await.expect("still open");
    }

    let _late = begun(house.target.address, b"PRI * HTTP", 1).await;
    house.process.signal(Signal::TERM);
    house.process.ended(SOON).await;
}
