//! How many resets a connection may cause, which its settings say.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frames::{
    END_HEADERS, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, call, frame,
};
use crate::support::{Gateway, NatsServer, SOON};

const GOAWAY: u8 = 7;

/// Codes of errors (RFC 9113, section 7).
const FLOW_CONTROL_ERROR: u32 = 3;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The largest increment of a window.
const LARGEST: u32 = u32::MAX >> 1;

/// A call that waits for its caller.
const WAITING: &str = "/jetgate.v1.PublisherService/PublishStream";

/// A connection whose answers are read.
struct Connection {
    stream: TcpStream,
    next_call: u32,
}

/// What came of it.
#[derive(Debug, Eq, PartialEq)]
enum Answer {
    /// A call is reset, with this code.
    Reset(u32),
    /// The connection ends, with this code.
    GoAway(u32),
    /// A ping is answered.
    Pong,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&greeting).await.unwrap();
        Self {
            stream,
            next_call: 1,
        }
    }

    /// The headers of a call with this behind them.
    fn call(&mut self, kind: u8, payload: u32) -> Vec<u8> {
        let call_id = self.next_call;
        self.next_call += 2;
        let headers = frame(HEADERS, END_HEADERS, call_id, &call(WAITING));
        let behind = frame(kind, 0, call_id, &payload.to_be_bytes());
        [headers, behind].concat()
    }

    async fn send(&mut self, bytes: &[u8]) {
        // Whoever is cut off reads why.
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer of those that count here.
    async fn answer(&mut self) -> Answer {
        let answer = async {
            loop {
                let mut head = [0; 9];
                self.stream.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                self.stream.read_exact(&mut payload).await.unwrap();
                let number = |at: usize| {
                    let bytes = payload[at..at + 4].try_into().unwrap();
                    u32::from_be_bytes(bytes)
                };
                match head[3] {
                    RST_STREAM => return Answer::Reset(number(0)),
                    GOAWAY => return Answer::GoAway(number(4)),
                    PING if head[4] == 1 => return Answer::Pong,
                    _ => {}
                }
            }
        };
        timeout(SOON, answer).await.expect("no answer")
    }
}

#[tokio::test]
async fn a_connection_ends_with_the_error_that_is_one_too_many() {
    let nats = NatsServer::start().await;
    for most in [2, 5] {
        let change = |config: &mut jetgate::config::Config| config.server.max_error_resets = most;
        let gateway = Gateway::start_with(&nats.url(), change).await;
        let mut connection = Connection::open(gateway.public()).await;
        for _ in 0..most {
            // A window that becomes too large is an error of its stream.
            let provoked = connection.call(WINDOW_UPDATE, LARGEST);
            connection.send(&provoked).await;
            assert_eq!(connection.answer().await, Answer::Reset(FLOW_CONTROL_ERROR));
        }
        let provoked = connection.call(WINDOW_UPDATE, LARGEST);
        connection.send(&provoked).await;
        assert_eq!(connection.answer().await, Answer::GoAway(ENHANCE_YOUR_CALM));
    }
}

/// What comes of forty calls that are reset before they are begun, and a ping.
async fn reset_at_once(gateway: &Gateway) -> Answer {
    let mut connection = Connection::open(gateway.public()).await;
    let calls = (0..40).flat_map(|_| connection.call(RST_STREAM, CANCEL));
    let burst: Vec<u8> = calls.collect();
    connection.send(&burst).await;
    connection.send(&frame(PING, 0, 0, &[7; 8])).await;
    connection.answer().await
}

#[tokio::test]
async fn a_connection_ends_when_more_calls_are_reset_at_once_than_may_be() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;
    assert_eq!(reset_at_once(&gateway).await, Answer::Pong);

    let change = |config: &mut jetgate::config::Config| config.server.max_pending_resets = 4;
    let gateway = Gateway::start_with(&nats.url(), change).await;
    assert_eq!(
        reset_at_once(&gateway).await,
        Answer::GoAway(ENHANCE_YOUR_CALM)
    );
}
