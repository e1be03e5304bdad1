//! Says in the log which connections are refused, and why: some each minute, as whoever connects in a loop would fill
//! it.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Refusal;

/// The lines of one reason in each minute.
const LINES: u32 = 10;
const TIME: Duration = Duration::from_secs(60);

/// What was said of a listener's connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Refusals {
    listener: &'static str,
    said: Arc<Mutex<HashMap<Refusal, Said>>>,
}

/// What was said for one reason.
struct Said {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Refusals {
    pub(crate) fn new(listener: &'static str) -> Self {
        Self {
            listener,
            said: Arc::default(),
        }
    }

    /// Says that a connection is refused, unless enough of this reason was said lately; how many were left out is
    /// then said with the next.
    pub(crate) fn say(&self, refusal: Refusal, peer: impl Display, error: Option<&dyn Display>) {
        let Some(left_out) = self.left_out(refusal, Instant::now()) else {
            return;
        };
        let (listener, error) = (self.listener, error.map(tracing::field::display));
        if refusal == Refusal::Certificate {
            tracing::info!(
                target: "jetgate::audit", event = "unauthenticated", by = "certificate", listener, %peer, error, left_out,
                "caller refused",
            );
        } else if refusal.is_of_limit() {
            tracing::warn!(listener, %peer, why = refusal.label(), left_out, "connection refused");
        } else {
            tracing::info!(listener, %peer, why = refusal.label(), error, left_out, "connection refused");
        }
    }

    /// How many were left out before this one, if it may be said.
    fn left_out(&self, refusal: Refusal, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.entry(refusal).or_insert_with(|| Said::new(now));
        if now.duration_since(said.since) >= TIME {
            let left_out = said.left_out;
            *said = Said::new(now);
            said.left_out = left_out;
        }
        if said.lines >= LINES {
            said.left_out += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.left_out))
    }
}

impl Said {
    fn new(since: Instant) -> Self {
        Self {
            since,
            lines: 0,
            left_out: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_said_each_minute_and_the_others_counted() {
        let refusals = Refusals::new("public");
        let began = Instant::now();
        let say = |refusal, after| refusals.left_out(refusal, began + Duration::from_secs(after));
        for _ in 0..LINES {
            assert_eq!(say(Refusal::Handshake, 0), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(say(Refusal::Handshake, 59), None);
        }
        assert_eq!(say(Refusal::Full, 59), Some(0), "another reason is told");
        assert_eq!(say(Refusal::Handshake, 60), Some(7));
        assert_eq!(say(Refusal::Handshake, 60), Some(0));
    }
}
