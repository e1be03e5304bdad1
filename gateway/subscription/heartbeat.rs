//! When a session speaks: a heartbeat in time, and the question for it a little before.

use std::time::Duration;

use tokio::time::Instant;

/// How long before a heartbeat the consumer's info is asked for, at most, and as a share of the
/// interval: the heartbeat does not wait for the answer.
const HEAD_START: (Duration, u32) = (Duration::from_secs(2), 4);

/// The heartbeat's clock.
#[derive(Debug)]
pub(super) struct Clock {
    interval: Duration,
    due: Instant,
    is_asked: bool,
}

impl Clock {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: Instant::now() + interval,
            is_asked: false,
        }
    }

    /// Starts the interval anew: the caller has just heard something.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.interval);
    }

    /// When to ask for what the heartbeat says; `None` once that is done.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        (!self.is_asked).then(|| self.due - self.head_start())
    }

    /// The question is asked.
    pub(super) fn asked(&mut self) {
        self.is_asked = true;
    }

    /// When the heartbeat is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// How long the question may take.
    pub(super) fn head_start(&self) -> Duration {
        HEAD_START.0.min(self.interval / HEAD_START.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_once_before_each_heartbeat() {
        let mut clock = Clock::new(Duration::from_secs(4));
        assert_eq!(clock.ask_at(), Some(clock.due() - Duration::from_secs(1)));

        clock.asked();
        assert_eq!(clock.ask_at(), None);

        clock.reset();
        assert!(clock.ask_at().is_some());
    }
}
