//! One batch from a consumer: pull, wait, return what there is.
//!
//! It runs in a task of its own: a caller that vanishes in the middle gets nothing, and what was
//! pulled for it is given back at once.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::ending::give_back;
use super::in_flight::Amount;
use super::labels::{self, Labeller, Now};
use super::memory::cost;
use super::pulling::{LARGEST_PULL, PULL_HEARTBEAT};
use super::source::{Attached, Durable, Source};
use super::{Shared, permit};
use crate::auth::Access;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::memory::{Appetite, Hold, Room, portion};
use crate::nats::Account;
use crate::nats::pull::{Ask, Delivery, End, Event};
use crate::proto::{FetchResponse, PayloadFormat};
use crate::token::{AckSubject, Route};
use crate::traces::Trace;

/// The pause before asking again after a refusal that may pass.
const PAUSE: Duration = Duration::from_millis(50);

/// How much before its caller a pull stops waiting, at most.
const HEAD_START: Duration = Duration::from_millis(100);

/// What a caller asked for, checked.
#[derive(Clone)]
pub struct Request {
    /// What the caller may do.
    pub access: Access,
    /// The call's trace.
    pub trace: Trace,
    /// At most this many messages.
    pub batch: u32,
    /// Until when to wait for them.
    pub wait: Deadline,
    /// Until when to have attached to the consumer.
    pub deadline: Deadline,
    /// Until when to have answered.
    pub answer_by: Deadline,
    /// Take only what is there.
    pub no_wait: bool,
    /// At most this many bytes of messages.
    pub max_bytes: Option<u64>,
    /// The largest response.
    pub max_response_bytes: u64,
    /// In which field payloads are returned.
    pub format: PayloadFormat,
}

/// Fetches a batch, with the room that it takes until it is written.
pub async fn fetch(
    shared: Shared,
    durable: Durable,
    request: Request,
) -> Result<(FetchResponse, Hold)> {
    permit::may_read(
        &request.access,
        durable.stream.as_str(),
        durable.consumer.as_str(),
    )?;
    let source = Source::Durable(Box::new(durable));
    let (answer, answered) = oneshot::channel();
    let tasks = shared.sessions.tasks().clone();
    let fetching = async move { Fetch::run(shared, source, request, answer).await };
    tasks.spawn(fetching.in_current_span());
    answered
        .await
        .unwrap_or_else(|_| Err(Error::new(Reason::Internal, "the fetch was lost")))
}

struct Fetch {
    shared: Shared,
    source: Source,
    request: Request,
    attached: Box<Attached>,
    /// With the times of arrival.
    batch: Vec<(Instant, Delivery)>,
    room: Room,
    /// The next message is larger than the bytes there are.
    oversized: bool,
}

impl Fetch {
    async fn run(
        shared: Shared,
        source: Source,
        request: Request,
        mut answer: oneshot::Sender<Result<(FetchResponse, Hold)>>,
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
            biased;
            ended = fetch.collect() => ended,
            () = draining.cancelled() => Ok(()),
            () = answer.closed() => Ok(()),
        };
        fetch.finish(ended, account, answer).await;
    }

    async fn open(shared: Shared, mut source: Source, request: Request) -> Result<(Self, Account)> {
        let account = shared.nats.account(request.deadline).await?;
        let mut attached = source.attach_first(&shared.nats, request.deadline).await?;
        permit::may_attach(&request.access, source.stream(), &attached.facts)?;
        let batch = arriving(std::mem::take(&mut attached.suspects)).collect();
        let fetch = Self {
            room: shared.budget.room(),
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
            let wait = self.wait();
            let next = self.attached.puller.next_unless_lost();
            let Ok(event) = wait.bound(next).await else {
                return Ok(());
            };
            // A pull that is lost is made anew.
            let Some(event) = event else { continue };
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
                self.batch.push((Instant::now(), delivery));
                // What one pull without waiting brings is what was there.
                Ok(!self.request.no_wait || !self.attached.puller.is_idle())
            }
            Event::Idle(_) | Event::Ended(End::PinLost) => Ok(true),
            // Something may still be on its way.
            Event::Ended(End::Expired | End::Complete) if self.request.no_wait => {
                Ok(!self.attached.puller.is_idle())
            }
            Event::Ended(End::Expired) if self.wait().remaining() > HEAD_START => Ok(true),
            Event::Ended(End::Expired) => {
                // Too little is left for another pull; the caller waits as long as it asked for.
                tokio::time::sleep_until(self.wait().instant()).await;
                Ok(false)
            }
            Event::Ended(End::Complete) => Ok(true),
            Event::Ended(End::TooLarge(_)) => {
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
        self.source.lost();
        let attaching = self.source.attach(&self.shared.nats, Duration::ZERO);
        let attached = self.request.wait.bound(attaching).await;
        let late = || Error::new(Reason::NatsDisconnected, "the connection to NATS broke");
        self.attached = attached.map_err(|_| late())??;
        self.source.attached(&self.attached.facts);
        permit::may_attach(
            &self.request.access,
            self.source.stream(),
            &self.attached.facts,
        )?;
        let suspects = std::mem::take(&mut self.attached.suspects);
        self.batch.extend(arriving(suspects));
        Ok(())
    }

    async fn pull(&mut self) -> Result<()> {
        let slot = self.attached.facts.slot.clone().acquire();
        let Ok(slot) = self.request.wait.bound(slot).await else {
            return Ok(());
        };
        let facts = self.attached.facts.clone();
        let terms = &facts.terms;
        // A little less than the caller waits: the pull's own end says that nothing is on its way.
        let wait = self.wait().remaining();
        let wait = (wait - (wait / 10).min(HEAD_START)).max(Duration::from_millis(1));
        let expires = terms.max_expires.map_or(wait, |most| wait.min(most));
        let space = self.space();
        let alone = self.oversized || self.attached.one_by_one;
        let messages = if alone {
            1
        } else {
            self.wanted().min(LARGEST_PULL)
        };
        let wanted = Amount {
            messages: messages.min(terms.max_batch.unwrap_or(u32::MAX)),
            bytes: terms.max_bytes.map_or(space, |most| space.min(most)),
        };
        let asked = self.take_memory(wanted);
        let ask = Ask {
            messages: asked.messages,
            bytes: (!self.oversized).then_some(asked.bytes),
            expires,
            no_wait: self.request.no_wait,
            heartbeat: (expires > 2 * PULL_HEARTBEAT).then_some(PULL_HEARTBEAT),
            place: facts.seat.as_ref().map(|it| it.place.clone()),
        };
        let sent = self.attached.puller.pull(&ask, Some(slot)).await;
        if sent.is_err() {
            self.attach_again().await?;
        }
        Ok(())
    }

    /// Takes room in memory for a pull beside what is collected, as far as there is; how much it may ask for.
    fn take_memory(&mut self, wanted: Amount) -> Amount {
        let appetite = match self.attached.facts.pending {
            0 => Appetite::Small,
            _ => Appetite::Large,
        };
        let taken = cost(self.collected());
        let all = self.room.grow(taken + cost(wanted), appetite);
        let (messages, bytes) = portion(all.saturating_sub(taken), wanted.messages, wanted.bytes);
        Amount { messages, bytes }
    }

    fn collected(&self) -> Amount {
        Amount {
            messages: self.batch.len().try_into().unwrap_or(u32::MAX),
            bytes: self.batch.iter().map(|(_, it)| it.size).sum(),
        }
    }

    /// Until when to wait: a message that waits for others loses no more than half of its lease.
    fn wait(&self) -> Deadline {
        let terms = &self.attached.facts.terms;
        let Some((arrival, delivery)) = self.batch.first().filter(|_| terms.has_acks()) else {
            return self.request.wait;
        };
        let half = terms.lease(delivery.ack.delivered) / 2;
        self.request
            .wait
            .at_most(half.saturating_sub(arrival.elapsed()))
    }

    /// How many more messages fit, by number.
    fn wanted(&self) -> u32 {
        let most = (self.request.max_response_bytes / 2 / labels::LIGHTEST).max(1);
        let most = self.request.batch.min(most.try_into().unwrap_or(u32::MAX));
        let full = self.space() == 0 && !self.batch.is_empty();
        if full {
            0
        } else {
            most.saturating_sub(self.batch.len().try_into().unwrap_or(u32::MAX))
        }
    }

    /// How many more bytes of messages fit, beside what the messages still wanted take at least.
    fn space(&self) -> u64 {
        let largest = self.request.max_response_bytes;
        let wanted = u64::from(self.request.batch).saturating_sub(self.batch.len() as u64);
        let overhead = (wanted * labels::LIGHTEST).min(largest / 2);
        let taken: u64 = self.batch.iter().map(|(_, it)| labels::weight(it)).sum();
        let space = largest.saturating_sub(overhead + taken);
        let taken = self.collected().bytes;
        self.request
            .max_bytes
            .map_or(space, |most| space.min(most.saturating_sub(taken)))
    }

    /// What the response has room for; the rest is given back.
    fn cut(&mut self) -> Vec<(Instant, Delivery)> {
        let mut bytes = 0;
        let fits = |(_, delivery): &(Instant, Delivery)| {
            bytes += labels::weight(delivery);
            bytes <= self.request.max_response_bytes
        };
        let fitting = self.batch.iter().map(fits).take_while(|fits| *fits).count();
        self.batch.split_off(fitting.max(1).min(self.batch.len()))
    }

    async fn finish(
        mut self,
        ended: Result<()>,
        account: Account,
        answer: oneshot::Sender<Result<(FetchResponse, Hold)>>,
    ) {
        let nats = self.shared.nats.clone();
        let terms = self.attached.facts.terms.clone();
        let acks = |batch: Vec<(Instant, Delivery)>| batch.into_iter().map(|(_, it)| it.ack);
        if !self.attached.puller.is_idle() {
            // What came at the last moment belongs to the batch, too.
            let closing = self.attached.puller.close_by(self.request.answer_by);
            let last = closing.await;
            self.batch.extend(arriving(last));
        }
        if answer.is_closed() {
            let late = arriving(self.attached.puller.close().await);
            return give_back(
                &nats,
                &terms,
                acks(self.batch.into_iter().chain(late).collect()),
            )
            .await;
        }
        if let (true, Err(error)) = (self.batch.is_empty(), ended) {
            let _ = answer.send(Err(error));
            let late = arriving(self.attached.puller.close().await);
            return give_back(&nats, &terms, acks(late.collect())).await;
        }
        let left = self.cut();
        let hold = self.room.part_with(cost(self.collected()));
        let attempts = self.batch.iter().map(|(_, it)| it.ack.delivered);
        self.shared.metrics.consuming.delivered(attempts);
        let mut taken: Vec<AckSubject> = self.batch.iter().map(|(_, it)| it.ack.clone()).collect();
        let trace = self.request.trace.clone();
        let mut labeller = Labeller::new(account, Route::default(), trace);
        let format = self.request.format;
        let now = Now::read();
        let label = |(arrival, it)| labeller.label(it, (arrival, now), &terms, format);
        let seat = self.attached.facts.seat.as_ref();
        let pin = seat.and_then(|seat| seat.pin.as_ref()?.id());
        let response = FetchResponse {
            pin_id: pin.as_deref().unwrap_or_default().to_owned(),
            messages: self.batch.into_iter().map(label).collect(),
        };
        // The caller may leave at this very moment.
        if answer.send(Ok((response, hold))).is_ok() {
            taken.clear();
        }
        // What came too late for the answer is given back behind it.
        let late = arriving(self.attached.puller.close().await);
        let left = acks(left.into_iter().chain(late).collect());
        give_back(&nats, &terms, taken.into_iter().chain(left)).await;
    }
}

fn arriving(deliveries: Vec<Delivery>) -> impl Iterator<Item = (Instant, Delivery)> {
    let now = Instant::now();
    deliveries.into_iter().map(move |delivery| (now, delivery))
}
