//! What a session says, and how each of the two calls puts it.

pub use crate::proto::consume_response::Frame;
use crate::proto::subscribe_response::Event;
use crate::proto::{ConsumeResponse, SubscribeResponse};

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
