//! A publish stream's share of what all streams together, and those of one caller, may have on their way.
//!
//! Each stream may always have a little. What it wants beyond that it takes from the gateway's budget of
//! bytes and from its caller's of messages, in pieces, and gives back when nothing of it is on its way;
//! where a budget is used up, streams wait for it in turn, one piece each.

use crate::limits::InFlight;
use crate::memory::{Budget, Hold, OVERHEAD, OWN, Pieces, UNIT};
use crate::subscription::in_flight::Amount;

/// How many messages a stream takes from its caller's budget at a time, where that is large enough.
const MESSAGES: u64 = 64;

/// A stream's share of the budgets.
pub(super) struct Share {
    bytes: Pieces,
    /// `None` where the caller has no limit.
    messages: Option<Pieces>,
}

impl Share {
    /// A share of the gateway's budget, and of its caller's of messages.
    pub(super) fn of(budget: &Budget, messages: Option<&InFlight>) -> Self {
        let of_messages = |it: &InFlight| {
            let piece = (it.most / 8).clamp(1, MESSAGES);
            Pieces::of(it.budget.clone(), it.most, piece, Hold::default())
        };
        Self {
            bytes: budget.pieces(),
            messages: messages.map(of_messages),
        }
    }

    /// Whether a message may be sent beside those on their way. If not, the stream waits from now on.
    pub(super) fn admits(&mut self, in_flight: Amount, bytes: u64) -> bool {
        if in_flight.messages == 0 {
            return true;
        }
        let messages = u64::from(in_flight.messages) + 1;
        if let Some(pieces) = &mut self.messages
            && !pieces.reach(messages - 1)
        {
            return false;
        }
        let needed = in_flight.bytes + bytes + messages * OVERHEAD;
        let units = needed.saturating_sub(OWN).div_ceil(UNIT);
        self.bytes.reach(units)
    }

    /// The bytes that the stream may have on their way.
    pub(super) fn allowance(&self) -> u64 {
        OWN + self.bytes.held() * UNIT
    }

    /// The messages that the stream may have on their way by its caller's limit; 0 where there is none.
    pub(super) fn allowed_messages(&self) -> u32 {
        let messages = self.messages.as_ref();
        messages.map_or(0, |it| u32::try_from(it.held() + 1).unwrap_or(u32::MAX))
    }

    /// Whether the stream waits for its next piece.
    pub(super) fn is_waiting(&self) -> bool {
        let messages = self.messages.as_ref();
        self.bytes.is_waiting() || messages.is_some_and(Pieces::is_waiting)
    }

    /// Waits for the next piece; for ever where none is waited for. Safe to drop.
    pub(super) async fn grown(&mut self) {
        let messages = async {
            match &mut self.messages {
                Some(messages) => messages.grown().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.bytes.grown() => {}
            () = messages => {}
        }
    }

    /// Gives back what is not needed for what is on its way: of the bytes only all, as the gateway's budget is
    /// large, and of the messages what other streams and calls of the caller can use.
    pub(super) fn shrink(&mut self, in_flight: Amount) {
        if in_flight.messages == 0 {
            self.bytes.release();
        }
        if let Some(messages) = &mut self.messages {
            match in_flight.messages {
                0 => messages.release(),
                needed => messages.give_back_beyond(needed.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::config::ByteSize;
    use crate::metrics::Metrics;

    fn budget(size: ByteSize) -> Budget {
        Budget::new(size, Metrics::new().memory)
    }

    fn share(budget: &Budget) -> Share {
        Share::of(budget, None)
    }

    fn amount(messages: u32, bytes: u64) -> Amount {
        Amount { messages, bytes }
    }

    #[test]
    fn a_little_and_a_single_message_are_always_allowed() {
        let budget = budget(ByteSize::kib(16));
        let mut other = share(&budget);
        assert!(other.admits(amount(1, 70_000), 1_000));
        let mut share = share(&budget);
        assert!(share.admits(amount(0, 0), 1 << 30));
        assert!(share.admits(amount(10, 10_000), 10_000));
        assert!(!share.admits(amount(10, 60_000), 10_000));
        assert!(share.is_waiting());
    }

    #[tokio::test]
    async fn what_one_stream_gives_back_is_the_next_ones() {
        let budget = budget(ByteSize::kib(512));
        let (mut first, mut second) = (share(&budget), share(&budget));
        assert!(first.admits(amount(100, 300_000), 1_000));
        assert!(!second.admits(amount(100, 300_000), 1_000));

        first.shrink(amount(0, 0));
        second.grown().await;

        assert!(second.admits(amount(100, 300_000), 1_000));
        assert!(!first.admits(amount(100, 300_000), 1_000));
    }

    #[test]
    fn more_than_there_is_is_not_waited_for() {
        let budget = budget(ByteSize::kib(100));
        let (mut large, mut small) = (share(&budget), share(&budget));
        assert!(!large.admits(amount(1, 60_000), 200_000));
        assert!(!large.is_waiting());
        assert!(small.admits(amount(1, 60_000), 50_000));
    }

    #[test]
    fn many_small_messages_count_as_well() {
        let budget = budget(ByteSize::kib(1));
        let mut share = share(&budget);
        assert!(share.admits(amount(100, 0), 0));
        assert!(!share.admits(amount(200, 0), 0));
    }

    #[test]
    fn messages_come_from_their_callers_budget_as_well() {
        let budget = budget(ByteSize::mib(1));
        let of_caller = InFlight {
            budget: Arc::new(Semaphore::new(8)),
            most: 8,
        };
        let share = || Share::of(&budget, Some(&of_caller));
        let (mut first, mut second) = (share(), share());
        // One of each stream, and eight of both.
        for count in 0..=8 {
            assert!(first.admits(amount(count, 0), 1));
        }
        assert!(!first.admits(amount(9, 0), 1));
        assert_eq!(first.allowed_messages(), 9);
        assert!(second.admits(amount(0, 0), 1));
        assert!(!second.admits(amount(1, 0), 1));

        // What is answered is the other's; who waited first gets the first piece.
        first.shrink(amount(4, 0));
        assert!(first.admits(amount(4, 0), 1));
        assert_eq!(first.allowed_messages(), 6);
    }
}
