//! Takes down what happens while it does.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::history::{Entry, Event, micros};

/// Takes down what happens; clones write into one history.
#[derive(Clone)]
pub struct Recorder {
    began: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Recorder {
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            entries: Arc::default(),
        }
    }

    /// Adds an event that happens now.
    pub fn record(&self, event: Event) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock is read under the lock: entries are in the order of their times.
        let at = micros(self.began.elapsed());
        entries.push(Entry { at, event });
    }

    /// What was recorded so far.
    pub fn entries(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clone()
    }
}
