//! Turns: changes of one stream or consumer follow each other.
//!
//! JetStream has no conditional update. Within this replica no change comes between another one's
//! reading and writing; changes by other replicas and clients may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};

/// With more names than this, those that nobody changes now are forgotten.
const CAPACITY: usize = 256;

/// Whose turn it is, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Arc<Turn<()>>>>>);

impl Turns {
    /// Waits for the turn to change what has this name.
    pub(super) async fn of(&self, name: String, deadline: Deadline) -> Result<OwnedMutexGuard<()>> {
        let turn = self.turn(name);
        deadline.bound(turn.lock_owned()).await.map_err(|_| {
            let text = "other changes of the same name took all the time; nothing was changed";
            Error::new(Reason::DeadlineExceeded, text)
        })
    }

    fn turn(&self, name: String) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= CAPACITY {
            // Whoever waits or changes something holds it, too.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(name).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_name_waits_and_others_do_not() {
        let turns = Turns::default();
        let soon = || Deadline::within(Duration::from_millis(20));
        let first = turns.of("a".to_owned(), soon()).await.unwrap();

        assert!(turns.of("b".to_owned(), soon()).await.is_ok());
        let error = turns.of("a".to_owned(), soon()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::DeadlineExceeded);

        drop(first);
        assert!(turns.of("a".to_owned(), soon()).await.is_ok());
    }

    #[tokio::test]
    async fn idle_names_are_forgotten_and_held_ones_are_not() {
        let turns = Turns::default();
        let long = Deadline::within(Duration::from_secs(60));
        let _held = turns.of("held".to_owned(), long).await.unwrap();
        for number in 0..2 * CAPACITY {
            drop(turns.of(number.to_string(), long).await.unwrap());
        }
        assert!(turns.0.lock().unwrap().len() <= CAPACITY);
        assert!(turns.0.lock().unwrap().contains_key("held"));
    }
}
