//! What the leader does with what it hears for a fast batch.

use async_nats::message::OutboundMessage;
use serde_json::{Value, json};

use super::FORGOTTEN;
use super::place::{Operation, Place};
use crate::simulation::jetstream::Turn;
use crate::simulation::jetstream::spoil::Spoil;
use crate::simulation::jetstream::stream::agreement::{Batch, Proposal};
use crate::simulation::jetstream::stream::intake::{error, say};
use crate::simulation::jetstream::stream::{Refusal, Stream};

impl Stream {
    /// A message of a fast batch, or a question.
    pub(in crate::simulation::jetstream::stream) fn hear_fast(
        &mut self,
        turn: &mut Turn<'_>,
        place: Result<Place, ()>,
        message: OutboundMessage,
    ) {
        let reply = message.reply.as_ref().map(ToString::to_string);
        let reply = reply.as_deref();
        let place = match self.admit(turn, place) {
            Ok(place) => place,
            Err(error) => return say(turn, reply, &self.refused(&error)),
        };
        let Some(batch) = self.fast.open.get_mut(&place.batch) else {
            return;
        };
        batch.forgotten_at = turn.now + FORGOTTEN;
        if place.operation == Operation::Ping {
            return self.say_again(turn, reply, &place);
        }
        if batch.is_closing {
            // Its end is told when all is stored.
            return;
        }
        let expected = batch.last + 1;
        let is_overlooked = self.spoil == Some(Spoil::OverlooksGaps) && place.number > expected;
        if place.number != expected && !is_overlooked {
            let gap = json!({"type": "gap", "last_seq": expected, "seq": place.number});
            say(turn, reply, &gap);
            return self.close_fast(turn, reply, &place.batch);
        }
        if place.operation == Operation::End {
            if batch.pending == 0 {
                batch.stored = batch.last;
            }
            return self.close_fast(turn, reply, &place.batch);
        }
        batch.last = place.number;
        batch.is_closing = place.operation == Operation::Commit;
        if place.number == 1 && !batch.is_closing {
            let ack = json!({"type": "ack", "seq": 0, "msgs": batch.flow});
            say(turn, reply, &ack);
        }
        self.take_fast(turn, place, message);
    }

    /// The place of a message in a batch that is open, or is opened by it.
    fn admit(&mut self, turn: &Turn<'_>, place: Result<Place, ()>) -> Result<Place, Value> {
        if let Some(error) = self.overall(turn.now) {
            return Err(error);
        }
        if !self.takes_batches(turn.now).0 {
            return Err(error(400, 10205, "batch publish is disabled"));
        }
        let invalid = |()| error(400, 10206, "batch publish pattern is invalid");
        let place = place.map_err(invalid)?;
        self.fast.forget(turn.now);
        if self.fast.open.contains_key(&place.batch) {
            return Ok(place);
        }
        if place.number != 1 || place.operation == Operation::Ping {
            return Err(error(400, 10208, "batch publish ID unknown"));
        }
        if self.fast.open.len() >= self.features.most_batches {
            return Err(error(429, 10211, "batch publish too many inflight"));
        }
        self.fast.open(turn.now, &place);
        Ok(place)
    }

    /// Says again what was acknowledged last, or that something is missing.
    fn say_again(&mut self, turn: &mut Turn<'_>, reply: Option<&str>, place: &Place) {
        let Some(batch) = self.fast.open.get(&place.batch) else {
            return;
        };
        if place.number > batch.last {
            let (expected, number) = (batch.last + 1, place.number + 1);
            let gap = json!({"type": "gap", "last_seq": expected, "seq": number});
            say(turn, reply, &gap);
            self.close_fast(turn, reply, &place.batch);
        }
        if let Some(batch) = self.fast.open.get(&place.batch) {
            let ack = json!({"type": "ack", "seq": batch.acked, "msgs": batch.flow});
            say(turn, reply, &ack);
        }
    }

    fn close_fast(&mut self, turn: &mut Turn<'_>, reply: Option<&str>, batch: &str) {
        if let Some(ended) = self.fast.close(batch) {
            self.say_ended(turn, reply, batch, &ended);
        }
    }

    /// Proposes the next message of a batch, unless there is something against it.
    fn take_fast(&mut self, turn: &mut Turn<'_>, place: Place, message: OutboundMessage) {
        let reply = message.reply.as_ref().map(ToString::to_string);
        let proposed = Self::proposed(turn, message);
        match self.check(turn.now, &proposed) {
            Ok(()) => {
                if let Some(batch) = self.fast.open.get_mut(&place.batch) {
                    batch.pending += 1;
                }
                let proposal = Proposal::new(turn, vec![proposed], reply, Batch::Fast(place));
                self.agreement.propose(proposal);
            }
            Err(refusal) => self.refuse_fast(turn, reply.as_deref(), &place, &refusal),
        }
    }

    /// A message is not taken: the batch ends before it. But a duplicate counts as stored.
    fn refuse_fast(
        &mut self,
        turn: &mut Turn<'_>,
        reply: Option<&str>,
        place: &Place,
        refusal: &Refusal,
    ) {
        let count = self.fast.open.len() as u64;
        let is_duplicate = matches!(refusal, Refusal::Duplicate(_) | Refusal::InProcess);
        let Some(batch) = self.fast.open.get_mut(&place.batch) else {
            return;
        };
        if is_duplicate {
            if batch.pending == 0 {
                batch.stored = place.number;
                let before = batch.reply.clone();
                batch.reply = reply.map(ToOwned::to_owned);
                batch.check_flow(turn, count);
                batch.reply = before;
            }
            if place.operation != Operation::Commit {
                return;
            }
        }
        if place.number == 1 {
            self.fast.open.remove(&place.batch);
            let answer = match refusal {
                Refusal::Duplicate(sequence) => {
                    let mut answer = self.stored_answer(*sequence, true);
                    answer["batch"] = place.batch.clone().into();
                    answer["count"] = place.number.into();
                    answer
                }
                other => self.refused(&other.error()),
            };
            return say(turn, reply, &answer);
        }
        if !is_duplicate {
            let error = json!({"type": "err", "seq": place.number, "error": refusal.error()});
            say(turn, reply, &error);
            batch.last -= 1;
            if batch.pending == 0 {
                batch.stored = batch.last;
            }
        }
        self.close_fast(turn, reply, &place.batch);
    }
}
