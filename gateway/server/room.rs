//! Counts what calls bring against the budget of memory: a request without room is refused, and a stream is read no
//! further until there is room for the rest of its frame.

use std::collections::HashSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::service::Routes;
use tower::Service;

use super::keeping;
use super::messages::Messages;
use crate::memory::{Arriving, Budget, Hold, OWN, Waiting};
use crate::proto::METHODS;

/// The paths of the methods whose callers send one request.
static ASKED_ONCE: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let once = METHODS.iter().filter(|(.., kind)| *kind != "bidi_stream");
    once.map(|(service, method, _)| format!("/{service}/{method}"))
        .collect()
});

/// Makes a call whose request, and whose answer where that says so, takes room of this budget.
pub(super) fn call<B>(
    budget: &Budget,
    routes: &mut Routes,
    request: Request<B>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<StdError>,
{
    let is_call = ASKED_ONCE.contains(request.uri().path());
    let arriving = match is_call {
        true => budget.call(),
        false => budget.frames(),
    };
    let frames = (!is_call).then(Frames::default);
    let of_body = arriving.clone();
    let mut request = request.map(|body| Counted {
        body,
        arriving: of_body,
        frames,
    });
    // What goes on without its caller keeps it, and a stream gives it back as it takes up a frame.
    request.extensions_mut().insert(arriving.clone());
    let answer = routes.call(request);
    async move {
        let mut response = answer.await?;
        drop(arriving);
        let hold = response.extensions_mut().remove::<Arc<Hold>>();
        Ok(match hold {
            Some(hold) => response.map(|body| keeping::until_written(body, hold)),
            None => response,
        })
    }
}

/// A request's body, whose bytes take room as they come.
struct Counted<B> {
    body: B,
    arriving: Arriving,
    /// `None` where there is one request.
    frames: Option<Frames>,
}

/// The frames of a stream. The next is read once the last is taken up: then its room is free again.
///
/// A frame that is no small one has room for all of it before more of it is read. Streams that took room as bytes come
/// would hold some and wait for more, each for the others, for ever.
#[derive(Default)]
struct Frames {
    messages: Messages,
    /// What has come, and waits for room for so many bytes more.
    waits: Option<(Bytes, u64, Waiting)>,
}

impl<B> HttpBody for Counted<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        if let Some(frames) = &mut this.frames {
            if frames.waits.is_some() {
                return frames.poll_room(&this.arriving, cx);
            }
            this.arriving.fit(frames.needed(0));
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
        };
        let Some(frames) = &mut this.frames else {
            return Poll::Ready(Some(match this.arriving.take(data.len() as u64) {
                Ok(()) => Ok(Frame::data(data)),
                Err(error) => Err(Box::new(Status::from(error))),
            }));
        };
        let before = frames.messages.unfinished();
        let completes = frames.messages.pass(&data) > 0;
        let come = before + data.len() as u64;
        let needed = frames.needed(come - frames.messages.unfinished());
        let more = needed.saturating_sub(this.arriving.bytes());
        // What completes a frame never waits: others may be waiting for its room.
        if more == 0 || this.arriving.take(more).is_ok() || completes {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        frames.waits = Some((data, more, this.arriving.wait(more)));
        frames.poll_room(&this.arriving, cx)
    }

    fn is_end_stream(&self) -> bool {
        let is_waiting = self.frames.as_ref().is_some_and(|it| it.waits.is_some());
        !is_waiting && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Frames {
    /// The bytes for which there must be room beside so many of frames that are complete.
    fn needed(&self, complete: u64) -> u64 {
        let unfinished = self.messages.unfinished();
        let is_small = complete + unfinished <= OWN;
        complete
            + if is_small {
                unfinished
            } else {
                self.messages.whole()
            }
    }

    fn poll_room(
        &mut self,
        arriving: &Arriving,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let Some((data, more, waiting)) = &mut self.waits else {
            return Poll::Pending;
        };
        let permit = ready!(waiting.as_mut().poll(cx));
        arriving.waited(*more, permit);
        let data = std::mem::take(data);
        self.waits = None;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
