//! Holds callers to their limits: refuses calls beyond them, and holds the streams that run.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready as now};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::messages::Messages;
use crate::auth::Access;
use crate::limits::{Account, Place};

/// What passes at a time: as much as a frame of HTTP/2 usually has, so that no stream takes far more than may
/// pass, and those of one caller take turns.
const PIECE: usize = 16 * 1024;

/// The layer's service.
#[derive(Clone)]
pub(super) struct Limit<S>(S);

type Answer = Result<Response<Body>, Infallible>;
type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl<S> Limit<S> {
    pub(super) fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B> Service<Request<B>> for Limit<S>
where
    S: Service<Request<Paced<B>>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Either<Ready<Answer>, Later>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let access = request.extensions().get::<Access>();
        let Some(account) = access.and_then(Access::account).cloned() else {
            return Either::Left(self.0.call(request.map(Paced::free)));
        };
        let call = match account.begin() {
            Ok(call) => call,
            Err(error) => {
                let refusal = Status::from(error).into_http();
                return Either::Right(Either::Left(now(Ok(refusal))));
            }
        };
        let asked = Pacing::of_request(account.clone());
        let answer = self.0.call(request.map(|body| Paced::new(body, asked)));
        Either::Right(Either::Right(Box::pin(async move {
            let response = answer.await?;
            let answered = Pacing::of_response(account, call);
            Ok(response.map(|body| Body::new(Paced::new(body, answered))))
        })))
    }
}

/// A body that passes no faster than its caller may send or receive, in pieces that wait for their turns.
pub(super) struct Paced<B> {
    body: B,
    pacing: Option<Pacing>,
    /// What has come, behind the piece that is next.
    rest: Bytes,
    next: Option<(Bytes, Pin<Box<Sleep>>)>,
}

/// What a body is counted against.
struct Pacing {
    account: Arc<Account>,
    messages: Messages,
    /// Whether these are the caller's requests, and not the answers to it.
    asks: bool,
    /// Whether the first message has passed, which was let in with its call.
    has_begun: bool,
    /// The call lasts as long as its answer.
    _call: Option<Place>,
}

impl<B> Paced<B> {
    fn free(body: B) -> Self {
        Self {
            body,
            pacing: None,
            rest: Bytes::new(),
            next: None,
        }
    }

    fn new(body: B, pacing: Pacing) -> Self {
        Self {
            pacing: Some(pacing),
            ..Self::free(body)
        }
    }
}

impl Pacing {
    fn of_request(account: Arc<Account>) -> Self {
        Self {
            account,
            messages: Messages::default(),
            asks: true,
            has_begun: false,
            _call: None,
        }
    }

    fn of_response(account: Arc<Account>, call: Place) -> Self {
        Self {
            asks: false,
            _call: Some(call),
            ..Self::of_request(account)
        }
    }

    /// How much may be one piece.
    fn size(&self) -> usize {
        match self.account.is_metered() {
            true => PIECE,
            false => usize::MAX,
        }
    }

    /// Until when a piece has to wait.
    fn pass(&mut self, piece: &[u8]) -> Option<Instant> {
        // Many clients end what they send by a frame without data.
        if piece.is_empty() || !self.account.is_metered() {
            return None;
        }
        let complete = self.messages.pass(piece);
        let further = complete.saturating_sub(u64::from(!self.has_begun));
        self.has_begun |= complete > 0;
        let requests = (self.asks && further > 0).then_some(further);
        self.account.pass(requests, piece.len() as u64)
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(pacing) = &mut this.pacing else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        if this.next.is_none() {
            if this.rest.is_empty() {
                // Only data waits: the end of a body passes at once.
                match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => this.rest = data,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    end => return Poll::Ready(end),
                }
            }
            let piece = this.rest.split_to(this.rest.len().min(pacing.size()));
            match pacing.pass(&piece) {
                None => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(until) => this.next = Some((piece, Box::pin(sleep_until(until)))),
            }
        }
        if let Some((_, sleep)) = &mut this.next {
            ready!(sleep.as_mut().poll(cx));
        }
        let piece = this.next.take().map(|(piece, _)| piece);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.next.is_none() && self.rest.is_empty() {
            true => self.body.size_hint(),
            false => SizeHint::default(),
        }
    }
}
