//! Lets calls through whose callers proved who they are, and tells the services who that is.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::auth::{Authenticator, Caller};
use crate::error::Result;
use crate::listener::PeerAddr;
use crate::metrics::Metrics;
use crate::tls::ClientName;

/// The layer's service.
#[derive(Clone)]
pub(super) struct Authenticate<S> {
    inner: S,
    authenticator: Authenticator,
    metrics: Arc<Metrics>,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, authenticator: Authenticator, metrics: Arc<Metrics>) -> Self {
        Self {
            inner,
            authenticator,
            metrics,
        }
    }

    fn judge<B>(&self, request: &Request<B>) -> Result<Caller> {
        let (path, extensions) = (request.uri().path(), request.extensions());
        let certificate = extensions.get::<ClientName>();
        self.authenticator
            .judge(path, request.headers(), certificate)
            .inspect_err(|error| {
                self.metrics.listener.caller_refused();
                let peer = extensions.get().map(|PeerAddr(peer)| *peer);
                tracing::info!(target: "jetgate::audit", ?peer, path, %error, "caller refused");
            })
    }
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<std::result::Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.judge(&request) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(error) => Either::Right(ready(Ok(Status::from(error).into_http()))),
        }
    }
}
