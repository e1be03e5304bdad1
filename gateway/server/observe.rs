//! Counts every call by its status, wherever that comes from: headers, trailers, or a caller that
//! left before either.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::Service;
use tracing::debug;

use super::SERVICES;
use crate::metrics::Metrics;

/// The name of whatever is not one of the gateway's own: anybody can make up paths.
const OTHER: &str = "other";

/// The layer's service.
#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Observe<S> {
    pub(super) fn new(inner: S, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<S, A, B> Service<Request<A>> for Observe<S>
where
    S: Service<Request<A>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Observed<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let mut call = Call::new(request.uri().path(), self.metrics.clone());
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            call.see(response.headers());
            Ok(response.map(|body| Observed { body, call }))
        })
    }
}

/// A call until it has ended; a call without a status was left by its caller.
struct Call {
    service: String,
    method: String,
    started: Instant,
    code: Option<Code>,
    metrics: Arc<Metrics>,
}

impl Call {
    fn new(path: &str, metrics: Arc<Metrics>) -> Self {
        let own = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let own = own.filter(|(service, _)| SERVICES.contains(service));
        let (service, method) = own.unwrap_or((OTHER, OTHER));
        Self {
            service: service.to_owned(),
            method: method.to_owned(),
            started: Instant::now(),
            code: None,
            metrics,
        }
    }

    /// Looks for a status among headers or trailers.
    fn see(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.code = Some(status.code());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let duration = self.started.elapsed();
        // A method that does not exist is named by its caller.
        let method = match code {
            Code::Unimplemented => OTHER.to_owned(),
            _ => std::mem::take(&mut self.method),
        };
        let service = std::mem::take(&mut self.service);
        debug!(%service, %method, ?code, ?duration, "call ended");
        self.metrics.rpc_finished(service, method, code, duration);
    }
}

/// A response body whose trailers are looked at.
pub(crate) struct Observed<B> {
    body: B,
    call: Call,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Observed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.see(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
