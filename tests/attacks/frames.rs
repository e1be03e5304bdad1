//! HTTP/2 as bytes (RFC 9113, RFC 7541), so that what is sent need not make sense.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinHandle;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// How a connection begins.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A header that no table keeps.
pub(super) fn header(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// A header that the gateway's table is to keep.
pub(super) fn kept_header(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], text(name), text(value)].concat()
}

/// The header that the table has kept last.
pub(super) const LAST_KEPT: u8 = 0x80 | 62;

fn text(text: &str) -> Vec<u8> {
    [length(text.len()), text.as_bytes().to_vec()].concat()
}

/// An integer with a prefix of seven bits.
fn length(mut value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![value as u8];
    }
    let mut bytes = vec![127];
    value -= 127;
    while value >= 128 {
        bytes.push((value % 128) as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

/// The headers of a call.
pub(super) fn call(path: &str) -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "gateway"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    .into_iter()
    .flat_map(|(name, value)| header(name, value))
    .collect()
}

/// A message as gRPC frames it, which says that it has this length.
pub(super) fn message(length: u32, content: &[u8]) -> Vec<u8> {
    [&[0], &length.to_be_bytes()[..], content].concat()
}

/// A connection whose answers are read and thrown away.
pub(super) struct Connection {
    writer: OwnedWriteHalf,
    reading: JoinHandle<()>,
    next_stream: u32,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[]).await
    }

    /// With these settings.
    pub(super) async fn open_with(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let reading = tokio::spawn(async move {
            let mut thrown_away = vec![0; 64 * 1024];
            while matches!(reader.read(&mut thrown_away).await, Ok(1..)) {}
        });
        let greeting = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        let _ = writer.write_all(&greeting).await;
        Self {
            writer,
            reading,
            next_stream: 1,
        }
    }

    /// A stream that was not used yet.
    pub(super) fn stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Whether the gateway still takes something.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        !self.reading.is_finished() && self.writer.write_all(bytes).await.is_ok()
    }

    /// Sends bursts, each made anew, until the gateway takes no more.
    pub(super) async fn send_until_cut_off(mut self, burst: impl Fn(&mut Self) -> Vec<u8>) {
        loop {
            let burst = burst(&mut self);
            if !self.send(&burst).await {
                return;
            }
        }
    }

    /// Sends the same again and again, or until the gateway takes no more.
    pub(super) async fn repeat(&mut self, burst: &[u8], times: usize) {
        for _ in 0..times {
            if !self.send(burst).await {
                return;
            }
        }
    }

    /// Begins a call with these headers, and says on which stream.
    pub(super) async fn begin(&mut self, headers: &[u8]) -> u32 {
        let stream = self.stream();
        let headers = frame(HEADERS, END_HEADERS, stream, headers);
        self.send(&headers).await;
        stream
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
