//! Which deliveries an item means, and what to say of them.

use tokio::time::Instant;

use super::super::Session;
use super::super::acknowledge;
use super::super::in_flight::{Found, Key};
use crate::error::{Error, Result};
use crate::nats::Settlement;
use crate::proto::acknowledgement::Target;
use crate::proto::{AckKind, AckPolicy, Acknowledgement, DeliveryRange};
use crate::token::AckToken;

/// What to do about an item.
pub(super) enum Plan {
    /// It is about deliveries of the session.
    Own(Own),
    /// It is about another delivery, as far as its session knows: any replica can settle it by its token.
    Other,
}

/// An item about deliveries of the session.
pub(super) struct Own {
    pub(super) settlement: Settlement,
    /// Those to settle. Some may have expired, where that can be acked.
    pub(super) deliveries: Vec<Found>,
    /// How many were named and are too late.
    pub(super) expired: usize,
    pub(super) is_range: bool,
    /// The token that an extension answers with.
    pub(super) renewed: Option<String>,
}

impl Session {
    pub(super) fn plan(&self, item: &Acknowledgement) -> Result<Plan> {
        let kind = AckKind::try_from(item.kind).unwrap_or(AckKind::Unspecified);
        let settlement = acknowledge::settlement(kind, item)?;
        match &item.target {
            None => Err(Error::invalid("ack_token", "or range is required")),
            Some(Target::Range(range)) => self.plan_range(range, settlement),
            Some(Target::AckToken(text)) => {
                let token = AckToken::decode(text).ok_or_else(acknowledge::invalid_token)?;
                Ok(self.plan_token(&token, settlement))
            }
        }
    }

    fn plan_range(&self, range: &DeliveryRange, settlement: Settlement) -> Result<Plan> {
        let terms = &self.facts.terms;
        if !terms.has_acks() {
            return Err(acknowledge::without_acks());
        }
        let DeliveryRange { first, last } = *range;
        let last = if last == 0 { first } else { last };
        let delivered = self.labeller.delivered();
        if first == 0 || first > delivered {
            let text = format!("must be from 1 to {delivered}, the last that was delivered");
            return Err(Error::invalid("range.first", text));
        }
        if last < first || last > delivered {
            let text = format!("must be from first to {delivered}, the last that was delivered");
            return Err(Error::invalid("range.last", text));
        }
        let mut deliveries = self.book.find_range(first, last);
        let named = deliveries.len();
        if settlement != Settlement::Ack {
            deliveries.retain(|found| found.deadline.is_some());
        } else if terms.ack_policy == AckPolicy::All {
            // The last speaks for all.
            let last = deliveries
                .into_iter()
                .max_by_key(|found| found.key.consumer_sequence);
            let deliveries = last.into_iter().collect();
            return Ok(Plan::Own(Own {
                settlement,
                deliveries,
                expired: 0,
                is_range: true,
                renewed: None,
            }));
        }
        Ok(Plan::Own(Own {
            expired: named - deliveries.len(),
            settlement,
            deliveries,
            is_range: true,
            renewed: None,
        }))
    }

    /// A delivery that is out is the session's own, whatever deadline its token has: its lease may have
    /// been extended. Of any other its token tells all that is known.
    fn plan_token(&self, token: &AckToken, settlement: Settlement) -> Plan {
        let (subject, terms) = (&token.subject, &self.facts.terms);
        let is_ours = token.incarnation == terms.incarnation
            && subject.origin.consumer() == self.facts.consumer.as_str()
            && subject.origin.stream() == self.source.stream().as_str()
            && self.labeller.is_account(token.account);
        let key = Key {
            stream_sequence: subject.stream_sequence,
            consumer_sequence: subject.consumer_sequence,
        };
        let found = self.book.find(key).filter(|_| is_ours);
        let Some(found) = found.filter(|found| found.deadline > Some(Instant::now())) else {
            return Plan::Other;
        };
        let is_extended = settlement == Settlement::InProgress;
        Plan::Own(Own {
            renewed: is_extended.then(|| acknowledge::renewed(token, terms).encode()),
            settlement,
            deliveries: vec![found],
            expired: 0,
            is_range: false,
        })
    }
}
