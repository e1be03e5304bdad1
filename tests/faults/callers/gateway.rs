//! A gateway, as callers reach it.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, Uri};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::connector::Connector;
use crate::access::Tls;

/// A connection of a caller's own.
pub type Http = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// Where a gateway is, and how connections to it are made.
#[derive(Clone)]
pub struct Gateway {
    origin: Uri,
    connect: Arc<dyn Fn() -> Http + Send + Sync>,
}

impl Gateway {
    /// One that listens.
    pub(crate) fn at(address: SocketAddr, tls: Tls) -> Self {
        let origin = format!("https://{address}").parse().unwrap_or_default();
        Self::reached(origin, move || http(tls.clone()))
    }

    /// One whose connections are made like this.
    pub fn reached(origin: Uri, connect: impl Fn() -> Http + Send + Sync + 'static) -> Self {
        Self {
            origin,
            connect: Arc::new(connect),
        }
    }

    pub fn origin(&self) -> Uri {
        self.origin.clone()
    }

    pub fn connect(&self) -> Http {
        (self.connect)()
    }
}

/// HTTP/2, and nothing that ends calls but the caller.
fn http(tls: Tls) -> Http {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .build(Connector(tls));
    let answered = client.map_response(|response| response.map(Body::new));
    BoxCloneSyncService::new(answered.map_err(|error| Status::from_error(error.into())))
}
