//! What all publish streams of this gateway together have on their way, and those of one caller.
//!
//! Each stream may always have a little. What it wants beyond that it takes from the gateway's budget of
//! bytes and from its caller's of messages, in pieces, and gives back when nothing of it is on its way;
//! where a budget is used up, streams wait for it in turn, one piece each.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::ByteSize;
use crate::limits::InFlight;
use crate::subscription::in_flight::Amount;

/// What each stream may have on its way in any case.
const OWN: u64 = 64 * 1024;

/// What a stream takes from the budget at a time, unless one message is larger.
const PIECE: u64 = 256 * 1024;

/// How many messages a stream takes from its caller's budget at a time, where that is large enough.
const MESSAGES: u64 = 64;

/// What a message costs beyond its bytes: its row in the books.
const OVERHEAD: u64 = 512;

/// What the budget is counted in.
const UNIT: u64 = 1024;

/// The budget; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Semaphore>);

/// A stream's share of the budgets.
pub(super) struct Share {
    bytes: Pieces,
    /// `None` where the caller has no limit.
    messages: Option<Pieces>,
}

/// What is held of one budget, in its units.
struct Pieces {
    budget: Arc<Semaphore>,
    /// What is taken at a time.
    piece: u64,
    held: Option<OwnedSemaphorePermit>,
    /// For the next piece.
    waiting: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>,
}

impl Budget {
    /// A budget of this size, of which nothing is taken.
    pub fn new(size: ByteSize) -> Self {
        let units = usize::try_from(size.as_u64() / UNIT).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// A share of it, and of its caller's budget of messages.
    pub(super) fn share(&self, messages: Option<&InFlight>) -> Share {
        let of_messages = |it: &InFlight| {
            let piece = (it.most / 8).clamp(1, MESSAGES);
            Pieces::of(it.budget.clone(), piece)
        };
        Share {
            bytes: Pieces::of(self.0.clone(), PIECE / UNIT),
            messages: messages.map(of_messages),
        }
    }
}

impl Share {
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
        self.bytes.waiting.is_some() || messages.is_some_and(|it| it.waiting.is_some())
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

impl Pieces {
    fn of(budget: Arc<Semaphore>, piece: u64) -> Self {
        Self {
            budget,
            piece,
            held: None,
            waiting: None,
        }
    }

    /// Whether as many units are held, or are now. If not, a piece of them is waited for from now on.
    fn reach(&mut self, units: u64) -> bool {
        let missing = units.saturating_sub(self.held());
        if missing == 0 {
            return true;
        }
        if self.waiting.is_some() {
            return false;
        }
        let wanted = u32::try_from(missing.max(self.piece)).unwrap_or(u32::MAX);
        match self.budget.clone().try_acquire_many_owned(wanted) {
            Ok(piece) => {
                self.keep(piece);
                true
            }
            Err(_) => {
                let piece = self.budget.clone().acquire_many_owned(wanted);
                self.waiting = Some(Box::pin(async move { piece.await.ok() }));
                false
            }
        }
    }

    /// Gives back what is more than these units and the next piece.
    fn give_back_beyond(&mut self, units: u64) {
        let surplus = self.held().saturating_sub(units + self.piece);
        if surplus >= self.piece
            && let (Some(held), Ok(surplus)) = (&mut self.held, usize::try_from(surplus))
        {
            drop(held.split(surplus));
        }
    }

    fn held(&self) -> u64 {
        self.held
            .as_ref()
            .map_or(0, |held| held.num_permits() as u64)
    }

    async fn grown(&mut self) {
        let Some(waiting) = &mut self.waiting else {
            return std::future::pending().await;
        };
        let piece = waiting.await;
        self.waiting = None;
        if let Some(piece) = piece {
            self.keep(piece);
        }
    }

    fn release(&mut self) {
        self.held = None;
        self.waiting = None;
    }

    fn keep(&mut self, piece: OwnedSemaphorePermit) {
        match &mut self.held {
            Some(held) => held.merge(piece),
            None => self.held = Some(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(messages: u32, bytes: u64) -> Amount {
        Amount { messages, bytes }
    }

    #[test]
    fn a_little_and_a_single_message_are_always_allowed() {
        let budget = Budget::new(ByteSize::kib(1));
        let mut share = budget.share(None);
        assert!(share.admits(amount(0, 0), 1 << 30));
        assert!(share.admits(amount(10, 10_000), 10_000));
        assert!(!share.admits(amount(10, 60_000), 10_000));
        assert!(share.is_waiting());
    }

    #[tokio::test]
    async fn what_one_stream_gives_back_is_the_next_ones() {
        let budget = Budget::new(ByteSize::kib(512));
        let (mut first, mut second) = (budget.share(None), budget.share(None));
        assert!(first.admits(amount(100, 300_000), 1_000));
        assert!(!second.admits(amount(100, 300_000), 1_000));

        first.shrink(amount(0, 0));
        second.grown().await;

        assert!(second.admits(amount(100, 300_000), 1_000));
        assert!(!first.admits(amount(100, 300_000), 1_000));
    }

    #[test]
    fn many_small_messages_count_as_well() {
        let budget = Budget::new(ByteSize::kib(1));
        let mut share = budget.share(None);
        assert!(share.admits(amount(100, 0), 0));
        assert!(!share.admits(amount(200, 0), 0));
    }

    #[test]
    fn messages_come_from_their_callers_budget_as_well() {
        let budget = Budget::new(ByteSize::mib(1));
        let of_caller = InFlight {
            budget: Arc::new(Semaphore::new(8)),
            most: 8,
        };
        let share = || budget.share(Some(&of_caller));
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
