//! What people and callers do: purge, delete, and not read.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Injection;
use crate::Result;
use crate::callers::ACK_WAIT;
use crate::history::Event;

impl Injection<'_> {
    pub(super) async fn slow_readers(&mut self) {
        self.scene.is_asleep.store(true, Ordering::Relaxed);
        self.hold(7, 10).await;
        self.scene.is_asleep.store(false, Ordering::Relaxed);
    }

    pub(super) async fn purge(&mut self) -> Result<()> {
        let stream = &self.scene.stream;
        let through = self.stage.jetstream.last_sequence(stream).await? / 2;
        self.stage.jetstream.purge(stream, through).await?;
        self.scene.recorder.record(Event::Purged { through });
        self.hold(1, 3).await;
        Ok(())
    }

    /// The new one has another name: what it delivers has nothing to do with the old one.
    pub(super) async fn delete_consumer(&mut self) -> Result<()> {
        let roles = ["consume", "subscribe", "fetch"];
        let role = *self.rng.choice(&roles).unwrap_or(&roles[0]);
        let (stream, jetstream) = (&self.scene.stream, &self.stage.jetstream);
        let new = format!("{role}-again");
        jetstream.create_consumer(stream, &new, ACK_WAIT).await?;
        let consumer = new.clone();
        self.scene.recorder.record(Event::Consumer { consumer });
        let old = {
            let consumers = self.scene.consumers.lock();
            let mut consumers = consumers.unwrap_or_else(PoisonError::into_inner);
            consumers.insert(role.to_owned(), new)
        };
        let consumer = old.unwrap_or_default();
        jetstream.delete_consumer(stream, &consumer).await?;
        self.scene.recorder.record(Event::ConsumerGone { consumer });
        self.hold(1, 3).await;
        Ok(())
    }
}
