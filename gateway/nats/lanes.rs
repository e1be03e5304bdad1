//! Lanes: messages for a stream that is slow wait for one another, and for nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// How many messages of one caller are on their way to one stream at a time, each with its retries.
const WIDTH: usize = 256;

/// The lanes of one caller, by stream.
#[derive(Default)]
pub struct Lanes(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Lanes {
    /// The lane to a stream.
    pub fn of(&self, stream: &str) -> Arc<Semaphore> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(stream) {
            return lane.clone();
        }
        let lane = Arc::new(Semaphore::new(WIDTH));
        lanes.insert(stream.to_owned(), lane.clone());
        lane
    }

    /// Forgets them all: nobody waits in any.
    pub(super) fn clear(&mut self) {
        let lanes = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        lanes.clear();
    }
}
