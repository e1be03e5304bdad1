//! What a session has delivered and nobody has settled: pure book-keeping, without I/O or clocks.
//!
//! Outstanding is what was delivered and is neither settled nor expired. Each settlement frees its
//! room exactly once. The room of an expired delivery stays taken until the caller settles something:
//! a hung caller must not use up the delivery attempts of a whole stream. One that the caller settled, and
//! that expires because JetStream never said so, is no sign of that. And a caller whose settlements all came to
//! nothing has nothing left to settle, so it is given a message to try now and then.

mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use index::Index;

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
    /// Its number in the session; 0 for one that the caller held before.
    pub id: u64,
    /// Its size.
    pub bytes: u64,
    /// Which delivery of the message it is, from 1.
    pub attempt: u64,
    /// When it was delivered, where the session did that.
    pub delivered: Option<Instant>,
    /// When it expires.
    pub deadline: Instant,
    /// When the session asks for more time by itself.
    pub extension: Option<Extension>,
}

/// A delivery that the session keeps for a caller at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// When to ask for more time next.
    pub next: Instant,
    /// How long after that to ask again.
    pub every: Duration,
    /// When to stop.
    pub until: Instant,
}

/// A delivery that the caller names by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The number.
    pub id: u64,
    /// The delivery.
    pub key: Key,
    /// Which delivery of the message it is, from 1.
    pub attempt: u64,
    /// When it expires; `None` when it has.
    pub deadline: Option<Instant>,
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
    ids: Index<u64>,
    expiries: Index<Instant>,
    extensions: Index<Instant>,
    bytes: u64,
    /// How many of those that are out are not the first delivery of their message.
    repeated: usize,
    /// Those whose settlement by the caller awaits JetStream's word.
    settling: BTreeSet<Key>,
    /// Expired since the caller last settled something, with their bytes.
    unanswered: BTreeMap<Key, u64>,
    /// When one of those is forgiven.
    forgives_at: Option<Instant>,
    /// The latest that expired, as many as the window has messages: their callers may still ack them.
    expired: BTreeMap<u64, (Key, u64)>,
}

impl InFlight {
    /// An empty book with this window.
    pub fn new(window: Amount) -> Self {
        Self {
            window,
            out: BTreeMap::new(),
            ids: Index::new(),
            expiries: Index::new(),
            extensions: Index::new(),
            bytes: 0,
            repeated: 0,
            settling: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            forgives_at: None,
            expired: BTreeMap::new(),
        }
    }

    /// Enters a delivery. One that is there already is entered anew.
    pub fn deliver(&mut self, key: Key, entry: Entry) {
        self.remove(key);
        self.bytes += entry.bytes;
        self.repeated += usize::from(entry.attempt > 1);
        self.expiries.insert(entry.deadline, key);
        if let Some(extension) = entry.extension {
            self.extensions.insert(extension.next, key);
        }
        if entry.id > 0 {
            self.ids.insert(entry.id, key);
        }
        self.out.insert(key, entry);
        self.tidy();
    }

    /// The delivery, while it is out.
    pub fn find(&self, key: Key) -> Option<Found> {
        self.out.get(&key).map(|entry| found(key, entry))
    }

    /// The deliveries with these numbers that are out, and those that have expired as far as they are
    /// remembered, each kind in order.
    pub fn find_range(&self, first: u64, last: u64) -> Vec<Found> {
        let out = self.ids.range(first, last);
        let out = out.filter_map(|(id, key)| self.find(key).filter(|found| found.id == id));
        let expired = self.expired.range(first..=last);
        let expired = expired.map(|(id, (key, attempt))| Found {
            id: *id,
            key: *key,
            attempt: *attempt,
            deadline: None,
        });
        out.chain(expired).collect()
    }

    /// Takes note that the caller settled a delivery, and that JetStream has yet to say so.
    ///
    /// Says when it was delivered, where that is the first word of it.
    pub fn begin_settling(&mut self, key: Key) -> Option<Instant> {
        self.answered();
        let entry = self.out.get(&key)?;
        let is_first = self.settling.insert(key);
        entry.delivered.filter(|_| is_first)
    }

    /// The same of everything up to a delivery (ack policy all).
    pub fn begin_settling_through(&mut self, key: Key) -> Option<Instant> {
        let delivered = self.begin_settling(key);
        let keys = self.out.keys().copied();
        let keys = keys.filter(|it| it.consumer_sequence <= key.consumer_sequence);
        self.settling.extend(keys);
        delivered
    }

    /// When a delivery was made of which the caller has said nothing yet.
    pub fn unsettled_since(&self, key: Key) -> Option<Instant> {
        let entry = self.out.get(&key)?;
        entry.delivered.filter(|_| !self.settling.contains(&key))
    }

    /// Takes note that the caller settled a delivery.
    pub fn settle(&mut self, key: Key) {
        self.answered();
        self.remove(key);
    }

    /// Takes note that the caller acked a delivery that had expired.
    pub fn settle_late(&mut self, id: u64) {
        self.answered();
        self.expired.remove(&id);
    }

    /// Takes note that the caller is done with the message of a delivery, and so with every delivery of it.
    pub fn settle_for_good(&mut self, found: Found) {
        // Nearly always: among first deliveries there are no two of one message.
        match self.repeated == 0 && found.deadline.is_some() {
            true => self.settle(found.key),
            false => self.settle_message(found.key.stream_sequence),
        }
    }

    /// The same where it is not known which delivery the caller had.
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
        // Nearly always it is one.
        while let Some((key, _)) = self.out.range(first..=last).next() {
            let key = *key;
            self.remove(key);
        }
    }

    /// Takes note that the caller lives: room is given again for what it let expire.
    pub fn answered(&mut self) {
        self.unanswered.clear();
        self.forgives_at = None;
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

    /// Takes note that the caller asked for more time for a delivery.
    pub fn extend(&mut self, key: Key, deadline: Instant) {
        self.answered();
        self.prolong(key, deadline);
    }

    /// Gives a delivery more time.
    pub fn prolong(&mut self, key: Key, deadline: Instant) {
        if let Some(entry) = self.out.get_mut(&key) {
            entry.deadline = deadline;
            self.expiries.insert(deadline, key);
            self.tidy();
        }
    }

    /// Drops what has expired by now.
    pub fn expire(&mut self, now: Instant) {
        while let Some((deadline, key)) = self.expiries.pop_through(now) {
            let is_so = |entry: &Entry| entry.deadline == deadline;
            if !self.out.get(&key).is_some_and(is_so) {
                continue;
            }
            let was_settled = self.settling.contains(&key);
            if let Some(entry) = self.remove(key) {
                if !was_settled {
                    self.unanswered.insert(key, entry.bytes);
                }
                self.remember(key, entry);
            }
        }
    }

    /// Gives room for one message again where the caller has settled nothing for this time, and every time that passes
    /// like that.
    pub fn forgive(&mut self, now: Instant, every: Duration) {
        if self.unanswered.is_empty() {
            self.forgives_at = None;
            return;
        }
        let at = *self.forgives_at.get_or_insert(now + every);
        if at <= now {
            self.unanswered.pop_first();
            self.forgives_at = Some(now + every);
        }
    }

    /// When to forgive next.
    pub fn next_forgiveness(&self) -> Option<Instant> {
        self.forgives_at
    }

    /// When to look for what has expired: no later than the next delivery expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first()
    }

    /// When to look for what is to be asked more time for, in the same way.
    pub fn next_extension(&self) -> Option<Instant> {
        self.extensions.first()
    }

    /// The deliveries to ask more time for by now; each is due again later, unless its time is up then.
    pub fn due_extensions(&mut self, now: Instant) -> Vec<Found> {
        let mut due = Vec::new();
        while let Some((next, key)) = self.extensions.pop_through(now) {
            let is_so = |entry: &&mut Entry| entry.extension.is_some_and(|it| it.next == next);
            let Some(entry) = self.out.get_mut(&key).filter(is_so) else {
                continue;
            };
            due.push(found(key, entry));
            entry.extension = entry.extension.and_then(|extension| {
                let next = now + extension.every;
                (next < extension.until).then_some(Extension { next, ..extension })
            });
            if let Some(extension) = entry.extension {
                self.extensions.insert(extension.next, key);
            }
        }
        due
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

    /// Changes the window. What is out stays out, even where it is more.
    pub fn set_window(&mut self, window: Amount) {
        self.window = window;
    }

    /// Takes everything out, in the order of the stream.
    pub fn take_all(&mut self) -> Vec<(Key, Entry)> {
        let window = self.window;
        let all = std::mem::replace(self, Self::new(window));
        all.out.into_iter().collect()
    }

    fn forget(&mut self, which: impl Fn(&Key) -> bool) {
        let keys: Vec<Key> = self.out.keys().copied().filter(which).collect();
        for key in keys {
            self.remove(key);
        }
    }

    fn remember(&mut self, key: Key, entry: Entry) {
        if entry.id == 0 {
            return;
        }
        self.expired.insert(entry.id, (key, entry.attempt));
        while self.expired.len() > self.window.messages as usize {
            self.expired.pop_first();
        }
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.out.remove(&key)?;
        self.settling.remove(&key);
        self.bytes -= entry.bytes;
        self.repeated -= usize::from(entry.attempt > 1);
        if self.out.is_empty() {
            self.tidy();
        }
        Some(entry)
    }

    fn tidy(&mut self) {
        let (out, most) = (&self.out, self.out.len());
        let named = out.iter().filter(|(_, entry)| entry.id > 0);
        self.ids
            .tidy(most, named.map(|(key, entry)| (entry.id, *key)));
        let expiring = out.iter().map(|(key, entry)| (entry.deadline, *key));
        self.expiries.tidy(most, expiring);
        let extended = out
            .iter()
            .filter_map(|(key, entry)| Some((entry.extension?.next, *key)));
        self.extensions.tidy(most, extended);
    }
}

fn found(key: Key, entry: &Entry) -> Found {
    Found {
        id: entry.id,
        key,
        attempt: entry.attempt,
        deadline: Some(entry.deadline),
    }
}

#[cfg(test)]
mod tests;
