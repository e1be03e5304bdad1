//! An alarm for the first of many moments: one timer, however many things are waited for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// Rings at the earliest moment that it was reminded of, once. Whether something is due by then is for
/// its user to see: what was due may have moved.
#[derive(Debug)]
pub struct Alarm {
    set: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            set: None,
            sleep: Box::pin(tokio::time::sleep_until(Instant::now())),
        }
    }
}

impl Alarm {
    /// Rings at this moment, unless it rings sooner.
    pub fn remind(&mut self, at: Instant) {
        if self.set.is_none_or(|set| at < set) {
            self.set = Some(at);
            self.sleep.as_mut().reset(at);
        }
    }

    /// Ready when it rings, and unset from then on.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.set.is_none() {
            return Poll::Pending;
        }
        let ringing = self.sleep.as_mut().poll(cx);
        if ringing.is_ready() {
            self.set = None;
        }
        ringing
    }

    /// Waits until it rings. Safe to drop.
    pub async fn rings(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn rings_once_at_the_earliest_moment() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        alarm.remind(start + Duration::from_secs(3_600));
        alarm.remind(start + Duration::from_millis(20));
        alarm.remind(start + Duration::from_secs(60));

        alarm.rings().await;

        assert!(start.elapsed() >= Duration::from_millis(20));
        let again = tokio::time::timeout(Duration::from_millis(50), alarm.rings());
        assert!(again.await.is_err());
    }
}
