//! When messages were taken up: one entry for all that were taken up together.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Moments by the first number that was taken up then.
#[derive(Debug, Default)]
pub(super) struct Stamps(VecDeque<(u64, Instant)>);

impl Stamps {
    /// Takes note of a number that is taken up at this moment; numbers only rise.
    pub(super) fn taken(&mut self, number: u64, at: Instant) {
        if self.0.back().is_none_or(|(_, last)| *last != at) {
            self.0.push_back((number, at));
        }
    }

    /// When a number was taken up.
    pub(super) fn of(&self, number: u64) -> Option<Instant> {
        let behind = self.0.partition_point(|(first, _)| *first <= number);
        Some(self.0.get(behind.checked_sub(1)?)?.1)
    }

    /// Nobody asks for numbers up to this one any more.
    pub(super) fn forget_through(&mut self, number: u64) {
        while self.0.get(1).is_some_and(|(first, _)| *first <= number + 1) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_have_the_moment_of_those_that_they_came_with() {
        let (first, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut stamps = Stamps::default();
        assert_eq!(stamps.of(7), None);
        for (number, at) in [(7, first), (8, first), (20, later)] {
            stamps.taken(number, at);
        }

        assert_eq!(stamps.of(6), None);
        assert_eq!(stamps.of(8), Some(first));
        assert_eq!(stamps.of(20), Some(later));
        stamps.forget_through(18);
        assert_eq!(stamps.of(19), Some(first));
        stamps.forget_through(19);
        assert_eq!((stamps.of(19), stamps.of(21)), (None, Some(later)));
    }
}
