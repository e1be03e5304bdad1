//! The layer around the stack: files for browsers, and calls for the services behind it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower::Service;

use super::{files, origin};
use crate::metrics::Metrics;
use crate::web::Origins;

/// Said to pages of others.
const OTHER_PAGE: &str =
    "only the console's own pages may call here: console.origins names how browsers reach it\n";

/// The layer's service.
#[derive(Clone)]
pub(crate) struct Console<S> {
    inner: S,
    origins: Arc<Origins>,
    metrics: Metrics,
}

impl<S> Console<S> {
    /// The services behind `inner`, which need not ask again where a page is from.
    pub(crate) fn new(inner: S, origins: Origins, metrics: Metrics) -> Self {
        Self {
            inner,
            origins: Arc::new(origins),
            metrics,
        }
    }
}

impl<S, A, B> Service<Request<A>> for Console<S>
where
    S: Service<Request<A>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Either<B, Full<Bytes>>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let file = match *request.method() {
            Method::POST | Method::OPTIONS if origin::is_own(&request, &self.origins) => {
                let response = self.inner.call(request);
                return response.map(|it| Ok(it?.map(Either::Left))).boxed();
            }
            Method::POST | Method::OPTIONS => {
                self.metrics.listener.page_refused();
                files::refusal(StatusCode::FORBIDDEN, OTHER_PAGE)
            }
            _ => files::answer(&request),
        };
        ready(Ok(file.map(Either::Right))).boxed()
    }
}
