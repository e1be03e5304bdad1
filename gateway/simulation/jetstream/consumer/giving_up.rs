//! Messages that were delivered as often as a consumer may, and are given up.

use super::Consumer;
use crate::simulation::jetstream::Turn;
use crate::simulation::jetstream::spoil::Spoil;
use crate::simulation::jetstream::stream::Stream;

impl Consumer {
    /// What was not acknowledged in time comes again, unless it has come as often as it may.
    pub(super) fn expire(&mut self, turn: &Turn<'_>, stream: &Stream) {
        let late = self.pending.iter().filter(|(_, it)| it.due <= turn.now);
        let late: Vec<u64> = late.map(|(sequence, _)| *sequence).collect();
        for sequence in late {
            if self.is_used_up(stream, sequence) {
                self.pending.remove(&sequence);
                self.again.remove(&sequence);
                self.given_up.push(sequence);
            } else {
                self.again.insert(sequence);
            }
        }
    }

    fn is_used_up(&self, stream: &Stream, sequence: u64) -> bool {
        let most = u64::try_from(self.config.max_deliver).unwrap_or_default();
        let attempts = self.attempts.get(&sequence).copied().unwrap_or_default();
        most > 0 && attempts >= most && stream.spoil != Some(Spoil::DeliversTooOften)
    }
}
