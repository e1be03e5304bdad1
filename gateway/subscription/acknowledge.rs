//! Settling deliveries by their tokens, on whichever replica they arrive.
//!
//! Items are judged one by one. JetStream finds a delivery by its stream sequence alone, so what it
//! does not check is checked here: the account, the consumer's incarnation and the deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::in_flight::Key;
use super::labels::milliseconds;
use super::terms::{self, Terms};
use super::{Shared, note_suspect, permit};
use crate::auth::Access;
use crate::clock;
use crate::convert::time::span;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{SettlementKind, SettlementOutcome};
use crate::names::{ConsumerName, StreamName};
use crate::nats::{AsOf, Settlement};
use crate::proto::acknowledgement::Target;
use crate::proto::{AckKind, AckPolicy, Acknowledgement, ItemStatus};
use crate::sessions::{Change, Notice};
use crate::token::{AckSubject, AckToken, Route};

/// Settlements of one call that are under way at a time.
pub(super) const CONCURRENT: usize = 256;

/// The most items that are settled together.
pub const LARGEST_BATCH: usize = 10_000;

/// How old a consumer's info may be that tells its incarnation.
const AGE: Duration = Duration::from_secs(5);

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_024;

/// Settles each item and answers in their order.
pub async fn acknowledge(
    shared: &Shared,
    access: &Access,
    items: Vec<Acknowledgement>,
    confirm: bool,
    deadline: Deadline,
) -> Vec<ItemStatus> {
    let call = Call {
        shared,
        access,
        confirm,
        started: Instant::now(),
        deadline,
    };
    let settle = |item| call.settle(item);
    let outcomes: Vec<_> = stream::iter(items)
        .map(settle)
        .buffered(CONCURRENT)
        .collect()
        .await;

    let mut notices: BTreeMap<(u64, u64), Vec<Notice>> = BTreeMap::new();
    let mut results = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        if let Some((route, notice)) = outcome.notice {
            notices
                .entry((route.gateway, route.session))
                .or_default()
                .push(notice);
        }
        results.push(outcome.status);
    }
    for ((gateway, session), notices) in notices {
        shared
            .sessions
            .tell(&shared.nats, Route { gateway, session }, &notices)
            .await;
    }
    results
}

/// What became of one item: what to answer, and which session to tell what.
struct Outcome {
    status: ItemStatus,
    notice: Option<(Route, Notice)>,
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self {
            status: error.into(),
            notice: None,
        }
    }
}

/// What the items of one call have in common.
struct Call<'a> {
    shared: &'a Shared,
    access: &'a Access,
    confirm: bool,
    started: Instant,
    deadline: Deadline,
}

impl Call<'_> {
    async fn settle(&self, item: Acknowledgement) -> Outcome {
        let kind = AckKind::try_from(item.kind).unwrap_or(AckKind::Unspecified);
        let outcome = self
            .settle_item(kind, item)
            .await
            .unwrap_or_else(Outcome::from);
        let counted = match outcome.status.reason() {
            Reason::Unspecified if self.confirm => SettlementOutcome::Confirmed,
            Reason::Unspecified => SettlementOutcome::Sent,
            Reason::AckOutcomeUnknown => SettlementOutcome::Unknown,
            _ => SettlementOutcome::Failed,
        };
        if let Some(kind) = counted_as(kind) {
            self.shared.metrics.consuming.settled(kind, counted, 1);
        }
        outcome
    }

    async fn settle_item(&self, kind: AckKind, item: Acknowledgement) -> Result<Outcome> {
        let settlement = settlement(kind, &item)?;
        let token = match item.target {
            Some(Target::AckToken(text)) => AckToken::decode(&text).ok_or_else(invalid_token)?,
            Some(Target::Range(_)) => {
                let text = "counts the deliveries of a Consume session; use ack_token";
                return Err(Error::invalid("range", text));
            }
            None => return Err(Error::invalid("ack_token", "is required")),
        };
        let of = self.admit(&token).await?;
        let is_done = settlement != Settlement::InProgress;
        let settled = self.settle_delivery(&of, &token, settlement).await;
        Ok(settled.unwrap_or_else(|error| {
            // The caller has done its part, and its session hears of that: room is not kept from it.
            let is_heard = is_done || error.reason() == Reason::LeaseExpired;
            Outcome {
                notice: is_heard.then(|| (token.route, notice(&token, Change::Refused))),
                ..error.into()
            }
        }))
    }

    async fn settle_delivery(
        &self,
        of: &(StreamName, ConsumerName),
        token: &AckToken,
        settlement: Settlement,
    ) -> Result<Outcome> {
        let terms = self.terms(of, token.incarnation).await?;
        let late = milliseconds(clock::now()) > token.deadline;
        if late && settlement != Settlement::Ack {
            return Err(too_late());
        }
        let settlement = corrected(settlement, &terms, token.subject.delivered);
        let nats = &self.shared.nats;
        nats.settle(&token.subject, &settlement, self.confirm, self.deadline)
            .await?;
        let mut status = ItemStatus::default();
        if late {
            status.metadata.insert("late".to_owned(), "true".to_owned());
        }
        if settlement == Settlement::InProgress {
            let renewed = renewed(token, &terms).encode();
            status.metadata.insert("ack_token".to_owned(), renewed);
        }
        let notice = notice(token, change(&settlement, token, &terms));
        let origin = &token.subject.origin;
        note_suspect(nats, origin.stream(), origin.consumer(), &notice);
        Ok(Outcome {
            status,
            notice: Some((token.route, notice)),
        })
    }

    /// The token's consumer, where that is one of this account and the caller may read from it.
    async fn admit(&self, token: &AckToken) -> Result<(StreamName, ConsumerName)> {
        let nats = &self.shared.nats;
        let account = nats.account(self.deadline).await?;
        if !account.is(token.account) {
            return Err(stale("the token belongs to another NATS account"));
        }
        let origin = &token.subject.origin;
        if let (Some(other), Some(own)) = (origin.domain(), nats.domain())
            && other != own
        {
            return Err(stale("the token belongs to another JetStream domain"));
        }
        let stream = StreamName::parse("ack_token", origin.stream())?;
        let consumer = ConsumerName::parse("ack_token", origin.consumer())?;
        permit::may_read(self.access, stream.as_str(), consumer.as_str())?;
        Ok((stream, consumer))
    }

    /// The terms of a consumer, where it is still the one of the token. The items of a call share the look
    /// at a consumer.
    async fn terms(
        &self,
        (stream, consumer): &(StreamName, ConsumerName),
        incarnation: u32,
    ) -> Result<Terms> {
        let nats = &self.shared.nats;
        let since = AsOf::since(self.started);
        for as_of in [since.or_known_within(AGE), since] {
            let info = nats
                .consumer_info(stream, consumer, as_of, self.deadline)
                .await?;
            self.access
                .may_consume(stream.as_str(), consumer.as_str(), &info.config)?;
            let terms = Terms::of(&info);
            if terms.incarnation == incarnation {
                return match terms.ack_policy {
                    AckPolicy::None => Err(without_acks()),
                    _ => Ok(terms),
                };
            }
        }
        Err(stale(
            "the consumer was made anew since the message was delivered",
        ))
    }
}

pub(super) fn settlement(kind: AckKind, item: &Acknowledgement) -> Result<Settlement> {
    if item.delay.is_some() && kind != AckKind::Nak {
        return Err(Error::invalid("delay", "goes with ACK_KIND_NAK only"));
    }
    if !item.reason.is_empty() && !matches!(kind, AckKind::Nak | AckKind::Term) {
        return Err(Error::invalid(
            "reason",
            "goes with ACK_KIND_NAK and ACK_KIND_TERM only",
        ));
    }
    if item.reason.chars().count() > LONGEST_REASON || item.reason.chars().any(char::is_control) {
        return Err(Error::invalid(
            "reason",
            "must have at most 1,024 characters and no control characters",
        ));
    }
    match kind {
        AckKind::Ack => Ok(Settlement::Ack),
        AckKind::InProgress => Ok(Settlement::InProgress),
        AckKind::Term => Ok(Settlement::Term(item.reason.clone())),
        AckKind::Nak => {
            let negative = || Error::invalid("delay", "must not be negative");
            let delay = item.delay.map(|delay| span(delay).ok_or_else(negative));
            Ok(Settlement::Nak(delay.transpose()?))
        }
        AckKind::Unspecified => Err(Error::invalid(
            "kind",
            "must be one of ACK, NAK, IN_PROGRESS and TERM",
        )),
    }
}

pub(super) fn corrected(settlement: Settlement, terms: &Terms, attempt: u64) -> Settlement {
    match settlement {
        Settlement::Nak(Some(delay)) => Settlement::Nak(terms.nak_delay(attempt, delay, true)),
        other => other,
    }
}

/// The same token with the deadline that the extension gives it.
pub(super) fn renewed(token: &AckToken, terms: &Terms) -> AckToken {
    let deadline = clock::now() + terms.lease(token.subject.delivered);
    AckToken {
        deadline: milliseconds(deadline),
        ..token.clone()
    }
}

fn change(settlement: &Settlement, token: &AckToken, terms: &Terms) -> Change {
    match settlement {
        Settlement::InProgress => Change::Extended(terms.lease(token.subject.delivered)),
        Settlement::Ack if terms.ack_policy == AckPolicy::All => Change::SettledThrough,
        Settlement::Nak(_) => Change::Returned,
        Settlement::Ack | Settlement::Term(_) => Change::Settled,
    }
}

fn notice(token: &AckToken, change: Change) -> Notice {
    let AckSubject {
        origin,
        stream_sequence,
        consumer_sequence,
        ..
    } = &token.subject;
    let key = Key {
        stream_sequence: *stream_sequence,
        consumer_sequence: *consumer_sequence,
    };
    Notice {
        consumer: terms::fingerprint(origin.stream(), origin.consumer(), token.incarnation),
        key,
        change,
    }
}

pub(super) fn too_late() -> Error {
    let text = "the delivery's deadline has passed; the message may be someone else's now";
    Error::new(Reason::LeaseExpired, text)
}

pub(super) fn invalid_token() -> Error {
    Error::new(
        Reason::InvalidToken,
        "this is not a token that the gateway made",
    )
}

pub(super) fn without_acks() -> Error {
    Error::new(
        Reason::ConsumerWithoutAcks,
        "the consumer's ack policy is none",
    )
}

fn stale(text: &str) -> Error {
    Error::new(Reason::StaleToken, text)
}

fn counted_as(kind: AckKind) -> Option<SettlementKind> {
    match kind {
        AckKind::Ack => Some(SettlementKind::Ack),
        AckKind::Nak => Some(SettlementKind::Nak),
        AckKind::InProgress => Some(SettlementKind::InProgress),
        AckKind::Term => Some(SettlementKind::Term),
        AckKind::Unspecified => None,
    }
}
