//! Logs what a server refuses, each text once in a while: a missing permission meets every call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

/// How long the same text is not a warning again.
const QUIET: Duration = Duration::from_secs(60);

/// Different texts that are remembered.
const CAPACITY: usize = 256;

/// What was logged lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<String, Instant>>);

impl Refusals {
    /// Logs a refusal.
    pub(super) fn log(&self, text: &str) {
        if self.is_news(text, Instant::now()) {
            warn!(error = %text, "nats-server refused an operation");
        } else {
            debug!(error = %text, "nats-server refused an operation");
        }
    }

    fn is_news(&self, text: &str, now: Instant) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < QUIET;
        if logged.get(text).is_some_and(is_recent) {
            return false;
        }
        if logged.len() >= CAPACITY {
            logged.retain(|_, at| is_recent(at));
        }
        // Subjects with wildcards of callers may be many: some are logged more often then.
        if logged.len() < CAPACITY {
            logged.insert(text.to_owned(), now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_news_once_in_a_while() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        assert!(refusals.is_news("a", start) && refusals.is_news("b", start));
        assert!(!refusals.is_news("a", start + QUIET / 2));
        assert!(refusals.is_news("a", start + QUIET));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        for number in 0..2 * CAPACITY {
            assert!(refusals.is_news(&number.to_string(), start));
        }
        assert_eq!(refusals.0.lock().unwrap().len(), CAPACITY);
    }
}
