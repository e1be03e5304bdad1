//! Where a bounded read ends: pure book-keeping of what may still come.
//!
//! The end becomes a sequence as soon as the stream's last one is known: a time that is over lies
//! behind no message that was stored since. Then it does not matter whether there is a message at the
//! end: where the consumer has nothing more, everything up to there was delivered.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks may differ by this much: a time is over only when so much more has passed.
const SKEW: Duration = Duration::from_millis(500);

/// Where to end, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopAt {
    /// The last message when the read is opened.
    Last,
    /// A sequence.
    Sequence(u64),
    /// The last message stored at this time or before.
    Time(SystemTime),
}

/// The end of a read.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    at: StopAt,
    /// No message behind this one is wanted, once that is known.
    sequence: Option<u64>,
    /// The stream's last sequence, as last known.
    known: u64,
}

impl Stop {
    pub(super) fn new(at: StopAt) -> Self {
        let sequence = match at {
            StopAt::Sequence(sequence) => Some(sequence),
            StopAt::Last | StopAt::Time(_) => None,
        };
        Self {
            at,
            sequence,
            known: 0,
        }
    }

    /// Takes note of the stream's last sequence, which was asked for at `now`.
    pub(super) fn learn(&mut self, last_sequence: u64, now: SystemTime) {
        self.known = self.known.max(last_sequence);
        let is_known = match self.at {
            StopAt::Last => true,
            StopAt::Time(time) => now.duration_since(time).is_ok_and(|over| over >= SKEW),
            StopAt::Sequence(_) => false,
        };
        if is_known && self.sequence.is_none() {
            self.sequence = Some(last_sequence);
        }
    }

    /// How long until a time in the future is over; `None` where nothing is waited for.
    pub(super) fn wait(&self, now: SystemTime) -> Option<Duration> {
        match self.at {
            StopAt::Time(time) if self.sequence.is_none() => {
                Some((time + SKEW).duration_since(now).unwrap_or_default())
            }
            _ => None,
        }
    }

    /// Whether a message lies behind the end. `timestamp` is in nanoseconds since 1970.
    pub(super) fn excludes(&self, sequence: u64, timestamp: u64) -> bool {
        let is_late = match self.at {
            StopAt::Time(time) => {
                let stored = UNIX_EPOCH + Duration::from_nanos(timestamp);
                stored > time
            }
            _ => false,
        };
        is_late || self.sequence.is_some_and(|last| sequence > last)
    }

    /// Whether everything up to the end has been passed, where `position` has.
    pub(super) fn is_passed_at(&self, position: u64) -> bool {
        self.sequence.is_some_and(|last| position >= last)
    }

    /// Whether everything up to the end has been passed, where the consumer has nothing more.
    pub(super) fn is_passed_without_pending(&self) -> bool {
        self.sequence.is_some_and(|last| last <= self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn now() -> SystemTime {
        UNIX_EPOCH + NOW
    }

    #[test]
    fn the_last_message_is_that_of_the_opening() {
        let mut stop = Stop::new(StopAt::Last);
        stop.learn(7, now());
        stop.learn(9, now());
        assert!(!stop.excludes(7, 0) && stop.excludes(8, 0));
        assert!(!stop.is_passed_at(6) && stop.is_passed_at(7));
        assert!(stop.is_passed_without_pending());
    }

    #[test]
    fn an_empty_stream_ends_at_once() {
        let mut stop = Stop::new(StopAt::Last);
        stop.learn(0, now());
        assert!(stop.is_passed_without_pending() && stop.excludes(1, 0));
    }

    #[test]
    fn a_sequence_that_the_stream_has_not_come_to_is_waited_for() {
        let mut stop = Stop::new(StopAt::Sequence(5));
        stop.learn(4, now());
        assert!(!stop.is_passed_without_pending());
        stop.learn(5, now());
        assert!(stop.is_passed_without_pending());
    }

    #[test]
    fn a_time_becomes_a_sequence_when_it_is_over() {
        let mut stop = Stop::new(StopAt::Time(now()));
        stop.learn(4, now());
        assert_eq!(stop.wait(now()), Some(SKEW));
        assert!(!stop.is_passed_at(4));
        let nanos = u64::try_from(NOW.as_nanos()).unwrap();
        assert!(!stop.excludes(5, nanos) && stop.excludes(5, nanos + 1));

        stop.learn(6, now() + SKEW);
        assert_eq!(stop.wait(now() + SKEW), None);
        assert!(stop.is_passed_at(6) && stop.excludes(7, nanos));
    }
}
