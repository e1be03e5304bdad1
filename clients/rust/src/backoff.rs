//! How long to wait before another attempt.

use std::time::Duration;

use crate::error::Error;

/// Between which times the waits grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            least: Duration::from_millis(50),
            most: Duration::from_secs(2),
        }
    }
}

/// Waits that double with each failure, give or take half.
#[derive(Debug)]
pub(crate) struct Backoff {
    limits: Limits,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            failures: 0,
        }
    }

    /// An attempt went well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many attempts in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after this failure: at least as long as the gateway asks for.
    pub(crate) fn next(&mut self, error: Option<&Error>) -> Duration {
        let doubled = self.limits.least * 2_u32.pow(self.failures.min(16));
        self.failures += 1;
        let wait = doubled.min(self.limits.most).mul_f64(0.5 + fastrand::f64());
        wait.max(error.and_then(Error::retry_delay).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_limit() {
        let mut backoff = Backoff::new(Limits::default());
        assert!(backoff.next(None) <= Duration::from_millis(75));
        for _ in 0..40 {
            assert!(backoff.next(None) <= Duration::from_secs(3));
        }
        assert!(backoff.next(None) >= Duration::from_secs(1));
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_millis(75));
    }
}
