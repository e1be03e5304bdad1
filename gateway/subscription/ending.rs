//! How a session ends, and what becomes of what it held.
//!
//! What was pulled and never sent is given back at once. What was sent is given back a little later
//! when the caller is gone, and stays the caller's when it is the gateway that ends: its tokens are
//! good on every replica, so a drain costs no delivery attempt.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use tokio::time::Instant;

use super::in_flight::{Entry, Key};
use super::terms::Terms;
use super::{Connection, Ending, Session, sleep_until};
use crate::deadline::Deadline;
use crate::error::{Error, Reason};
use crate::nats::{Nats, Settlement};
use crate::proto::subscribe_response::Event as Frame;
use crate::proto::{Draining, DrainingReason, OnSessionEnd, SubscribeResponse};
use crate::token::AckSubject;

/// What a vanished caller held is delivered again after this long, give or take half, so that many do
/// not come at once.
const HAND_OVER: Duration = Duration::from_secs(1);

/// How long giving back all that a session held may take.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// How much before the gateway's own end a session ends, at most.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What callers of a drained session are told to wait before the next.
const RETRY: Duration = Duration::from_millis(100);

impl Session {
    /// Brings the session to its end.
    pub(super) async fn finish(mut self, ending: Ending) {
        let started = Instant::now();
        self.stop_pulling().await;
        match ending {
            Ending::CallerGone => self.hand_over().await,
            Ending::Failed(error) => self.out.end(error),
            Ending::Draining => self.drain(started).await,
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
        let held = std::mem::take(&mut self.held).into_iter();
        let mut left: Vec<AckSubject> = held
            .filter(|(arrival, delivery)| !self.has_expired(*arrival, delivery))
            .map(|(_, delivery)| delivery.ack)
            .collect();
        if let Connection::Attached(mut attached) = std::mem::replace(&mut self.link, pending) {
            left.extend(
                attached
                    .puller
                    .close()
                    .await
                    .into_iter()
                    .map(|delivery| delivery.ack),
            );
        }
        give_back(&self.shared.nats, &self.facts.terms, left).await;
    }

    async fn hand_over(&mut self) {
        if self.settings.on_session_end == OnSessionEnd::Leave {
            return;
        }
        let terms = self.facts.terms.clone();
        let deadline = Deadline::within(GIVING_BACK);
        for (key, entry) in self.book.take_all() {
            // An expired delivery is not ours any more: the nak would hit whoever holds the message.
            if entry.deadline <= Instant::now() {
                continue;
            }
            let delay = match self.settings.on_session_end {
                OnSessionEnd::Nak => Duration::ZERO,
                _ => hand_over_delay(&terms),
            };
            let delivery = self.subject_of(key, entry);
            if !nak(&self.shared.nats, &terms, &delivery, delay, deadline).await {
                break;
            }
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

    /// No more messages; acknowledgements count until nothing is out or the time is up, which is a
    /// little before the gateway's own: the status must still reach the caller.
    async fn drain(&mut self, started: Instant) {
        let drain = self.shared.drain;
        let drain = drain - (drain / 10).min(LAST_WORDS);
        let until = started + drain;
        let draining = Frame::Draining(Draining {
            reason: DrainingReason::Shutdown as i32,
            deadline: Some(Timestamp::from(
                SystemTime::now() + drain - started.elapsed().min(drain),
            )),
        });
        // A caller that does not read keeps a drain from telling it, not from ending.
        let _ = tokio::time::timeout_at(
            until,
            self.out.send_later(SubscribeResponse {
                event: Some(draining),
            }),
        )
        .await;
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
                Some(notices) = self.registration.notices.recv() => {
                    notices.iter().for_each(|notice| self.note(notice));
                }
            }
        }
        let error = Error::new(
            Reason::Draining,
            "the gateway is shutting down; subscribe again",
        );
        self.out.end(error.retry_after(RETRY));
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
    let deadline = Deadline::within(GIVING_BACK.min(terms.ack_wait));
    for delivery in deliveries {
        if !nak(nats, terms, &delivery, Duration::ZERO, deadline).await {
            break;
        }
    }
}

/// Gives one delivery back; false where no more can be now, and the ack wait decides. A delivery at
/// `max_deliver` is left alone: JetStream gives a message up when its last is naked.
async fn nak(
    nats: &Nats,
    terms: &Terms,
    delivery: &AckSubject,
    delay: Duration,
    deadline: Deadline,
) -> bool {
    if terms.is_last(delivery.delivered) {
        return true;
    }
    let delay = terms.nak_delay(delivery.delivered, delay, false);
    let sent = nats
        .settle(delivery, &Settlement::Nak(delay), false, deadline)
        .await;
    if let Err(error) = &sent {
        tracing::debug!(%error, "could not give messages back, their ack wait decides");
    }
    sent.is_ok()
}

fn hand_over_delay(terms: &Terms) -> Duration {
    HAND_OVER
        .mul_f64(0.5 + fastrand::f64())
        .min(terms.ack_wait / 2)
}
