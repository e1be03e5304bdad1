//! Times of callers as the gateway counts them.

use std::time::Duration;

/// Less than any time that somebody means: near the least number prost's own conversion overflows.
const LEAST: i64 = i64::MIN / 2;

/// A span of time; `None` where it is negative.
pub(crate) fn span(time: prost_types::Duration) -> Option<Duration> {
    let is_sane = time.seconds > LEAST;
    is_sane.then(|| Duration::try_from(time).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_negative_is_a_span() {
        for (seconds, nanos, expected) in [
            (1, 5, Some(Duration::new(1, 5))),
            (0, 0, Some(Duration::ZERO)),
            (0, -1, None),
            (-1, 0, None),
            (i64::MIN, 0, None),
            (i64::MIN, i32::MIN, None),
            (i64::MIN + 1, -1_000_000_000, None),
            (
                i64::MAX,
                0,
                Some(Duration::from_secs(i64::MAX.unsigned_abs())),
            ),
        ] {
            assert_eq!(
                span(prost_types::Duration { seconds, nanos }),
                expected,
                "{seconds} {nanos}"
            );
        }
    }
}
