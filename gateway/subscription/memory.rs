//! A session's room in memory: what its open pulls may bring, and what waits for its caller.

use super::in_flight::Amount;
use super::pulling::expected;
use super::{Connection, Session};
use crate::memory::{Appetite, OVERHEAD, OWN, portion};

/// Less is not worth a further pull beside one that is open.
const LEAST: u64 = OWN / 2;

impl Session {
    /// Whether there is room for a pull beside those that are open.
    pub(super) fn has_memory(&self, open: Amount) -> bool {
        self.room.prospect(self.appetite()) >= cost(open) + LEAST
    }

    /// Takes room for a pull beside those that are open, as far as there is; how much it may ask for.
    pub(super) fn take_memory(&mut self, open: Amount, wanted: Amount) -> Amount {
        let taken = cost(open);
        let all = self.room.grow(taken + cost(wanted), self.appetite());
        let (messages, bytes) = portion(all.saturating_sub(taken), wanted.messages, wanted.bytes);
        Amount { messages, bytes }
    }

    /// Gives back what is not needed any more.
    pub(super) fn fit_memory(&mut self) {
        let open = match &self.link {
            Connection::Attached(attached) => expected(&attached.puller),
            // What still comes is not known.
            Connection::Closing(_) => return,
            Connection::Attaching(_) | Connection::Detached => Amount::default(),
        };
        self.room.fit(cost(open) + cost(self.held.amount()));
    }

    fn appetite(&self) -> Appetite {
        match self.pending {
            0 => Appetite::Small,
            _ => Appetite::Large,
        }
    }
}

/// What messages cost in memory.
pub(super) fn cost(amount: Amount) -> u64 {
    u64::from(amount.messages)
        .saturating_mul(OVERHEAD)
        .saturating_add(amount.bytes)
}
