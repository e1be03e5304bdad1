//! The clocks of servers, by the time in their answers.

use std::time::{Duration, SystemTime};

/// How far a server's clock is from ours, at least: the answer was written at some time between the question and
/// its arrival.
pub(super) fn skew(asked: SystemTime, written: SystemTime, came: SystemTime) -> Duration {
    let early = asked.duration_since(written).unwrap_or_default();
    let late = written.duration_since(came).unwrap_or_default();
    early.max(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_the_way_took_is_no_skew() {
        assert_eq!(skew(at(10), at(10), at(12)), Duration::ZERO);
        assert_eq!(skew(at(10), at(12), at(12)), Duration::ZERO);
        assert_eq!(skew(at(10), at(7), at(12)), Duration::from_secs(3));
        assert_eq!(skew(at(10), at(17), at(12)), Duration::from_secs(5));
    }
}
