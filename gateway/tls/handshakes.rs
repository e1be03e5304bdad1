//! Handshakes at work at a time: each has a turn while it computes, and none while it waits for its client.
//!
//! A handshake costs a signature, and connections come by the thousand: all of them at once would keep the runtime's
//! workers from the calls. Who sends nothing costs nothing, and may not keep others from their turns.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Semaphore;

/// The turns.
pub(super) struct Handshakes(Semaphore);

impl Handshakes {
    /// So many at a time; 0 is half of the processors, one at least.
    pub(super) fn new(most: u32) -> Self {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        Self(Semaphore::new(match most {
            0 => (processors() / 2).max(1),
            most => most as usize,
        }))
    }

    /// Does this work by turns, each of which ends where it waits. Those who wait for a turn get it in their order.
    pub(super) async fn by_turns<W: Future>(&self, work: W) -> W::Output {
        let mut work = pin!(work);
        loop {
            // A closed semaphore would be no reason to refuse anybody; this one is never closed.
            let turn = self.0.acquire().await;
            let progress = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(output) = progress {
                return output;
            }
            woken().await;
        }
    }
}

/// Waits until this task is woken, by what was asked to wake it.
async fn woken() {
    let mut has_waited = false;
    poll_fn(|_| {
        if std::mem::replace(&mut has_waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{Notify, oneshot};

    use super::*;

    #[tokio::test]
    async fn who_waits_for_something_else_has_no_turn() {
        let handshakes = Arc::new(Handshakes::new(1));
        let mut silent = Vec::new();
        for _ in 0..3 {
            let (speak, heard) = oneshot::channel();
            let handshakes = handshakes.clone();
            let work = tokio::spawn(async move { handshakes.by_turns(heard).await });
            silent.push((speak, work));
        }
        tokio::task::yield_now().await;

        assert_eq!(handshakes.by_turns(async { 7 }).await, 7);

        for (speak, work) in silent {
            speak.send(8).unwrap();
            assert_eq!(work.await.unwrap(), Ok(8));
        }
        assert_eq!(handshakes.0.available_permits(), 1);
    }

    #[test]
    fn by_default_calls_have_processors_of_their_own() {
        let processors = std::thread::available_parallelism().unwrap().get();
        let turns = Handshakes::new(0).0.available_permits();
        assert!(turns == 1 || turns <= processors / 2, "{turns}");
        assert_eq!(Handshakes::new(7).0.available_permits(), 7);
    }

    #[tokio::test]
    async fn no_more_than_may_are_at_work() {
        let handshakes = Arc::new(Handshakes::new(2));
        let turns = [handshakes.0.acquire().await, handshakes.0.acquire().await];
        let (polls, begin) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let work = tokio::spawn({
            let (handshakes, polls, begin) = (handshakes.clone(), polls.clone(), begin.clone());
            async move {
                begin.notify_one();
                let count = async { polls.fetch_add(1, Ordering::Relaxed) };
                handshakes.by_turns(count).await;
            }
        });
        begin.notified().await;
        tokio::task::yield_now().await;
        assert_eq!(polls.load(Ordering::Relaxed), 0);

        drop(turns);

        work.await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 1);
    }
}
