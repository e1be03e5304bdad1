//! The public accept loop: limits on connections, and an end that is bounded.
//!
//! Why not tonic's own server: it wraps a timeout layer of its own around ours, which answers
//! CANCELLED without details and drops the handler, and its graceful shutdown waits without a
//! bound for connections whose clients stopped answering.

mod connection;
mod preface;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use self::connection::Connection;
use crate::config::{ByteSize, Checks};

/// The shortest and the longest pause after `accept` failed for want of resources.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

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
    /// Time between two HTTP/2 pings to a quiet client. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub http2_keepalive_interval: Duration,
    /// Longest wait for the answer to such a ping. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub http2_keepalive_timeout: Duration,
    /// Calls that run at a time on one connection. Default 1,000.
    pub max_concurrent_streams: u32,
    /// Connections open at a time; more are closed at once. Default 10,000.
    pub max_connections: u32,
    /// Whether tools may ask for the services and their messages. Default true.
    pub reflection: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            max_request_bytes: ByteSize::mib(8),
            max_response_bytes: ByteSize::mib(3),
            http2_keepalive_interval: Duration::from_secs(30),
            http2_keepalive_timeout: Duration::from_secs(20),
            max_concurrent_streams: 1000,
            max_connections: 10_000,
            reflection: true,
        }
    }
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
        checks.within(
            "max_concurrent_streams",
            self.max_concurrent_streams,
            1..=1_000_000,
        );
        checks.within("max_connections", self.max_connections, 1..=1_000_000);
    }
}

/// Who sent the request: an extension of every request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

/// Serves `service` on every connection that `listener` accepts.
///
/// When `stop` is cancelled, no connection is accepted any more and every open one gets a GOAWAY.
/// Returns once all have ended, or when `hard_stop` is cancelled, which drops them.
pub async fn serve<S, B>(
    listener: TcpListener,
    config: &Config,
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
    let connection = Connection::new(config, stop.clone());
    let mut limit = Limit::new(config.max_connections);
    let connections = TaskTracker::new();

    while let Some((stream, peer)) = accept(&listener, &stop).await {
        let Some(slot) = limit.take() else {
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
    drop(listener);
    connections.close();
    connections.wait().await;
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

/// The bound on open connections.
struct Limit {
    slots: Arc<Semaphore>,
    reached: bool,
}

impl Limit {
    fn new(max_connections: u32) -> Self {
        let slots = usize::try_from(max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            reached: false,
        }
    }

    /// A slot, if one is free. Logs once each time the limit is reached, not for each connection
    /// refused: whoever connects in a loop would fill the log.
    fn take(&mut self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        if slot.is_none() && !self.reached {
            tracing::warn!("server.max_connections is reached, refusing connections");
        }
        self.reached = slot.is_none();
        slot
    }
}

#[cfg(test)]
mod tests;
