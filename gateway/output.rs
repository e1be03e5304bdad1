//! The way from a session to its caller: one frame at a time, and a status at the end.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use crate::error::{Error, Reason};
use crate::memory::Hold;

/// A session's end of the way.
pub struct Output<F> {
    /// In boxes: the channel has room for more frames than it ever holds.
    frames: mpsc::Sender<Box<Sent<F>>>,
    end: Arc<OnceLock<Result<(), Status>>>,
}

/// The caller's end: the stream that the transport reads, of the responses that frames are put into.
pub struct Frames<F, R = F> {
    frames: mpsc::Receiver<Box<Sent<F>>>,
    end: Arc<OnceLock<Result<(), Status>>>,
    ended: bool,
    /// The room of the frame that the transport has: it asks for the next once that is written.
    writing: Option<Hold>,
    response: PhantomData<fn() -> R>,
}

/// A frame, and the room that it takes until it is written.
struct Sent<F> {
    frame: F,
    hold: Option<Hold>,
}

/// Both ends. One frame may wait: the session holds back what follows before the transport has taken it.
pub fn channel<F, R>() -> (Output<F>, Frames<F, R>) {
    let (sender, receiver) = mpsc::channel(1);
    let end = Arc::new(OnceLock::new());
    let frames = Frames {
        frames: receiver,
        end: end.clone(),
        ended: false,
        writing: None,
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

impl<F> Clone for Output<F> {
    fn clone(&self) -> Self {
        Self {
            frames: self.frames.clone(),
            end: self.end.clone(),
        }
    }
}

impl<F> Output<F> {
    /// Whether the transport has taken the last frame.
    pub fn has_room(&self) -> bool {
        self.frames.capacity() > 0
    }

    /// Waits until it has.
    pub async fn room(&self) {
        // Fails only where the caller is gone, which is noticed elsewhere.
        let _ = self.frames.reserve().await;
    }

    /// Waits until the caller is gone.
    pub async fn closed(&self) {
        self.frames.closed().await;
    }

    /// Sends a frame if there is room; only the session sends, so room that was seen stays.
    pub fn send(&self, frame: F) {
        self.put(Sent { frame, hold: None });
    }

    /// The same with the room that the frame takes, which is given back once it is written.
    pub fn send_holding(&self, frame: F, hold: Hold) {
        let hold = Some(hold);
        self.put(Sent { frame, hold });
    }

    /// Sends a frame when there is room.
    pub async fn send_later(&self, frame: F) {
        let sent = Sent { frame, hold: None };
        let _ = self.frames.send(Box::new(sent)).await;
    }

    /// Says how the stream ends, behind the frames that still wait. The first word counts.
    pub fn end(&self, end: Result<(), Error>) {
        let _ = self.end.set(end.map_err(Status::from));
    }

    fn put(&self, sent: Sent<F>) {
        let _ = self.frames.try_send(Box::new(sent));
    }
}

impl<F, R: From<F>> Stream for Frames<F, R> {
    type Item = Result<R, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.writing = None;
        if let Some(sent) = ready!(self.frames.poll_recv(cx)) {
            let Sent { frame, hold } = *sent;
            self.writing = hold;
            return Poll::Ready(Some(Ok(R::from(frame))));
        }
        self.ended = true;
        match self.end.get() {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(status)) => Poll::Ready(Some(Err(status.clone()))),
            // Its caller would take an OK for the end of what it asked for.
            None => {
                let lost = Error::new(Reason::Internal, "the session was lost");
                Poll::Ready(Some(Err(lost.into())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    #[tokio::test]
    async fn the_status_comes_behind_the_last_frame() {
        let (output, mut frames) = channel::<u32, u64>();
        output.send(7);
        assert!(!output.has_room());
        output.end(Err(Error::new(Reason::Draining, "over")));
        drop(output);

        assert_eq!(frames.next().await.unwrap().unwrap(), 7);
        assert_eq!(
            frames.next().await.unwrap().unwrap_err().code(),
            tonic::Code::Unavailable
        );
        assert!(frames.next().await.is_none());
    }

    #[tokio::test]
    async fn only_a_session_that_says_so_ends_well() {
        let (output, mut frames) = channel::<u32, u32>();
        output.end(Ok(()));
        drop(output);
        assert!(frames.next().await.is_none());

        let (output, mut frames) = channel::<u32, u32>();
        drop(output);
        let status = frames.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
    }
}
