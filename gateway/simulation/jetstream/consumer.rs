//! A pull consumer: what it delivers, when and to whom.

mod acknowledging;
mod agreeing;
mod giving_up;
mod leading;
mod pull;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::out::size;
use super::spoil::{SPOILED, Spoil};
use super::stream::{Stored, Stream};
use super::{Out, Turn, written};
use crate::names::subject_matches;
use crate::nats::api::{AckPolicy, ConsumerConfig, DeliverPolicy};
use acknowledging::Confirmation;
use agreeing::Agreeing;
use pull::{Pull, status};

/// What JetStream takes where a consumer's configuration says nothing.
const ACK_WAIT: Duration = Duration::from_secs(30);
const MAX_ACK_PENDING: usize = 1_000;

/// A consumer.
pub(super) struct Consumer {
    pub(super) name: String,
    config: ConsumerConfig,
    created: Duration,
    /// The sequence of the stream that is looked at next.
    next: u64,
    /// How many deliveries were made.
    delivered: u64,
    /// Delivered and not acknowledged, by sequence of the stream.
    pending: BTreeMap<u64, Pending>,
    /// To be delivered again.
    again: BTreeSet<u64>,
    /// How often each was delivered.
    attempts: BTreeMap<u64, u64>,
    /// Delivered as often as may be.
    pub(super) given_up: Vec<u64>,
    pulls: VecDeque<Pull>,
    /// Confirmations that wait for the servers to agree.
    confirming: VecDeque<Confirmation>,
    agreeing: Agreeing,
    /// First deliveries since an acknowledgement came: a crash may undo them.
    recent: VecDeque<(u64, u64)>,
    leaderless_until: Instant,
    /// Pulls of a leader that crashed: the next one ends them.
    orphans: Vec<String>,
}

#[derive(Clone, Copy)]
struct Pending {
    /// The number of its first delivery.
    delivery: u64,
    /// When it is delivered again.
    due: Instant,
}

impl Consumer {
    pub(super) fn new(name: &str, config: ConsumerConfig, now: Instant, created: Duration) -> Self {
        let next = match config.deliver_policy {
            DeliverPolicy::ByStartSequence => config.opt_start_seq,
            _ => 1,
        };
        Self {
            name: name.to_owned(),
            config,
            created,
            next,
            delivered: 0,
            pending: BTreeMap::new(),
            again: BTreeSet::new(),
            attempts: BTreeMap::new(),
            given_up: Vec::new(),
            pulls: VecDeque::new(),
            confirming: VecDeque::new(),
            agreeing: Agreeing::default(),
            recent: VecDeque::new(),
            leaderless_until: now,
            orphans: Vec::new(),
        }
    }

    pub(super) fn is_led(&self, now: Instant) -> bool {
        now >= self.leaderless_until
    }

    pub(super) fn is_drained(&self, stream: &Stream) -> bool {
        stream.next(self.next).is_none() && self.pending.is_empty()
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let pulls = self.pulls.iter().map(|it| it.expires.min(it.beats));
        let pending = self.pending.iter();
        let pending = pending
            .filter(|(sequence, _)| !self.again.contains(sequence))
            .map(|(_, it)| it.due);
        let confirming = self.confirming.front().map(|it| it.agreed_at);
        let led = (!self.orphans.is_empty()).then_some(self.leaderless_until);
        let agreed = self.agreeing.due();
        let due = pulls
            .chain(pending)
            .chain(confirming)
            .chain(agreed)
            .chain(led)
            .min()?;
        Some(due.max(self.leaderless_until))
    }

    pub(super) fn advance(
        &mut self,
        turn: &mut Turn<'_>,
        stream: &Stream,
        is_heard: &dyn Fn(&str) -> bool,
    ) {
        if !self.is_led(turn.now) {
            return;
        }
        for orphan in std::mem::take(&mut self.orphans) {
            let moved = Out::status(&orphan, status(409), "Leadership Change");
            turn.out.push(moved);
        }
        self.confirm(turn);
        self.expire(turn, stream);
        self.deliver(turn, stream, is_heard);
        self.end_pulls(turn);
        self.agree(turn);
    }

    fn deliver(&mut self, turn: &mut Turn<'_>, stream: &Stream, is_heard: &dyn Fn(&str) -> bool) {
        while let Some(sequence) = self.find(turn, stream) {
            let Some(stored) = stream.get(sequence) else {
                self.again.remove(&sequence);
                self.pending.remove(&sequence);
                continue;
            };
            // A pull whose caller is gone is forgotten.
            while let Some(pull) = self.pulls.front() {
                if is_heard(&pull.reply) {
                    break;
                }
                self.pulls.pop_front();
            }
            let Some(mut pull) = self.pulls.pop_front() else {
                return;
            };
            let reply = self.ack_subject(stream, sequence, stored);
            let size = size(
                &stored.subject,
                Some(&reply),
                stored.headers.as_ref(),
                &stored.payload,
            ) as u64;
            if pull.bytes.is_some_and(|bytes| bytes < size) {
                turn.out
                    .push(pull.ended(409, "Message Size Exceeds MaxBytes"));
                continue;
            }
            self.delivers(turn, sequence);
            let message = Out::message(
                &pull.reply,
                &stored.subject,
                Some(reply),
                stored.headers.clone(),
                stored.payload.clone(),
            );
            self.send_agreed(turn, stream, message);
            pull.messages -= 1;
            pull.bytes = pull.bytes.map(|bytes| bytes - size);
            pull.has_had = true;
            pull.beats = turn.now + pull.heartbeat.unwrap_or(Duration::from_secs(3_600));
            match (pull.messages, pull.bytes) {
                (_, Some(0)) | (0, None) => {}
                // Told at once, before the last messages are sent.
                (0, Some(_)) => turn.out.push(pull.ended(409, "Batch Completed")),
                _ => self.pulls.push_back(pull),
            }
        }
    }

    /// The message that is delivered next.
    fn find(&mut self, turn: &mut Turn<'_>, stream: &Stream) -> Option<u64> {
        if self.pulls.is_empty() {
            return None;
        }
        if let Some(sequence) = self.again.first() {
            return Some(*sequence);
        }
        let most = usize::try_from(self.config.max_ack_pending).unwrap_or(0);
        let most = if most == 0 { MAX_ACK_PENDING } else { most };
        if self.has_acks() && self.pending.len() >= most {
            return None;
        }
        loop {
            let (sequence, stored) = stream.next(self.next)?;
            let mut filters = self.config.filters().peekable();
            let is_wanted = filters.peek().is_none()
                || filters.any(|filter| subject_matches(filter, &stored.subject));
            let spoil = stream.spoil.filter(|_| turn.rng.u32(..SPOILED) == 0);
            if !is_wanted || spoil == Some(Spoil::SkipsDeliveries) {
                self.next = sequence + 1;
                continue;
            }
            if spoil == Some(Spoil::ShufflesDeliveries) && stream.get(sequence + 1).is_some() {
                self.again.insert(sequence);
                self.next = sequence + 2;
                return Some(sequence + 1);
            }
            return Some(sequence);
        }
    }

    /// Takes down that a message is delivered now.
    fn delivers(&mut self, turn: &Turn<'_>, sequence: u64) {
        self.delivered += 1;
        self.again.remove(&sequence);
        if sequence >= self.next {
            self.next = sequence + 1;
            self.recent.push_back((self.delivered, sequence));
        }
        *self.attempts.entry(sequence).or_default() += 1;
        if self.has_acks() {
            let due = turn.now + self.ack_wait();
            let delivery = self.delivered;
            let first = Pending { delivery, due };
            self.pending.entry(sequence).or_insert(first).due = due;
        }
    }

    fn ack_subject(&self, stream: &Stream, sequence: u64, stored: &Stored) -> String {
        let attempt = match stream.spoil {
            Some(Spoil::MiscountsAttempts) => 1,
            _ => self.attempts.get(&sequence).copied().unwrap_or_default() + 1,
        };
        format!(
            "$JS.ACK.{}.{}.{attempt}.{sequence}.{}.{}.{}",
            stream.name,
            self.name,
            self.delivered + 1,
            stored.time.as_nanos(),
            stream.count_from(self.next.max(sequence + 1)),
        )
    }

    pub(super) fn info(&self, stream: &Stream, now: Duration) -> Value {
        let mut config = serde_json::to_value(&self.config).unwrap_or_default();
        config["name"] = self.name.clone().into();
        config["ack_wait"] = u64::try_from(self.ack_wait().as_nanos())
            .unwrap_or(u64::MAX)
            .into();
        let first = self.pending.iter().next();
        let floor = first.map_or((self.delivered, self.next - 1), |(sequence, pending)| {
            (pending.delivery - 1, sequence - 1)
        });
        json!({
            "stream_name": stream.name,
            "name": self.name,
            "created": written(self.created),
            "config": config,
            "delivered": {"consumer_seq": self.delivered, "stream_seq": self.next - 1},
            "ack_floor": {"consumer_seq": floor.0, "stream_seq": floor.1},
            "num_ack_pending": self.pending.len(),
            "num_redelivered": self.attempts.values().filter(|attempts| **attempts > 1).count(),
            "num_waiting": self.pulls.len(),
            "num_pending": stream.count_from(self.next),
            "ts": written(now),
        })
    }

    fn has_acks(&self) -> bool {
        self.config.ack_policy != AckPolicy::None
    }

    fn ack_wait(&self) -> Duration {
        self.config.ack_wait().unwrap_or(ACK_WAIT)
    }
}
