//! Why a session delivers nothing: what it knows itself, and what the consumer's info says.
//!
//! The info is asked for only while nothing arrives, once for all sessions of a consumer, and at
//! most every five seconds.

use std::sync::Arc;
use std::time::Duration;

use super::pulling::expected;
use super::terms::{self, Terms};
use super::{Connection, Ending, Frame, Session};
use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::nats::AsOf;
use crate::nats::api::ConsumerInfo;
use crate::proto::{SessionHeartbeat, StallReason};

/// How old the consumer's info may be.
pub(super) const AGE: Duration = Duration::from_secs(5);

/// The same where something just happened; sessions of one consumer still share the answer.
pub(super) const JUST_NOW: Duration = Duration::from_millis(200);

/// What asking for the consumer's info came to.
pub(super) type Probe = Result<Arc<ConsumerInfo>>;

impl Session {
    /// Asks for the consumer's info, of which the next heartbeat tells.
    pub(super) fn start_probe(&mut self, age: Duration) {
        if self.probe.is_some() || !matches!(self.link, Connection::Attached(_)) {
            return;
        }
        let (nats, stream) = (self.shared.nats.clone(), self.source.stream().clone());
        let consumer = self.facts.consumer.clone();
        // What the last message said is newer than an info from before it.
        let as_of = AsOf::within(age).or_since(self.delivered_at);
        let deadline = Deadline::within(self.heartbeat.head_start());
        self.probe = Some(Box::pin(async move {
            nats.consumer_info(&stream, &consumer, as_of, deadline)
                .await
        }));
    }

    /// The consumer's info is here: learns from it, and ends a session whose consumer is gone.
    pub(super) fn end_probe(&mut self, probe: Probe) -> Result<(), Ending> {
        match &probe {
            Ok(info) => {
                super::source::refuse_push(info).map_err(Ending::Failed)?;
                self.learn(&info.clone());
            }
            Err(error) => match error.reason() {
                Reason::ConsumerNotFound if self.source.is_ordered() => self.reattach(),
                Reason::ConsumerNotFound | Reason::StreamNotFound => {
                    return Err(Ending::Failed(error.clone()));
                }
                // Attaching asks until there is an answer.
                _ if self.is_outdated => self.reattach(),
                _ => {}
            },
        }
        self.info = Some(probe);
        Ok(())
    }

    /// Time for a heartbeat, whether the consumer has answered or not.
    pub(super) fn beat(&mut self) {
        let stall = match (self.info.take(), &self.link) {
            (_, Connection::Detached | Connection::Closing(_)) => StallReason::Unspecified,
            (_, Connection::Attaching(_)) => self.without_answer(),
            (Some(Ok(info)), _) => self.stall(&info),
            (Some(Err(_)) | None, _) => self.without_answer(),
        };
        self.send_heartbeat(stall);
        self.heartbeat.reset();
    }

    fn send_heartbeat(&mut self, stall_reason: StallReason) {
        self.stall = stall_reason;
        let outstanding = self.book.outstanding();
        self.send(Frame::Heartbeat(SessionHeartbeat {
            stream_sequence: self.position,
            pending: self.pending,
            outstanding_messages: outstanding.messages,
            outstanding_bytes: outstanding.bytes,
            stall_reason: stall_reason as i32,
            resume_token: self.resume_token(),
        }));
    }

    fn without_answer(&self) -> StallReason {
        match self.shared.nats.is_connected() {
            true => StallReason::ConsumerLeaderless,
            false => StallReason::NatsDisconnected,
        }
    }

    /// The consumer may have been changed, or made anew; and other replicas' word of what was settled
    /// may have been lost.
    fn learn(&mut self, info: &ConsumerInfo) {
        let terms = Terms::of(info);
        if terms.incarnation != self.facts.terms.incarnation {
            self.book.take_all();
        }
        let fingerprint = terms::fingerprint(&info.stream_name, &info.name, terms.incarnation);
        if terms != self.facts.terms || fingerprint != self.facts.fingerprint {
            let facts = Arc::make_mut(&mut self.facts);
            facts.terms = terms;
            facts.fingerprint = fingerprint;
        }
        if std::mem::take(&mut self.is_outdated) {
            self.source.count_anew();
        }
        self.pending = info.num_pending;
        self.position = self.position.max(info.delivered.stream_seq);
        self.book.settle_below(info.ack_floor.stream_seq);
        self.source.learn(info);
    }

    fn stall(&self, info: &ConsumerInfo) -> StallReason {
        let Connection::Attached(attached) = &self.link else {
            return StallReason::NatsDisconnected;
        };
        let room = self.book.room(expected(&attached.puller));
        let is_full = room.messages == 0 || room.bytes == 0 || self.oversized.is_some();
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
        let seat = self.facts.seat.as_ref();
        if seat.is_some_and(|seat| seat.is_elsewhere(info)) {
            return StallReason::NotPinned;
        }
        if limit > 0 && info.num_ack_pending >= limit.unsigned_abs() {
            return StallReason::MaxAckPending;
        }
        if self.slot.is_some() {
            return StallReason::MaxWaiting;
        }
        match info.num_pending {
            0 => StallReason::NoMessages,
            _ if seat.is_some_and(|seat| seat.is_below(info)) => StallReason::BelowOverflow,
            _ => StallReason::Unspecified,
        }
    }
}
