//! Lets calls through whose callers proved who they are and may call the method at all, and tells the
//! services what else they may do.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::auth::{Access, Authenticator};
use crate::error::Result;
use crate::listener::PeerAddr;
use crate::tls::ClientName;

/// The layer's service.
#[derive(Clone)]
pub(super) struct Authenticate<S> {
    inner: S,
    authenticator: Authenticator,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, authenticator: Authenticator) -> Self {
        Self {
            inner,
            authenticator,
        }
    }

    fn admit<B>(&self, request: &Request<B>) -> Result<Access> {
        let (path, extensions) = (request.uri().path(), request.extensions());
        let certificate = extensions.get::<ClientName>();
        let peer = extensions.get().map(|PeerAddr(peer)| *peer);
        self.authenticator
            .admit(path, request.headers(), certificate, peer)
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
        match self.admit(&request) {
            Ok(access) => {
                request.extensions_mut().insert(access);
                Either::Left(self.inner.call(request))
            }
            Err(error) => Either::Right(ready(Ok(Status::from(error).into_http()))),
        }
    }
}
