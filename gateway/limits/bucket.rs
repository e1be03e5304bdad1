//! What may pass in a time: a bucket that holds what a second allows, and may owe what has passed already.

use std::time::Duration;

use tokio::time::Instant;

/// How much may pass at once, in time: what a second allows.
const BURST: Duration = Duration::from_secs(1);

/// A bucket. It is full, unless it is empty by this time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket(Option<Instant>);

impl Bucket {
    /// How long until something may pass; nothing where it may now.
    pub(super) fn wait(self, now: Instant) -> Duration {
        self.filling(now).saturating_sub(BURST)
    }

    /// Lets `amount` pass, of which there may be `rate` a second.
    pub(super) fn take(&mut self, amount: u64, rate: u64, now: Instant) {
        // 64 bits of nanoseconds are 584 years.
        let time = u128::from(amount) * 1_000_000_000 / u128::from(rate.max(1));
        let time = Duration::from_nanos(u64::try_from(time).unwrap_or(u64::MAX));
        let begins = self.0.map_or(now, |full| full.max(now));
        self.0 = begins.checked_add(time).or(self.0);
    }

    /// Whether it is full, and as good as new.
    pub(super) fn is_full(self, now: Instant) -> bool {
        self.filling(now).is_zero()
    }

    /// How long until it is full.
    fn filling(self, now: Instant) -> Duration {
        self.0
            .map_or(Duration::ZERO, |full| full.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_may_pass_at_once_and_debts_are_waited_for() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(bucket.wait(now), Duration::ZERO);
            bucket.take(1, 10, now);
        }
        // The burst is used up; one more is let in, and has to be paid for.
        bucket.take(1, 10, now);
        assert_eq!(bucket.wait(now), Duration::from_millis(100));
        assert!(!bucket.is_full(now + Duration::from_secs(1)));
        assert!(bucket.is_full(now + Duration::from_millis(1_100)));
    }

    proptest! {
        /// Whatever comes when, no more passes than the rate allows, the burst and one more.
        #[test]
        fn no_more_passes_than_the_rate_allows(
            rate in 1u64..1_000,
            pauses in prop::collection::vec(0u64..50, 1..500),
        ) {
            let (mut bucket, began) = (Bucket::default(), Instant::now());
            let (mut now, mut passed) = (began, 0u64);
            for pause in pauses {
                now += Duration::from_millis(pause);
                if bucket.wait(now).is_zero() {
                    bucket.take(1, rate, now);
                    passed += 1;
                }
            }
            let allowed = rate as f64 * (now - began).as_secs_f64() + rate as f64 + 1.0;
            prop_assert!(passed as f64 <= allowed, "{passed} of {allowed}");
        }

        /// Who always asks when it may gets what the rate allows.
        #[test]
        fn no_less_passes_than_the_rate_allows(rate in 1u64..1_000, amounts in prop::collection::vec(1u64..100, 1..100)) {
            let (mut bucket, began) = (Bucket::default(), Instant::now());
            let (mut now, mut passed) = (began, 0);
            for amount in amounts {
                now += bucket.wait(now);
                bucket.take(amount, rate, now);
                passed += amount;
            }
            let needed = (now - began).as_secs_f64() * rate as f64;
            prop_assert!(needed <= passed as f64 + 0.001 * passed as f64);
        }
    }
}
