//! Counts every call by its status, wherever that comes from: headers, trailers, or a caller that
//! left before either.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::Status;
use tower::Service;
use tracing::debug;

use super::messages::{Messages, Received};
use crate::metrics::{Metrics, OpenCall};

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
    S: Service<Request<Received<A>>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Observed<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let mut call = Call(self.metrics.calls.begin(request.uri().path()));
        let method = call.0.method().clone();
        let request = request.map(|body| Received::new(body, method));
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            call.see(response.headers());
            Ok(response.map(|body| Observed {
                body,
                messages: Messages::default(),
                call,
            }))
        })
    }
}

/// A call until it has ended.
struct Call(OpenCall);

impl Call {
    /// Looks for a status among headers or trailers.
    fn see(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.0.ends(&status);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let ((service, method), code) = (self.0.name(), self.0.code());
        debug!(service, method, ?code, duration = ?self.0.lasted(), "call ended");
    }
}

/// A response body whose messages are counted, and whose trailers are looked at.
pub(crate) struct Observed<B> {
    body: B,
    messages: Messages,
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
        if let Some(Ok(frame)) = &frame {
            if let Some(data) = frame.data_ref() {
                let complete = self.messages.pass(data);
                self.call.0.method().sent.inc_by(complete);
            }
            if let Some(trailers) = frame.trailers_ref() {
                self.call.see(trailers);
            }
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
