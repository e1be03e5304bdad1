//! What is known of one fast batch: pure book-keeping over what was sent and what came back.
//!
//! Places count the messages of a batch from 1. What an acknowledgement covers is stored. A message
//! that somebody refused, or that reached nobody, was not taken, and a server takes no message of a
//! batch behind one that it has not taken: so nothing from the first such place on is stored by this
//! batch. What lies between is open, after a change of leader for example: the count with which a
//! batch ends is what the new leader has seen by then, and more of it may lie in its log.

use std::collections::BTreeMap;

use super::answer::{Answer, Heard, Operation};
use crate::nats::api::ApiError;

#[cfg(test)]
mod tests;

/// How many acknowledgements may be outstanding (ADR-50 advises two).
const OUTSTANDING: u64 = 2;

/// How many messages the server is taken to wait for with an acknowledgement where nothing is known.
pub(super) const FIRST_FLOW: u64 = 32;

/// JetStream's code for a batch that it does not have, or not any more.
const UNKNOWN_BATCH: u64 = 10_208;

/// Why a message of a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The stream has something against this message, or this moment.
    Refused(ApiError),
    /// The answer came from another stream.
    WrongStream(String),
    /// Nobody listens to its subject.
    Nobody,
    /// The NATS user may not publish there.
    Denied,
    /// The server has not got what came before it, or does not know the batch.
    Broken,
}

/// One batch, from its first message to its end.
#[derive(Debug)]
pub(super) struct Batch {
    stream: String,
    sent: u64,
    /// Everything up to here is stored, but for those in `faults`.
    stored: u64,
    flow: u64,
    /// Messages that were not taken.
    faults: BTreeMap<u64, Cause>,
    /// The server was told, or has said, that no more comes.
    closing: bool,
    ended: bool,
    /// That of the last stored message, once the server has said it.
    sequence: u64,
}

/// What became of the messages of a batch behind those that are settled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How many of them may be stored.
    pub open: u64,
    /// Why the next one is surely not, where that is known. Nor is what is behind.
    pub cause: Option<Cause>,
}

impl Batch {
    /// A batch of this stream of which nothing was sent. Until the server says how many messages it
    /// waits for with an acknowledgement, they are `flow`.
    pub(super) fn new(stream: &str, flow: u64) -> Self {
        Self {
            stream: stream.to_owned(),
            sent: 0,
            stored: 0,
            flow,
            faults: BTreeMap::new(),
            closing: false,
            ended: false,
            sequence: 0,
        }
    }

    /// The place of the next message.
    pub(super) fn next_place(&self) -> u64 {
        self.sent + 1
    }

    /// How many messages may be sent now.
    pub(super) fn room(&self) -> u64 {
        if self.closing || self.ended || !self.faults.is_empty() {
            return 0;
        }
        (OUTSTANDING * self.flow).saturating_sub(self.sent - self.stored)
    }

    /// How the next message is sent; `last` where no other is there to follow it.
    pub(super) fn operation(&self, last: bool) -> Operation {
        match self.sent {
            // Nothing would acknowledge it.
            _ if last && self.sent + 1 - self.stored < self.flow => Operation::Commit,
            0 => Operation::Open,
            _ => Operation::Append,
        }
    }

    /// Takes note of what was sent.
    pub(super) fn sent(&mut self, operation: Operation) {
        self.sent += u64::from(operation.carries_a_message());
        self.closing |= matches!(operation, Operation::Commit | Operation::End);
    }

    /// Takes note of an answer.
    pub(super) fn hear(&mut self, heard: Heard) {
        let Heard {
            place,
            operation,
            answer,
        } = heard;
        match answer {
            Answer::Acked { place, flow } => {
                self.store(place);
                self.flow = u64::from(flow.max(1));
            }
            Answer::Ended {
                count,
                sequence,
                stream,
            } => {
                // Where the subjects have just changed hands, another stream may have them.
                if stream == self.stream {
                    self.store(count);
                    self.sequence = sequence;
                }
                self.ended = true;
            }
            Answer::Gap => {
                // Of a message that was only asked after, the next leader may still take it.
                if operation.carries_a_message() {
                    self.fault(place, Cause::Broken);
                }
                self.closing = true;
            }
            Answer::Refused { place, error } => {
                self.fault(place, Cause::Refused(error));
                self.closing = true;
            }
            Answer::Nobody if operation.carries_a_message() => {
                self.untaken(place, operation, Cause::Nobody);
            }
            // It is asked again: there may be a leader by then.
            Answer::Nobody => {}
            Answer::Failed { error, stream } => self.failed(place, operation, error, stream),
            Answer::Strange if operation.carries_a_message() => {
                self.untaken(place, operation, Cause::WrongStream(String::new()));
            }
            Answer::Strange => self.ended = true,
        }
    }

    /// Takes note that the message at `place` may not be published to its subject.
    pub(super) fn deny(&mut self, place: u64) {
        self.fault(place, Cause::Denied);
    }

    /// Takes note that nothing more will be heard of it.
    pub(super) fn give_up(&mut self) {
        self.ended = true;
    }

    /// Whether the server shall be told that no more comes: then it says what it has.
    pub(super) fn wants_end(&self) -> bool {
        !self.closing && !self.ended && !self.faults.is_empty()
    }

    /// What makes the server say again what it has.
    pub(super) fn question(&self) -> Operation {
        if self.closing {
            Operation::End
        } else {
            Operation::Ping
        }
    }

    /// Whether the server owes an answer.
    pub(super) fn awaits(&self) -> bool {
        self.sent > 0 && (self.closing || self.unacknowledged() >= self.flow)
    }

    /// Whether messages were sent that nothing but the batch's end will acknowledge.
    pub(super) fn waits_in_vain(&self) -> bool {
        self.unacknowledged() > 0 && !self.awaits()
    }

    /// Whether nothing is under way, and more may come.
    pub(super) fn is_at_rest(&self) -> bool {
        self.sent > 0 && self.unacknowledged() == 0 && !self.closing
    }

    /// How many messages are sent and not known to be stored.
    fn unacknowledged(&self) -> u64 {
        self.sent - self.stored
    }

    /// How many messages the server waits for with an acknowledgement.
    pub(super) fn flow(&self) -> u64 {
        self.flow
    }

    /// How many messages from the first are settled: stored, or failed by themselves.
    pub(super) fn settled(&self) -> u64 {
        self.stored
    }

    /// The sequence of the last one of those; 0 while it is not known.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Why a settled message failed, where it did.
    pub(super) fn take_fault(&mut self, place: u64) -> Option<Cause> {
        // What JetStream has and says it did not take is stored.
        self.faults
            .remove(&place)
            .filter(|cause| matches!(cause, Cause::Refused(_)))
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it is known of every message what became of it, though the batch may not have ended.
    pub(super) fn is_clear(&self) -> bool {
        match self.first_fault() {
            // In a cluster, what is behind a message that fails as it is stored may be stored.
            Some((_, Cause::Refused(_))) => self.ended && self.verdict().open == 0,
            Some(_) => self.verdict().open == 0,
            None => self.ended && self.stored == self.sent,
        }
    }

    /// What became of the messages behind [`Batch::settled`].
    pub(super) fn verdict(&self) -> Verdict {
        match self.first_fault() {
            Some((place, cause)) => Verdict {
                open: place - 1 - self.stored,
                cause: Some(cause.clone()),
            },
            None => Verdict {
                open: self.sent - self.stored,
                cause: None,
            },
        }
    }

    fn first_fault(&self) -> Option<(u64, &Cause)> {
        let mut behind = self.faults.range(self.stored + 1..);
        behind.next().map(|(place, cause)| (*place, cause))
    }

    fn failed(&mut self, place: u64, operation: Operation, error: ApiError, stream: String) {
        let ours = stream == self.stream;
        if !operation.carries_a_message() {
            // It is told at the same price that there is no batch and that nothing is taken now.
            self.ended = true;
            return;
        }
        let cause = match error.err_code {
            _ if !ours => Cause::WrongStream(stream),
            UNKNOWN_BATCH => Cause::Broken,
            _ => Cause::Refused(error),
        };
        // A batch whose first message is not taken does not come to be, and one that is not known is
        // not there any more. Otherwise it may go on: in a cluster, a message that was taken can fail
        // by itself when it is stored.
        self.ended |= ours && (place == 1 || cause == Cause::Broken);
        self.untaken(place, operation, cause);
    }

    fn untaken(&mut self, place: u64, operation: Operation, cause: Cause) {
        // The end that it was to bring did not come either.
        self.closing &= operation != Operation::Commit;
        self.fault(place, cause);
    }

    fn fault(&mut self, place: u64, cause: Cause) {
        if place > self.stored && place <= self.sent {
            // The first word is the reason; what follows is its consequence.
            self.faults.entry(place).or_insert(cause);
        }
    }

    fn store(&mut self, place: u64) {
        self.stored = self.stored.max(place.min(self.sent));
    }
}
