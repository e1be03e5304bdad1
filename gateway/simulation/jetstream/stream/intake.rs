//! What the leader does with a message: what may be against it, and what it proposes.

use async_nats::message::OutboundMessage;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::agreement::{Batch, Proposal, Proposed};
use super::fast::Place;
use super::{Stored, Stream};
use crate::nats::MESSAGE_ID;
use crate::simulation::jetstream::spoil::{SPOILED, Spoil};
use crate::simulation::jetstream::{Out, Turn};

/// Where a message says that it belongs to an atomic batch.
const BATCH_ID: &str = "Nats-Batch-Id";

/// Why a message is not taken.
pub(super) enum Refusal {
    /// It is stored here already.
    Duplicate(u64),
    /// One of the same id is taken and not stored.
    InProcess,
    Other(Value),
}

impl Refusal {
    pub(super) fn new(code: u16, err_code: u64, description: &str) -> Self {
        Self::Other(error(code, err_code, description))
    }

    /// What is answered where a duplicate is none.
    pub(super) fn error(&self) -> Value {
        match self {
            Self::Duplicate(_) => error(
                400,
                10201,
                "atomic publish batch contains duplicate message id",
            ),
            Self::InProcess => error(409, 10158, "duplicate message id is in process"),
            Self::Other(error) => error.clone(),
        }
    }
}

/// An error as JetStream writes it.
pub(super) fn error(code: u16, err_code: u64, description: &str) -> Value {
    json!({"code": code, "err_code": err_code, "description": description})
}

impl Stream {
    /// A message comes.
    pub(in crate::simulation::jetstream) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        message: OutboundMessage,
    ) {
        let reply = message.reply.as_ref().map(ToString::to_string);
        if !self.is_led() {
            turn.out.extend(reply.as_deref().map(Out::nobody));
            return;
        }
        if let Some(place) = reply.as_deref().and_then(Place::read) {
            return self.hear_fast(turn, place, message);
        }
        let headers = message.headers.as_ref();
        if let Some(batch) = headers.and_then(|headers| headers.get(BATCH_ID)) {
            let batch = batch.to_string();
            return self.stage(turn, batch, message);
        }
        self.publish_alone(turn, message);
    }

    fn publish_alone(&mut self, turn: &mut Turn<'_>, message: OutboundMessage) {
        let reply = message.reply.as_ref().map(ToString::to_string);
        if let Some(error) = self.overall(turn.now) {
            let answer = self.refused(&error);
            return say(turn, reply.as_deref(), &answer);
        }
        let proposed = Self::proposed(turn, message);
        if let Err(refusal) = self.check(turn.now, &proposed) {
            let answer = match refusal {
                Refusal::Duplicate(sequence) => self.stored_answer(sequence, true),
                other => self.refused(&other.error()),
            };
            return say(turn, reply.as_deref(), &answer);
        }
        self.propose_alone(turn, proposed, reply);
    }

    /// Proposes a message, unless that is spoiled.
    fn propose_alone(&mut self, turn: &mut Turn<'_>, proposed: Proposed, reply: Option<String>) {
        let spoil = self.spoil.filter(|_| turn.rng.u32(..SPOILED) == 0);
        let stored = self.stored_answer(self.last + 1, false);
        match spoil {
            Some(Spoil::AnswersWithoutStoring) => return say(turn, reply.as_deref(), &stored),
            Some(Spoil::StoresWhatItRefuses) => {
                let answer = self.refused(&full());
                say(turn, reply.as_deref(), &answer);
            }
            Some(Spoil::StoresLate) => {
                self.late = Some(proposed);
                return say(turn, reply.as_deref(), &stored);
            }
            _ => {}
        }
        let mut propose = |turn: &mut Turn<'_>, message, reply| {
            let proposal = Proposal::new(turn, vec![message], reply, Batch::None);
            self.agreement.propose(proposal);
        };
        propose(turn, proposed, reply);
        if let Some(late) = self.late.take() {
            propose(turn, late, None);
        }
    }

    /// A message as it is stored.
    pub(super) fn proposed(turn: &Turn<'_>, message: OutboundMessage) -> Proposed {
        let id = message.headers.as_ref().and_then(|it| it.get(MESSAGE_ID));
        Proposed {
            id: id.map(ToString::to_string),
            stored: Stored {
                subject: message.subject.to_string(),
                headers: message.headers,
                payload: message.payload,
                time: turn.time,
            },
        }
    }

    /// What is against any message, whatever it is.
    pub(super) fn overall(&self, now: Instant) -> Option<Value> {
        let is_full = now < self.full_until && self.is_full_account;
        is_full.then(|| error(400, 10002, "resource limits exceeded for account"))
    }

    /// What is against a message.
    pub(super) fn check(&self, now: Instant, message: &Proposed) -> Result<(), Refusal> {
        let expected = message.stored.header("Nats-Expected-Stream");
        if expected.is_some_and(|stream| stream != self.name) {
            let text = "expected stream does not match";
            return Err(Refusal::new(400, 10060, text));
        }
        self.check_id(now, message.id.as_ref())?;
        self.check_expectations(message)?;
        if now < self.full_until {
            return Err(Refusal::Other(full()));
        }
        Ok(())
    }

    fn check_id(&self, now: Instant, id: Option<&String>) -> Result<(), Refusal> {
        let Some(id) = id.filter(|_| self.spoil != Some(Spoil::ForgetsIds)) else {
            return Ok(());
        };
        let known = self.ids.get(id);
        if let Some((sequence, _)) = known.filter(|(_, at)| now - *at < self.window) {
            return Err(Refusal::Duplicate(*sequence));
        }
        let mut waiting = self.agreement.messages();
        match waiting.any(|it| it.id.as_ref() == Some(id)) {
            true => Err(Refusal::InProcess),
            false => Ok(()),
        }
    }
}

fn full() -> Value {
    error(503, 10077, "maximum messages exceeded")
}

/// Answers where an answer is wanted.
pub(super) fn say(turn: &mut Turn<'_>, reply: Option<&str>, answer: &Value) {
    let said = reply.map(|reply| Out::answer(reply, answer));
    turn.out.extend(said);
}
