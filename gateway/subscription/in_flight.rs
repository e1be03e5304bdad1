//! What a session has delivered and nobody has settled: pure book-keeping, without I/O or clocks.
//!
//! Outstanding is what was delivered and is neither settled nor expired. Each settlement frees its
//! room exactly once. The room of an expired delivery stays taken until the caller settles something:
//! a hung caller must not use up the delivery attempts of a whole stream.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// A delivery, as JetStream numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The message's sequence in its stream.
    pub stream_sequence: u64,
    /// The delivery's sequence in its consumer.
    pub consumer_sequence: u64,
}

/// A delivery that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its size.
    pub bytes: u64,
    /// Which delivery of the message it is, from 1.
    pub attempt: u64,
    /// When it expires.
    pub deadline: Instant,
}

/// An amount of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub messages: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// The deliveries of one session, within its window.
#[derive(Debug)]
pub struct InFlight {
    window: Amount,
    out: BTreeMap<Key, Entry>,
    expiries: BTreeSet<(Instant, Key)>,
    bytes: u64,
    /// Expired since the caller last settled something, with their bytes.
    unanswered: BTreeMap<Key, u64>,
}

impl InFlight {
    /// An empty book with this window.
    pub fn new(window: Amount) -> Self {
        Self {
            window,
            out: BTreeMap::new(),
            expiries: BTreeSet::new(),
            bytes: 0,
            unanswered: BTreeMap::new(),
        }
    }

    /// Enters a delivery. One that is there already is entered anew.
    pub fn deliver(&mut self, key: Key, entry: Entry) {
        self.remove(key);
        self.bytes += entry.bytes;
        self.expiries.insert((entry.deadline, key));
        self.out.insert(key, entry);
    }

    /// Takes note that the caller settled a delivery.
    pub fn settle(&mut self, key: Key) {
        self.answered();
        self.remove(key);
    }

    /// Takes note that the caller is done with a message, whichever delivery of it that was.
    pub fn settle_message(&mut self, stream_sequence: u64) {
        self.answered();
        let first = Key {
            stream_sequence,
            consumer_sequence: 0,
        };
        let last = Key {
            stream_sequence,
            consumer_sequence: u64::MAX,
        };
        let deliveries: Vec<Key> = self.out.range(first..=last).map(|(key, _)| *key).collect();
        for key in deliveries {
            self.remove(key);
        }
    }

    /// Takes note that the caller lives: room is given again for what it let expire.
    pub fn answered(&mut self) {
        self.unanswered.clear();
    }

    /// Takes note that the caller settled everything up to a delivery (ack policy all).
    pub fn settle_through(&mut self, key: Key) {
        self.settle(key);
        self.forget(|entry| entry.consumer_sequence <= key.consumer_sequence);
    }

    /// Drops what JetStream counts as settled, by whomever.
    pub fn settle_below(&mut self, ack_floor: u64) {
        self.forget(|entry| entry.stream_sequence <= ack_floor);
        self.unanswered
            .retain(|key, _| key.stream_sequence > ack_floor);
    }

    /// Gives a delivery more time.
    pub fn extend(&mut self, key: Key, deadline: Instant) {
        self.answered();
        if let Some(mut entry) = self.remove(key) {
            entry.deadline = deadline;
            self.deliver(key, entry);
        }
    }

    /// Drops what has expired by now.
    pub fn expire(&mut self, now: Instant) {
        while let Some((deadline, key)) = self.expiries.first().copied() {
            if deadline > now {
                break;
            }
            if let Some(entry) = self.remove(key) {
                self.unanswered.insert(key, entry.bytes);
            }
        }
    }

    /// When the next delivery expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(deadline, _)| *deadline)
    }

    /// What is out.
    pub fn outstanding(&self) -> Amount {
        Amount {
            messages: self.out.len().try_into().unwrap_or(u32::MAX),
            bytes: self.bytes,
        }
    }

    /// Whether nothing is out.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Whether room is kept from a caller that let deliveries expire and has settled nothing since.
    pub fn is_unanswered(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// What may be asked for beside what is `expected` already.
    pub fn room(&self, expected: Amount) -> Amount {
        let taken = self.outstanding();
        let unanswered = u32::try_from(self.unanswered.len()).unwrap_or(u32::MAX);
        let messages = taken
            .messages
            .saturating_add(unanswered)
            .saturating_add(expected.messages);
        let unanswered: u64 = self.unanswered.values().sum();
        let bytes = taken
            .bytes
            .saturating_add(unanswered)
            .saturating_add(expected.bytes);
        Amount {
            messages: self.window.messages.saturating_sub(messages),
            bytes: self.window.bytes.saturating_sub(bytes),
        }
    }

    /// The window.
    pub fn window(&self) -> Amount {
        self.window
    }

    /// Takes everything out, in the order of the stream.
    pub fn take_all(&mut self) -> Vec<(Key, Entry)> {
        self.expiries.clear();
        self.unanswered.clear();
        self.bytes = 0;
        std::mem::take(&mut self.out).into_iter().collect()
    }

    fn forget(&mut self, which: impl Fn(&Key) -> bool) {
        let keys: Vec<Key> = self.out.keys().copied().filter(which).collect();
        for key in keys {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.out.remove(&key)?;
        self.expiries.remove(&(entry.deadline, key));
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    const WINDOW: Amount = Amount {
        messages: 8,
        bytes: 1_000,
    };

    fn key(sequence: u64) -> Key {
        Key {
            stream_sequence: sequence,
            consumer_sequence: sequence,
        }
    }

    fn entry(bytes: u64, deadline: Instant) -> Entry {
        Entry {
            bytes,
            attempt: 1,
            deadline,
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Deliver(u64, u64, u64),
        Settle(u64),
        SettleThrough(u64),
        SettleBelow(u64),
        Extend(u64, u64),
        Expire(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..20_u64, 0..300_u64, 0..50_u64).prop_map(|(k, b, d)| Step::Deliver(k, b, d)),
            4 => (0..20_u64).prop_map(Step::Settle),
            1 => (0..20_u64).prop_map(Step::SettleThrough),
            1 => (0..20_u64).prop_map(Step::SettleBelow),
            2 => (0..20_u64, 0..50_u64).prop_map(|(k, d)| Step::Extend(k, d)),
            2 => (0..50_u64).prop_map(Step::Expire),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// Against a model that is a plain list.
        #[test]
        fn agrees_with_a_list(steps in steps()) {
            let start = Instant::now();
            let at = |second: u64| start + Duration::from_secs(second);
            let mut book = InFlight::new(WINDOW);
            let mut list: Vec<(u64, u64, u64)> = Vec::new();
            let mut unanswered: Vec<(u64, u64)> = Vec::new();

            for step in steps {
                match step {
                    Step::Deliver(k, bytes, deadline) => {
                        book.deliver(key(k), entry(bytes, at(deadline)));
                        list.retain(|row| row.0 != k);
                        list.push((k, bytes, deadline));
                    }
                    Step::Settle(k) => {
                        book.settle(key(k));
                        list.retain(|row| row.0 != k);
                        unanswered.clear();
                    }
                    Step::SettleThrough(k) => {
                        book.settle_through(key(k));
                        list.retain(|row| row.0 > k);
                        unanswered.clear();
                    }
                    Step::SettleBelow(floor) => {
                        book.settle_below(floor);
                        list.retain(|row| row.0 > floor);
                        unanswered.retain(|row| row.0 > floor);
                    }
                    Step::Extend(k, deadline) => {
                        book.extend(key(k), at(deadline));
                        for row in list.iter_mut().filter(|row| row.0 == k) {
                            row.2 = deadline;
                        }
                        unanswered.clear();
                    }
                    Step::Expire(now) => {
                        book.expire(at(now));
                        for row in list.iter().filter(|row| row.2 <= now) {
                            unanswered.retain(|old| old.0 != row.0);
                            unanswered.push((row.0, row.1));
                        }
                        list.retain(|row| row.2 > now);
                    }
                }
                let messages = list.len() as u32;
                let bytes: u64 = list.iter().map(|row| row.1).sum();
                prop_assert_eq!(book.outstanding(), Amount { messages, bytes });
                prop_assert_eq!(book.is_empty(), list.is_empty());
                prop_assert_eq!(book.next_expiry(), list.iter().map(|row| at(row.2)).min());
                prop_assert_eq!(book.room(Amount::default()), Amount {
                    messages: WINDOW.messages.saturating_sub(messages + unanswered.len() as u32),
                    bytes: WINDOW.bytes.saturating_sub(bytes + unanswered.iter().map(|row| row.1).sum::<u64>()),
                });
            }
            let left: Vec<u64> = book.take_all().iter().map(|(key, _)| key.stream_sequence).collect();
            list.sort_unstable();
            prop_assert_eq!(left, list.iter().map(|row| row.0).collect::<Vec<_>>());
            prop_assert_eq!(book.outstanding(), Amount::default());
        }
    }

    #[test]
    fn an_expired_delivery_keeps_its_room_until_the_caller_settles_something() {
        let now = Instant::now();
        let mut book = InFlight::new(Amount {
            messages: 1,
            bytes: 100,
        });
        book.deliver(key(1), entry(10, now));

        book.expire(now);
        assert_eq!(book.room(Amount::default()).messages, 0);
        assert!(book.is_unanswered());

        book.settle(key(1));
        assert_eq!(
            book.room(Amount::default()),
            Amount {
                messages: 1,
                bytes: 100
            }
        );
    }

    #[test]
    fn a_settled_message_frees_every_delivery_of_it() {
        let mut book = InFlight::new(WINDOW);
        let later = Instant::now() + Duration::from_secs(60);
        for (stream_sequence, consumer_sequence) in [(1, 1), (2, 2), (1, 3)] {
            book.deliver(
                Key {
                    stream_sequence,
                    consumer_sequence,
                },
                entry(10, later),
            );
        }

        book.settle_message(1);

        assert_eq!(book.take_all()[0].0, key(2));
        assert!(book.is_empty());
    }
}
