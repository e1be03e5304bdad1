//! From the window to the consumer: when to pull, how much, and when to attach again.

use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::in_flight::Amount;
use super::{Connection, Session, ending};
use crate::nats::pull::{Ask, Puller};

/// How long a pull waits, and how long while other sessions queue for their turn.
const PULL: Duration = Duration::from_secs(30);
const SHORT_PULL: Duration = Duration::from_secs(1);

/// How often a waiting pull says that it lives; the longest silence is two and a half of these.
pub(super) const PULL_HEARTBEAT: Duration = Duration::from_secs(5);

/// The most messages that one pull asks for, so that closing it stays cheap.
pub(super) const LARGEST_PULL: u32 = 4_096;

/// Waits before asking again after a refusal double from the first to the last of these.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

impl Session {
    /// Queues for a pull where there is room for one.
    pub(super) async fn ask(&mut self) {
        if self.slot.is_some() || !self.may_pull() {
            return;
        }
        let slot = self.facts.slot.clone();
        let mut acquiring: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(slot.acquire());
        // Without a queue the turn comes at once.
        match (&mut acquiring).now_or_never() {
            Some(permit) => self.pull(permit).await,
            None => self.slot = Some(acquiring),
        }
    }

    fn may_pull(&self) -> bool {
        let Connection::Attached(attached) = &self.link else {
            return false;
        };
        if self.pull_at > Instant::now() || self.out.capacity() == 0 || !self.held.is_empty() {
            return false;
        }
        let puller = &attached.puller;
        if self.oversized {
            return puller.is_idle() && self.book.is_empty() && !self.book.is_unanswered();
        }
        let room = self.book.room(expected(puller));
        if room.messages == 0 || room.bytes == 0 {
            return false;
        }
        let window = self.book.window();
        // A quarantined consumer is read one by one: what breaks the connection breaks nothing else.
        let half_free =
            room.messages >= window.messages.div_ceil(2) && room.bytes >= window.bytes / 2;
        puller.is_idle() || (half_free && !attached.is_private)
    }

    pub(super) async fn pull(&mut self, permit: OwnedSemaphorePermit) {
        if !self.may_pull() {
            return;
        }
        let contended = self.facts.slot.clone().is_contended();
        let terms = self.facts.terms.clone();
        let Connection::Attached(attached) = &mut self.link else {
            return;
        };
        let room = self.book.room(expected(&attached.puller));
        let alone = std::mem::take(&mut self.oversized);
        let most = if alone || attached.is_private {
            1
        } else {
            LARGEST_PULL
        };
        let expires = if contended { SHORT_PULL } else { PULL };
        let expires = terms.max_expires.map_or(expires, |most| expires.min(most));
        let bytes = terms
            .max_bytes
            .map_or(room.bytes, |most| room.bytes.min(most));
        let ask = Ask {
            messages: room
                .messages
                .min(most)
                .min(terms.max_batch.unwrap_or(u32::MAX))
                .max(1),
            bytes: (!alone).then_some(bytes),
            expires,
            no_wait: false,
            heartbeat: (expires >= SHORT_PULL).then(|| PULL_HEARTBEAT.min(expires / 2)),
        };
        if attached.puller.pull(&ask, Some(permit)).await.is_err() {
            self.back_off();
        }
    }

    pub(super) fn back_off(&mut self) {
        self.backoff = (self.backoff * 2).clamp(BACKOFF.0, BACKOFF.1);
        self.pull_at = Instant::now() + self.backoff.mul_f64(0.5 + fastrand::f64() / 2.0);
    }

    pub(super) fn reattach(&mut self) {
        self.slot = None;
        let delay = self.pull_at.saturating_duration_since(Instant::now());
        let attaching = self.source.attach(&self.shared.nats, delay);
        let previous = std::mem::replace(&mut self.link, Connection::Attaching(attaching));
        if let Connection::Attached(attached) = previous {
            // Usually the connection is gone; where it is not, what was on its way is given back.
            let (nats, terms) = (self.shared.nats.clone(), self.facts.terms.clone());
            self.shared.sessions.tasks().spawn(async move {
                let left = attached.puller.close().await;
                ending::give_back(&nats, &terms, left.into_iter().map(|left| left.ack)).await;
            });
        }
    }
}

pub(super) fn expected(puller: &Puller) -> Amount {
    Amount {
        messages: puller.expected_messages(),
        bytes: puller.expected_bytes(),
    }
}
