//! Lets calls through whose callers proved who they are, and tells the layers and services behind it what
//! they may do.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::auth::{Access, Authenticator, KeyLookup, Refusal};
use crate::error::Error;
use crate::listener::PeerAddr;
use crate::tls::ClientCertificate;

/// The layer's service.
#[derive(Clone)]
pub(super) struct Authenticate<S> {
    inner: S,
    authenticator: Authenticator,
}

type Answer = Result<Response<Body>, Infallible>;

/// A call that is refused, or that has to wait for the keys of its caller's issuer.
type Later = Either<Ready<Answer>, Pin<Box<dyn Future<Output = Answer> + Send>>>;

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, authenticator: Authenticator) -> Self {
        Self {
            inner,
            authenticator,
        }
    }

    fn admit<B>(&self, request: &Request<B>) -> Result<Access, Refusal> {
        let (path, headers) = (request.uri().path(), request.headers());
        let certificate = request.extensions().get::<ClientCertificate>();
        self.authenticator
            .admit(path, headers, certificate, peer(request))
    }

    fn refuse<B>(&self, request: &Request<B>, error: Error) -> Response<Body> {
        let path = request.uri().path();
        self.authenticator.note_refusal(path, peer(request), &error);
        Status::from(error).into_http()
    }

    async fn call_later<B>(mut self, lookup: KeyLookup, mut request: Request<B>) -> Answer
    where
        S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    {
        lookup.run().await;
        match self.admit(&request) {
            Ok(access) => {
                request.extensions_mut().insert(access);
                self.inner.call(request).await
            }
            Err(refusal) => Ok(self.refuse(&request, refusal.into())),
        }
    }
}

fn peer<B>(request: &Request<B>) -> Option<SocketAddr> {
    request.extensions().get().map(|PeerAddr(peer)| *peer)
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Later>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.admit(&request) {
            Ok(access) => {
                request.extensions_mut().insert(access);
                Either::Left(self.inner.call(request))
            }
            Err(Refusal::Final(error)) => {
                let answer = ready(Ok(self.refuse(&request, error)));
                Either::Right(Either::Left(answer))
            }
            Err(Refusal::KeyUnknown(lookup)) => {
                // The service that is ready goes along.
                let next = self.clone();
                let this = std::mem::replace(self, next);
                let later = Box::pin(this.call_later(lookup, request));
                Either::Right(Either::Right(later))
            }
        }
    }
}
