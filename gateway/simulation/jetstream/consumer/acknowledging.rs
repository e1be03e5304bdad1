//! What callers say of deliveries, and what they are told when the servers have agreed.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::{Consumer, Pending};
use crate::simulation::jetstream::spoil::{SPOILED, Spoil};
use crate::simulation::jetstream::stream::Stream;
use crate::simulation::jetstream::{AGREEING, Out, Turn};

/// A confirmation that waits for the servers to agree.
pub(super) struct Confirmation {
    reply: String,
    pub(super) sequence: u64,
    pub(super) pending: Option<Pending>,
    pub(super) agreed_at: Instant,
}

impl Consumer {
    pub(super) fn confirm(&mut self, turn: &mut Turn<'_>) {
        while let Some(first) = self.confirming.front() {
            if first.agreed_at > turn.now {
                return;
            }
            let reply = first.reply.clone();
            self.confirming.pop_front();
            turn.out
                .push(Out::message(&reply, &reply, None, None, Bytes::new()));
        }
    }

    /// What a caller says of a delivery.
    pub(in crate::simulation::jetstream) fn acknowledge(
        &mut self,
        turn: &mut Turn<'_>,
        stream: &Stream,
        sequence: u64,
        payload: &[u8],
        reply: Option<&str>,
    ) {
        if sequence >= self.next || !self.has_acks() {
            return;
        }
        self.recent.clear();
        let text = String::from_utf8_lossy(payload);
        let word = text.split_ascii_whitespace().next().unwrap_or("+ACK");
        let before = self.pending.get(&sequence).copied();
        match word {
            "-NAK" => self.give_back(turn.now, sequence, &text),
            "+WPI" => {
                let due = turn.now + self.ack_wait();
                if let Some(pending) = self.pending.get_mut(&sequence) {
                    pending.due = due;
                    self.again.remove(&sequence);
                }
            }
            _ if stream.spoil == Some(Spoil::ForgetsAcknowledgements)
                && turn.rng.u32(..SPOILED) == 0 => {}
            _ => {
                self.pending.remove(&sequence);
                self.again.remove(&sequence);
            }
        }
        let Some(reply) = reply else { return };
        let is_agreed = matches!(word, "-NAK" | "+WPI");
        let agreed_at = turn.now + Duration::from_millis(turn.rng.u64(AGREEING));
        let last = self.confirming.back().map_or(turn.now, |it| it.agreed_at);
        if is_agreed {
            let confirmed = Out::message(reply, reply, None, None, Bytes::new());
            return turn.out.push(confirmed);
        }
        self.confirming.push_back(Confirmation {
            reply: reply.to_owned(),
            sequence,
            pending: before,
            agreed_at: agreed_at.max(last).max(stream.no_quorum_until()),
        });
    }

    fn give_back(&mut self, now: Instant, sequence: u64, text: &str) {
        let Some(pending) = self.pending.get_mut(&sequence) else {
            return;
        };
        let delay = text.strip_prefix("-NAK ").and_then(|options| {
            let options: Value = serde_json::from_str(options).ok()?;
            Some(Duration::from_nanos(options["delay"].as_u64()?))
        });
        pending.due = now + delay.unwrap_or_default();
        self.again.remove(&sequence);
    }
}
