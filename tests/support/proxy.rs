//! A load balancer that sends each request of a connection to the next gateway, as the proxies
//! before gRPC services do: TCP balancing would send a whole connection to one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

type Body = BoxBody<Bytes, hyper::Error>;

/// A proxy for HTTP/2 without TLS. It ends with this value, and its connections with it.
pub(crate) struct RoundRobin {
    address: SocketAddr,
    acceptor: JoinHandle<()>,
}

/// One target and the connection to it, which all requests share.
struct Target {
    address: SocketAddr,
    connection: Mutex<Option<SendRequest<Incoming>>>,
}

struct Targets {
    list: Vec<Target>,
    next: AtomicUsize,
}

impl RoundRobin {
    /// A proxy before these targets: the first request goes to the first, the second to the second.
    pub(crate) async fn start(targets: &[SocketAddr]) -> Self {
        let target = |&address| Target {
            address,
            connection: Mutex::new(None),
        };
        let list = targets.iter().map(target).collect();
        let targets = Arc::new(Targets {
            list,
            next: AtomicUsize::new(0),
        });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&targets)));
            }
        });
        Self { address, acceptor }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn serve(stream: TcpStream, targets: Arc<Targets>) {
    let answer = service_fn(move |request| {
        let targets = Arc::clone(&targets);
        async move { Ok::<_, Infallible>(targets.forward(request).await) }
    });
    stream.set_nodelay(true).unwrap();
    let builder = server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
}

impl Targets {
    /// Sends the request to the next target that can be reached. Bodies and trailers flow both ways.
    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        for _ in &self.list {
            let number = self.next.fetch_add(1, Ordering::Relaxed) % self.list.len();
            let Some(mut connection) = self.list[number].connect().await else {
                continue;
            };
            return match connection.send_request(request).await {
                Ok(response) => response.map(BodyExt::boxed),
                Err(_) => unavailable(),
            };
        }
        unavailable()
    }
}

impl Target {
    /// The connection to the target, made anew when it is broken.
    async fn connect(&self) -> Option<SendRequest<Incoming>> {
        let mut place = self.connection.lock().await;
        if let Some(connection) = place.as_mut()
            && connection.ready().await.is_ok()
        {
            return Some(connection.clone());
        }
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (connection, driver) =
            client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .ok()?;
        tokio::spawn(driver);
        *place = Some(connection.clone());
        Some(connection)
    }
}

/// What a proxy answers when it has nobody to ask.
fn unavailable() -> Response<Body> {
    let body = Empty::new()
        .map_err(|never: Infallible| match never {})
        .boxed();
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", tonic::Code::Unavailable as i32)
        .body(body);
    response.unwrap()
}
