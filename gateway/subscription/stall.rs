//! Why a session delivers nothing: what it knows itself, and what the consumer's info says.
//!
//! The info is asked for only while nothing arrives, once for all sessions of a consumer, and at
//! most every five seconds.

use std::sync::Arc;
use std::time::Duration;

use super::in_flight::Amount;
use super::pulling::expected;
use super::{Connection, Ending, Session};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::api::ConsumerInfo;
use crate::proto::StallReason;

/// How old the consumer's info may be.
pub(super) const AGE: Duration = Duration::from_secs(5);

/// The same where something just happened; sessions of one consumer still share the answer.
pub(super) const JUST_NOW: Duration = Duration::from_millis(200);

/// How long asking for it may take before the consumer counts as leaderless.
const PATIENCE: Duration = Duration::from_secs(2);

/// What asking for the consumer's info came to.
pub(super) type Probe = Result<Arc<ConsumerInfo>>;

impl Session {
    /// Time for a heartbeat: asks for the consumer's info where only that can tell what is wrong.
    pub(super) fn start_probe(&mut self, age: Duration) {
        if self.probe.is_some() {
            return;
        }
        if matches!(self.link, Connection::Attaching(_)) {
            let connected = self.shared.nats.is_connected();
            let stall = match connected {
                true => StallReason::ConsumerLeaderless,
                false => StallReason::NatsDisconnected,
            };
            self.send_heartbeat(stall);
            return;
        }
        let (nats, stream) = (self.shared.nats.clone(), self.source.stream().clone());
        let consumer = self.facts.consumer.clone();
        self.probe = Some(Box::pin(async move {
            nats.consumer_info(&stream, &consumer, age, Deadline::within(PATIENCE))
                .await
        }));
    }

    /// The consumer's info is here: says why nothing is delivered, and ends a session whose consumer is
    /// gone.
    pub(super) fn end_probe(&mut self, probe: Probe) -> Result<(), Ending> {
        let info = match probe {
            Ok(info) => info,
            Err(error) => return self.probe_failed(error),
        };
        if let Err(error) = super::source::refuse_push(&info) {
            return Err(Ending::Failed(error));
        }
        self.pending = info.num_pending;
        self.position = self.position.max(info.delivered.stream_seq);
        if self.book.room(Amount::default()).messages == 0 {
            self.book.settle_below(info.ack_floor.stream_seq);
        }
        self.send_heartbeat(self.stall(&info));
        Ok(())
    }

    fn probe_failed(&mut self, error: Error) -> Result<(), Ending> {
        match error.reason() {
            Reason::ConsumerNotFound if self.source.is_ordered() => self.reattach(),
            Reason::ConsumerNotFound | Reason::StreamNotFound => return Err(Ending::Failed(error)),
            Reason::NatsDisconnected => self.send_heartbeat(StallReason::NatsDisconnected),
            _ => self.send_heartbeat(StallReason::ConsumerLeaderless),
        }
        Ok(())
    }

    fn stall(&self, info: &ConsumerInfo) -> StallReason {
        let Connection::Attached(attached) = &self.link else {
            return StallReason::NatsDisconnected;
        };
        let room = self.book.room(expected(&attached.puller));
        let is_full = room.messages == 0 || room.bytes == 0 || self.oversized;
        let limit = info.config.max_ack_pending;
        if attached.puller.is_idle() && is_full {
            return match self.book.is_unanswered() {
                true => StallReason::NothingSettled,
                false => StallReason::WindowFull,
            };
        }
        if info.paused {
            return StallReason::Paused;
        }
        if limit > 0 && info.num_ack_pending >= limit.unsigned_abs() {
            return StallReason::MaxAckPending;
        }
        if self.slot.is_some() {
            return StallReason::MaxWaiting;
        }
        match info.num_pending {
            0 => StallReason::NoMessages,
            _ => StallReason::Unspecified,
        }
    }
}
