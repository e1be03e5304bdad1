//! One public connection: the settings of its protocol, and its life from preface to GOAWAY.

use std::{
    convert::Infallible,
    fmt::Display,
    net::SocketAddr,
    pin::pin,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::{http1, http2};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt};

use super::{
    Config, PeerAddr,
    limit::{Limit, Slot},
    peer_loss,
    preface::{self, Protocol},
    proxied,
    refusals::Refusals,
    turns::Turns,
};
use crate::{
    auth::notice,
    config::ByteSize,
    metrics::{Metrics, Refusal},
    tls::{self, ClientCertificate, HandshakeError, Tls},
};

/// hyper wants no less for what it buffers of a connection of HTTP/1.1.
const LEAST_HTTP1_BUFFER: usize = 8 * 1024;

/// How connections are served; cloned for each.
#[derive(Clone)]
pub(super) struct Connection {
    http2: http2::Builder<TokioExecutor>,
    /// `None` refuses HTTP/1.1.
    http1: Option<http1::Builder>,
    tls: Option<Tls>,
    /// Longest wait for a new connection to say what it speaks. hyper sets none: silent clients would fill the
    /// connection limit, and its graceful shutdown would wait for them.
    preface_timeout: Duration,
    /// When a connection is told to go; `None` is never.
    age: Option<Duration>,
    grace: Duration,
    metrics: Metrics,
    refusals: Refusals,
    stop: CancellationToken,
}

/// The settings of HTTP/1.1.
pub(super) fn http1(config: &Config) -> http1::Builder {
    let buffer = config.max_send_buffer_bytes.as_usize();
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(config.http1_idle_timeout)
        .max_header_size(config.max_header_list_bytes.as_usize())
        .max_buf_size(buffer.max(LEAST_HTTP1_BUFFER));
    http1
}

impl Connection {
    pub(super) fn new(
        config: &Config,
        http1: Option<http1::Builder>,
        tls: Option<Tls>,
        metrics: Metrics,
        refusals: Refusals,
        stop: CancellationToken,
    ) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(config.http2_keepalive_interval)
            .keep_alive_timeout(config.http2_keepalive_timeout)
            .max_concurrent_streams(config.max_concurrent_streams)
            .initial_stream_window_size(window(config.http2_stream_window))
            .initial_connection_window_size(window(config.http2_connection_window))
            .max_header_list_size(bytes(config.max_header_list_bytes))
            .max_send_buf_size(config.max_send_buffer_bytes.as_usize())
            .max_pending_accept_reset_streams(config.max_pending_resets as usize)
            .max_local_error_reset_streams(config.max_error_resets as usize);
        Self {
            http2,
            http1,
            tls,
            preface_timeout: config.preface_timeout,
            age: Some(config.max_connection_age).filter(|age| !age.is_zero()),
            grace: config.max_connection_age_grace,
            metrics,
            refusals,
            stop,
        }
    }

    /// Counts a connection that is not served, and says so.
    pub(super) fn refuse(&self, refusal: Refusal, peer: SocketAddr, error: Option<&dyn Display>) {
        self.metrics.listener.connection_refused(refusal);
        self.refusals.say(refusal, peer, error);
    }

    /// Serves a connection that a proxy passes on, as one of the address that it tells; the proxy's own where it
    /// speaks for itself.
    pub(super) async fn serve_proxied<S, B>(
        self,
        mut stream: TcpStream,
        proxy: SocketAddr,
        service: S,
        (limit, mut slot): (Limit, Slot),
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let header = timeout(self.preface_timeout, proxied::read(&mut stream));
        let peer = match self.stop.run_until_cancelled(header).await {
            None => return,
            Some(Ok(Ok(source))) => source.unwrap_or(proxy),
            Some(Ok(Err(error))) => return self.refuse(Refusal::ProxyHeader, proxy, Some(&error)),
            Some(Err(late)) => return self.refuse(Refusal::ProxyHeader, proxy, Some(&late)),
        };
        match limit.take_address(&mut slot, peer.ip()) {
            Ok(()) => self.serve(stream, peer, service).await,
            Err(refusal) => self.refuse(refusal, peer, None),
        }
        drop(slot);
    }

    /// Serves one connection until it ends; after `stop`, until its last call has ended.
    pub(super) async fn serve<S, B>(self, stream: TcpStream, peer: SocketAddr, service: S)
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
        if self.http1.is_some()
            && let Err(error) = peer_loss::watch(&stream)
        {
            tracing::debug!(%peer, %error, "cannot have the system watch the peer");
        }
        let info = TcpConnectInfo {
            local_addr: stream.local_addr().ok(),
            remote_addr: Some(peer),
        };
        let Some(tls) = &self.tls else {
            return self
                .serve_stream(stream, preface::PLAIN, info, None, service)
                .await;
        };
        match self.stop.run_until_cancelled(tls.accept(stream)).await {
            None => {}
            Some(Ok(stream)) => {
                let client = tls::client_certificate(&stream);
                self.serve_stream(stream, preface::ENCRYPTED, info, client, service)
                    .await;
            }
            Some(Err(error @ HandshakeError::Certificate(_))) => {
                self.refuse(Refusal::Certificate, peer, Some(&error));
            }
            Some(Err(error)) => self.refuse(Refusal::Handshake, peer, Some(&error)),
        }
    }

    async fn serve_stream<I, S, B>(
        &self,
        stream: I,
        what_this_is: &str,
        info: TcpConnectInfo,
        client: Option<ClientCertificate>,
        service: S,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(peer) = info.remote_addr else { return };
        let refusal = self.http1.is_none().then_some(what_this_is);
        let preface = timeout(self.preface_timeout, preface::read(stream, refusal));
        let (protocol, stream) = match self.stop.run_until_cancelled(preface).await {
            None => return,
            Some(Ok(Ok(opened))) => opened,
            Some(Ok(Err(error))) => return self.refuse(Refusal::Protocol, peer, Some(&error)),
            Some(Err(late)) => return self.refuse(Refusal::Protocol, peer, Some(&late)),
        };

        let age = self.age(client.as_ref());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(peer));
            if let Some(client) = &client {
                request.extensions_mut().insert(client.clone());
            }
            request.extensions_mut().insert(info.clone()); // What `tonic::Request::remote_addr` reads.
            service.clone().oneshot(request)
        });
        let io = TokioIo::new(Turns::new(stream));
        match (protocol, &self.http1) {
            (Protocol::Http1, Some(http1)) => {
                self.finish(http1.serve_connection(io, service), peer, age)
                    .await;
            }
            _ => {
                self.finish(self.http2.serve_connection(io, service), peer, age)
                    .await;
            }
        }
    }

    /// The age at which this connection goes. Not the same for all: connections that were opened together would come
    /// back together. One whose client has shown a certificate goes before that ends, as the client may have a new one.
    fn age(&self, client: Option<&ClientCertificate>) -> Option<Duration> {
        let usual = self.age.map(|age| age.mul_f64(0.9 + 0.2 * fastrand::f64()));
        let end = client.and_then(ClientCertificate::not_after).map(|end| {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            left - notice(left)
        });
        usual.into_iter().chain(end).min()
    }

    /// Lets a connection live until it ends, or is too old, or the gateway stops.
    async fn finish<C>(&self, connection: C, peer: SocketAddr, age: Option<Duration>)
    where
        C: GracefulConnection<Error: Display>,
    {
        let mut connection = pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = old_age(age) => {
                connection.as_mut().graceful_shutdown();
                match timeout(self.grace, connection).await {
                    Ok(result) => result,
                    Err(_elapsed) => return tracing::debug!(%peer, "connection outlived its grace"),
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "connection failed");
        }
    }
}

/// Waits for the age at which a connection goes.
async fn old_age(age: Option<Duration>) {
    match age {
        Some(age) => tokio::time::sleep(age).await,
        None => std::future::pending().await,
    }
}

/// Such settings are checked to be small.
fn bytes(size: ByteSize) -> u32 {
    u32::try_from(size.as_u64()).unwrap_or(u32::MAX)
}

/// HTTP/2's windows have 31 bits, which the configuration keeps to.
fn window(size: ByteSize) -> u32 {
    u32::try_from(size.as_u64()).unwrap_or(u32::MAX >> 1)
}

#[cfg(test)]
mod tests;
