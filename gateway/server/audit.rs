//! Writes down who changes what: one line in the audit log for each call that administers, with what came
//! of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::Service;

use crate::auth::Access;
use crate::auth::policy::changes_by;

/// The layer's service.
#[derive(Clone)]
pub(super) struct Audit<S>(S);

impl<S> Audit<S> {
    pub(super) fn new(inner: S) -> Self {
        Self(inner)
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl<S, B> Service<Request<B>> for Audit<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Answer> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let access = request.extensions().get::<Access>();
        let Some(access) = access.filter(|_| changes_by(path)).cloned() else {
            return Either::Left(self.0.call(request));
        };
        let path = path.to_owned();
        let answer = self.0.call(request);
        Either::Right(Box::pin(async move {
            let response = answer.await?;
            let (code, reason) = outcome(response.headers());
            access.log_administered(&path, code, &reason);
            Ok(response)
        }))
    }
}

/// The code and the reason of an answer. An error is all headers; a stream that has begun is OK so far.
fn outcome(headers: &HeaderMap) -> (Code, String) {
    let status = Status::from_header_map(headers).unwrap_or_else(|| Status::ok(""));
    let info = status.get_details_error_info();
    let reason = info.map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}
