//! Which other replicas there are, by their signs of life.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often a replica gives a sign of life.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How long a replica is known after its last: two may get lost.
const MEMORY: Duration = Duration::from_secs(30);

/// More replicas than any installation has; what else is in the account cannot fill the memory.
const CAPACITY: usize = 1_024;

/// The other replicas, with the time of their last sign of life.
#[derive(Debug, Default)]
pub(super) struct Replicas(Mutex<BTreeMap<u64, Instant>>);

impl Replicas {
    /// A replica lives.
    pub(super) fn lives(&self, gateway: u64, now: Instant) {
        let mut known = self.lock();
        if known.len() < CAPACITY || known.contains_key(&gateway) {
            known.insert(gateway, now);
        }
    }

    /// A replica says that it ends.
    pub(super) fn ended(&self, gateway: u64) {
        self.lock().remove(&gateway);
    }

    /// The replicas that lived a short while ago.
    pub(super) fn known(&self, now: Instant) -> Vec<u64> {
        let mut known = self.lock();
        known.retain(|_, seen| now.saturating_duration_since(*seen) < MEMORY);
        known.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_replica_is_forgotten() {
        let replicas = Replicas::default();
        let start = Instant::now();
        replicas.lives(1, start);
        replicas.lives(2, start);
        let now = start + 2 * SIGN_OF_LIFE;
        replicas.lives(2, now);
        replicas.lives(3, now);
        replicas.ended(3);
        assert_eq!(replicas.known(now), [1, 2]);

        assert_eq!(replicas.known(now + SIGN_OF_LIFE), [2]);
    }
}
