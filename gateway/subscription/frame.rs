//! What a session sends, and the responses of the two calls that it becomes.

use tokio_stream::StreamExt as _;
use tokio_stream::adapters::Map;
use tonic::Status;

use crate::output::Frames;
pub(super) use crate::proto::consume_response::Frame;
use crate::proto::subscribe_response::Event;
use crate::proto::{ConsumeResponse, SubscribeResponse};

/// A result of the way to the caller, which holds frames in boxes: its channel has room for more of them
/// than it ever holds.
type Next<T> = Result<T, Status>;

/// The responses of a call.
pub type Responses<R> = Map<Frames<Box<Frame>>, fn(Next<Box<Frame>>) -> Next<R>>;

/// Turns a session's frames into responses.
pub fn responses<R: From<Frame>>(frames: Frames<Box<Frame>>) -> Responses<R> {
    frames.map(|frame| frame.map(|frame| R::from(*frame)))
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
