//! Writes down who changes what: one line in the audit log for each call that administers, with what came
//! of it. A call that its caller leaves is CANCELLED there; what it had begun may be done all the same.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
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
        let line = Line {
            access,
            path: path.to_owned(),
            outcome: (Code::Cancelled, String::new()),
        };
        let answer = self.0.call(request);
        Either::Right(Box::pin(async move {
            let response = answer.await?;
            let line = line.ending_with(response.headers());
            Ok(response.map(|body| Body::new(Audited { body, line })))
        }))
    }
}

/// A line of the log, which is written when its call ends, however that is.
struct Line {
    access: Access,
    path: String,
    outcome: (Code, String),
}

impl Line {
    /// Writes the line where these headers end the call.
    fn ending_with(mut self, headers: &HeaderMap) -> Option<Self> {
        let Some(outcome) = outcome(headers) else {
            return Some(self);
        };
        self.outcome = outcome;
        None
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let (code, reason) = &self.outcome;
        self.access.log_administered(&self.path, *code, reason);
    }
}

/// The body of an answer, at whose end is what came of the call.
struct Audited {
    body: Body,
    /// `None` once it is written.
    line: Option<Line>,
}

impl HttpBody for Audited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.line = self.line.take().and_then(|line| line.ending_with(trailers));
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

/// The code and the reason of what is all headers, or the trailers of a body; nothing where the call goes on.
fn outcome(headers: &HeaderMap) -> Option<(Code, String)> {
    let status = Status::from_header_map(headers)?;
    let info = status.get_details_error_info();
    let reason = info.map(|info| info.reason).unwrap_or_default();
    Some((status.code(), reason))
}
