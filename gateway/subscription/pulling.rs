//! From the window to the consumer: when to pull, how much, and when to attach again.

use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::in_flight::Amount;
use super::{Connection, Session};
use crate::nats::pull::{Ask, Delivery, Puller};

/// How long a pull waits, and how long while other sessions queue for their turn.
const PULL: Duration = Duration::from_secs(30);
const SHORT_PULL: Duration = Duration::from_secs(1);

/// How often a waiting pull says that it lives; the longest silence is two and a half of these.
pub(super) const PULL_HEARTBEAT: Duration = Duration::from_secs(5);

/// The most messages that one pull asks for, so that closing it stays cheap.
pub(super) const LARGEST_PULL: u32 = 512;

/// Waits before asking again after a refusal double from the first to the last of these.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

impl Session {
    /// Queues for a pull where there is room for one.
    pub(super) async fn ask(&mut self) {
        if self.slot.is_some() || !self.may_pull() {
            return;
        }
        if self.is_needlessly_private() {
            return self.reattach();
        }
        let slot = self.facts.slot.clone();
        let mut acquiring: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(slot.acquire());
        // Without a queue the turn comes at once.
        match (&mut acquiring).now_or_never() {
            Some(permit) => self.pull(permit).await,
            None => {
                self.slot = Some(acquiring);
                if let Connection::Attached(attached) = &mut self.link {
                    attached.puller.rest();
                }
            }
        }
    }

    fn may_pull(&self) -> bool {
        let Connection::Attached(attached) = &self.link else {
            return false;
        };
        if self.pull_at > Instant::now() || !self.out.has_room() || !self.held.is_empty() {
            return false;
        }
        let puller = &attached.puller;
        let open = expected(puller);
        let room = self.book.room(open);
        if room.messages == 0 || room.bytes == 0 {
            return false;
        }
        if let Some(too_few) = self.oversized {
            return puller.is_idle() && (room.bytes > too_few || room == self.book.window());
        }
        if self.is_stopping || self.is_waiting_for_its_pin() {
            return puller.is_idle();
        }
        let window = self.book.window();
        let half_free =
            room.messages >= window.messages.div_ceil(2) && room.bytes >= window.bytes / 2;
        let one_by_one = attached.one_by_one || self.shared.nats.is_imported();
        puller.is_idle() || (half_free && !one_by_one && self.has_memory(open))
    }

    /// Pulls that are made before the session is pinned never have its id: JetStream would not serve them.
    fn is_waiting_for_its_pin(&self) -> bool {
        let seat = self.facts.seat.as_ref();
        let pin = seat.and_then(|seat| seat.pin.as_ref());
        pin.is_some_and(|pin| pin.id().is_none())
    }

    /// What kept the consumer on a connection of its own is settled.
    fn is_needlessly_private(&self) -> bool {
        let Connection::Attached(attached) = &self.link else {
            return false;
        };
        let (stream, consumer) = (self.source.stream().as_str(), self.facts.consumer.as_str());
        attached.is_private
            && attached.puller.is_idle()
            && !self.source.is_ordered()
            && !self.shared.nats.is_quarantined(stream, consumer)
    }

    pub(super) async fn pull(&mut self, permit: OwnedSemaphorePermit) {
        if !self.may_pull() {
            return;
        }
        let ask = self.next_ask();
        let Connection::Attached(attached) = &mut self.link else {
            return;
        };
        self.asked_at = Instant::now();
        // Boxed: sessions that wait need not keep the room that asking takes.
        let asking = Box::pin(attached.puller.pull(&ask, Some(permit)));
        if asking.await.is_err() {
            self.back_off();
        }
    }

    fn next_ask(&mut self) -> Ask {
        let (open, one_by_one) = match &self.link {
            Connection::Attached(attached) => (expected(&attached.puller), attached.one_by_one),
            _ => (Amount::default(), false),
        };
        let room = self.book.room(open);
        let terms = &self.facts.terms;
        let bytes = terms
            .max_bytes
            .map_or(room.bytes, |most| room.bytes.min(most));
        // A message that the whole window has no room for goes alone.
        let alone = self.oversized.is_some_and(|too_few| too_few >= bytes);
        // Over an import several pulls would have a part of the bytes each.
        let is_too_large = self.oversized.is_some() && self.shared.nats.is_imported();
        let alone_now = alone || one_by_one || self.is_stopping || is_too_large;
        let most = if alone_now { 1 } else { LARGEST_PULL };
        let most = most.min(terms.max_batch.unwrap_or(u32::MAX));
        let wanted = Amount {
            messages: room.messages.min(most),
            bytes,
        };
        let mut asked = self.take_memory(open, wanted);
        // So does one that there is no memory for: each session may hold one.
        if self.oversized.is_some_and(|too_few| too_few >= asked.bytes) {
            (asked.messages, asked.bytes) = (1, bytes);
        }
        let expires = self.longest_pull();
        Ask {
            messages: asked.messages,
            bytes: (!alone).then_some(asked.bytes),
            expires,
            no_wait: false,
            heartbeat: (expires >= SHORT_PULL).then(|| PULL_HEARTBEAT.min(expires / 2)),
            place: self.facts.seat.as_ref().map(|seat| seat.place.clone()),
        }
    }

    fn longest_pull(&self) -> Duration {
        let terms = &self.facts.terms;
        let expires = if self.facts.slot.is_contended() {
            SHORT_PULL
        } else {
            PULL
        };
        let expires = terms.max_expires.map_or(expires, |most| expires.min(most));
        // Each pull starts the time anew in which a pinned client must be heard of.
        terms
            .pin_timeout
            .map_or(expires, |most| expires.min(most / 2))
    }

    /// Changes the window. JetStream cannot shrink an open pull, so one that may bring too much is ended;
    /// what is on its way is delivered all the same.
    pub(super) fn set_window(&mut self, window: Amount) {
        self.book.set_window(window);
        self.settings.window = window;
        let Connection::Attached(attached) = &self.link else {
            return;
        };
        let (out, open) = (self.book.outstanding(), expected(&attached.puller));
        let fits = out.messages.saturating_add(open.messages) <= window.messages
            && out.bytes.saturating_add(open.bytes) <= window.bytes;
        if attached.puller.is_idle() || fits {
            return;
        }
        self.slot = None;
        let previous = std::mem::replace(&mut self.link, Connection::Detached);
        if let Some(closing) = previous.close() {
            self.link = Connection::Closing(closing);
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
        // Usually the connection is gone; where it is not, what was on its way is given back.
        if let Some(closing) = previous.close() {
            self.give_back_later(closing);
        }
    }

    /// The pulls that asked for too much have ended: takes what they brought, and attaches again.
    pub(super) fn closed(&mut self, left: Vec<Delivery>) {
        self.link = Connection::Detached;
        // An ordered read gets it again behind its last message.
        if !self.source.is_ordered() {
            self.held.extend(left);
        }
        self.reattach();
    }
}

pub(super) fn expected(puller: &Puller) -> Amount {
    Amount {
        messages: puller.expected_messages(),
        bytes: puller.expected_bytes(),
    }
}
