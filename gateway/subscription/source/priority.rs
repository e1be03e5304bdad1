//! A session's place in a consumer's priority group (ADR-42), and what becomes of its pin.

use std::time::Duration;

use crate::convert::consumer::shown_priority_policy;
use crate::convert::open::Priority;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::{ConsumerInfo, Done, PriorityPolicy, Unpin};
use crate::nats::pull::{Pin, Place};
use crate::nats::{AsOf, Nats};
use crate::proto::SessionPriority;

/// How long giving a pin back may take.
const UNPINNING: Duration = Duration::from_secs(1);

/// A session's place at a consumer that has priority groups.
#[derive(Clone)]
pub(in crate::subscription) struct Seat {
    pub(in crate::subscription) place: Place,
    pub(in crate::subscription) policy: PriorityPolicy,
    pub(in crate::subscription) pin: Option<Pin>,
    is_pinned_elsewhere: bool,
}

impl Seat {
    /// The place that is asked for, where the consumer has such; `None` where it has no groups. `pin` is
    /// what the session has of earlier.
    pub(super) fn at(
        info: &ConsumerInfo,
        asked: Option<&Priority>,
        pin: &Pin,
    ) -> Result<Option<Self>> {
        let config = &info.config;
        let mismatch = |why: &str| {
            let policy = shown_priority_policy(&config.priority_policy);
            let error = Error::new(Reason::PriorityMismatch, format!("{}: {why}", info.name));
            Err(error
                .with("priority_policy", policy.as_str_name())
                .with("priority_groups", config.priority_groups.join(" ")))
        };
        if config.priority_policy == PriorityPolicy::None {
            return match asked {
                Some(_) => mismatch("the consumer has no priority groups"),
                None => Ok(None),
            };
        }
        let Priority { mut place, .. } = asked.cloned().unwrap_or_default();
        if place.group.is_empty() {
            match config.priority_groups.as_slice() {
                [only] => place.group.clone_from(only),
                _ => return mismatch("priority.group is required"),
            }
        }
        if !config.priority_groups.contains(&place.group) {
            return mismatch("the consumer does not have priority.group");
        }
        let policy = config.priority_policy.clone();
        let has_minimum = place.min_pending > 0 || place.min_ack_pending > 0;
        if has_minimum && policy != PriorityPolicy::Overflow {
            return mismatch("min_pending and min_ack_pending are for overflow");
        }
        if place.priority > 0 && policy != PriorityPolicy::Prioritized {
            return mismatch("priority is for prioritized");
        }
        let is_pinning = policy == PriorityPolicy::PinnedClient;
        if asked.is_some_and(|asked| !asked.pin_id.is_empty()) && !is_pinning {
            return mismatch("pin_id is for pinned_client");
        }
        let seat = Self {
            is_pinned_elsewhere: false,
            place,
            policy,
            pin: is_pinning.then(|| pin.clone()),
        };
        Ok(Some(Self {
            is_pinned_elsewhere: seat.is_elsewhere(info),
            ..seat
        }))
    }

    /// Whether another client of the group is pinned.
    pub(in crate::subscription) fn is_elsewhere(&self, info: &ConsumerInfo) -> bool {
        let Some(pin) = &self.pin else { return false };
        let pinned = self.pinned(info);
        !pinned.is_empty() && pin.id().as_deref() != Some(pinned)
    }

    /// Whether less waits than the place asks for.
    pub(in crate::subscription) fn is_below(&self, info: &ConsumerInfo) -> bool {
        let (pending, acks) = (self.place.min_pending, self.place.min_ack_pending);
        let is_over = (pending > 0 && info.num_pending >= pending)
            || (acks > 0 && info.num_ack_pending >= acks);
        (pending > 0 || acks > 0) && !is_over
    }

    /// The place as callers see it.
    pub(in crate::subscription) fn shown(&self) -> SessionPriority {
        SessionPriority {
            group: self.place.group.clone(),
            policy: shown_priority_policy(&self.policy).into(),
            pinned_elsewhere: self.is_pinned_elsewhere,
        }
    }

    /// Lets another client be pinned at once, not only after the consumer's priority_timeout. Best effort.
    pub(in crate::subscription) async fn leave(
        &self,
        nats: &Nats,
        stream: &StreamName,
        consumer: &ConsumerName,
    ) {
        let Some(id) = self.pin.as_ref().and_then(Pin::id) else {
            return;
        };
        let deadline = Deadline::within(UNPINNING);
        let as_of = AsOf::within(Duration::ZERO);
        let Ok(info) = nats.consumer_info(stream, consumer, as_of, deadline).await else {
            return;
        };
        if self.pinned(&info) != &*id {
            return;
        }
        let operation = format!("CONSUMER.UNPIN.{stream}.{consumer}");
        let request = Unpin {
            group: self.place.group.clone(),
        };
        let _: Result<Done> = nats.api(&operation, &request, deadline).await;
    }

    /// The id of the client that is pinned in the group; empty is nobody.
    fn pinned<'a>(&self, info: &'a ConsumerInfo) -> &'a str {
        let mut groups = info.priority_groups.iter();
        let group = groups.find(|group| group.group == self.place.group);
        group.map_or("", |group| &group.pinned_client_id)
    }
}
