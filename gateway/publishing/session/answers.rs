//! Answers on their way to the caller, as few words as they can be said with.

use std::collections::VecDeque;

use crate::error::{Error, Reason};
use crate::nats::api::PubAck;
use crate::proto::{PublishAcks, PublishFailure, PublishedRange};

/// The most ranges, and the most failures, of one frame: it must stay below what clients take.
const LARGEST: (usize, usize) = (10_000, 1_000);

/// Answers that wait to be sent.
#[derive(Debug)]
pub(super) struct Answers {
    style: Style,
    stored: VecDeque<PublishedRange>,
    failed: VecDeque<PublishFailure>,
    /// How many numbers they answer.
    count: u32,
    last_sequence: u64,
}

/// How stored messages are answered.
#[derive(Clone, Debug)]
pub(super) enum Style {
    /// Each with its sequence. The stream is left out where the caller has named this one.
    PerMessage(Option<String>),
    /// Only up to which number they are, all in this stream.
    Cumulative(Option<String>),
}

impl Answers {
    /// None yet.
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            stored: VecDeque::new(),
            failed: VecDeque::new(),
            count: 0,
            last_sequence: 0,
        }
    }

    /// How many numbers are answered by what waits.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Answers a message that is stored.
    pub(super) fn stored(&mut self, number: u64, ack: PubAck) {
        self.count += 1;
        let known = match &self.style {
            Style::PerMessage(known) => known,
            Style::Cumulative(named) => {
                if named.as_ref().is_none_or(|named| *named == ack.stream) {
                    self.last_sequence = self.last_sequence.max(ack.seq);
                } else {
                    self.count -= 1;
                    self.failed(number, stored_elsewhere(&ack));
                }
                return;
            }
        };
        let stream = match known {
            Some(known) if *known == ack.stream => String::new(),
            _ => ack.stream,
        };
        if let Some(last) = self.stored.back_mut()
            && last.last_number + 1 == number
            && last.first_sequence + (number - last.first_number) == ack.seq
            && last.stream == stream
            && last.duplicate == ack.duplicate
            && last.domain == ack.domain
            && last.counter_value.is_empty()
            && ack.val.is_none()
        {
            last.last_number = number;
            return;
        }
        self.stored.push_back(PublishedRange {
            first_number: number,
            last_number: number,
            first_sequence: ack.seq,
            stream,
            duplicate: ack.duplicate,
            domain: ack.domain,
            counter_value: ack.val.unwrap_or_default(),
        });
    }

    /// Answers some messages that are stored; `sequence` is that of the last one, 0 where it is not
    /// known.
    pub(super) fn stored_through(&mut self, count: u32, sequence: u64) {
        self.count += count;
        self.last_sequence = self.last_sequence.max(sequence);
    }

    /// Answers a message that failed.
    pub(super) fn failed(&mut self, number: u64, error: Error) {
        self.count += 1;
        let status = error.into();
        if let Some(last) = self.failed.back_mut()
            && last.last_number + 1 == number
            && shares_its_fate(&status)
            && last.status.as_ref() == Some(&status)
        {
            last.last_number = number;
            return;
        }
        self.failed.push_back(PublishFailure {
            first_number: number,
            last_number: number,
            status: Some(status),
        });
    }

    /// The next frame. Every message up to `settled_through` is answered, the waiting ones included.
    pub(super) fn take(&mut self, settled_through: u64) -> Option<PublishAcks> {
        if self.is_empty() {
            return None;
        }
        let ranges = self.stored.len().min(LARGEST.0);
        let failures = self.failed.len().min(LARGEST.1);
        let stored: Vec<_> = self.stored.drain(..ranges).collect();
        let failed: Vec<_> = self.failed.drain(..failures).collect();
        let stored_left = self
            .stored
            .iter()
            .map(|it| (it.first_number, it.last_number));
        let failed_left = self
            .failed
            .iter()
            .map(|it| (it.first_number, it.last_number));
        let left = stored_left.chain(failed_left);
        let (mut first_left, mut count) = (None, 0);
        for (first, last) in left {
            first_left = Some(first_left.map_or(first, |least: u64| least.min(first)));
            count += last - first + 1;
        }
        self.count = u32::try_from(count).unwrap_or(u32::MAX);
        Some(PublishAcks {
            stored,
            failed,
            // The caller forgets what is settled, so that what failed must be said first.
            settled_through: first_left.map_or(settled_through, |it| settled_through.min(it - 1)),
            last_sequence: self.last_sequence,
        })
    }
}

/// The subjects of streams have just changed.
fn stored_elsewhere(ack: &PubAck) -> Error {
    let text = format!("stream {} took the message", ack.stream);
    Error::new(Reason::WrongStream, text)
        .with("stored_in", &ack.stream)
        .with("sequence", ack.seq)
}

/// Whether the same words mean the same for the next message, too.
fn shares_its_fate(status: &crate::proto::ItemStatus) -> bool {
    status.reason == Reason::PrecedingFailed as i32
}
