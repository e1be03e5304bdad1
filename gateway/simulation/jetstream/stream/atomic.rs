//! Atomic batches (ADR-50): the leader alone knows of one until it is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::message::OutboundMessage;
use bytes::Bytes;
use tokio::time::Instant;

use super::agreement::{Batch, Proposal, Proposed};
use super::intake::{error, say};
use super::{Refusal, Stream};
use crate::simulation::jetstream::{Out, Turn};

/// A batch of which nothing is heard for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// The batches that wait for their commit.
#[derive(Default)]
pub(super) struct Staged(BTreeMap<String, Staging>);

struct Staging {
    messages: Vec<Proposed>,
    forgotten_at: Instant,
}

impl Staged {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a message to its batch. `None`: something before it is missing, and the batch is forgotten.
    fn add(&mut self, now: Instant, batch: &str, number: usize, message: Proposed) -> Option<()> {
        let is_next = match self.0.get(batch) {
            Some(staging) => staging.messages.len() + 1 == number,
            None => number == 1,
        };
        if !is_next {
            self.0.remove(batch);
            return None;
        }
        let staging = self.0.entry(batch.to_owned()).or_insert(Staging {
            messages: Vec::new(),
            forgotten_at: now,
        });
        staging.messages.push(message);
        staging.forgotten_at = now + FORGOTTEN;
        Some(())
    }
}

impl Stream {
    /// A message of an atomic batch comes.
    pub(super) fn stage(&mut self, turn: &mut Turn<'_>, batch: String, message: OutboundMessage) {
        let reply = message.reply.as_ref().map(ToString::to_string);
        let staged = self.staged(turn, &batch, message);
        let staged = staged.map(|messages| {
            if messages.is_empty() {
                // There is more to come.
                let empty = |reply: &String| Out::message(reply, reply, None, None, Bytes::new());
                return turn.out.extend(reply.as_ref().map(empty));
            }
            let batch = Batch::Atomic(batch);
            let proposal = Proposal::new(turn, messages, reply.clone(), batch);
            self.agreement.propose(proposal);
        });
        if let Err(refusal) = staged {
            let answer = self.refused(&refusal.error());
            say(turn, reply.as_deref(), &answer);
        }
    }

    /// All messages of a batch where this is the last of them, none where it is not.
    fn staged(
        &mut self,
        turn: &Turn<'_>,
        batch: &str,
        message: OutboundMessage,
    ) -> Result<Vec<Proposed>, Refusal> {
        if let Some(error) = self.overall(turn.now) {
            return Err(Refusal::Other(error));
        }
        if !self.takes_batches(turn.now).1 {
            return Err(Refusal::new(400, 10174, "atomic publish is disabled"));
        }
        let message = Self::proposed(turn, message);
        let number = message.stored.header("Nats-Batch-Sequence");
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            let text = "atomic publish sequence is missing";
            return Err(Refusal::new(400, 10175, text));
        };
        let is_last = message.stored.header("Nats-Batch-Commit") == Some("1");
        self.staged.0.retain(|_, it| it.forgotten_at > turn.now);
        let is_new = number == 1 && !self.staged.0.contains_key(batch);
        if is_new && self.staged.0.len() >= self.features.most_batches {
            let text = "atomic publish too many inflight";
            return Err(Refusal::new(429, 10210, text));
        }
        let added = self.staged.add(turn.now, batch, number, message);
        added.ok_or_else(incomplete)?;
        if !is_last {
            return Ok(Vec::new());
        }
        let staging = self.staged.0.remove(batch).ok_or_else(incomplete)?;
        self.check_all(turn.now, &staging.messages)?;
        Ok(staging.messages)
    }

    /// What is against a batch.
    fn check_all(&self, now: Instant, messages: &[Proposed]) -> Result<(), Refusal> {
        for (place, message) in messages.iter().enumerate() {
            let mut before = messages[..place].iter();
            if before.any(|it| it.id.is_some() && it.id == message.id) {
                return Err(Refusal::Duplicate(0));
            }
            self.check(now, message)?;
        }
        Ok(())
    }
}

fn incomplete() -> Refusal {
    let text = "atomic publish batch is incomplete";
    Refusal::Other(error(400, 10176, text))
}
