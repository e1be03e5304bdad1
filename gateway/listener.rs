//! The public accept loop: limits on connections, and an end that is bounded.
//!
//! Why not tonic's own server: it wraps a timeout layer of its own around ours, which answers
//! CANCELLED without details and drops the handler, and its graceful shutdown waits without a
//! bound for connections whose clients stopped answering.

mod accept;
mod connection;
mod limit;
mod networks;
mod peer_loss;
pub(crate) mod preface;
pub(crate) mod proxied;
mod refusals;
mod turns;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use self::connection::Connection;
pub use self::networks::{Networks, ParseNetworksError};
pub(crate) use self::{accept::accept, limit::Limit, refusals::Refusals};
use crate::{
    config::{ByteSize, Checks},
    metrics::Metrics,
    tls::Tls,
};

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
    /// Connections open at a time; more are closed at once. Fewer where the process may not have so many files
    /// open beside what the gateway needs itself. Default 10,000.
    pub max_connections: u32,
    /// Connections open at a time from one address, of IPv6 from one /64. Behind a proxy all come from its own,
    /// unless it says whose they are (`proxy_protocol_from`). Default 1,000.
    pub max_connections_per_address: u32,
    /// Proxies whose connections begin with a PROXY header (version 1 or 2), which then counts as the caller's
    /// address; networks, separated by commas. Default none.
    pub proxy_protocol_from: Networks,
    /// Longest wait for a new connection to say what it speaks, and for a PROXY header before that. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub preface_timeout: Duration,
    /// How long a connection of HTTP/1.1 may wait between two requests, and take for the head of one. Longer than
    /// proxies keep a connection to the gateway (nginx 60 s): a request must not meet its end. Default 75 s.
    #[serde(with = "humantime_serde")]
    pub http1_idle_timeout: Duration,
    /// Calls that a client may reset before they are begun, until its connection ends ("rapid reset",
    /// CVE-2023-44487). Default 64.
    pub max_pending_resets: u32,
    /// Errors of a client that are answered with a reset, until its connection ends (RUSTSEC-2024-0003).
    /// Default 256.
    pub max_error_resets: u32,
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
            proxy_protocol_from: Networks::default(),
            preface_timeout: Duration::from_secs(10),
            http1_idle_timeout: Duration::from_secs(75),
            max_pending_resets: 64,
            max_error_resets: 256,
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
        checks.positive_time("preface_timeout", self.preface_timeout);
        checks.positive_time("http1_idle_timeout", self.http1_idle_timeout);
        checks.within("max_pending_resets", self.max_pending_resets, 1..=65_536);
        checks.within("max_error_resets", self.max_error_resets, 1..=65_536);
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
    /// What the log calls it.
    pub name: &'static str,
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
        let config = &self.config;
        let limit = Limit::new(config.max_connections, config.max_connections_per_address);
        let http1 = self.http1.then(|| connection::http1(config));
        let (metrics, refusals) = (self.metrics.clone(), Refusals::new(self.name));
        let connection = Connection::new(config, http1, self.tls, metrics, refusals, stop.clone());
        let connections = TaskTracker::new();

        while let Some((stream, peer)) = accept(&self.socket, &stop).await {
            let is_proxied = self.config.proxy_protocol_from.contain(peer.ip());
            // Whose connection a proxy passes on is not known yet.
            let address = (!is_proxied).then(|| peer.ip());
            let slot = match limit.take(address) {
                Ok(slot) => slot,
                Err(refusal) => {
                    connection.refuse(refusal, peer, None);
                    continue; // The stream is dropped, which closes it.
                }
            };
            let counted = self.metrics.listener.connection_opened();
            let (connection, service) = (connection.clone(), service.clone());
            let (limit, hard_stop) = (limit.clone(), hard_stop.clone());
            let serving = async move {
                let _counted = counted;
                if is_proxied {
                    connection
                        .serve_proxied(stream, peer, service, (limit, slot))
                        .await;
                } else {
                    let _slot = slot;
                    connection.serve(stream, peer, service).await;
                }
            };
            connections.spawn(async move { hard_stop.run_until_cancelled(serving).await });
        }

        // Whoever connects from here on is refused by the kernel and tries another replica.
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }
}

#[cfg(test)]
mod tests;
