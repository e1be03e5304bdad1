//! Slots: what JetStream holds a bounded number of, over all replicas, is shared out.
//!
//! It holds 512 waiting pulls per consumer and silently ignores further ones that ask for
//! heartbeats, and 1,000 fast batches per stream. So each gateway has a share, sessions take turns in
//! order of asking, and pulls and batches are short while others queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queues of everything that has sessions here.
pub(super) struct Slots {
    share: usize,
    queues: Mutex<HashMap<(String, String), Weak<Semaphore>>>,
}

impl Slots {
    /// Each queue has this many slots.
    pub(super) fn new(share: usize) -> Self {
        Self {
            share: share.max(1),
            queues: Mutex::default(),
        }
    }

    /// The queue of what has these names, with at most `limit` slots.
    fn queue(&self, stream: &str, consumer: &str, limit: usize) -> Slot {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stream.to_owned(), consumer.to_owned());
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return Slot(queue);
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(Semaphore::new(self.share.min(limit.max(1))));
        queues.insert(key, Arc::downgrade(&queue));
        Slot(queue)
    }
}

/// A session's place in a queue.
#[derive(Clone)]
pub struct Slot(Arc<Semaphore>);

impl super::Nats {
    /// The queue of those who pull from a consumer. `max_waiting` is the consumer's own limit, over
    /// all replicas.
    pub fn slot(&self, stream: &str, consumer: &str, max_waiting: usize) -> Slot {
        self.0.slots.queue(stream, consumer, max_waiting)
    }

    /// The queue of those who publish to a stream in fast batches.
    pub(super) fn batch_slot(&self, stream: &str) -> Slot {
        self.0.batch_slots.queue(stream, "", usize::MAX)
    }
}

impl Slot {
    /// Waits for a slot: the right to have a pull waiting, or a batch open.
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
