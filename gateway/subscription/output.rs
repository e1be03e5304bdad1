//! The way from a session to its caller: one frame at a time, and a status at the end.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use crate::error::{Error, Reason};
use crate::proto::SubscribeResponse;
use crate::proto::subscribe_response::Event;

/// A session's end of the way.
pub struct Output {
    frames: mpsc::Sender<SubscribeResponse>,
    end: Arc<OnceLock<Result<(), Status>>>,
}

/// The caller's end: the stream that the transport reads.
pub struct Frames {
    frames: mpsc::Receiver<SubscribeResponse>,
    end: Arc<OnceLock<Result<(), Status>>>,
    ended: bool,
}

/// Both ends. One frame may wait: more is not pulled before the transport has taken it.
pub fn channel() -> (Output, Frames) {
    let (sender, receiver) = mpsc::channel(1);
    let end = Arc::new(OnceLock::new());
    let frames = Frames {
        frames: receiver,
        end: end.clone(),
        ended: false,
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

    /// Sends an event if there is room; only the session sends, so room that was seen stays.
    pub(super) fn send(&self, event: Event) {
        let _ = self
            .frames
            .try_send(SubscribeResponse { event: Some(event) });
    }

    /// Sends an event when there is room.
    pub(super) async fn send_later(&self, event: Event) {
        let _ = self
            .frames
            .send(SubscribeResponse { event: Some(event) })
            .await;
    }

    /// Says how the stream ends, behind the frames that still wait.
    pub(super) fn end(&self, error: Error) {
        let _ = self.end.set(Err(error.into()));
    }

    /// Says that the stream ends as its caller wants, with OK, behind the frames that still wait.
    pub(super) fn end_well(&self) {
        let _ = self.end.set(Ok(()));
    }
}

impl Stream for Frames {
    type Item = Result<SubscribeResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(frame) = ready!(self.frames.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.ended = true;
        // Nothing else ends with OK: its caller would take that for the end of the read.
        let lost = || Err(Error::new(Reason::Internal, "the session was lost").into());
        Poll::Ready(self.end.get().cloned().unwrap_or_else(lost).err().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    #[tokio::test]
    async fn the_status_comes_behind_the_last_frame() {
        let (output, mut frames) = channel();
        output.send(Event::Gap(crate::proto::Gap::default()));
        assert!(!output.has_room());
        output.end(Error::new(Reason::Draining, "over"));
        drop(output);

        assert!(frames.next().await.unwrap().is_ok());
        assert_eq!(
            frames.next().await.unwrap().unwrap_err().code(),
            tonic::Code::Unavailable
        );
        assert!(frames.next().await.is_none());
    }
}
