//! What becomes of a consumer when its leader goes, or it itself.

use std::time::Duration;

use super::Consumer;
use super::pull::status;
use crate::simulation::jetstream::{Out, Turn};

/// What a leader says to its pulls when it goes; the last is of a later version.
const PARTING: [&str; 3] = [
    "Leadership Change",
    "Server Shutdown",
    "Consumer Is Elsewhere",
];

impl Consumer {
    /// Gives the lead to another server, in order.
    pub(in crate::simulation::jetstream) fn step_down(&mut self, turn: &mut Turn<'_>) {
        self.agreeing.clear();
        let text = PARTING[turn.rng.usize(..PARTING.len())];
        for pull in self.pulls.drain(..) {
            turn.out.push(Out::status(&pull.reply, status(409), text));
        }
    }

    /// Messages up to this one were removed.
    pub(in crate::simulation::jetstream) fn purged(&mut self, through: u64) {
        self.pending.retain(|sequence, _| *sequence > through);
        self.again.retain(|sequence| *sequence > through);
    }

    /// The leader crashes. The next one may not know of the last deliveries, nor of acknowledgements that
    /// were not confirmed.
    pub(in crate::simulation::jetstream) fn crash(&mut self, turn: &mut Turn<'_>, time: Duration) {
        self.leaderless_until = turn.now + time;
        self.agreeing.clear();
        let pulls = self.pulls.drain(..).map(|pull| pull.reply);
        match turn.rng.bool() {
            true => self.orphans = pulls.collect(),
            false => pulls.for_each(drop),
        }
        let known = turn.rng.usize(..=self.confirming.len());
        for lost in self.confirming.drain(..).skip(known) {
            if let Some(pending) = lost.pending {
                self.pending.insert(lost.sequence, pending);
            }
        }
        let known = turn.rng.usize(..=self.recent.len());
        let forgotten: Vec<(u64, u64)> = self.recent.drain(..).skip(known).collect();
        if let Some((delivery, sequence)) = forgotten.first() {
            (self.delivered, self.next) = (delivery - 1, *sequence);
        }
        for (_, sequence) in forgotten {
            self.pending.remove(&sequence);
            self.again.remove(&sequence);
            self.attempts.remove(&sequence);
        }
    }

    /// It is deleted: its pulls are told.
    pub(in crate::simulation::jetstream) fn gone(self, out: &mut Vec<Out>) {
        for pull in self.pulls {
            out.push(Out::status(&pull.reply, status(409), "Consumer Deleted"));
        }
    }
}
