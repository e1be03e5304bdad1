//! The session of a consumer that is open: what was agreed, and when something was heard and said.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::draining::Draining;
use super::line::Line;
use super::{Arrived, LAST_ANSWERS, Phase, Shared, State};
use crate::connection::Served;
use crate::delivery::{Delivery, Source};
use crate::publisher::{HEARTBEAT, SILENCE, interval};
use crate::sync::lock;
use crate::v1::{self, ConsumeRequest};
use crate::wire::{ConsumeResponse, ReceivedMessage};

/// A gateway ends a session that it drains before that: it hears nothing of its caller any more.
const LONGEST_DRAIN: Duration = Duration::from_secs(600);

/// The session that is open.
pub(super) struct Session {
    /// None once everything is said.
    pub(super) sender: Option<mpsc::Sender<ConsumeRequest>>,
    pub(super) answers: Streaming<ConsumeResponse>,
    pub(super) number: u64,
    source: Arc<Source>,
    served: Option<Served>,
    has_acks: bool,
    ping_every: Duration,
    renew_every: Duration,
    pub(super) heard: Instant,
    pub(super) spoke: Instant,
    pub(super) said_drain: bool,
    /// Set once the gateway is about to end it.
    pub(super) draining: Option<Draining>,
}

impl Session {
    pub(super) fn new(line: Line, number: u64) -> Self {
        let Line {
            sender,
            answers,
            opened,
            served,
        } = line;
        let now = Instant::now();
        let ping_every = interval(opened.ping_within, 4 * HEARTBEAT) / 3;
        Self {
            sender: Some(sender),
            answers,
            number,
            served,
            has_acks: opened.ack_wait.is_some(),
            renew_every: interval(opened.ack_wait, ping_every) / 4,
            ping_every,
            source: Arc::new(Source {
                stream: opened.stream,
                consumer: opened.consumer,
            }),
            heard: now,
            spoke: now,
            said_drain: false,
            draining: None,
        }
    }

    /// When the gateway counts as gone.
    pub(super) fn silent_at(&self) -> Instant {
        self.heard + SILENCE
    }

    /// When a sign of life is due.
    pub(super) fn pings_at(&self) -> Instant {
        self.spoke + self.ping_every
    }

    /// What is called next goes to another gateway, where there is one.
    pub(super) fn pass_over(&self, shared: &Shared) {
        shared.client.connection().rest(self.served);
    }

    /// The gateway is about to end the session.
    pub(super) fn drains(&mut self, shared: &Shared, why: v1::DrainingReason) {
        if why == v1::DrainingReason::Shutdown {
            self.pass_over(shared);
        }
        let draining = || Draining::new(self.heard, self.renew_every);
        self.draining.get_or_insert_with(draining);
    }

    /// For how long another session may be opened with the tokens that are offered to it: they were renewed within the last
    /// quarter of `ack_wait`, and one more is for what is on its way.
    pub(super) fn offer_lasts(&self) -> Duration {
        2 * self.renew_every
    }

    /// Takes messages.
    pub(super) fn arrive(&self, shared: &Shared, messages: Vec<ReceivedMessage>) {
        let mut state = lock(&shared.state);
        let State {
            book,
            queue,
            phase,
            waker,
            ..
        } = &mut *state;
        for raw in messages {
            let key = self
                .has_acks
                .then(|| book.deliver(self.number, raw.delivery_id, raw.ack_token.clone()));
            if *phase == Phase::Receiving {
                queue.push_back(Arrived {
                    delivery: Delivery::new(raw, &self.source),
                    key,
                });
            } else if let Some(key) = key {
                book.give_back(key);
            }
        }
        let waker = waker.take();
        drop(state);
        waker.into_iter().for_each(std::task::Waker::wake);
    }

    /// Everything is with the next session: says no more, and lets the gateway end this one. Where the caller ended it, an
    /// ephemeral consumer would be deleted; the gateway that drains the session ends it by itself.
    pub(super) fn leave(self, is_ephemeral: bool) {
        let Self {
            sender,
            mut answers,
            ..
        } = self;
        let kept = sender.filter(|_| is_ephemeral);
        let longest = if is_ephemeral {
            LONGEST_DRAIN
        } else {
            LAST_ANSWERS
        };
        tokio::spawn(async move {
            let ended = async { while let Ok(Some(_)) = answers.message().await {} };
            let _ = timeout(longest, ended).await;
            drop(kept);
        });
    }
}
