//! The spans of messages on their way, of those that bring a trace.

use std::collections::VecDeque;

use crate::error::{Reason, Result};
use crate::nats::Progress;
use crate::nats::api::PubAck;
use crate::traces::Sending;

/// Spans by the numbers of their messages, which only rise. No more than are on their way.
#[derive(Default)]
pub(super) struct Spans(VecDeque<(u64, Sending)>);

impl Spans {
    /// Keeps the span of a message that is taken up, if it has one.
    pub(super) fn taken(&mut self, number: u64, sending: Sending) {
        if sending.is_traced() {
            self.0.push_back((number, sending));
        }
    }

    /// Ends that of a message whose outcome is known.
    pub(super) fn settled(&mut self, number: u64, outcome: &Result<PubAck>) {
        if let Some(sending) = self.take(number) {
            sending.end(outcome.as_ref());
        }
    }

    /// Ends those of all messages that are settled together.
    pub(super) fn settled_together(&mut self, progress: &Progress) {
        if self.0.is_empty() {
            return;
        }
        for (number, error) in &progress.failed {
            if let Some(sending) = self.take(*number) {
                sending.fail(error.reason());
            }
        }
        for number in &progress.withheld {
            if let Some(sending) = self.take(*number) {
                sending.fail(Reason::PrecedingFailed);
            }
        }
        let stored = self
            .0
            .partition_point(|(number, _)| *number <= progress.through);
        self.0
            .drain(..stored)
            .for_each(|(_, sending)| sending.stored());
    }

    fn take(&mut self, number: u64) -> Option<Sending> {
        let place = self
            .0
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        self.0.remove(place).map(|(_, sending)| sending)
    }
}
