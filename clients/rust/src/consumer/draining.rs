//! A session that its gateway is about to end: when fresh tokens are asked for, and when the next session takes over. No I/O
//! and no waiting.

use std::time::Duration;

use tokio::time::Instant;

/// How long the gateway may take to answer what was said before the next session is opened all the same.
const LAST_TOKENS: Duration = Duration::from_secs(2);

/// A session that its gateway is about to end.
#[derive(Debug)]
pub(super) struct Draining {
    since: Instant,
    /// How often the tokens of what is held are renewed: they must be good when the next session takes over, whenever that
    /// is.
    every: Duration,
    renewed_at: Option<Instant>,
}

impl Draining {
    pub(super) fn new(since: Instant, every: Duration) -> Self {
        Self {
            since,
            every,
            renewed_at: None,
        }
    }

    /// Whether tokens are to be renewed now; that is noted.
    pub(super) fn renews(&mut self, now: Instant) -> bool {
        let is_due = self.renews_at() <= now;
        if is_due {
            self.renewed_at = Some(now);
        }
        is_due
    }

    /// When tokens are to be renewed.
    pub(super) fn renews_at(&self) -> Instant {
        self.renewed_at.map_or(self.since, |at| at + self.every)
    }

    /// When the next session is opened whether or not everything is answered. What is renewed meanwhile does not put that
    /// off.
    pub(super) fn leaves_at(&self) -> Instant {
        self.since + LAST_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_again_and_again_and_do_not_put_off_the_next_session() {
        let begun = Instant::now();
        let mut draining = Draining::new(begun, Duration::from_millis(500));
        let mut renewed = 0;
        let mut now = begun;
        while now < draining.leaves_at() {
            renewed += usize::from(draining.renews(now));
            now += Duration::from_millis(100);
        }
        assert_eq!((now - begun, renewed), (LAST_TOKENS, 4));
        assert_eq!(draining.renews_at(), begun + LAST_TOKENS);
    }
}
