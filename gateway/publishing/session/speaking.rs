//! What a publish stream says: answers first of all, then whatever else is to be said.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::Session;
use crate::proto::publish_stream_response::Frame;
use crate::proto::{
    Draining, Pong, PublishFlow, PublishHeartbeat, PublishStall, PublishStreamResponse, StallReason,
};

/// What is to be said beside answers.
#[derive(Default)]
pub(super) struct Words {
    pub(super) draining: Option<Draining>,
    pub(super) flow: Option<PublishFlow>,
    /// The ids of pings that wait for their answers.
    pub(super) pongs: VecDeque<u64>,
    pub(super) heartbeat: bool,
}

impl Session {
    /// Sends a frame while the transport takes one. Whether there may be something to do when it takes
    /// the next, which may be at once: more to say, or to take up, as answers that are sent make room
    /// in the window.
    pub(super) fn speak(&mut self) -> bool {
        let mut has_spoken = false;
        while self.out.has_room() {
            let Some(frame) = self.next_frame() else {
                return has_spoken;
            };
            self.send(frame);
            has_spoken = true;
        }
        true
    }

    fn next_frame(&mut self) -> Option<Frame> {
        if let Some(draining) = self.words.draining.take() {
            return Some(Frame::Draining(draining));
        }
        if let Some(flow) = self.words.flow.take() {
            return Some(Frame::Flow(flow));
        }
        if let Some(acks) = self.ledger.next_acks() {
            return Some(Frame::Acks(acks));
        }
        if let Some(ping_id) = self.words.pongs.pop_front() {
            return Some(Frame::Pong(Pong { ping_id }));
        }
        std::mem::take(&mut self.words.heartbeat).then(|| Frame::Heartbeat(self.heartbeat()))
    }

    /// Says a frame, for which there is room.
    pub(super) fn send(&mut self, frame: Frame) {
        self.out.send(PublishStreamResponse { frame: Some(frame) });
        self.beat_at = Instant::now() + self.terms.heartbeat;
    }

    /// Lets others see how the stream stands.
    pub(super) fn show(&self) {
        let outstanding = self.ledger.in_flight();
        let stall = match self.stall() {
            PublishStall::NatsDisconnected => StallReason::NatsDisconnected,
            PublishStall::WindowFull => StallReason::WindowFull,
            _ => StallReason::Unspecified,
        };
        let messages = self.stored;
        self.registration.update(|state| {
            state.outstanding = outstanding;
            state.messages = messages;
            state.stall = stall;
        });
    }

    fn heartbeat(&self) -> PublishHeartbeat {
        let in_flight = self.ledger.in_flight();
        PublishHeartbeat {
            in_flight_messages: in_flight.messages,
            in_flight_bytes: in_flight.bytes,
            settled_through: self.ledger.settled_through(),
            stall: self.stall() as i32,
        }
    }

    fn stall(&self) -> PublishStall {
        if self.ledger.is_halted() {
            return PublishStall::Halted;
        }
        if self.ledger.in_flight().messages == 0 {
            return PublishStall::Unspecified;
        }
        if !self.way.is_connected() {
            return PublishStall::NatsDisconnected;
        }
        if self.share.is_waiting() {
            return PublishStall::GatewayFull;
        }
        match self.backlog.is_empty() {
            true => PublishStall::InFlight,
            false => PublishStall::WindowFull,
        }
    }
}
