//! Holds callers to their limits: refuses calls beyond them, and holds the streams that run.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready as now};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::messages::Messages;
use crate::auth::Access;
use crate::limits::{Account, Held};

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

/// A body that passes no faster than its caller may send or receive.
pub(super) struct Paced<B> {
    body: B,
    pacing: Option<Pacing>,
    /// What has come and may not pass yet.
    held: Option<Bytes>,
}

struct Pacing {
    account: Arc<Account>,
    messages: Messages,
    /// Whether these are the caller's requests, and not the answers to it.
    asks: bool,
    /// Whether the first message has passed: what a call begins with was let in with it.
    has_begun: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The call lasts as long as its answer.
    _call: Option<Held>,
}

impl<B> Paced<B> {
    fn free(body: B) -> Self {
        Self {
            body,
            pacing: None,
            held: None,
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
            sleep: None,
            _call: None,
        }
    }

    fn of_response(account: Arc<Account>, call: Held) -> Self {
        Self {
            asks: false,
            _call: Some(call),
            ..Self::of_request(account)
        }
    }

    /// Waits until more may pass.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun || !self.account.is_metered() {
            return Poll::Ready(());
        }
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let Some((until, limit)) = self.account.wait(self.asks) else {
                return Poll::Ready(());
            };
            self.account.held(limit);
            self.sleep = Some(Box::pin(sleep_until(until)));
        }
    }

    fn note(&mut self, data: &[u8]) {
        let complete = self.messages.pass(data);
        let further = complete.saturating_sub(u64::from(!self.has_begun));
        self.has_begun |= complete > 0;
        let requests = if self.asks { further } else { 0 };
        self.account.note(requests, data.len() as u64);
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, pacing, held } = &mut *self;
        let Some(pacing) = pacing else {
            return Pin::new(body).poll_frame(cx);
        };
        // Only data is held: the end of a body passes at once.
        let frame = match held.take() {
            Some(data) => Frame::data(data),
            None => match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            },
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
        };
        // Many clients end what they send by a frame without data.
        if !data.is_empty() && pacing.poll(cx).is_pending() {
            *held = Some(data);
            return Poll::Pending;
        }
        pacing.note(&data);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.held {
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}
