//! Fast batches (ADR-50): what the leader and the other servers know of each, and what is said of it.
//!
//! The gap mode is always "fail".

mod hearing;
mod place;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::Stream;
use super::intake::say;
use crate::simulation::jetstream::Turn;
pub(super) use place::Place;

/// A batch of which nothing is heard for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// The most messages between two acknowledgements, of all batches together.
const FLOW: u64 = 500;

/// The fast batches of a stream.
#[derive(Default)]
pub(super) struct FastBatches {
    /// As the leader knows them.
    open: BTreeMap<String, FastBatch>,
    /// As the other servers do: they hear of messages when they store them.
    replicated: BTreeMap<String, FastBatch>,
}

struct FastBatch {
    /// The last message that was taken.
    last: u64,
    /// The last that is stored, and its sequence.
    stored: u64,
    sequence: u64,
    /// The last that was acknowledged.
    acked: u64,
    /// How many are taken and not stored.
    pending: u64,
    /// How many are acknowledged together, and the most that the client wants.
    flow: u64,
    most: u64,
    /// Where the last one that is stored wants its answer.
    reply: Option<String>,
    /// No more are taken; it ends when all are stored.
    is_closing: bool,
    forgotten_at: Instant,
}

impl FastBatches {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.replicated.clear();
    }

    /// Forgets batches of which nothing has been heard for long.
    pub(super) fn forget(&mut self, now: Instant) {
        self.open
            .retain(|_, it| it.is_closing || it.forgotten_at > now);
        self.replicated.retain(|_, it| it.forgotten_at > now);
    }

    /// The other servers have stored a message of a batch.
    pub(super) fn replicate(
        &mut self,
        now: Instant,
        place: &Place,
        reply: Option<String>,
        sequence: u64,
    ) {
        if place.operation.closes() {
            self.replicated.remove(&place.batch);
            return;
        }
        let batch = FastBatch::stored(now, place, reply, sequence);
        self.replicated.insert(place.batch.clone(), batch);
    }

    /// A new leader tells the batches that it knows what it has of them.
    pub(super) fn lead(&mut self, turn: &mut Turn<'_>) {
        self.forget(turn.now);
        self.open = std::mem::take(&mut self.replicated);
        let count = self.open.len();
        for batch in self.open.values_mut() {
            batch.flow = batch.first_flow(count);
            batch.acked = batch.stored;
            batch.forgotten_at = turn.now + FORGOTTEN;
            batch.acknowledge(turn);
        }
    }

    fn open(&mut self, now: Instant, place: &Place) {
        let count = self.open.len() + 1;
        let mut batch = FastBatch::new(now, place);
        batch.flow = batch.first_flow(count);
        self.open.insert(place.batch.clone(), batch);
    }

    /// The leader has stored a message of a batch.
    fn store(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        reply: Option<String>,
        sequence: u64,
    ) -> Option<Ended> {
        let count = self.open.len() as u64;
        let Some(batch) = self.open.get_mut(&place.batch) else {
            // It was forgotten meanwhile, and goes on.
            if !place.operation.closes() {
                let mut batch = FastBatch::stored(turn.now, place, reply, sequence);
                batch.flow = batch.first_flow(self.open.len() + 1);
                self.open.insert(place.batch.clone(), batch);
            }
            return None;
        };
        batch.reply = reply;
        batch.sequence = sequence;
        batch.pending = batch.pending.saturating_sub(1);
        // Behind it there may be duplicates, which nobody stores.
        batch.stored = match batch.pending {
            0 => batch.last,
            _ => place.number,
        };
        if batch.is_closing && batch.stored == batch.last {
            return self.end(&place.batch);
        }
        batch.check_flow(turn, count);
        None
    }

    /// Takes no more of a batch, and ends it where all of it is stored.
    fn close(&mut self, name: &str) -> Option<Ended> {
        let batch = self.open.get_mut(name)?;
        batch.is_closing = true;
        let is_stored = batch.stored == batch.last;
        is_stored.then(|| self.end(name)).flatten()
    }

    fn end(&mut self, name: &str) -> Option<Ended> {
        let batch = self.open.remove(name)?;
        Some(Ended {
            sequence: batch.sequence,
            count: batch.last,
        })
    }
}

/// What is said of a batch that ends.
struct Ended {
    sequence: u64,
    count: u64,
}

impl FastBatch {
    fn new(now: Instant, place: &Place) -> Self {
        Self {
            last: 0,
            stored: 0,
            sequence: 0,
            acked: 0,
            pending: 0,
            flow: 1,
            most: place.flow,
            reply: None,
            is_closing: false,
            forgotten_at: now + FORGOTTEN,
        }
    }

    /// As a server knows it that has stored a message of it.
    fn stored(now: Instant, place: &Place, reply: Option<String>, sequence: u64) -> Self {
        Self {
            last: place.number,
            stored: place.number,
            sequence,
            reply,
            ..Self::new(now, place)
        }
    }

    fn first_flow(&self, count: usize) -> u64 {
        match count {
            1 => FLOW.min(self.most),
            _ => 1,
        }
    }

    /// Acknowledges what is stored where that is enough, and lets the client send more or less at a time.
    fn check_flow(&mut self, turn: &mut Turn<'_>, count: u64) {
        if self.stored < self.acked + self.flow {
            return;
        }
        let steps = (self.stored - self.acked) / self.flow;
        self.acked += steps * self.flow;
        let most = (FLOW / count.max(1)).max(1).min(self.most);
        self.flow = match self.flow.cmp(&most) {
            std::cmp::Ordering::Less => (self.flow * 2).min(most),
            std::cmp::Ordering::Equal => self.flow,
            std::cmp::Ordering::Greater => (self.flow / 2).max(most),
        };
        self.acknowledge(turn);
    }

    fn acknowledge(&self, turn: &mut Turn<'_>) {
        let ack = json!({"type": "ack", "seq": self.acked, "msgs": self.flow});
        say(turn, self.reply.as_deref(), &ack);
    }
}

impl Stream {
    /// A message of a fast batch is stored.
    pub(super) fn stored_in_batch(
        &mut self,
        turn: &mut Turn<'_>,
        reply: Option<String>,
        place: &Place,
    ) {
        let (fast, sequence) = (&mut self.fast, self.last);
        fast.replicate(turn.now, place, reply.clone(), sequence);
        if let Some(ended) = fast.store(turn, place, reply.clone(), sequence) {
            self.say_ended(turn, reply.as_deref(), &place.batch, &ended);
        }
    }

    fn say_ended(&self, turn: &mut Turn<'_>, reply: Option<&str>, batch: &str, ended: &Ended) {
        let mut answer = self.stored_answer(ended.sequence, false);
        answer["batch"] = batch.into();
        answer["count"] = ended.count.into();
        say(turn, reply, &answer);
    }
}
