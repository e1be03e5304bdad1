//! The results of settle frames until each is complete: book-keeping without I/O.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::proto::consume_response::Frame;
use crate::proto::{ItemStatus, SettleResult};

/// Metadata of a range: how many of its deliveries failed.
const FAILED: &str = "failed";

/// Which item of which frame a delivery's settlement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Ticket {
    pub(super) frame: u64,
    pub(super) item: usize,
}

impl Ticket {
    /// None: the session settles by itself, and nobody is told.
    pub(super) const NONE: Self = Self { frame: 0, item: 0 };
}

/// The frames that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Results {
    frames: BTreeMap<u64, Waiting>,
    begun: u64,
}

#[derive(Debug)]
struct Waiting {
    settle_id: u64,
    is_answered_always: bool,
    items: usize,
    left: usize,
    /// Those that have more to say than OK.
    statuses: BTreeMap<usize, ItemStatus>,
    /// How many deliveries of each range have failed.
    ranges: BTreeMap<usize, u64>,
}

impl Results {
    /// Begins a frame. It counts as one more of its own deliveries until it is taken apart.
    pub(super) fn begin(&mut self, settle_id: u64, confirm: bool, items: usize) -> u64 {
        self.begun += 1;
        let waiting = Waiting {
            settle_id,
            is_answered_always: confirm || settle_id > 0,
            items,
            left: 1,
            statuses: BTreeMap::new(),
            ranges: BTreeMap::new(),
        };
        self.frames.insert(self.begun, waiting);
        self.begun
    }

    /// An item is a range: its failures are counted.
    pub(super) fn begin_range(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.frames.get_mut(&ticket.frame) {
            waiting.ranges.insert(ticket.item, 0);
        }
    }

    /// One more delivery of the frame is under way.
    pub(super) fn expect_one(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.frames.get_mut(&ticket.frame) {
            waiting.left += 1;
        }
    }

    /// An item succeeds, and has this to say.
    pub(super) fn note(&mut self, ticket: Ticket, key: &str, value: String) {
        if let Some(waiting) = self.frames.get_mut(&ticket.frame) {
            let status = waiting.statuses.entry(ticket.item).or_default();
            status.metadata.insert(key.to_owned(), value);
        }
    }

    /// A delivery of an item fails. The first failure is the item's.
    pub(super) fn fail(&mut self, ticket: Ticket, error: Error) {
        let Some(waiting) = self.frames.get_mut(&ticket.frame) else {
            return;
        };
        if let Some(failed) = waiting.ranges.get_mut(&ticket.item) {
            *failed += 1;
        }
        let status = waiting.statuses.entry(ticket.item).or_default();
        if status.code == 0 {
            *status = error.into();
        }
    }

    /// The whole result of an item.
    pub(super) fn set(&mut self, ticket: Ticket, status: ItemStatus) {
        let has_news = status.code != 0 || !status.metadata.is_empty();
        if let Some(waiting) = self.frames.get_mut(&ticket.frame).filter(|_| has_news) {
            waiting.statuses.insert(ticket.item, status);
        }
    }

    /// A delivery of the frame is dealt with. The answer, where it was the last and there is one.
    pub(super) fn finish_one(&mut self, frame: u64) -> Option<Frame> {
        let waiting = self.frames.get_mut(&frame)?;
        waiting.left -= 1;
        if waiting.left > 0 {
            return None;
        }
        self.frames.remove(&frame)?.answer()
    }
}

impl Waiting {
    fn answer(mut self) -> Option<Frame> {
        if !self.is_answered_always && self.statuses.is_empty() {
            return None;
        }
        for (item, failed) in self.ranges {
            let status = self.statuses.get_mut(&item).filter(|_| failed > 0);
            status.map(|status| {
                status
                    .metadata
                    .insert(FAILED.to_owned(), failed.to_string())
            });
        }
        let mut results = vec![ItemStatus::default(); self.items];
        for (item, status) in self.statuses {
            results[item] = status;
        }
        Some(Frame::Settled(SettleResult {
            settle_id: self.settle_id,
            results,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    fn settled(frame: Option<Frame>) -> SettleResult {
        match frame {
            Some(Frame::Settled(settled)) => settled,
            other => panic!("{other:?}"),
        }
    }

    fn failure() -> Error {
        Error::new(Reason::LeaseExpired, "too late")
    }

    #[test]
    fn a_frame_is_answered_when_its_last_delivery_is_dealt_with() {
        let mut results = Results::default();
        let frame = results.begin(7, false, 2);
        let second = Ticket { frame, item: 1 };
        results.begin_range(second);
        for _ in 0..3 {
            results.expect_one(second);
        }

        assert_eq!(results.finish_one(frame), None);
        results.fail(second, failure());
        results.fail(second, Error::new(Reason::AckOutcomeUnknown, "later"));
        assert_eq!(results.finish_one(frame), None);
        assert_eq!(results.finish_one(frame), None);
        let settled = settled(results.finish_one(frame));

        assert_eq!(settled.settle_id, 7);
        assert_eq!(settled.results[0], ItemStatus::default());
        assert_eq!(settled.results[1].reason(), Reason::LeaseExpired);
        assert_eq!(settled.results[1].metadata["failed"], "2");
        assert_eq!(results.finish_one(frame), None);
    }

    #[test]
    fn a_frame_without_an_id_is_answered_where_there_is_something_to_say() {
        let mut results = Results::default();
        let quiet = results.begin(0, false, 1);
        assert_eq!(results.finish_one(quiet), None);

        let confirmed = results.begin(0, true, 1);
        assert!(results.finish_one(confirmed).is_some());

        let late = results.begin(0, false, 1);
        let ticket = Ticket {
            frame: late,
            item: 0,
        };
        results.note(ticket, "late", "true".to_owned());
        let late = settled(results.finish_one(late));
        assert_eq!(late.results[0].metadata["late"], "true");

        let failed = results.begin(0, false, 1);
        let ticket = Ticket {
            frame: failed,
            item: 0,
        };
        results.fail(ticket, failure());
        let failed = settled(results.finish_one(failed));
        assert_eq!(failed.results[0].reason(), Reason::LeaseExpired);
        assert!(failed.results[0].metadata.is_empty());
    }
}
