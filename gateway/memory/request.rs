//! The room of what callers send, from its arrival until it is answered, or taken up by a stream.
//!
//! Calls have a part of the budget that nobody else takes, and what the others leave. A stream is read no further.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{Budget, Hold, LEFT, OWN, UNIT};
use crate::error::{Error, Reason};
use crate::metrics::MemoryKind;

/// How long callers are told to wait for room.
const RETRY: Duration = Duration::from_secs(1);

/// What has come of one call and is still needed; clones are of the same.
#[derive(Clone, Debug)]
pub struct Arriving(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    budget: Budget,
    bytes: u64,
    /// What does not count.
    own: u64,
    /// Of what nobody else takes; `None` for streams, which can wait.
    kept: Option<Hold>,
    shared: Hold,
    is_waiting: bool,
    /// When room last came that was waited for.
    waited_at: Option<Instant>,
}

/// Room that is waited for; `None` never comes.
pub type Waiting = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

impl Budget {
    /// Room for the request of a call that has one.
    pub fn call(&self) -> Arriving {
        self.arriving(0, Some(self.nothing(MemoryKind::Requests)))
    }

    /// Room for the frame of a stream that comes or is taken up.
    pub fn frames(&self) -> Arriving {
        self.arriving(OWN, None)
    }

    fn arriving(&self, own: u64, kept: Option<Hold>) -> Arriving {
        Arriving(Arc::new(Mutex::new(Inner {
            budget: self.clone(),
            bytes: 0,
            own,
            kept,
            shared: self.nothing(MemoryKind::Requests),
            is_waiting: false,
            waited_at: None,
        })))
    }

    /// The error of a call whose request has no room.
    fn used_up(&self) -> Error {
        let (key, most) = ("memory.max_buffered_bytes", self.0.size);
        let text = format!("the gateway holds as much as it may, {key} = {most}");
        Error::new(Reason::BuffersFull, text)
            .with("max", most.as_u64())
            .exceeding("gateway", format!("{key} = {most}"))
            .retry_after(RETRY)
    }
}

impl Arriving {
    /// The room of a call that came through the stack.
    pub fn of<T>(request: &tonic::Request<T>) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// The bytes that it has room for.
    pub fn bytes(&self) -> u64 {
        self.inner().bytes
    }

    /// Takes room for this many more bytes.
    ///
    /// # Errors
    ///
    /// `BUFFERS_FULL`, and no more is taken than before.
    pub fn take(&self, bytes: u64) -> Result<(), Error> {
        let mut inner = self.inner();
        let missing = inner.missing(bytes);
        if !inner.reach(missing) {
            inner.shared.is_short();
            return Err(inner.budget.used_up());
        }
        inner.bytes += bytes;
        Ok(())
    }

    /// Waits for the room of this many more bytes, in turn: for no more of it than callers that do not read leave, as
    /// more may never be free. A frame that is larger than that has as much as a few of them can have at a time.
    pub fn wait(&self, bytes: u64) -> Waiting {
        let mut inner = self.inner();
        inner.is_waiting = true;
        let units = inner.missing(bytes).min(inner.budget.0.most / LEFT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = inner.budget.0.units.clone().acquire_many_owned(units);
        Box::pin(async move { permit.await.ok() })
    }

    /// Takes the room that was waited for.
    pub fn waited(&self, bytes: u64, permit: Option<OwnedSemaphorePermit>) {
        let mut inner = self.inner();
        inner.is_waiting = false;
        inner.waited_at = Some(Instant::now());
        inner.bytes += bytes;
        if let Some(permit) = permit {
            inner.shared.add(permit);
        }
    }

    /// Whether room was waited for since then, so that what the caller said may not have been heard.
    pub fn has_waited_since(&self, moment: Instant) -> bool {
        let inner = self.inner();
        inner.is_waiting || inner.waited_at.is_some_and(|at| at >= moment)
    }

    /// Gives back what is not needed for these bytes of a stream: the rest is taken up.
    pub fn fit(&self, bytes: u64) {
        let mut inner = self.inner();
        if bytes >= inner.bytes {
            return;
        }
        inner.bytes = bytes;
        let needed = inner.needed(0);
        inner.shared.shrink(needed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether so many more units are held now.
    fn reach(&mut self, missing: u64) -> bool {
        if missing == 0 {
            return true;
        }
        let units = u32::try_from(missing).unwrap_or(u32::MAX);
        let from = |semaphore: &Arc<Semaphore>| semaphore.clone().try_acquire_many_owned(units);
        if let Some(kept) = &mut self.kept
            && let Ok(permit) = from(&self.budget.0.kept)
        {
            kept.add(permit);
            return true;
        }
        let shared = from(&self.budget.0.units);
        shared.map(|permit| self.shared.add(permit)).is_ok()
    }

    /// How many units are needed with these further bytes.
    fn needed(&self, bytes: u64) -> u64 {
        (self.bytes + bytes).saturating_sub(self.own).div_ceil(UNIT)
    }

    /// How many of them are not held.
    fn missing(&self, bytes: u64) -> u64 {
        let kept = self.kept.as_ref().map_or(0, Hold::units);
        let held = kept + self.shared.units();
        self.needed(bytes).saturating_sub(held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::ByteSize;
    use crate::memory::Appetite;
    use crate::metrics::Metrics;

    fn budget(size: ByteSize) -> Budget {
        Budget::new(size, Metrics::new().memory)
    }

    fn free(budget: &Budget) -> u64 {
        budget.free() + budget.0.kept.available_permits() as u64
    }

    #[test]
    fn what_sessions_and_streams_leave_is_enough_for_small_requests() {
        let budget = budget(ByteSize::mib(8));
        let mut pieces = budget.pieces();
        assert!(pieces.reach(budget.0.most));
        assert_eq!(budget.room().grow(1 << 20, Appetite::Large), OWN);
        let calls: Vec<Arriving> = (0..1_000).map(|_| budget.call()).collect();
        assert!(calls.iter().all(|call| call.take(900).is_ok()));
        let error = calls[0].take(100_000).unwrap_err();
        assert_eq!(error.reason(), Reason::BuffersFull);
        drop(calls);
        budget.call().take(100_000).unwrap();
    }

    #[tokio::test]
    async fn a_stream_waits_for_the_room_of_its_frame() {
        let budget = budget(ByteSize::mib(1));
        let call = budget.call();
        call.take(120 * 1024).unwrap();
        let mut pieces = budget.pieces();
        assert!(pieces.reach(budget.0.most));
        let frames = budget.frames();
        frames.take(OWN).unwrap();
        frames.take(100_000).unwrap_err();
        let (waiting, began) = (frames.wait(100_000), Instant::now());
        pieces.release();
        frames.waited(100_000, waiting.await);
        assert!(frames.has_waited_since(began));
        frames.fit(0);
        drop(call);
        assert_eq!(free(&budget), 1_024);
    }

    #[tokio::test]
    async fn a_frame_larger_than_all_there_is_waits_for_no_reader() {
        let budget = budget(ByteSize::mib(1));
        let mut reader = budget.room();
        while reader.grow(8 << 20, Appetite::Large) < 600 << 10 {}
        let frames = budget.frames();
        frames.take(8 << 20).unwrap_err();
        let waiting = frames.wait(8 << 20);
        let permit = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        frames.waited(8 << 20, permit.expect("a quarter is free"));
        assert_eq!(frames.bytes(), 8 << 20);
        frames.fit(0);
        drop(reader);
        assert_eq!(free(&budget), 1_024);
    }

    proptest! {
        #[test]
        fn requests_hold_what_they_have_and_give_back_all_of_it(
            steps in prop::collection::vec((0usize..3, 0u64..300_000), 1..50),
        ) {
            let budget = budget(ByteSize::mib(1));
            let calls = [budget.call(), budget.call(), budget.frames()];
            let mut model = [0u64; 3];
            for (which, bytes) in steps {
                match bytes % 7 {
                    0 => {
                        calls[2].fit(bytes / 3);
                        model[2] = model[2].min(bytes / 3);
                    }
                    _ if calls[which].take(bytes).is_ok() => model[which] += bytes,
                    _ => {}
                }
                let own = [0, 0, OWN];
                let held: u64 = (0..3).map(|it| model[it].saturating_sub(own[it]).div_ceil(UNIT)).sum();
                prop_assert_eq!(held + free(&budget), 1_024);
            }
            drop(calls);
            prop_assert_eq!(free(&budget), 1_024);
        }
    }
}
