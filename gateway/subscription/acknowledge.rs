//! Settling deliveries by their tokens, on whichever replica they arrive.
//!
//! Items are judged one by one. JetStream finds a delivery by its stream sequence alone, so what it
//! does not check is checked here: the account, the consumer's incarnation and the deadline.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, stream};

use super::in_flight::Key;
use super::labels::milliseconds;
use super::terms::Terms;
use super::{Shared, note_suspect};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{SettlementKind, SettlementOutcome};
use crate::names::{ConsumerName, StreamName};
use crate::nats::Settlement;
use crate::proto::acknowledgement::Target;
use crate::proto::{AckKind, AckPolicy, Acknowledgement, ItemStatus};
use crate::sessions::{Change, Notice};
use crate::token::{AckToken, Route};

/// Settlements of one call that are under way at a time.
const CONCURRENT: usize = 256;

/// How old a consumer's info may be that tells its incarnation.
const AGE: Duration = Duration::from_secs(5);

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_024;

/// Settles each item and answers in their order.
pub async fn acknowledge(
    shared: &Shared,
    items: Vec<Acknowledgement>,
    confirm: bool,
    deadline: Deadline,
) -> Vec<ItemStatus> {
    let settle = |item| settle(shared, item, confirm, deadline);
    let outcomes: Vec<_> = stream::iter(items)
        .map(settle)
        .buffered(CONCURRENT)
        .collect()
        .await;

    let mut notices: HashMap<(u64, u64), Vec<Notice>> = HashMap::new();
    let mut results = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        match outcome {
            Ok((status, route, notice)) => {
                notices
                    .entry((route.gateway, route.session))
                    .or_default()
                    .push(notice);
                results.push(status);
            }
            Err(error) => results.push(ItemStatus::from(error)),
        }
    }
    for ((gateway, session), notices) in notices {
        shared
            .sessions
            .tell(&shared.nats, Route { gateway, session }, &notices)
            .await;
    }
    results
}

/// One item: what to answer, and whom to tell what.
async fn settle(
    shared: &Shared,
    item: Acknowledgement,
    confirm: bool,
    deadline: Deadline,
) -> Result<(ItemStatus, Route, Notice)> {
    let kind = AckKind::try_from(item.kind).unwrap_or(AckKind::Unspecified);
    let outcome = settle_item(shared, kind, item, confirm, deadline).await;
    let counted = match &outcome {
        Ok(_) if confirm => SettlementOutcome::Confirmed,
        Ok(_) => SettlementOutcome::Sent,
        Err(error) if error.reason() == Reason::AckOutcomeUnknown => SettlementOutcome::Unknown,
        Err(_) => SettlementOutcome::Failed,
    };
    if let Some(kind) = counted_as(kind) {
        shared.metrics.settled(kind, counted);
    }
    outcome
}

async fn settle_item(
    shared: &Shared,
    kind: AckKind,
    item: Acknowledgement,
    confirm: bool,
    deadline: Deadline,
) -> Result<(ItemStatus, Route, Notice)> {
    let settlement = settlement(kind, &item)?;
    let token = match item.target {
        Some(Target::AckToken(text)) => AckToken::decode(&text).ok_or_else(invalid_token)?,
        None => return Err(Error::invalid("ack_token", "is required")),
    };
    let terms = check(shared, &token, deadline).await?;
    let late = milliseconds(SystemTime::now()) > token.deadline;
    if late && settlement != Settlement::Ack {
        let text = "the delivery's deadline has passed; the message may be someone else's now";
        return Err(Error::new(Reason::LeaseExpired, text));
    }
    let settlement = corrected(settlement, &terms, token.subject.delivered);
    shared
        .nats
        .settle(&token.subject, &settlement, confirm, deadline)
        .await?;
    let mut status = ItemStatus::default();
    if late {
        status.metadata.insert("late".to_owned(), "true".to_owned());
    }
    if settlement == Settlement::InProgress {
        status
            .metadata
            .insert("ack_token".to_owned(), renewed(&token, &terms).encode());
    }
    let notice = notice(&token, &settlement, &terms);
    note_suspect(
        &shared.nats,
        &token.subject.stream,
        &token.subject.consumer,
        &notice,
    );
    Ok((status, token.route, notice))
}

fn settlement(kind: AckKind, item: &Acknowledgement) -> Result<Settlement> {
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
            let delay = item.delay.map(Duration::try_from).transpose();
            let delay = delay.map_err(|_| Error::invalid("delay", "must not be negative"))?;
            Ok(Settlement::Nak(delay))
        }
        AckKind::Unspecified => Err(Error::invalid(
            "kind",
            "must be one of ACK, NAK, IN_PROGRESS and TERM",
        )),
    }
}

/// Whether the token is one of this account and of the consumer as it is now.
async fn check(shared: &Shared, token: &AckToken, deadline: Deadline) -> Result<Terms> {
    if token.account != shared.nats.account(deadline).await? {
        return Err(stale("the token belongs to another NATS account"));
    }
    let stream = StreamName::parse("ack_token", &token.subject.stream)?;
    let consumer = ConsumerName::parse("ack_token", &token.subject.consumer)?;
    for age in [AGE, Duration::ZERO] {
        let info = shared
            .nats
            .consumer_info(&stream, &consumer, age, deadline)
            .await?;
        let terms = Terms::of(&info);
        if terms.incarnation == token.incarnation {
            return match terms.ack_policy {
                AckPolicy::None => Err(Error::new(
                    Reason::ConsumerWithoutAcks,
                    "the consumer's ack policy is none",
                )),
                _ => Ok(terms),
            };
        }
    }
    Err(stale(
        "the consumer was made anew since the message was delivered",
    ))
}

fn corrected(settlement: Settlement, terms: &Terms, attempt: u64) -> Settlement {
    match settlement {
        Settlement::Nak(Some(delay)) => Settlement::Nak(terms.nak_delay(attempt, delay, true)),
        other => other,
    }
}

/// The same token with the deadline that the extension gives it.
fn renewed(token: &AckToken, terms: &Terms) -> AckToken {
    let deadline = SystemTime::now() + terms.lease(token.subject.delivered);
    AckToken {
        deadline: milliseconds(deadline),
        ..token.clone()
    }
}

fn notice(token: &AckToken, settlement: &Settlement, terms: &Terms) -> Notice {
    let key = Key {
        stream_sequence: token.subject.stream_sequence,
        consumer_sequence: token.subject.consumer_sequence,
    };
    let change = match settlement {
        Settlement::InProgress => Change::Extended(terms.lease(token.subject.delivered)),
        Settlement::Ack if terms.ack_policy == AckPolicy::All => Change::SettledThrough,
        Settlement::Nak(_) => Change::Returned,
        Settlement::Ack | Settlement::Term(_) => Change::Settled,
    };
    Notice { key, change }
}

fn invalid_token() -> Error {
    Error::new(
        Reason::InvalidToken,
        "this is not a token that the gateway made",
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
