//! What waits for a session: notices of settlements made elsewhere, and no more than a bounded number.
//!
//! A channel would take a kilobyte for each session, most of which never get one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Notice;

/// Calls whose notices may wait for a session; more are dropped, and found by the ack floor.
const BACKLOG: usize = 1_024;

/// A session's mailbox. Only the session takes from it.
#[derive(Default)]
pub struct Mailbox {
    waiting: Mutex<VecDeque<Arc<[Notice]>>>,
    bell: Notify,
}

impl Mailbox {
    pub(super) fn put(&self, notices: Arc<[Notice]>) {
        let mut waiting = self.lock();
        if waiting.len() < BACKLOG {
            waiting.push_back(notices);
            self.bell.notify_one();
        }
    }

    /// Waits for what comes next, and takes it. Safe to drop while it waits.
    pub async fn take(&self) -> Arc<[Notice]> {
        loop {
            // Whatever comes from here on rings a bell that is heard later, too.
            if let Some(notices) = self.lock().pop_front() {
                return notices;
            }
            self.bell.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<[Notice]>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use tokio::time::timeout;

    fn letter() -> Arc<[Notice]> {
        Arc::new([])
    }

    #[tokio::test]
    async fn what_came_before_and_what_comes_later_is_taken_once() {
        let mailbox = Arc::new(Mailbox::default());
        mailbox.put(letter());
        mailbox.put(letter());
        mailbox.take().await;
        mailbox.take().await;

        let (taking, putting) = (mailbox.clone(), mailbox.clone());
        let taken = tokio::spawn(async move { taking.take().await });
        tokio::spawn(async move { putting.put(letter()) });
        timeout(Duration::from_secs(10), taken)
            .await
            .unwrap()
            .unwrap();
        let more = timeout(Duration::from_millis(20), mailbox.take()).await;
        assert!(more.is_err());
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let mailbox = Mailbox::default();
        for _ in 0..2 * BACKLOG {
            mailbox.put(letter());
        }
        assert_eq!(mailbox.lock().len(), BACKLOG);
    }
}
