//! Attaching to a consumer that exists by name; it is never created or changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::priority::Seat;
use super::{Attached, Facts, Position, facts, new_puller, refuse_push};
use crate::convert::open::Priority;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::{ConsumerName, StreamName};
use crate::nats::pull::Pin;
use crate::nats::{AsOf, Connection, Nats};

/// A consumer by name.
#[derive(Clone)]
pub struct Durable {
    pub(in crate::subscription) stream: StreamName,
    pub(in crate::subscription) consumer: ConsumerName,
    connection: Connection,
    pub(super) position: Position,
    /// How old the consumer's info may be at first.
    freshness: Duration,
    /// When the session was detached last, and when because its connection broke.
    pub(super) detached_at: Option<Instant>,
    lost_at: Option<Instant>,
    /// The consumer's incarnation, as last seen.
    incarnation: Option<u32>,
    priority: Option<Priority>,
    /// Kept over connections: JetStream serves nobody else for a while.
    pin: Pin,
}

impl Durable {
    /// Nothing is asked yet. What is known of the consumer may be as old as `freshness`.
    pub fn new(
        nats: &Nats,
        stream: StreamName,
        consumer: ConsumerName,
        freshness: Duration,
        priority: Option<Priority>,
    ) -> Self {
        let pin = Pin::new(priority.as_ref().map_or("", |it| &it.pin_id));
        let connection = nats.delivery_connection();
        Self {
            stream,
            consumer,
            connection,
            position: Position::default(),
            freshness,
            detached_at: None,
            lost_at: None,
            incarnation: None,
            priority,
            pin,
        }
    }

    /// Another consumer takes the place of this one.
    pub(super) fn rename(&mut self, consumer: ConsumerName) {
        self.consumer = consumer;
    }

    /// Notes that the connection broke.
    pub(super) fn lost(&mut self) {
        self.lost_at = Some(Instant::now());
    }

    /// Takes over what attaching found out.
    pub(super) fn attached(&mut self, facts: &Facts) {
        let incarnation = facts.terms.incarnation;
        if self.incarnation.is_some_and(|known| known != incarnation) {
            self.position = Position::default();
        }
        if !facts.terms.has_acks() && self.position.stream_sequence == 0 {
            // Nothing tells later what was delivered and never received.
            self.position.stream_sequence = facts.position;
        }
        // How far the consumer had counted before says nothing of what comes now.
        self.position.consumer_sequence = 0;
        self.incarnation = Some(incarnation);
    }

    /// One attempt to attach.
    pub(super) async fn attach(&self, nats: &Nats, deadline: Deadline) -> Result<Box<Attached>> {
        let begun = Instant::now();
        let as_of = match self.detached_at {
            Some(detached_at) => AsOf::since(detached_at),
            None => AsOf::within(self.freshness),
        };
        let ask = |as_of| nats.consumer_info(&self.stream, &self.consumer, as_of, deadline);
        let mut info = ask(as_of).await?;
        if self.detached_at.is_none() && !info.config.priority_groups.is_empty() {
            // Whom JetStream has pinned may have changed meanwhile.
            info = ask(AsOf::since(begun)).await?;
        }
        refuse_push(&info)?;
        if let Some(lost_at) = self.lost_at.filter(|lost_at| nats.broke_alone(*lost_at)) {
            nats.search(&info, self.position.stream_sequence, lost_at, deadline)
                .await?;
        }
        let seat = Seat::at(&info, self.priority.as_ref(), &self.pin)?;
        let pin = seat.as_ref().and_then(|seat| seat.pin.clone());
        let facts = Facts {
            seat,
            ..facts(nats, &info, &self.consumer)
        };
        if facts.terms.has_acks() && self.detached_at.is_none() {
            nats.check_acks(&self.stream, &self.consumer, deadline)
                .await?;
        }
        let is_private = nats.is_quarantined(&info.stream_name, &info.name);
        let connection = match is_private {
            true => nats.quarantine_connection(&info.stream_name, &info.name),
            false => self.connection.clone(),
        };
        let puller = new_puller(
            nats,
            &connection,
            &self.stream,
            &self.consumer,
            pin,
            deadline,
        )
        .await?;
        // Only now: what is claimed must reach the caller.
        let suspects = match is_private {
            true => nats.claim(&info, facts.terms.ack_wait, deadline).await,
            false => Vec::new(),
        };
        Ok(Box::new(Attached {
            puller,
            _connection: connection,
            is_private,
            one_by_one: is_private,
            suspects,
            gap: None,
            facts: Arc::new(facts),
        }))
    }
}
