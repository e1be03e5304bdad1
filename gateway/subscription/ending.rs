//! How a session ends, and what becomes of what it held.
//!
//! What was pulled and never sent is given back at once. What was sent is given back a little later
//! when the caller is gone, and stays the caller's when it is the gateway that ends: its tokens are
//! good on every replica, so a drain costs no delivery attempt.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use tokio::time::Instant;
use tonic::Status;

use super::in_flight::{Entry, Key};
use super::terms::Terms;
use super::{Connection, Ending, Session, sleep_until};
use crate::deadline::Deadline;
use crate::error::{Error, Reason};
use crate::nats::pull::Delivery;
use crate::nats::{Nats, Settlement};
use crate::proto::subscribe_response::Event as Frame;
use crate::proto::{Draining, DrainingReason, OnSessionEnd, SubscribeResponse};
use crate::token::AckSubject;

/// What a vanished caller held is delivered again after this long, give or take half, so that many do
/// not come at once.
const HAND_OVER: Duration = Duration::from_secs(1);

/// How long sending one nak may take.
const NAK: Duration = Duration::from_secs(2);

/// What callers of a drained session are told to wait before the next.
const RETRY: Duration = Duration::from_millis(100);

impl Session {
    /// Brings the session to its end.
    pub(super) async fn finish(mut self, ending: Ending) {
        self.stop_pulling().await;
        match ending {
            Ending::CallerGone => self.hand_over().await,
            Ending::Failed(error) => {
                let _ = self.out.send(Err(Status::from(error))).await;
            }
            Ending::Draining => self.drain().await,
        }
        if self.source.is_ordered() {
            let (nats, stream) = (&self.shared.nats, self.source.stream());
            super::source::delete(nats, stream, &self.facts.consumer).await;
        }
    }

    async fn stop_pulling(&mut self) {
        self.slot = None;
        self.probe = None;
        let pending = Connection::Attaching(Box::pin(std::future::pending()));
        let mut left: Vec<Delivery> = std::mem::take(&mut self.held).into();
        if let Connection::Attached(attached) = std::mem::replace(&mut self.link, pending) {
            left.extend(attached.puller.close().await);
        }
        let left = left.into_iter().map(|left| left.ack);
        give_back(&self.shared.nats, &self.facts.terms, left).await;
    }

    async fn hand_over(&mut self) {
        let terms = self.facts.terms.clone();
        self.book.expire(Instant::now());
        for (key, entry) in self.book.take_all() {
            let delay = match self.settings.on_session_end {
                OnSessionEnd::Leave => continue,
                OnSessionEnd::Nak => Duration::ZERO,
                _ => hand_over_delay(&terms),
            };
            let delivery = self.subject_of(key, entry);
            nak(&self.shared.nats, &terms, &delivery, delay).await;
        }
    }

    /// JetStream finds a message by its stream sequence; the other numbers must only be plausible.
    fn subject_of(&self, key: Key, entry: Entry) -> AckSubject {
        AckSubject {
            domain: None,
            account_hash: None,
            stream: self.source.stream().to_string(),
            consumer: self.facts.consumer.to_string(),
            delivered: entry.attempt,
            stream_sequence: key.stream_sequence,
            consumer_sequence: key.consumer_sequence,
            timestamp: 0,
            pending: 0,
        }
    }

    /// No more messages; acknowledgements count until nothing is out or the time is up.
    async fn drain(&mut self) {
        let until = Instant::now() + self.shared.drain;
        let draining = Frame::Draining(Draining {
            reason: DrainingReason::Shutdown as i32,
            deadline: Some(Timestamp::from(SystemTime::now() + self.shared.drain)),
        });
        // A caller that does not read keeps a drain from telling it, not from ending.
        let telling = self.out.send(Ok(SubscribeResponse {
            event: Some(draining),
        }));
        let _ = tokio::time::timeout_at(until, telling).await;
        loop {
            self.book.expire(Instant::now());
            if self.book.is_empty() {
                break;
            }
            let next_expiry = self.book.next_expiry();
            tokio::select! {
                () = self.out.closed() => return,
                () = tokio::time::sleep_until(until) => break,
                () = sleep_until(next_expiry) => {}
                Some(notice) = self.registration.notices.recv() => self.note(notice),
            }
        }
        let error = Error::new(
            Reason::Draining,
            "the gateway is shutting down; subscribe again",
        );
        let last = self.out.send(Err(error.retry_after(RETRY).into()));
        let _ = tokio::time::timeout_at(until, last).await;
    }
}

/// Gives back at once what never reached a caller.
pub(super) async fn give_back(
    nats: &Nats,
    terms: &Terms,
    deliveries: impl IntoIterator<Item = AckSubject>,
) {
    if !terms.has_acks() {
        return;
    }
    for delivery in deliveries {
        nak(nats, terms, &delivery, Duration::ZERO).await;
    }
}

/// A delivery at `max_deliver` is left alone: JetStream gives a message up when its last is naked.
async fn nak(nats: &Nats, terms: &Terms, delivery: &AckSubject, delay: Duration) {
    if terms.is_last(delivery.delivered) {
        return;
    }
    let delay = terms.nak_delay(delivery.delivered, delay, false);
    let sent = nats
        .settle(
            delivery,
            &Settlement::Nak(delay),
            false,
            Deadline::within(NAK),
        )
        .await;
    if let Err(error) = sent {
        tracing::debug!(%error, "could not give a message back, its ack wait decides");
    }
}

fn hand_over_delay(terms: &Terms) -> Duration {
    HAND_OVER
        .mul_f64(0.5 + fastrand::f64())
        .min(terms.ack_wait / 2)
}
