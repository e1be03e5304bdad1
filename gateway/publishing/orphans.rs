//! Publishes whose callers have gone.
//!
//! A call that its caller cancels is dropped where it stands. Between a message's sending and its
//! answer that would leave half a publish: nothing repeats it, and nobody counts it. So the work of
//! such a call goes on in a task of its own; a call that nobody leaves costs no task.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::nats::Begun;

/// The publishes that go on without a caller. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Orphans(TaskTracker);

impl Orphans {
    /// Does `work`, which marks what it is given once it sends. Dropped before that, the work ends;
    /// dropped later, it goes on by itself.
    pub async fn see_through<F>(&self, work: impl FnOnce(Begun) -> F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let begun = Begun::default();
        let work = Box::pin(work(begun.clone()));
        let watched = Watched {
            work: Some(work),
            begun,
            orphans: &self.0,
        };
        watched.await
    }

    /// Waits until all have ended, or `hard_stop`.
    pub async fn wait(&self, hard_stop: &CancellationToken) {
        self.0.close();
        tokio::select! {
            () = self.0.wait() => {}
            () = hard_stop.cancelled() => {}
        }
    }
}

/// Work that goes over to a task when it is dropped.
struct Watched<'a, F: Future<Output: Send> + Send + 'static> {
    /// `None` once it is done.
    work: Option<Pin<Box<F>>>,
    begun: Begun,
    orphans: &'a TaskTracker,
}

impl<F: Future<Output: Send> + Send + 'static> Future for Watched<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.work else {
            // A future that is done is not polled again.
            return Poll::Pending;
        };
        let output = std::task::ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Watched<'_, F> {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        if let (Some(work), true, Ok(runtime)) = (
            self.work.take(),
            self.begun.is_marked(),
            Handle::try_current(),
        ) {
            self.orphans.spawn_on(
                async move {
                    work.await;
                },
                &runtime,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    async fn abandon(begins: bool) -> (Orphans, oneshot::Sender<()>, oneshot::Receiver<()>) {
        let orphans = Orphans::default();
        let (answer, answered) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let work = orphans.see_through(|begun| async move {
            if begins {
                begun.mark();
            }
            let _ = answered.await;
            let _ = done.send(());
        });
        tokio::select! {
            biased;
            () = work => {}
            () = std::future::ready(()) => {}
        }
        (orphans, answer, ended)
    }

    #[tokio::test]
    async fn work_that_has_begun_outlives_its_caller() {
        let (orphans, answer, ended) = abandon(true).await;
        assert_eq!(orphans.0.len(), 1);

        answer.send(()).unwrap();

        ended.await.unwrap();
        orphans.wait(&CancellationToken::new()).await;
    }

    #[tokio::test]
    async fn work_that_has_not_begun_ends_with_its_caller() {
        let (orphans, _answer, ended) = abandon(false).await;
        assert!(ended.await.is_err());
        assert!(orphans.0.is_empty());
    }

    #[tokio::test]
    async fn a_caller_that_stays_costs_no_task() {
        let orphans = Orphans::default();
        let work = |begun: Begun| async move {
            begun.mark();
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(orphans.see_through(work).await, 7);
        assert!(orphans.0.is_empty());
    }
}
