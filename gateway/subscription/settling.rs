//! What a `Consume` settles: each frame's items, what became of them, and the frame's answer.
//!
//! Settlements without `confirm` go through the outbox and change the book at once; those with it run
//! beside the session and change the book when JetStream has answered.

mod plan;
mod results;

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::Instant;

use super::acknowledge::{self, CONCURRENT, LARGEST_BATCH};
use super::in_flight::{Found, Key};
use super::outbox::{Fate, Outbox, Outgoing};
use super::{Ending, Session};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Metrics, SettlementKind, SettlementOutcome};
use crate::nats::{Connection, Settlement};
use crate::proto::{AckPolicy, Acknowledgement, ItemStatus, SettleFrame};
use plan::{Own, Plan};
use results::Results;
pub(super) use results::Ticket;

/// How long a confirmation may take, and how long a settlement of an expired delivery is kept.
const CONFIRMATION: Duration = Duration::from_secs(5);

/// Frames that run beside the session at a time; more are read when some are done.
const MOST_BESIDE: usize = 64;

/// What of a caller's settlements is under way.
pub(super) struct Settling {
    outbox: Outbox<Ticket>,
    beside: FuturesUnordered<BoxFuture<'static, Vec<Done>>>,
    done: Vec<Done>,
    results: Results,
}

/// What became of a settlement that ran beside the session.
enum Done {
    /// One of the session's own deliveries.
    Own {
        ticket: Ticket,
        found: Found,
        settlement: Settlement,
        outcome: Result<()>,
    },
    /// An item about another delivery.
    Other(Ticket, ItemStatus),
}

impl Settling {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            outbox: Outbox::new(connection),
            beside: FuturesUnordered::new(),
            done: Vec::new(),
            results: Results::default(),
        }
    }

    /// Whether further frames can be taken. While NATS is away they are: what cannot be kept then fails.
    pub(super) fn keeps_up(&self) -> bool {
        let is_behind = self.outbox.len() >= LARGEST_BATCH && self.outbox.is_connected();
        self.beside.len() < MOST_BESIDE && !is_behind
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.outbox.len() == 0 && self.beside.is_empty() && self.done.is_empty()
    }

    /// Waits until something becomes of a settlement. Safe to drop while it waits.
    pub(super) async fn advance(&mut self) {
        tokio::select! {
            biased;
            () = self.outbox.advance() => {}
            Some(done) = self.beside.next() => self.done.extend(done),
        }
    }
}

impl Session {
    /// Takes a frame of settlements.
    pub(super) fn settle(&mut self, frame: SettleFrame) -> Result<(), Ending> {
        let SettleFrame {
            settle_id,
            acknowledgements,
            confirm,
        } = frame;
        let items = acknowledgements.len();
        if items == 0 || items > LARGEST_BATCH {
            let text = "must have from 1 to 10,000 items";
            let error = Error::invalid("settle.acknowledgements", text);
            return Err(Ending::Refused(error));
        }
        self.book.answered();
        let frame = self.settling.results.begin(settle_id, confirm, items);
        let mut beside = Vec::new();
        let mut others = Vec::new();
        for (item, acknowledgement) in acknowledgements.into_iter().enumerate() {
            let ticket = Ticket { frame, item };
            match self.plan(&acknowledgement) {
                Err(error) => self.settling.results.fail(ticket, error),
                Ok(Plan::Other) => others.push((ticket, acknowledgement)),
                Ok(Plan::Own(mut own)) => {
                    self.begin(ticket, &mut own);
                    self.note_begun(&own);
                    for found in own.deliveries {
                        let settlement = self.corrected(&own.settlement, found);
                        match confirm {
                            true => beside.push((ticket, found, settlement)),
                            false => self.post(ticket, found, settlement),
                        }
                    }
                }
            }
        }
        self.confirm(beside);
        self.settle_others(others, confirm);
        self.finish_one(frame);
        self.post_now();
        Ok(())
    }

    /// Notes what is known of an item already.
    fn begin(&mut self, ticket: Ticket, own: &mut Own) {
        let results = &mut self.settling.results;
        if own.is_range {
            results.begin_range(ticket);
        }
        if let Some(renewed) = own.renewed.take() {
            results.note(ticket, "ack_token", renewed);
        }
        if own.deliveries.iter().any(|found| found.deadline.is_none()) {
            results.note(ticket, "late", "true".to_owned());
        }
        for _ in 0..own.expired {
            results.fail(ticket, acknowledge::too_late());
        }
    }

    /// Whatever becomes of it: the caller has done its part.
    fn note_begun(&mut self, own: &Own) {
        if own.settlement == Settlement::InProgress {
            return;
        }
        let now = Instant::now();
        for found in &own.deliveries {
            self.begin_settling(found.key, now);
        }
    }

    /// The caller has settled a delivery, and what goes with it.
    pub(super) fn begin_settling(&mut self, key: Key, now: Instant) {
        let delivered = match self.facts.terms.ack_policy {
            AckPolicy::All => self.book.begin_settling_through(key),
            _ => self.book.begin_settling(key),
        };
        self.note_answer_to(delivered, now);
    }

    /// Measures how long the caller had a delivery that was made then.
    pub(super) fn note_answer_to(&self, delivered: Option<Instant>, now: Instant) {
        if let Some(delivered) = delivered {
            let metrics = &self.shared.metrics.consuming;
            metrics.answered(now.saturating_duration_since(delivered));
        }
    }

    /// What to say of a delivery so that JetStream does what the caller means.
    fn corrected(&self, settlement: &Settlement, found: Found) -> Settlement {
        acknowledge::corrected(settlement.clone(), &self.facts.terms, found.attempt)
    }

    /// Hands the outbox's settlements to a connection that takes them now, and takes note of it.
    pub(super) fn post_now(&mut self) {
        let _ = self.settling.outbox.advance().now_or_never();
        self.note_settled();
    }

    /// Takes note of what has become of settlements.
    pub(super) fn note_settled(&mut self) {
        let mut counts = Counts::default();
        for (outgoing, fate) in self.settling.outbox.take_done() {
            counts.add(&outgoing.settlement, fate.into());
            self.note_posted(outgoing, fate);
        }
        for done in std::mem::take(&mut self.settling.done) {
            match done {
                Done::Own {
                    ticket,
                    found,
                    settlement,
                    outcome,
                } => {
                    counts.add(&settlement, counted(&outcome));
                    match outcome {
                        Ok(()) => {
                            self.change(found, &settlement);
                            self.pass_on(found, &settlement);
                        }
                        Err(error) => self.settling.results.fail(ticket, error),
                    }
                    self.finish_one(ticket.frame);
                }
                Done::Other(ticket, status) => {
                    self.settling.results.set(ticket, status);
                    self.finish_one(ticket.frame);
                }
            }
        }
        counts.publish(&self.shared.metrics);
    }

    /// Asks for more time for what the caller is at work on.
    pub(super) fn extend_leases(&mut self) {
        for found in self.book.due_extensions(Instant::now()) {
            self.post(Ticket::NONE, found, Settlement::InProgress);
        }
        self.post_now();
    }

    /// Settles a delivery without waiting for JetStream: the caller's word counts at once.
    fn post(&mut self, ticket: Ticket, found: Found, settlement: Settlement) {
        let most = LARGEST_BATCH.max(self.book.window().messages as usize);
        let outbox = &self.settling.outbox;
        if outbox.len() >= most && !outbox.is_connected() {
            return self.settling.results.fail(ticket, not_kept());
        }
        if settlement != Settlement::InProgress {
            self.change(found, &settlement);
        }
        let soon = Instant::now() + CONFIRMATION;
        self.settling.results.expect_one(ticket);
        self.settling.outbox.push(Outgoing {
            ticket,
            found,
            origin: self.origin.clone(),
            settlement,
            expires: found.deadline.unwrap_or(soon),
        });
    }

    fn note_posted(&mut self, outgoing: Outgoing<Ticket>, fate: Fate) {
        let Outgoing {
            ticket,
            found,
            settlement,
            ..
        } = outgoing;
        match fate {
            // The session's own word says nothing of the caller.
            Fate::Sent if ticket == Ticket::NONE => {
                let lease = self.facts.terms.lease(found.attempt);
                self.book.prolong(found.key, Instant::now() + lease);
            }
            Fate::Sent if settlement == Settlement::InProgress => self.change(found, &settlement),
            Fate::Sent => self.pass_on(found, &settlement),
            Fate::Expired => self.settling.results.fail(ticket, not_sent()),
            Fate::TooLarge => {
                let text = "the server takes no message of this size";
                let error = Error::invalid("reason", text);
                self.settling.results.fail(ticket, error);
            }
        }
        self.finish_one(ticket.frame);
    }

    /// Settles deliveries beside the session, waiting for JetStream's own answers.
    fn confirm(&mut self, deliveries: Vec<(Ticket, Found, Settlement)>) {
        if deliveries.is_empty() {
            return;
        }
        let deadline = Deadline::within(CONFIRMATION);
        let mut confirming = Vec::with_capacity(deliveries.len());
        for (ticket, found, settlement) in deliveries {
            self.settling.results.expect_one(ticket);
            let (nats, delivery) = (
                self.shared.nats.clone(),
                self.ack_subject(found.key, found.attempt),
            );
            confirming.push(async move {
                let outcome = nats.settle(&delivery, &settlement, true, deadline).await;
                Done::Own {
                    ticket,
                    found,
                    settlement,
                    outcome,
                }
            });
        }
        let all = stream::iter(confirming).buffer_unordered(CONCURRENT);
        self.settling.beside.push(all.collect().boxed());
    }

    /// Settles what the session does not hold as `Acknowledge` does.
    fn settle_others(&mut self, others: Vec<(Ticket, Acknowledgement)>, confirm: bool) {
        if others.is_empty() {
            return;
        }
        let (tickets, items): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        for ticket in &tickets {
            self.settling.results.expect_one(*ticket);
        }
        let (shared, access) = (self.shared.clone(), self.access.clone());
        let deadline = Deadline::within(CONFIRMATION);
        self.settling.beside.push(Box::pin(async move {
            let statuses = acknowledge::acknowledge(&shared, &access, items, confirm, deadline);
            let statuses = statuses.await;
            let others = tickets.into_iter().zip(statuses);
            others
                .map(|(ticket, status)| Done::Other(ticket, status))
                .collect()
        }));
    }

    /// What a settlement means for the book.
    fn change(&mut self, found: Found, settlement: &Settlement) {
        let terms = &self.facts.terms;
        if found.deadline.is_none() {
            self.book.settle_late(found.id);
        }
        match settlement {
            Settlement::Ack if terms.ack_policy == AckPolicy::All => {
                self.book.settle_through(found.key);
            }
            Settlement::Ack | Settlement::Term(_) => {
                self.book.settle_for_good(found);
            }
            Settlement::Nak(_) => self.book.settle(found.key),
            Settlement::InProgress => {
                let lease = terms.lease(found.attempt);
                self.book.extend(found.key, Instant::now() + lease);
            }
        }
        self.note_own_suspect(found.key, settlement);
    }

    /// JetStream has a settlement, or is about to: where a read goes on may depend on it.
    fn pass_on(&mut self, found: Found, settlement: &Settlement) {
        let is_through = self.facts.terms.ack_policy == AckPolicy::All;
        match settlement {
            Settlement::Ack if is_through => {
                self.source.settled_through(found.key.stream_sequence);
            }
            Settlement::Ack | Settlement::Term(_) => {
                self.source.settled(found.key.stream_sequence);
            }
            Settlement::Nak(_) | Settlement::InProgress => {}
        }
        self.ask_for_the_rest();
    }

    /// One of the deliveries of a frame is dealt with; with the last the frame is answered.
    fn finish_one(&mut self, frame: u64) {
        let answer = self.settling.results.finish_one(frame);
        self.answers.extend(answer);
    }
}

impl From<&Settlement> for SettlementKind {
    fn from(settlement: &Settlement) -> Self {
        match settlement {
            Settlement::Ack => Self::Ack,
            Settlement::Nak(_) => Self::Nak,
            Settlement::InProgress => Self::InProgress,
            Settlement::Term(_) => Self::Term,
        }
    }
}

impl From<Fate> for SettlementOutcome {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Sent => Self::Sent,
            Fate::Expired | Fate::TooLarge => Self::Failed,
        }
    }
}

fn counted(outcome: &Result<()>) -> SettlementOutcome {
    match outcome {
        Ok(()) => SettlementOutcome::Confirmed,
        Err(error) if error.reason() == Reason::AckOutcomeUnknown => SettlementOutcome::Unknown,
        Err(_) => SettlementOutcome::Failed,
    }
}

fn not_sent() -> Error {
    let text = "no connection to NATS came before the delivery expired; the message comes again";
    Error::new(Reason::NatsDisconnected, text)
}

fn not_kept() -> Error {
    let text = "no connection to NATS, and as many settlements wait for it as may";
    Error::new(Reason::NatsDisconnected, text)
}

/// Settlements of a kind that end alike are counted together.
#[derive(Default)]
struct Counts(Vec<(SettlementKind, SettlementOutcome, u64)>);

impl Counts {
    fn add(&mut self, settlement: &Settlement, outcome: SettlementOutcome) {
        let kind = SettlementKind::from(settlement);
        let same = |(k, o, _): &&mut (_, _, u64)| (*k, *o) == (kind, outcome);
        match self.0.iter_mut().find(same) {
            Some((_, _, count)) => *count += 1,
            None => self.0.push((kind, outcome, 1)),
        }
    }

    fn publish(self, metrics: &Metrics) {
        for (kind, outcome, count) in self.0 {
            metrics.consuming.settled(kind, outcome, count);
        }
    }
}
