//! One batch from a consumer: pull, wait, return what there is.
//!
//! It runs in a task of its own: a caller that vanishes in the middle gets nothing, and what was
//! pulled for it is given back at once.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Shared;
use super::ending::give_back;
use super::labels::{self, Labeller};
use super::pulling::{LARGEST_PULL, PULL_HEARTBEAT};
use super::source::{Attached, Source};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::pull::{Ask, Delivery, End, Event};
use crate::proto::{FetchResponse, PayloadFormat};
use crate::token::{AckSubject, Route};

/// The pause before asking again after a refusal that may pass.
const PAUSE: Duration = Duration::from_millis(50);

/// What a caller asked for, checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// At most this many messages.
    pub batch: u32,
    /// Until when to wait for them.
    pub wait: Deadline,
    /// Until when to have attached to the consumer.
    pub deadline: Deadline,
    /// Take only what is there.
    pub no_wait: bool,
    /// At most this many bytes of messages.
    pub max_bytes: Option<u64>,
    /// The largest response.
    pub max_response_bytes: u64,
    /// In which field payloads are returned.
    pub format: PayloadFormat,
}

/// Fetches a batch.
pub async fn fetch(shared: Shared, source: Source, request: Request) -> Result<FetchResponse> {
    let (answer, answered) = oneshot::channel();
    let tasks = shared.sessions.tasks().clone();
    tasks.spawn(async move { Fetch::run(shared, source, request, answer).await });
    answered
        .await
        .unwrap_or_else(|_| Err(Error::new(Reason::Internal, "the fetch was lost")))
}

struct Fetch {
    shared: Shared,
    source: Source,
    request: Request,
    attached: Box<Attached>,
    batch: Vec<Delivery>,
    /// The next message is larger than the bytes there are.
    oversized: bool,
}

impl Fetch {
    async fn run(
        shared: Shared,
        source: Source,
        request: Request,
        mut answer: oneshot::Sender<Result<FetchResponse>>,
    ) {
        let (mut fetch, account) = match Self::open(shared, source, request).await {
            Ok(opened) => opened,
            Err(error) => {
                let _ = answer.send(Err(error));
                return;
            }
        };
        let draining = fetch.shared.sessions.draining().clone();
        let ended = tokio::select! {
            ended = fetch.collect() => ended,
            () = draining.cancelled() => Ok(()),
            () = answer.closed() => Ok(()),
        };
        fetch.finish(ended, account, answer).await;
    }

    async fn open(shared: Shared, mut source: Source, request: Request) -> Result<(Self, u32)> {
        let account = shared.nats.account(request.deadline).await?;
        let mut attached = source.attach_first(&shared.nats, request.deadline).await?;
        let batch = std::mem::take(&mut attached.suspects);
        let fetch = Self {
            shared,
            source,
            request,
            attached,
            batch,
            oversized: false,
        };
        Ok((fetch, account))
    }

    /// Collects until the batch is full, the time is up or nothing more can come. An error counts only
    /// while there is nothing to return.
    async fn collect(&mut self) -> Result<()> {
        while self.wanted() > 0 {
            if self.attached.puller.is_idle() {
                if !self.batch.is_empty() && (self.oversized || self.request.no_wait) {
                    return Ok(());
                }
                self.pull().await?;
            }
            let Ok(event) = self.request.wait.bound(self.attached.puller.next()).await else {
                return Ok(());
            };
            if !self.take(event).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes an event; whether to go on.
    async fn take(&mut self, event: Event) -> Result<bool> {
        match event {
            Event::Message(delivery) => {
                self.oversized = false;
                self.source.passed(&delivery.ack);
                self.batch.push(delivery);
                // What one pull without waiting brings is what was there.
                Ok(!self.request.no_wait || !self.attached.puller.is_idle())
            }
            Event::Idle(_) | Event::Silent => Ok(true),
            Event::Ended(End::Expired) => Ok(!self.request.no_wait),
            Event::Ended(End::TooLarge) => {
                self.oversized = true;
                Ok(true)
            }
            Event::Ended(End::Moved | End::NoResponders | End::MaxWaiting) => {
                tokio::time::sleep(PAUSE).await;
                Ok(true)
            }
            Event::Ended(End::Deleted | End::PushBased) | Event::Lost => {
                self.attach_again().await?;
                Ok(true)
            }
            Event::Ended(End::Denied) => {
                let text = "the gateway's NATS user may not pull from this consumer";
                Err(Error::new(Reason::NatsPermissionDenied, text))
            }
            Event::Ended(End::Refused(text)) => Err(Error::new(Reason::RejectedByJetstream, text)),
        }
    }

    /// The connection broke, or the consumer is gone: attaching tells.
    async fn attach_again(&mut self) -> Result<()> {
        let attaching = self.source.attach(&self.shared.nats, Duration::ZERO);
        let attached = self.request.wait.bound(attaching).await;
        let late = || Error::new(Reason::NatsDisconnected, "the connection to NATS broke");
        self.attached = attached.map_err(|_| late())??;
        self.source.attached(&self.attached.facts);
        self.batch.append(&mut self.attached.suspects);
        Ok(())
    }

    async fn pull(&mut self) -> Result<()> {
        let slot = self.attached.facts.slot.clone().acquire();
        let Ok(slot) = self.request.wait.bound(slot).await else {
            return Ok(());
        };
        let terms = &self.attached.facts.terms;
        let wait = self.request.wait.remaining().max(Duration::from_millis(1));
        let expires = terms.max_expires.map_or(wait, |most| wait.min(most));
        let room = self.room();
        let alone = self.oversized || self.attached.is_private;
        let ask = Ask {
            messages: if alone {
                1
            } else {
                self.wanted().min(LARGEST_PULL)
            }
            .min(terms.max_batch.unwrap_or(u32::MAX)),
            bytes: (!self.oversized).then(|| terms.max_bytes.map_or(room, |most| room.min(most))),
            expires,
            no_wait: self.request.no_wait,
            heartbeat: (expires > 2 * PULL_HEARTBEAT).then_some(PULL_HEARTBEAT),
        };
        let sent = self.attached.puller.pull(&ask, Some(slot)).await;
        if sent.is_err() {
            self.attach_again().await?;
        }
        Ok(())
    }

    /// How many more messages fit, by number.
    fn wanted(&self) -> u32 {
        let most = (self.request.max_response_bytes / 2 / labels::OVERHEAD).max(1);
        let most = self.request.batch.min(most.try_into().unwrap_or(u32::MAX));
        let full = self.room() == 0 && !self.batch.is_empty();
        if full {
            0
        } else {
            most.saturating_sub(self.batch.len().try_into().unwrap_or(u32::MAX))
        }
    }

    /// How many more bytes of messages fit.
    fn room(&self) -> u64 {
        let messages = self.batch.len() as u64 + u64::from(self.request.batch);
        let overhead = (messages * labels::OVERHEAD).min(self.request.max_response_bytes / 2);
        let most = self.request.max_response_bytes - overhead;
        let most = self.request.max_bytes.map_or(most, |bytes| bytes.min(most));
        most.saturating_sub(self.batch.iter().map(|delivery| delivery.size).sum())
    }

    async fn finish(
        self,
        ended: Result<()>,
        account: u32,
        answer: oneshot::Sender<Result<FetchResponse>>,
    ) {
        let Self {
            shared,
            request,
            attached,
            batch,
            ..
        } = self;
        let terms = attached.facts.terms.clone();
        let acks = |batch: Vec<Delivery>| batch.into_iter().map(|delivery| delivery.ack);
        if attached.puller.is_idle() {
            drop(attached.puller);
        } else {
            give_back(&shared.nats, &terms, acks(attached.puller.close().await)).await;
        }
        if answer.is_closed() {
            return give_back(&shared.nats, &terms, acks(batch)).await;
        }
        if let (true, Err(error)) = (batch.is_empty(), ended) {
            let _ = answer.send(Err(error));
            return;
        }
        shared.metrics.messages_delivered(batch.len() as u64);
        let taken: Vec<AckSubject> = batch.iter().map(|delivery| delivery.ack.clone()).collect();
        let mut labeller = Labeller::new(account, Route::default());
        let label = |delivery| labeller.label(delivery, &terms, request.format);
        let response = FetchResponse {
            messages: batch.into_iter().map(label).collect(),
        };
        // The caller may leave at this very moment.
        if answer.send(Ok(response)).is_err() {
            give_back(&shared.nats, &terms, taken).await;
        }
    }
}
