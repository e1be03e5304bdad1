//! Attaching to a consumer that exists by name; it is never created or changed.

use std::time::Duration;

use super::{Attached, Facts, Position, facts, open_puller, refuse_push};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::ConsumerInfo;
use crate::nats::{Connection, Nats};

/// How old the consumer's info may be when a session opens: many open at once after a restart.
const FRESH: Duration = Duration::from_secs(1);

/// A consumer by name.
#[derive(Clone)]
pub struct Durable {
    pub(super) stream: StreamName,
    consumer: ConsumerName,
    connection: Connection,
    pub(super) position: Position,
    pub(super) facts: Option<Facts>,
}

impl Durable {
    /// Nothing is asked yet.
    pub fn new(nats: &Nats, stream: StreamName, consumer: ConsumerName) -> Self {
        let connection = nats.delivery_connection();
        Self {
            stream,
            consumer,
            connection,
            position: Position::default(),
            facts: None,
        }
    }

    /// One attempt to attach.
    pub(super) async fn attach(&self, nats: &Nats, deadline: Deadline) -> Result<Box<Attached>> {
        let is_first = self.facts.is_none();
        let age = if is_first { FRESH } else { Duration::ZERO };
        let info = nats
            .consumer_info(&self.stream, &self.consumer, age, deadline)
            .await?;
        refuse_push(&info)?;
        let facts = facts(nats, &info, &self.consumer);

        let suspects = if is_first {
            Vec::new()
        } else {
            let after = self.position.stream_sequence;
            nats.suspects(&info, after, facts.terms.ack_wait, deadline)
                .await
        };
        let (connection, is_private) = self.connection_for(nats, &info);
        let puller = open_puller(nats, &connection, &self.stream, &self.consumer, deadline).await?;
        Ok(Box::new(Attached {
            puller,
            _connection: connection,
            is_private,
            suspects,
            gap: None,
            facts,
        }))
    }

    /// The shared connection, unless the consumer has messages that would break it.
    fn connection_for(&self, nats: &Nats, info: &ConsumerInfo) -> (Connection, bool) {
        if nats.is_quarantined(info) {
            (nats.private_connection(), true)
        } else {
            (self.connection.clone(), false)
        }
    }
}
