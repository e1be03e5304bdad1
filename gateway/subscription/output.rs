//! The way from a session to its caller: one frame at a time, and a status at the end.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use crate::error::{Error, Reason};
pub(super) use crate::proto::consume_response::Frame;
use crate::proto::subscribe_response::Event;
use crate::proto::{ConsumeResponse, SubscribeResponse};

/// A session's end of the way.
#[derive(Clone)]
pub struct Output {
    /// In boxes: the channel has room for more frames than it ever holds.
    frames: mpsc::Sender<Box<Frame>>,
    end: Arc<OnceLock<Result<(), Status>>>,
}

/// The caller's end: the stream that the transport reads, of responses of one of the two calls.
pub struct Frames<R> {
    frames: mpsc::Receiver<Box<Frame>>,
    end: Arc<OnceLock<Result<(), Status>>>,
    ended: bool,
    response: PhantomData<fn() -> R>,
}

/// Both ends. One frame may wait: more is not pulled before the transport has taken it.
pub fn channel<R>() -> (Output, Frames<R>) {
    let (sender, receiver) = mpsc::channel(1);
    let end = Arc::new(OnceLock::new());
    let frames = Frames {
        frames: receiver,
        end: end.clone(),
        ended: false,
        response: PhantomData,
    };
    (
        Output {
            frames: sender,
            end,
        },
        frames,
    )
}

impl Output {
    /// Whether the transport has taken the last frame.
    pub(super) fn has_room(&self) -> bool {
        self.frames.capacity() > 0
    }

    /// Waits until it has.
    pub(super) async fn room(&self) {
        // Fails only where the caller is gone, which is noticed elsewhere.
        let _ = self.frames.reserve().await;
    }

    /// Waits until the caller is gone.
    pub(super) async fn closed(&self) {
        self.frames.closed().await;
    }

    /// Sends a frame if there is room; only the session sends, so room that was seen stays.
    pub(super) fn send(&self, frame: Frame) {
        let _ = self.frames.try_send(Box::new(frame));
    }

    /// Sends a frame when there is room.
    pub(super) async fn send_later(&self, frame: Frame) {
        let _ = self.frames.send(Box::new(frame)).await;
    }

    /// Says how the stream ends, behind the frames that still wait. The first word counts.
    pub(super) fn end(&self, end: Result<(), Error>) {
        let _ = self.end.set(end.map_err(Status::from));
    }
}

impl<R: From<Frame>> Stream for Frames<R> {
    type Item = Result<R, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(frame) = ready!(self.frames.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(R::from(*frame))));
        }
        self.ended = true;
        match self.end.get().cloned() {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(status)) => Poll::Ready(Some(Err(status))),
            // An end that nobody decided on must not look like one.
            None => {
                let lost = Error::new(Reason::Internal, "the session was lost");
                Poll::Ready(Some(Err(lost.into())))
            }
        }
    }
}

impl From<Frame> for ConsumeResponse {
    fn from(frame: Frame) -> Self {
        Self { frame: Some(frame) }
    }
}

impl From<Frame> for SubscribeResponse {
    fn from(frame: Frame) -> Self {
        let event = match frame {
            Frame::Opened(opened) => Some(Event::Opened(opened)),
            Frame::Messages(messages) => Some(Event::Messages(messages)),
            Frame::Heartbeat(heartbeat) => Some(Event::Heartbeat(heartbeat)),
            Frame::Gap(gap) => Some(Event::Gap(gap)),
            Frame::Draining(draining) => Some(Event::Draining(draining)),
            // Answers to frames that a caller of Subscribe cannot send.
            Frame::Settled(_) | Frame::Pong(_) => None,
        };
        Self { event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    #[tokio::test]
    async fn the_status_comes_behind_the_last_frame() {
        let (output, mut frames) = channel::<SubscribeResponse>();
        output.send(Frame::Gap(crate::proto::Gap::default()));
        assert!(!output.has_room());
        output.end(Err(Error::new(Reason::Draining, "over")));
        drop(output);

        assert!(frames.next().await.unwrap().is_ok());
        assert_eq!(
            frames.next().await.unwrap().unwrap_err().code(),
            tonic::Code::Unavailable
        );
        assert!(frames.next().await.is_none());
    }

    #[tokio::test]
    async fn a_session_that_is_lost_does_not_end_with_ok() {
        let (output, mut frames) = channel::<ConsumeResponse>();
        drop(output);

        assert_eq!(
            frames.next().await.unwrap().unwrap_err().code(),
            tonic::Code::Internal
        );

        let (output, mut frames) = channel::<ConsumeResponse>();
        output.end(Ok(()));
        drop(output);
        assert!(frames.next().await.is_none());
    }
}
