//! The messages that wait, or are sent and not settled, in the order in which they came.

use std::collections::VecDeque;

use tokio::time::Instant;
use tonic::Code;

use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::Outgoing;
use crate::nats::api::PubAck;
use crate::nats::publish::{unknown, with_id};

/// A message that is not settled.
pub(super) struct Entry {
    pub number: u64,
    pub message: Outgoing,
    pub deadline: Deadline,
    /// JetStream may have its id already: from an earlier session, for example.
    pub known: bool,
    pub state: State,
    /// When it was last sent in a batch.
    pub sent: Option<Instant>,
}

/// How far a message is.
#[derive(Debug)]
pub(super) enum State {
    /// It waits for a batch, or is in one.
    Waiting,
    /// It is not stored, and waits to be published by itself.
    Alone,
    /// It may be stored, and waits to be published by itself.
    Open,
    /// It is being published by itself.
    Repeated,
    /// It waits for those before it.
    Settled(Result<PubAck>),
}

/// What is settled since it was last said.
#[derive(Debug, Default)]
pub struct Settled {
    /// Every message up to this number is settled.
    pub through: u64,
    /// Those of them that failed, or may be stored.
    pub failed: Vec<(u64, Error)>,
    /// Those of them that are not stored because one before them failed.
    pub withheld: Vec<u64>,
    /// How many of them are stored, or were before.
    pub stored: u64,
    /// How many of these were before.
    pub duplicates: u64,
    /// How many of these may have been: a batch does not say it of messages with ids.
    pub stored_or_duplicate: u64,
    /// The sequence of the last stored one; 0 where JetStream has not said it.
    pub last_sequence: u64,
}

/// Which messages keep those behind them from being stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Halts {
    /// One that surely failed.
    pub on_failure: bool,
    /// One that may be stored, for all that is known.
    pub on_doubt: bool,
}

/// The messages of one publisher.
#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    settled: Settled,
    halts: Halts,
    /// Up to this number nothing halts.
    resumed: u64,
}

impl Queue {
    pub(super) fn new(halts: Halts) -> Self {
        Self {
            halts,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Failures up to this number do not halt.
    pub(super) fn resume(&mut self, through: u64) {
        self.resumed = self.resumed.max(through);
    }

    /// Whether each message has to wait for the outcome of the one before.
    pub(super) fn is_strict(&self) -> bool {
        self.halts.on_failure || self.halts.on_doubt
    }

    /// Whether nothing is stored behind the first message where it fails like this.
    pub(super) fn halts_on(&self, error: &Error) -> bool {
        let halts = match error.reason() {
            Reason::PublishOutcomeUnknown => self.halts.on_doubt,
            _ => self.halts.on_failure,
        };
        let number = self.first().map_or(0, |first| first.number);
        halts && number > self.resumed
    }

    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Entry> {
        self.entries.get(place)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.entries.get_mut(place)
    }

    pub(super) fn numbered(&mut self, number: u64) -> Option<&mut Entry> {
        let place = self
            .entries
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        self.entries.get_mut(place)
    }

    /// A batch says that the first message is stored; `sequence` is 0 where it is not known.
    pub(super) fn stored(&mut self, sequence: u64) {
        if let Some(entry) = self.take_stored(sequence) {
            self.settled.stored_or_duplicate += u64::from(entry.message.id.is_some());
        }
    }

    fn take_stored(&mut self, sequence: u64) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.settled.through = entry.number;
        self.settled.stored += 1;
        self.settled.last_sequence = sequence;
        Some(entry)
    }

    /// The first message is not stored, or nobody knows.
    pub(super) fn failed(&mut self, error: Error) {
        let halts = self.halts_on(&error);
        let Some(entry) = self.entries.pop_front() else {
            return;
        };
        self.settled.through = entry.number;
        let error = with_id(error, &entry.message);
        self.settled.failed.push((entry.number, error));
        if halts {
            self.withhold();
        }
    }

    /// Settles the first messages whose outcome is known.
    pub(super) fn settle(&mut self) {
        while let Some(entry) = self.entries.front_mut() {
            match std::mem::replace(&mut entry.state, State::Waiting) {
                State::Settled(Ok(ack)) => {
                    self.settled.duplicates += u64::from(ack.duplicate);
                    self.take_stored(ack.seq);
                }
                State::Settled(Err(error)) => self.failed(error),
                other => {
                    entry.state = other;
                    return;
                }
            }
        }
    }

    /// What is settled since this was last asked.
    pub(super) fn take_settled(&mut self) -> Option<Settled> {
        (self.settled.through > 0).then(|| std::mem::take(&mut self.settled))
    }

    /// Nothing of what is here is sent any more.
    fn withhold(&mut self) {
        for entry in self.entries.drain(..) {
            self.settled.through = entry.number;
            match entry.state {
                State::Waiting | State::Alone => self.settled.withheld.push(entry.number),
                State::Settled(Err(error)) => self.settled.failed.push((entry.number, error)),
                State::Open | State::Repeated | State::Settled(Ok(_)) => {
                    let text = "the message was sent and may be stored";
                    let error = with_id(unknown(Code::Unavailable, text), &entry.message);
                    self.settled.failed.push((entry.number, error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::names::{Reserved, Subject};

    fn entry(number: u64) -> Entry {
        Entry {
            number,
            message: Outgoing {
                subject: Subject::parse("subject", "orders.x", &Reserved::new("_INBOX")).unwrap(),
                headers: Default::default(),
                payload: Default::default(),
                id: None,
            },
            deadline: Deadline::within(Duration::from_secs(10)),
            known: false,
            state: State::Waiting,
            sent: None,
        }
    }

    fn queue(halts: Halts) -> Queue {
        let mut queue = Queue::new(halts);
        (1..=5).map(entry).for_each(|entry| queue.push(entry));
        queue
    }

    fn refused() -> Error {
        Error::new(Reason::StreamFull, "full")
    }

    #[tokio::test]
    async fn what_is_known_waits_for_those_before_it() {
        let mut queue = queue(Halts::default());
        queue.numbered(2).unwrap().state = State::Settled(Err(refused()));
        queue.settle();
        assert!(queue.take_settled().is_none());

        queue.stored(0);
        queue.settle();

        let settled = queue.take_settled().unwrap();
        assert_eq!((settled.through, settled.stored), (2, 1));
        assert_eq!(settled.failed[0].0, 2);
        assert_eq!(queue.len(), 3);
    }

    #[tokio::test]
    async fn behind_a_failure_nothing_is_sent_where_that_halts() {
        let mut queue = queue(Halts {
            on_failure: true,
            on_doubt: false,
        });
        queue.numbered(3).unwrap().state = State::Open;
        queue.stored(7);
        queue.failed(refused());

        let settled = queue.take_settled().unwrap();
        assert_eq!((settled.through, settled.stored), (5, 1));
        let failed: Vec<_> = settled
            .failed
            .iter()
            .map(|(number, error)| (*number, error.reason()))
            .collect();
        let expected = [(2, Reason::StreamFull), (3, Reason::PublishOutcomeUnknown)];
        assert_eq!(failed, expected);
        assert_eq!(settled.withheld, [4, 5]);
    }

    #[tokio::test]
    async fn what_was_resumed_halts_no_more() {
        let mut queue = queue(Halts {
            on_failure: true,
            on_doubt: true,
        });
        queue.resume(2);
        queue.stored(7);
        queue.failed(refused());

        let settled = queue.take_settled().unwrap();
        assert_eq!((settled.through, settled.withheld.len()), (2, 0));
        assert_eq!(queue.len(), 3);
    }
}
