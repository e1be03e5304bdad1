//! What people and callers do: purge, delete, hurry, and not read.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Fault, Injection};
use crate::Result;
use crate::callers::ACK_WAIT;
use crate::history::Event;
use crate::jetstream::NewStream;
use crate::run::ROLES;

/// How many sequences a stream that is made again leaves out.
const UNUSED: u64 = 100_000;

impl Injection<'_> {
    pub(super) async fn slow_readers(&mut self) {
        self.scene.is_asleep.store(true, Ordering::Relaxed);
        self.hold(7, 10).await;
        self.scene.is_asleep.store(false, Ordering::Relaxed);
    }

    pub(super) async fn burst(&mut self) {
        self.scene.is_bursting.store(true, Ordering::Relaxed);
        self.hold(4, 6).await;
        self.scene.is_bursting.store(false, Ordering::Relaxed);
    }

    /// The new one begins behind the old one's sequences: so they tell what is whose.
    pub(super) async fn delete_stream(&mut self) -> Result<()> {
        let stream = self.scene.stream.clone();
        let last = self.stage.jetstream.last_sequence(&stream).await?;
        self.stage.jetstream.delete_stream(&stream).await?;
        // Files of the old one are on their way out for a moment.
        self.hold(3, 5).await;
        let first = last + UNUSED;
        let through = first - 1;
        self.scene.recorder.record(Event::Deleted { through });
        let new = NewStream {
            name: &stream,
            storage: "file",
            replicas: 3,
            window: Fault::DeleteStream.window(),
            first,
        };
        self.stage.jetstream.create_stream(&new).await?;
        for role in ROLES {
            let old = self.follow(role).await?;
            let consumer = old;
            self.scene.recorder.record(Event::ConsumerGone { consumer });
        }
        self.hold(1, 3).await;
        Ok(())
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
        let role = *self.rng.choice(&ROLES).unwrap_or(&ROLES[0]);
        let consumer = self.follow(role).await?;
        let jetstream = &self.stage.jetstream;
        jetstream
            .delete_consumer(&self.scene.stream, &consumer)
            .await?;
        self.scene.recorder.record(Event::ConsumerGone { consumer });
        self.hold(1, 3).await;
        Ok(())
    }

    /// Makes another consumer for a role; the name of the one before.
    async fn follow(&self, role: &str) -> Result<String> {
        let new = format!("{role}-again");
        let jetstream = &self.stage.jetstream;
        jetstream
            .create_consumer(&self.scene.stream, &new, ACK_WAIT)
            .await?;
        let consumer = new.clone();
        self.scene.recorder.record(Event::Consumer { consumer });
        let consumers = self.scene.consumers.lock();
        let mut consumers = consumers.unwrap_or_else(PoisonError::into_inner);
        Ok(consumers.insert(role.to_owned(), new).unwrap_or_default())
    }
}
