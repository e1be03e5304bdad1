//! What becomes of deliveries: what other replicas tell the session, and what it tells of malformed messages.

use tokio::time::Instant;

use super::in_flight::Key;
use super::{LONGEST_LEASE, Session};
use crate::nats::{Nats, Settlement};
use crate::sessions::{Change, Notice};

impl Session {
    /// Takes note of what was settled elsewhere.
    pub(super) fn note(&mut self, notice: &Notice) {
        if notice.consumer != self.facts.fingerprint {
            return;
        }
        if !matches!(notice.change, Change::Extended(_) | Change::Refused) {
            let delivered = self.book.unsettled_since(notice.key);
            self.note_answer_to(delivered, Instant::now());
        }
        match notice.change {
            Change::Settled => {
                self.source.settled(notice.key.stream_sequence);
                self.book.settle_message(notice.key.stream_sequence);
            }
            Change::Returned => self.book.settle(notice.key),
            Change::Refused => self.begin_settling(notice.key, Instant::now()),
            Change::SettledThrough => {
                self.source.settled_through(notice.key.stream_sequence);
                self.book.settle_through(notice.key);
            }
            Change::Extended(lease) => {
                self.book
                    .extend(notice.key, Instant::now() + lease.min(LONGEST_LEASE));
            }
        }
        let (stream, consumer) = (self.source.stream().as_str(), self.facts.consumer.as_str());
        note_suspect(&self.shared.nats, stream, consumer, notice);
        self.ask_for_the_rest();
    }

    /// Tells of what this session settles itself, where the message is one that connections cannot receive.
    pub(super) fn note_own_suspect(&self, key: Key, settlement: &Settlement) {
        let (stream, consumer) = (self.source.stream().as_str(), self.facts.consumer.as_str());
        let nats = &self.shared.nats;
        if !nats.is_quarantined(stream, consumer) {
            return;
        }
        match settlement {
            Settlement::InProgress => {}
            Settlement::Nak(_) => nats.suspect_returned(stream, consumer, key.stream_sequence),
            Settlement::Ack | Settlement::Term(_) => {
                nats.suspect_settled(stream, consumer, key.stream_sequence);
            }
        }
    }
}

/// Where the message is one that connections cannot receive, its settlement counts for that, too.
pub(super) fn note_suspect(nats: &Nats, stream: &str, consumer: &str, notice: &Notice) {
    let sequence = notice.key.stream_sequence;
    match notice.change {
        Change::Extended(_) | Change::Refused => {}
        Change::Returned => nats.suspect_returned(stream, consumer, sequence),
        Change::Settled | Change::SettledThrough => {
            nats.suspect_settled(stream, consumer, sequence)
        }
    }
}
