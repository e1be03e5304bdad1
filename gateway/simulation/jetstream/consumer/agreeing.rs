//! Deliveries that wait for the servers to agree on them, as those of a consumer with replicas do.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Consumer;
use crate::simulation::jetstream::stream::Stream;
use crate::simulation::jetstream::{AGREEING, Out, Turn};

/// In the order in which they are sent. A leader that goes takes them along: they come again when their ack wait is
/// over.
#[derive(Default)]
pub(super) struct Agreeing(VecDeque<(Instant, Out)>);

impl Agreeing {
    /// When the next is sent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.front().map(|(agreed_at, _)| *agreed_at)
    }

    /// What is sent behind all that waits.
    pub(super) fn push(&mut self, at_least: Instant, out: Out) {
        let last = self.0.back().map_or(at_least, |(last, _)| *last);
        self.0.push_back((at_least.max(last), out));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Consumer {
    /// Sends a delivery once the servers have agreed.
    pub(super) fn send_agreed(&mut self, turn: &mut Turn<'_>, stream: &Stream, out: Out) {
        let agreed_at = turn.now + Duration::from_millis(turn.rng.u64(AGREEING));
        let agreed_at = agreed_at.max(stream.no_quorum_until());
        self.agreeing.push(agreed_at, out);
    }

    /// Sends what they have agreed on by now.
    pub(super) fn agree(&mut self, turn: &mut Turn<'_>) {
        while self.agreeing.due().is_some_and(|at| at <= turn.now) {
            turn.out
                .extend(self.agreeing.0.pop_front().map(|(_, out)| out));
        }
    }
}
