//! Pull slots: how many pulls of this gateway may wait at one consumer.
//!
//! JetStream holds 512 waiting pulls per consumer, over all replicas, and silently ignores further
//! ones that ask for heartbeats. So each gateway has a share, sessions take turns in order of
//! asking, and pulls are short while others queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queues of all consumers that have sessions here.
pub(super) struct Slots {
    per_consumer: usize,
    queues: Mutex<HashMap<(String, String), Weak<Semaphore>>>,
}

impl Slots {
    pub(super) fn new(per_consumer: usize) -> Self {
        Self {
            per_consumer: per_consumer.max(1),
            queues: Mutex::default(),
        }
    }
}

/// A session's place in the queue of its consumer.
#[derive(Clone)]
pub struct Slot(Arc<Semaphore>);

impl super::Nats {
    /// The queue of a consumer. `max_waiting` is the consumer's own limit, over all replicas.
    pub fn slot(&self, stream: &str, consumer: &str, max_waiting: usize) -> Slot {
        let slots = &self.0.slots;
        let mut queues = slots.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stream.to_owned(), consumer.to_owned());
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return Slot(queue);
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(Semaphore::new(slots.per_consumer.min(max_waiting.max(1))));
        queues.insert(key, Arc::downgrade(&queue));
        Slot(queue)
    }
}

impl Slot {
    /// Waits for the right to have a pull waiting.
    pub async fn acquire(self) -> OwnedSemaphorePermit {
        match self.0.clone().acquire_owned().await {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether other sessions wait for a slot.
    pub fn is_contended(&self) -> bool {
        self.0.available_permits() == 0
    }
}
