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
use tracing::{Instrument as _, Span, debug, field};

use super::messages::{Messages, Received};
use crate::metrics::{Metrics, OpenCall};
use crate::traces::{CallSpan, Tracer};

/// The layer's service.
#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
    metrics: Arc<Metrics>,
    tracer: Option<Tracer>,
}

impl<S> Observe<S> {
    pub(super) fn new(inner: S, metrics: Arc<Metrics>, tracer: Option<Tracer>) -> Self {
        Self {
            inner,
            metrics,
            tracer,
        }
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

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let mut call = Call::begin(&self.metrics, self.tracer.as_ref(), &mut request);
        let method = call.counted.method().clone();
        let request = request.map(|body| Received::new(body, method));
        let log = call.span.as_ref().map_or_else(Span::none, CallSpan::log);
        let response = log.in_scope(|| self.inner.call(request));
        let answering = async move {
            let response = response.await?;
            call.see(response.headers());
            Ok(response.map(|body| Observed {
                body,
                messages: Messages::default(),
                call,
            }))
        };
        Box::pin(answering.instrument(log))
    }
}

/// A call until it has ended.
struct Call {
    counted: OpenCall,
    /// Where it is traced.
    span: Option<CallSpan>,
}

impl Call {
    fn begin<A>(metrics: &Metrics, tracer: Option<&Tracer>, request: &mut Request<A>) -> Self {
        let counted = metrics.calls.begin(request.uri().path());
        let span = tracer.and_then(|it| it.call(request, counted.name(), counted.is_own()));
        Self { counted, span }
    }

    /// Looks for a status among headers or trailers.
    fn see(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.counted.ends(&status);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let ((service, method), code) = (self.counted.name(), self.counted.code());
        let trace_id = self
            .span
            .as_ref()
            .map(|span| field::display(span.trace_id()));
        debug!(service, method, ?code, duration = ?self.counted.lasted(), trace_id, "call ended");
        if let Some(span) = self.span.take() {
            span.end(code, self.counted.reason());
        }
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
                self.call.counted.method().sent.inc_by(complete);
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
