//! The public accept loop: limits on connections, and an end that is bounded.
//!
//! Why not tonic's own server: it wraps a timeout layer of its own around ours, which answers
//! CANCELLED without details and drops the handler, and its graceful shutdown waits without a
//! bound for connections whose clients stopped answering.

mod connection;
mod limit;
mod peer_loss;
mod preface;

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use self::{connection::Connection, limit::Limit};
use crate::{
    config::{ByteSize, Checks},
    metrics::Metrics,
    tls::Tls,
};

/// The shortest and the longest pause after `accept` failed for want of resources.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How many windows of single calls the window of a connection is good for at least.
///
/// h2 ends a connection whose unread DATA frames together lack more than half of this window to 256
/// bytes each. A caller that flow control holds must not lose its connection by that, however small its
/// frames are: the smallest have 8 bytes, gRPC's prefix and a field, and lack 31 times what they are.
const CALLS_PER_WINDOW: u64 = 64;

/// The longest that a connection may be asked to live.
const LONGEST_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The public gRPC listener.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:50051`.
    pub listen: SocketAddr,
    /// Largest request message that is decoded; one message must also fit the server's
    /// `max_payload`. Default 8 MiB.
    pub max_request_bytes: ByteSize,
    /// Largest `Fetch` response or message batch, unless the caller raises it. Default 3 MiB.
    pub max_response_bytes: ByteSize,
    /// Time between two HTTP/2 pings to a quiet client. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub http2_keepalive_interval: Duration,
    /// Longest wait for the answer to such a ping. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub http2_keepalive_timeout: Duration,
    /// What one call may have sent and the gateway not read: at most a 64th of the connection's window.
    /// Default 256 KiB.
    pub http2_stream_window: ByteSize,
    /// The same for all calls of a connection. h2 ends a connection that holds so many unread DATA frames
    /// below 256 bytes that what they lack to 256 makes half of this. At least 4 MiB. Default 16 MiB.
    pub http2_connection_window: ByteSize,
    /// Calls that run at a time on one connection. Default 1,000.
    pub max_concurrent_streams: u32,
    /// Connections open at a time; more are closed at once. Default 10,000.
    pub max_connections: u32,
    /// Connections open at a time from one address. Behind a proxy all come from its own. Default
    /// 1,000.
    pub max_connections_per_address: u32,
    /// Age at which a connection is told to go, give or take a tenth: calls that run go on, new ones
    /// take a new connection, perhaps to another replica. `0s` is never. Default 1 h.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// How long the calls of such a connection may go on. Default 1 h: sessions and publish streams end
    /// by themselves before that (`max_stream_age`).
    #[serde(with = "humantime_serde")]
    pub max_connection_age_grace: Duration,
    /// Largest header list of a request, in bytes. Default 16 KiB.
    pub max_header_list_bytes: ByteSize,
    /// What is buffered for a caller that does not read, for each call. Default 128 KiB.
    pub max_send_buffer_bytes: ByteSize,
    /// Allows to listen beyond loopback without asking callers who they are, because something in
    /// front does. Default false.
    pub allow_anonymous: bool,
    /// Whether tools may ask for the services and their messages. Default true.
    pub reflection: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            max_request_bytes: ByteSize::mib(8),
            max_response_bytes: ByteSize::mib(3),
            http2_keepalive_interval: Duration::from_secs(15),
            http2_keepalive_timeout: Duration::from_secs(10),
            http2_stream_window: ByteSize::kib(256),
            http2_connection_window: ByteSize::mib(16),
            max_concurrent_streams: 1000,
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            max_connection_age: Duration::from_secs(60 * 60),
            max_connection_age_grace: Duration::from_secs(60 * 60),
            max_header_list_bytes: ByteSize::kib(16),
            max_send_buffer_bytes: ByteSize::kib(128),
            allow_anonymous: false,
            reflection: true,
        }
    }
}

/// The most that one call may have sent and the gateway not read.
fn largest_stream_window(connection_window: ByteSize) -> ByteSize {
    ByteSize::bytes(connection_window.as_u64() / CALLS_PER_WINDOW)
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.size(
            "max_request_bytes",
            self.max_request_bytes,
            ByteSize::kib(1),
        );
        checks.size(
            "max_response_bytes",
            self.max_response_bytes,
            ByteSize::kib(1),
        );
        checks.whole_seconds("http2_keepalive_interval", self.http2_keepalive_interval);
        checks.whole_seconds("http2_keepalive_timeout", self.http2_keepalive_timeout);
        let (least, most) = (ByteSize::kib(64 * CALLS_PER_WINDOW), ByteSize::mib(1024));
        let connection_window = self.http2_connection_window;
        checks.within("http2_connection_window", connection_window, least..=most);
        let (least, most) = (ByteSize::kib(64), largest_stream_window(connection_window));
        checks.within(
            "http2_stream_window",
            self.http2_stream_window,
            least..=most.max(least),
        );
        checks.within(
            "max_concurrent_streams",
            self.max_concurrent_streams,
            1..=1_000_000,
        );
        checks.within("max_connections", self.max_connections, 1..=1_000_000);
        checks.within(
            "max_connections_per_address",
            self.max_connections_per_address,
            1..=1_000_000,
        );
        let age = Duration::ZERO..=LONGEST_AGE;
        checks.time_within("max_connection_age", self.max_connection_age, age.clone());
        checks.time_within(
            "max_connection_age_grace",
            self.max_connection_age_grace,
            age,
        );
        let bytes = ByteSize::kib(4)..=ByteSize::mib(16);
        checks.within(
            "max_header_list_bytes",
            self.max_header_list_bytes,
            bytes.clone(),
        );
        checks.within("max_send_buffer_bytes", self.max_send_buffer_bytes, bytes);
    }

    /// Whether only this machine reaches the listener.
    pub(crate) fn is_local(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}

/// Who sent the request: an extension of every request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

/// The public listener, bound and serving nothing yet.
pub struct Listener {
    /// Where connections come in.
    pub socket: TcpListener,
    /// Its limits.
    pub config: Config,
    /// Its certificates; `None` is plain text.
    pub tls: Option<Tls>,
    /// Whether it takes HTTP/1.1 as well, for gRPC-Web.
    pub http1: bool,
    /// What is counted.
    pub metrics: Metrics,
}

impl Listener {
    /// Serves `service` on every connection.
    ///
    /// When `stop` is cancelled, no connection is accepted any more and every open one gets a GOAWAY.
    /// Returns once all have ended, or when `hard_stop` is cancelled, which drops them.
    pub async fn serve<S, B>(
        self,
        service: S,
        stop: CancellationToken,
        hard_stop: CancellationToken,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut limit = Limit::new(&self.config, self.metrics.clone());
        let http1 = self.http1.then(|| connection::http1(&self.config));
        let connection = Connection::new(&self.config, http1, self.tls, self.metrics, stop.clone());
        let connections = TaskTracker::new();

        while let Some((stream, peer)) = accept(&self.socket, &stop).await {
            let Some(slot) = limit.take(peer.ip()) else {
                continue; // The stream is dropped, which closes it.
            };
            let serving = connection.clone().serve(stream, peer, service.clone());
            let hard_stop = hard_stop.clone();
            connections.spawn(async move {
                let _slot = slot;
                hard_stop.run_until_cancelled(serving).await;
            });
        }

        // Whoever connects from here on is refused by the kernel and tries another replica.
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }
}

/// The next connection, or `None` when it is time to stop.
async fn accept(
    listener: &TcpListener,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    let (mut pause, longest) = ACCEPT_PAUSE;
    loop {
        let error = match stop.run_until_cancelled(listener.accept()).await? {
            Ok(accepted) => return Some(accepted),
            Err(error) => error,
        };
        if concerns_one_connection(&error) {
            continue;
        }
        // Out of file descriptors or memory: the connection stays in the kernel's queue and
        // `accept` fails again at once, so that without a pause this loop would take a whole core.
        tracing::warn!(%error, ?pause, "cannot accept connections");
        stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
        pause = (pause * 2).min(longest);
    }
}

/// Whether the client went away between connecting and being accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ]
    .contains(&error.kind())
}

#[cfg(test)]
mod tests;
