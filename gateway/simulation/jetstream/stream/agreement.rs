//! What the leader has taken and the servers have not agreed on, and what becomes of it when the leader
//! crashes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::fast::Place;
use super::{Stored, Stream};
use crate::simulation::jetstream::spoil::{SPOILED, Spoil};
use crate::simulation::jetstream::{AGREEING, Out, Turn};

/// What waits, in order.
#[derive(Default)]
pub(super) struct Agreement {
    waiting: VecDeque<Proposal>,
    /// How many of those that wait are a former leader's.
    inherited: usize,
}

/// Messages that are stored together.
pub(super) struct Proposal {
    pub(super) messages: Vec<Proposed>,
    pub(super) reply: Option<String>,
    pub(super) batch: Batch,
    agreed_at: Instant,
}

/// A message that is stored once the servers agree.
pub(super) struct Proposed {
    pub(super) stored: Stored,
    pub(super) id: Option<String>,
}

/// The batch of a proposal.
#[derive(Clone)]
pub(super) enum Batch {
    None,
    /// All of it.
    Atomic(String),
    /// A message of it.
    Fast(Place),
}

impl Proposal {
    pub(super) fn new(
        turn: &mut Turn<'_>,
        messages: Vec<Proposed>,
        reply: Option<String>,
        batch: Batch,
    ) -> Self {
        Self {
            messages,
            reply,
            batch,
            agreed_at: turn.now + Duration::from_millis(turn.rng.u64(AGREEING)),
        }
    }
}

impl Agreement {
    /// Servers agree in order.
    pub(super) fn propose(&mut self, mut proposal: Proposal) {
        if let Some(last) = self.waiting.back() {
            proposal.agreed_at = proposal.agreed_at.max(last.agreed_at);
        }
        self.waiting.push_back(proposal);
    }

    /// What waits.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Proposed> {
        self.waiting.iter().flat_map(|it| &it.messages)
    }

    /// When servers agree next, unless they cannot.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.waiting.front()?.agreed_at)
    }

    fn take(&mut self, now: Instant) -> Option<Proposal> {
        let first = self.waiting.front()?;
        let is_agreed = self.inherited > 0 || first.agreed_at <= now;
        is_agreed.then(|| self.waiting.pop_front()).flatten()
    }
}

impl Stream {
    /// Stores what the servers agree on.
    pub(super) fn agree(&mut self, turn: &mut Turn<'_>) {
        while let Some(proposal) = self.agreement.take(turn.now) {
            if self.agreement.inherited > 0 {
                self.agreement.inherited -= 1;
                self.inherit(turn, proposal);
            } else {
                self.conclude(turn, proposal);
            }
        }
    }

    /// The leader stores what it has taken itself, and answers.
    fn conclude(&mut self, turn: &mut Turn<'_>, proposal: Proposal) {
        let Proposal {
            messages,
            reply,
            batch,
            ..
        } = proposal;
        let count = messages.len();
        self.store(turn, messages, &batch);
        match batch {
            Batch::Fast(place) => self.stored_in_batch(turn, reply, &place),
            _ => self.answer_stored(turn, reply, &batch, count),
        }
    }

    /// A new leader stores what the former one has taken. It answers, but to fast batches.
    fn inherit(&mut self, turn: &mut Turn<'_>, proposal: Proposal) {
        let (reply, batch) = (proposal.reply.clone(), proposal.batch.clone());
        let count = proposal.messages.len();
        self.replicate(turn, proposal);
        if !matches!(batch, Batch::Fast(_)) {
            self.answer_stored(turn, reply, &batch, count);
        }
    }

    /// The other servers store something, and answer nobody.
    fn replicate(&mut self, turn: &mut Turn<'_>, proposal: Proposal) {
        let Proposal {
            messages,
            reply,
            batch,
            ..
        } = proposal;
        self.store(turn, messages, &batch);
        if let Batch::Fast(place) = &batch {
            self.fast.replicate(turn.now, place, reply, self.last);
        }
    }

    fn answer_stored(
        &self,
        turn: &mut Turn<'_>,
        reply: Option<String>,
        batch: &Batch,
        count: usize,
    ) {
        let is_spoiled = self.spoil == Some(Spoil::MisnamesSequences);
        let sequence = self.last + u64::from(is_spoiled && turn.rng.u32(..SPOILED) == 0);
        let mut answer = self.stored_answer(sequence, false);
        if let Batch::Atomic(id) = batch {
            answer["batch"] = id.clone().into();
            answer["count"] = count.into();
        }
        let answered = reply.map(|reply| Out::answer(&reply, &answer));
        turn.out.extend(answered);
    }

    fn store(&mut self, turn: &mut Turn<'_>, messages: Vec<Proposed>, batch: &Batch) {
        let spoil = self.spoil.filter(|_| turn.rng.u32(..SPOILED) == 0);
        let count = match (spoil, batch) {
            (Some(Spoil::TearsBatches), Batch::Atomic(_)) => messages.len() - 1,
            (Some(Spoil::CountsWithoutStoring), Batch::Fast(_)) => 0,
            _ => messages.len(),
        };
        for Proposed { mut stored, id } in messages.into_iter().take(count) {
            if spoil == Some(Spoil::Corrupts) {
                stored.payload = [&stored.payload[..], b"!"].concat().into();
            }
            self.last += 1;
            if let Some(id) = id {
                self.ids.insert(id, (self.last, turn.now));
            }
            self.messages.insert(self.last, stored);
        }
    }

    /// The leader crashes. Some of what it has taken the others know, the first of it: they agreed on some
    /// of that and nobody tells, and the next leader sees to the rest.
    pub(in crate::simulation::jetstream) fn crash(&mut self, turn: &mut Turn<'_>, time: Duration) {
        let waiting = &mut self.agreement.waiting;
        waiting.truncate(turn.rng.usize(..=waiting.len()));
        let agreed = turn.rng.usize(..=waiting.len());
        let agreed: Vec<Proposal> = waiting.drain(..agreed).collect();
        self.agreement.inherited = waiting.len();
        for proposal in agreed {
            self.replicate(turn, proposal);
        }
        self.staged.clear();
        self.leaderless_until = turn.now + time;
        self.is_leaderless = true;
    }

    /// A new leader begins, once it has what the former one left.
    pub(super) fn lead(&mut self, turn: &mut Turn<'_>) {
        self.agree(turn);
        self.is_leaderless = false;
        self.fast.lead(turn);
    }
}
