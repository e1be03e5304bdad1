//! Little, and very slowly.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::{Connection, DATA, END_HEADERS, END_STREAM, HEADERS, call, frame, message};
use super::{House, STREAMS};
use crate::support::SOON;

/// SETTINGS_INITIAL_WINDOW_SIZE, nothing.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// Connections that have begun to greet.
async fn greet(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut greeting = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP").await.unwrap();
        greeting.push(stream);
    }
    greeting
}

#[tokio::test]
async fn answers_that_are_never_read() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let mut connection = Connection::open_with(address, &NO_WINDOW).await;
            // The longest answer that there is to an empty request.
            let path = "/jetgate.v1.GatewayService/ListErrorReasons";
            for _ in 0..2 * STREAMS {
                let stream = connection.stream();
                let headers = frame(HEADERS, END_HEADERS, stream, &call(path));
                let data = frame(DATA, END_STREAM, stream, &message(0, &[]));
                connection.send(&[headers, data].concat()).await;
            }
        })
        .await;
}

#[tokio::test]
async fn greetings_that_never_end_are_cut_off_and_hold_no_shutdown_up() {
    let mut house = House::start().await;
    let mut waiting = greet(house.public, 100).await;
    house
        .withstands(async |address| drop(greet(address, 10).await))
        .await;
    // Each is closed without having said a word more.
    for stream in &mut waiting {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(2 * SOON, stream.read_to_end(&mut answer));
        let _ = end.await.expect("still open");
    }

    let _late = greet(house.public, 1).await;
    house.process.signal(Signal::TERM);
    house.process.ended(SOON).await;
}

#[tokio::test]
async fn frames_that_come_byte_by_byte() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let mut connection = Connection::open(address).await;
            let stream = connection.stream();
            let headers = frame(HEADERS, END_HEADERS, stream, &call("/x/y"));
            for byte in headers {
                if !connection.send(&[byte]).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
}
