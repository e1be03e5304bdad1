//! The book of a publish stream: which numbers came, which are on their way, and what became of each.
//!
//! Pure book-keeping, without I/O and clocks. Numbers only rise. Each is answered once. What is on its
//! way and what is answered but not yet sent to the caller never exceeds the window in messages, so
//! that a caller that reads no answers is bounded, too.

use std::collections::VecDeque;

use super::answers::Answers;
use crate::error::{Error, Reason, Result};
use crate::nats::Progress;
use crate::nats::api::PubAck;
use crate::proto::PublishAcks;
use crate::subscription::in_flight::Amount;

/// What one message does to those behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// One message at a time: none is sent before the outcome of the one before it is known.
    pub(super) one_at_a_time: bool,
    /// Whether a message that surely failed halts the stream.
    pub(super) halts_on_failure: bool,
    /// Whether a message whose outcome is unknown does.
    pub(super) halts_on_doubt: bool,
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it.
    Send,
    /// One before it failed; it is answered already.
    Aborted,
}

/// The book.
#[derive(Debug)]
pub(super) struct Ledger {
    window: Amount,
    rules: Rules,
    /// The last number that came.
    last: u64,
    /// The last number that was taken up.
    taken: u64,
    /// What was taken up, from the first that is on its way on.
    entries: VecDeque<Entry>,
    open: u32,
    bytes: u64,
    halted_at: Option<u64>,
    resumed_through: u64,
    answers: Answers,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    /// `None` once it is answered.
    bytes: Option<u64>,
}

impl Ledger {
    /// An empty book.
    pub(super) fn new(window: Amount, rules: Rules, answers: Answers) -> Self {
        Self {
            window,
            rules,
            last: 0,
            taken: 0,
            entries: VecDeque::new(),
            open: 0,
            bytes: 0,
            halted_at: None,
            resumed_through: 0,
            answers,
        }
    }

    /// Takes note of a frame of messages that came.
    pub(super) fn arrived(&mut self, first: u64, count: usize) -> Result<()> {
        if first <= self.last {
            let why = format!("must be larger than {}, the last number", self.last);
            return Err(Error::invalid("messages.first_number", why));
        }
        let last = u64::try_from(count)
            .ok()
            .and_then(|count| first.checked_add(count - 1))
            .ok_or_else(|| Error::invalid("messages.first_number", "is too large"))?;
        self.last = last;
        Ok(())
    }

    /// Failures up to a number no longer halt the stream.
    pub(super) fn resume(&mut self, through: u64) -> Result<()> {
        if !(1..=self.last).contains(&through) {
            let why = format!("must be from 1 to {}, the last number", self.last);
            return Err(Error::invalid("resume.through", why));
        }
        self.resumed_through = self.resumed_through.max(through);
        if self.halted_at.is_some_and(|halted| halted <= through) {
            self.halted_at = None;
        }
        Ok(())
    }

    /// Whether a message of this size may be taken up now. One larger than the whole window goes alone.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        if self.rules.one_at_a_time && self.open > 0 {
            return false;
        }
        let messages = self.open.saturating_add(self.answers.count());
        messages < self.window.messages
            && (self.bytes == 0 || self.bytes.saturating_add(bytes) <= self.window.bytes)
    }

    /// Takes up a message.
    pub(super) fn take(&mut self, number: u64, bytes: u64) -> Verdict {
        self.taken = number;
        if let Some(halted) = self.halted_at {
            self.answers.failed(number, preceding_failed(halted));
            return Verdict::Aborted;
        }
        self.entries.push_back(Entry {
            number,
            bytes: Some(bytes),
        });
        self.open += 1;
        self.bytes += bytes;
        Verdict::Send
    }

    /// Answers a message that is on its way.
    pub(super) fn settle(&mut self, number: u64, outcome: Result<PubAck>) {
        if !self.close(number) {
            return;
        }
        match outcome {
            Ok(ack) => self.answers.stored(number, ack),
            Err(error) => {
                let halts = match error.reason() {
                    Reason::PublishOutcomeUnknown => self.rules.halts_on_doubt,
                    _ => self.rules.halts_on_failure,
                };
                if halts && number > self.resumed_through {
                    self.halted_at = self.halted_at.max(Some(number));
                }
                self.answers.failed(number, error);
            }
        }
    }

    /// Answers every message up to a number.
    pub(super) fn settle_through(&mut self, progress: Progress) {
        let Progress {
            through,
            failed,
            withheld,
            last_sequence,
            ..
        } = progress;
        let behind = failed.last().map_or(0, |(number, _)| *number);
        for (number, error) in failed {
            self.settle(number, Err(error));
        }
        for number in withheld {
            if self.close(number) {
                self.answers.failed(number, preceding_failed(behind));
            }
        }
        let mut stored = 0;
        while let Some(first) = self.entries.front()
            && first.number <= through
        {
            if let Some(bytes) = first.bytes {
                stored += 1;
                self.bytes -= bytes;
            }
            self.entries.pop_front();
        }
        if stored > 0 {
            self.open -= stored;
            self.answers.stored_through(stored, last_sequence);
        }
    }

    /// Frees the room of a message; false where it is not on its way.
    fn close(&mut self, number: u64) -> bool {
        let place = match self.entries.front() {
            Some(first) if first.number == number => 0,
            _ => match self.entries.binary_search_by_key(&number, |it| it.number) {
                Ok(place) => place,
                Err(_) => return false,
            },
        };
        let Some(bytes) = self.entries[place].bytes.take() else {
            return false;
        };
        self.open -= 1;
        self.bytes -= bytes;
        while self.entries.front().is_some_and(|it| it.bytes.is_none()) {
            self.entries.pop_front();
        }
        // One message that takes long must not keep a row for each that came behind it.
        if self.entries.len() > 64 + 2 * self.open as usize {
            self.entries.retain(|it| it.bytes.is_some());
        }
        true
    }

    /// The next answers to send, if any.
    pub(super) fn next_acks(&mut self) -> Option<PublishAcks> {
        let through = self.settled_through();
        self.answers.take(through)
    }

    /// Every message up to this number is settled.
    pub(super) fn settled_through(&self) -> u64 {
        self.entries
            .front()
            .map_or(self.taken, |first| first.number - 1)
    }

    /// What is on its way.
    pub(super) fn in_flight(&self) -> Amount {
        Amount {
            messages: self.open,
            bytes: self.bytes,
        }
    }

    /// Whether answers wait to be sent.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether a message that failed holds up those behind it.
    pub(super) fn is_halted(&self) -> bool {
        self.halted_at.is_some()
    }
}

fn preceding_failed(number: u64) -> Error {
    let text = format!("not sent: message {number} failed");
    Error::new(Reason::PrecedingFailed, text).with("failed_item", number)
}

#[cfg(test)]
mod tests;
