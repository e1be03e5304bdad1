//! One public connection: the HTTP/2 settings, and its life from preface to GOAWAY.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt};

use super::{Config, PeerAddr, preface};

/// Longest wait for a new connection to speak HTTP/2. hyper sets none: silent clients would fill
/// the connection limit, and its graceful shutdown would wait for them.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);

/// Received and not yet read, per call and per connection: enough for 5 MB/s of one call at 50 ms,
/// little enough that a slow handler holds its caller back soon.
///
/// h2 ends a connection, and every call on it, that holds too many small DATA frames which nobody reads:
/// each costs what it lacks to 256 bytes, of half of the connection's window. A call whose window is
/// full of the smallest messages (some 20 bytes) costs less than half of that.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// All header fields of a request together; ordinary gRPC metadata takes less than 1 KiB.
const MAX_HEADER_LIST: u32 = 16 << 10;

/// Streams that a client may reset before they are served, and errors of its own that we answer
/// with a reset, before the connection ends ("rapid reset", CVE-2023-44487 and RUSTSEC-2024-0003).
const MAX_PENDING_RESETS: usize = 64;
const MAX_ERROR_RESETS: usize = 256;

/// How connections are served; cloned for each.
#[derive(Clone)]
pub(super) struct Connection {
    http2: http2::Builder<TokioExecutor>,
    stop: CancellationToken,
}

impl Connection {
    pub(super) fn new(config: &Config, stop: CancellationToken) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(config.http2_keepalive_interval)
            .keep_alive_timeout(config.http2_keepalive_timeout)
            .max_concurrent_streams(config.max_concurrent_streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_ERROR_RESETS);
        Self { http2, stop }
    }

    /// Serves one connection until it ends; after `stop`, until its last call has ended.
    pub(super) async fn serve<S, B>(self, mut stream: TcpStream, peer: SocketAddr, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Small frames go out at once: deliveries and acknowledgements wait for one another.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let info = TcpConnectInfo {
            local_addr: stream.local_addr().ok(),
            remote_addr: Some(peer),
        };

        let preface = timeout(PREFACE_TIMEOUT, preface::read(&mut stream));
        match self.stop.run_until_cancelled(preface).await {
            None => return,
            Some(Err(_elapsed)) => return tracing::debug!(%peer, "connection sent no request"),
            Some(Ok(Err(error))) => return tracing::debug!(%peer, %error, "connection refused"),
            Some(Ok(Ok(()))) => {}
        }

        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(peer));
            request.extensions_mut().insert(info.clone()); // What `tonic::Request::remote_addr` reads.
            service.clone().oneshot(request)
        });
        let io = TokioIo::new(preface::Replayed::new(stream));
        let mut connection = pin!(self.http2.serve_connection(io, service));
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "connection failed");
        }
    }
}
