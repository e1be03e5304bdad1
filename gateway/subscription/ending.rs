//! How a session ends, and what becomes of what it held.
//!
//! What was pulled and never sent is given back at once. What was sent is given back a little later
//! when the caller is gone, and stays the caller's when it is the gateway that ends: its tokens are
//! good on every replica, so a drain costs no delivery attempt.

use std::time::Duration;

use prost_types::Timestamp;
use tokio::time::{Instant, timeout};

use super::frame::Frame;
use super::link::Closing;
use super::terms::Terms;
use super::{Connection, Session};
use crate::auth::expired;
use crate::clock;
use crate::deadline::Deadline;
use crate::error::{Error, Reason};
use crate::nats::{Nats, Settlement};
use crate::proto::{Draining, DrainingReason, OnSessionEnd};
use crate::token::AckSubject;

/// What a vanished caller held is delivered again after this long, give or take half, so that many do
/// not come at once.
const HAND_OVER: Duration = Duration::from_secs(1);

/// How long giving back all that a session held may take.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// How long settlements that are under way may take when a session ends, and their answers.
const LAST_SETTLEMENTS: Duration = Duration::from_secs(5);

/// How long a caller whose time is up may take to hear so.
const FAREWELL: Duration = Duration::from_millis(100);

/// How much before the end of its time a session ends, at most: the gateway's own may come then.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What callers of a drained session are told to wait before the next.
const RETRY: Duration = Duration::from_millis(100);

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The connection to the caller broke, or the caller cancelled.
    CallerGone,
    /// The caller has said its last word.
    HalfClosed,
    /// The caller asked for no more messages, and nothing is outstanding.
    Done,
    /// A bounded read has come to its end.
    Complete,
    /// The gateway ends the session, and either all is settled or the time is up.
    Drained,
    /// The caller broke the protocol.
    Refused(Error),
    /// There is nothing to consume any more.
    Failed(Error),
}

/// What a session still does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Delivering,
    /// The caller wants no more messages: settlements only, until nothing is outstanding.
    Leaving,
    /// The gateway ends the session: settlements only, until nothing is outstanding or this moment.
    Draining(Instant),
}

impl Session {
    /// No more messages, as the caller wants it.
    pub(super) async fn leave(&mut self) {
        if self.phase == Phase::Delivering {
            Box::pin(self.stop_pulling()).await;
            self.phase = Phase::Leaving;
        }
    }

    /// No more messages; settlements count until nothing is out or the time is up, which is a little
    /// before the gateway's own: the status must still reach the caller. A session that is drained
    /// already is at most given less time.
    pub(super) async fn drain(&mut self, reason: DrainingReason, grace: Duration) {
        let grace = before_the_end(grace);
        let (until, deadline) = (Instant::now() + grace, clock::now() + grace);
        if let Phase::Draining(before) = self.phase {
            self.phase = Phase::Draining(until.min(before));
            return;
        }
        if self.phase == Phase::Delivering {
            // Boxed: sessions that wait need not keep the room that ending takes.
            Box::pin(self.stop_pulling()).await;
        }
        self.phase = Phase::Draining(until);
        self.answers.push_back(Frame::Draining(Draining {
            reason: reason as i32,
            deadline: Some(Timestamp::from(deadline)),
            resume_token: self.resume_token(),
        }));
    }

    /// How the session ends now that it delivers nothing more, if it does.
    pub(super) fn settled_ending(&self) -> Option<Ending> {
        let is_settled = self.book.is_empty() && self.settling.is_idle() && self.answers.is_empty();
        match self.phase {
            Phase::Leaving if is_settled => Some(Ending::Done),
            Phase::Draining(until) if is_settled || until <= Instant::now() => {
                Some(Ending::Drained)
            }
            _ => None,
        }
    }

    /// Brings the session to its end.
    pub(super) async fn finish(mut self: Box<Self>, ending: Ending) {
        if self.phase == Phase::Delivering {
            self.stop_pulling().await;
        }
        // A session that the gateway ends leaves everything to its caller.
        let is_drained = matches!(self.phase, Phase::Draining(_));
        // An ephemeral consumer stays for a caller that may want to go on, and does where it was told to.
        let is_over = matches!(ending, Ending::HalfClosed | Ending::Done | Ending::Complete);
        let has_consumer_to_delete =
            self.source.is_ordered() || (self.source.is_ephemeral() && is_over && !is_drained);
        let _ = match ending {
            // Without grace nothing was said yet, not even that it ends.
            Ending::Drained => timeout(FAREWELL, self.answer_last()).await,
            _ => timeout(LAST_SETTLEMENTS, self.settle_last()).await,
        };
        if !is_drained && !matches!(ending, Ending::Failed(_)) {
            self.hand_over().await;
        }
        self.out.end(match ending {
            Ending::HalfClosed | Ending::Done | Ending::Complete => Ok(()),
            Ending::Refused(error) | Ending::Failed(error) => Err(error),
            Ending::Drained if self.registration.ending().is_cancelled() => {
                Err(self.registration.order().error)
            }
            Ending::Drained if self.is_expiring => Err(expired()),
            Ending::Drained => Err(too_old()),
            // Nobody reads it.
            Ending::CallerGone => Ok(()),
        });
        if has_consumer_to_delete {
            let (nats, stream) = (&self.shared.nats, self.source.stream());
            super::source::delete(nats, stream, &self.facts.consumer).await;
        }
    }

    async fn stop_pulling(&mut self) {
        self.slot = None;
        self.probe = None;
        self.is_outdated = false;
        let (held, now) = (self.held.take(), Instant::now());
        let mut left: Vec<AckSubject> = held
            .into_iter()
            .filter(|(arrival, delivery)| !self.has_expired(*arrival, delivery, now))
            .map(|(_, delivery)| delivery.ack)
            .collect();
        let previous = std::mem::replace(&mut self.link, Connection::Detached);
        match previous.close() {
            // The pulls take their time, which the caller need not wait for.
            Some(closing) if self.shared.nats.is_imported() => self.give_back_later(closing),
            Some(closing) => left.extend(closing.await.into_iter().map(|delivery| delivery.ack)),
            None => {}
        }
        give_back(&self.shared.nats, &self.facts.terms, left).await;
        if let Some(seat) = &self.facts.seat {
            let (nats, stream) = (&self.shared.nats, self.source.stream());
            seat.leave(nats, stream, &self.facts.consumer).await;
        }
    }

    /// Gives back, beside the session, what its pulls bring until they have ended.
    pub(super) fn give_back_later(&self, closing: Closing) {
        let (nats, terms) = (self.shared.nats.clone(), self.facts.terms.clone());
        self.shared.sessions.tasks().spawn(async move {
            let began = Instant::now();
            let left = closing.await;
            // After that what came first may be somebody else's.
            if began.elapsed() < terms.ack_wait {
                give_back(&nats, &terms, left.into_iter().map(|left| left.ack)).await;
            }
        });
    }

    /// Brings settlements that are under way to their end, and their answers to a caller that reads.
    async fn settle_last(&mut self) {
        while !self.settling.is_idle() {
            self.settling.advance().await;
            self.note_settled();
        }
        self.answer_last().await;
    }

    async fn answer_last(&mut self) {
        while let Some(answer) = self.answers.pop_front() {
            self.out.send_later(answer).await;
        }
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
            let delivery = self.ack_subject(key, entry.attempt);
            if !nak(&self.shared.nats, &terms, &delivery, delay, deadline).await {
                break;
            }
        }
    }
}

/// The error of a session that has reached its greatest age.
fn too_old() -> Error {
    let text = "the session is too old; open another";
    Error::new(Reason::Draining, text).retry_after(RETRY)
}

fn before_the_end(drain: Duration) -> Duration {
    drain - (drain / 10).min(LAST_WORDS)
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
