//! Answers that are kept for a short time; callers who miss one at the same moment share one request.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::CAPACITY;
use crate::error::Result;

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    /// What exists may have been looked up then.
    known: Instant,
    /// What does not exist may come to exist at any time: it must have been looked up since then.
    missing: Instant,
}

impl AsOf {
    /// Looked up within this time; what does not exist, from now on.
    pub fn within(age: Duration) -> Self {
        let now = Instant::now();
        Self {
            known: now.checked_sub(age).unwrap_or(now),
            missing: now,
        }
    }

    /// Looked up since then, so that callers who began then share one request.
    pub fn since(moment: Instant) -> Self {
        Self {
            known: moment,
            missing: moment,
        }
    }

    /// The same, but no older than `moment`.
    #[must_use]
    pub fn or_since(self, moment: Instant) -> Self {
        Self {
            known: self.known.max(moment),
            ..self
        }
    }

    /// The same, but what exists may be this much older.
    #[must_use]
    pub fn or_known_within(self, age: Duration) -> Self {
        Self {
            known: self.known.checked_sub(age).unwrap_or(self.known),
            ..self
        }
    }
}

/// Answers by key, each with the time it was asked for; callers of one key wait for one another.
pub(in crate::nats) struct Cache<K, V> {
    entries: Mutex<HashMap<K, Entry<V>>>,
}

type Entry<V> = Arc<tokio::sync::Mutex<Option<(Instant, Result<Arc<V>>)>>>;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash, V> Cache<K, V> {
    /// The answer of this key, asked for where it is not known.
    pub(in crate::nats) async fn get(
        &self,
        key: K,
        as_of: AsOf,
        ask: impl Future<Output = Result<V>>,
    ) -> Result<Arc<V>> {
        let entry = self.entry(key);
        let mut answer = entry.lock().await;
        match &*answer {
            Some((at, Ok(known))) if *at >= as_of.known => return Ok(known.clone()),
            Some((at, Err(missing))) if *at >= as_of.missing => return Err(missing.clone()),
            _ => {}
        }
        let at = Instant::now();
        let fresh = ask.await.map(Arc::new);
        // Other failures say nothing of what exists; the next caller asks again.
        *answer = match &fresh {
            Err(error) if error.code() != Code::NotFound => None,
            _ => Some((at, fresh.clone())),
        };
        fresh
    }

    /// Forgets one.
    pub(super) fn remove(&self, key: &K) {
        self.entries().remove(key);
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.entries().clear();
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: K) -> Entry<V> {
        let mut entries = self.entries();
        if entries.len() >= CAPACITY {
            // Entries in use are held by their users; the others cost one request to have again.
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        entries.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Reason};

    #[tokio::test]
    async fn callers_of_one_key_share_a_request() {
        let cache = Cache::<&str, u32>::default();
        let asked = std::sync::atomic::AtomicU32::new(0);
        let ask = || async {
            tokio::task::yield_now().await;
            Ok(asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        };
        let minute = AsOf::within(Duration::from_secs(60));

        let (first, second) =
            tokio::join!(cache.get("a", minute, ask()), cache.get("a", minute, ask()));

        assert_eq!((*first.unwrap(), *second.unwrap()), (0, 0));
        let now = AsOf::since(Instant::now());
        assert_eq!(*cache.get("a", now, ask()).await.unwrap(), 1);
        assert_eq!(*cache.get("a", now, ask()).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_missing_is_asked_for_again_by_the_next_call() {
        let cache = Cache::<&str, u32>::default();
        let missing = || async { Err(Error::new(Reason::ConsumerNotFound, "gone")) };
        let call = AsOf::since(Instant::now()).or_known_within(Duration::from_secs(60));

        assert!(cache.get("a", call, missing()).await.is_err());
        assert!(cache.get("a", call, async { Ok(1) }).await.is_err());
        let next = AsOf::within(Duration::from_secs(60));
        assert_eq!(*cache.get("a", next, async { Ok(1) }).await.unwrap(), 1);
    }
}
