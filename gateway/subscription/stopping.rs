//! The end of a bounded read: when the consumer has passed it, and when all of it is settled.

use std::time::Duration;

use tokio::time::Instant;

use super::stall::JUST_NOW;
use super::{Connection, Ending, LONGEST_LEASE, Session};
use crate::clock;
use crate::nats::pull::Passed;
use crate::token::AckSubject;

impl Session {
    /// The consumer has nothing for now, and has come this far.
    pub(super) fn idle(&mut self, passed: Option<Passed>) {
        let Some(passed) = passed else { return };
        self.position = self.position.max(passed.stream_sequence);
        // What waits for the caller was delivered before this.
        if self.held.is_empty() {
            self.source.idle(passed);
            let stop = self.stop.as_ref();
            self.is_stopping |= stop.is_some_and(|stop| stop.is_passed_at(passed.stream_sequence));
        }
    }

    /// Whether a message lies behind the end of the read; then everything before it has come once.
    pub(super) fn is_behind_the_end(&mut self, ack: &AckSubject) -> bool {
        let stop = self.stop.as_ref();
        let is_behind = stop.is_some_and(|stop| stop.excludes(ack.stream_sequence, ack.timestamp));
        self.is_stopping |= is_behind;
        is_behind
    }

    /// Notes whether the read has come to its end with this message.
    pub(super) fn note_the_end(&mut self, ack: &AckSubject) {
        let Some(stop) = &self.stop else { return };
        self.is_stopping |= stop.is_passed_at(ack.stream_sequence)
            || (ack.pending == 0 && stop.is_passed_without_pending());
    }

    /// Takes note of what attaching found out about the stream's own end.
    pub(super) fn find_the_end(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        stop.learn(self.facts.stream_last, clock::now());
        self.is_stopping |= self.facts.pending == 0 && stop.is_passed_without_pending();
    }

    /// Whether only attaching anew can tell where a bounded read stands.
    pub(super) fn may_be_past_the_end(&self) -> bool {
        self.stop.is_some() && !self.is_stopping && self.shared.nats.is_imported()
    }

    /// Something was settled: where nothing more is to come, JetStream's own word may end the read.
    pub(super) fn ask_for_the_rest(&mut self) {
        if self.is_stopping {
            self.start_probe(JUST_NOW);
        }
    }

    /// Ends the read once everything up to its end has come, and is settled where that is asked for.
    pub(super) fn check_the_end(&self) -> Result<(), Ending> {
        let has_sent_all = self.held.is_empty() && self.gap.is_none();
        let is_settled = self.book.is_empty() && !self.source.is_open();
        match self.is_stopping && has_sent_all && is_settled {
            true => Err(Ending::Complete),
            false => Ok(()),
        }
    }

    /// When the time is over at which the read is to end: then the stream's last sequence tells the rest.
    pub(super) fn stop_due(&self) -> Option<Instant> {
        let Connection::Attached(_) = &self.link else {
            return None;
        };
        let wait = self.stop.as_ref()?.wait(clock::now())?;
        Some(Instant::now() + wait.min(LONGEST_LEASE))
    }

    /// Looks whether that is so now.
    pub(super) fn look_for_the_end(&mut self) {
        let wait = self.stop.as_ref().and_then(|stop| stop.wait(clock::now()));
        if wait == Some(Duration::ZERO) && matches!(self.link, Connection::Attached(_)) {
            self.reattach();
        }
    }
}
