//! What all publish streams of this gateway together have on their way.
//!
//! Each stream may always have a little. What it wants beyond that it takes from the budget, in pieces,
//! and gives back when nothing of it is on its way; where the budget is used up, streams wait for it in
//! turn, one piece each.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::ByteSize;
use crate::subscription::in_flight::Amount;

/// What each stream may have on its way in any case.
const OWN: u64 = 64 * 1024;

/// What a stream takes from the budget at a time, unless one message is larger.
const PIECE: u64 = 256 * 1024;

/// What a message costs beyond its bytes: its row in the books.
const OVERHEAD: u64 = 512;

/// What the budget is counted in.
const UNIT: u64 = 1024;

/// The budget; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Semaphore>);

/// A stream's share of it.
pub(super) struct Share {
    budget: Budget,
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

    pub(super) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            held: None,
            waiting: None,
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
        let needed = in_flight.bytes + bytes + messages * OVERHEAD;
        let missing = needed.saturating_sub(self.allowance());
        if missing == 0 {
            return true;
        }
        if self.waiting.is_some() {
            return false;
        }
        let units = u32::try_from(missing.max(PIECE).div_ceil(UNIT)).unwrap_or(u32::MAX);
        let semaphore = &self.budget.0;
        match semaphore.clone().try_acquire_many_owned(units) {
            Ok(piece) => {
                self.keep(piece);
                true
            }
            Err(_) => {
                let piece = semaphore.clone().acquire_many_owned(units);
                self.waiting = Some(Box::pin(async move { piece.await.ok() }));
                false
            }
        }
    }

    /// What the stream may have on its way.
    pub(super) fn allowance(&self) -> u64 {
        let held = self.held.as_ref();
        OWN + held.map_or(0, |held| held.num_permits() as u64 * UNIT)
    }

    /// Whether the stream waits for its next piece.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Waits for the next piece; for ever where none is waited for. Safe to drop.
    pub(super) async fn grown(&mut self) {
        let Some(waiting) = &mut self.waiting else {
            return std::future::pending().await;
        };
        let piece = waiting.await;
        self.waiting = None;
        if let Some(piece) = piece {
            self.keep(piece);
        }
    }

    /// Gives everything back: nothing is on its way.
    pub(super) fn release(&mut self) {
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
        let mut share = budget.share();
        assert!(share.admits(amount(0, 0), 1 << 30));
        assert!(share.admits(amount(10, 10_000), 10_000));
        assert!(!share.admits(amount(10, 60_000), 10_000));
        assert!(share.is_waiting());
    }

    #[tokio::test]
    async fn what_one_stream_gives_back_is_the_next_ones() {
        let budget = Budget::new(ByteSize::kib(512));
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.admits(amount(100, 300_000), 1_000));
        assert!(!second.admits(amount(100, 300_000), 1_000));

        first.release();
        second.grown().await;

        assert!(second.admits(amount(100, 300_000), 1_000));
        assert!(!first.admits(amount(100, 300_000), 1_000));
    }

    #[test]
    fn many_small_messages_count_as_well() {
        let budget = Budget::new(ByteSize::kib(1));
        let mut share = budget.share();
        assert!(share.admits(amount(100, 0), 0));
        assert!(!share.admits(amount(200, 0), 0));
    }
}
