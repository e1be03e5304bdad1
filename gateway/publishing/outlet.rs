//! Where callers' messages leave the gateway: sent, judged and counted.

use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::metrics::{Counter, Metrics, PublishOutcome};
use crate::names::MessageId;
use crate::nats::api::PubAck;
use crate::nats::{Begun, Nats, Outgoing};

/// Sends messages and counts what becomes of them.
pub struct Outlet {
    pub(super) nats: Nats,
    stored: Counter,
    duplicate: Counter,
    unknown: Counter,
    failed: Counter,
}

/// A message that its stream has accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// What the stream answered.
    pub ack: PubAck,
    /// The message's id.
    pub id: Option<MessageId>,
}

impl Outlet {
    /// Sends over this connection to JetStream.
    pub fn new(nats: Nats, metrics: &Metrics) -> Self {
        Self {
            nats,
            stored: metrics.published_messages(PublishOutcome::Stored),
            duplicate: metrics.published_messages(PublishOutcome::Duplicate),
            unknown: metrics.published_messages(PublishOutcome::Unknown),
            failed: metrics.published_messages(PublishOutcome::Failed),
        }
    }

    /// The connection to JetStream.
    pub fn nats(&self) -> &Nats {
        &self.nats
    }

    /// Publishes one message.
    pub async fn one(
        &self,
        message: Outgoing,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<Accepted> {
        let outcome = self.nats.publish(&message, deadline, begun).await;
        self.count(&outcome);
        outcome.map(|ack| Accepted {
            ack,
            id: message.id,
        })
    }

    pub(super) fn count(&self, outcome: &Result<PubAck>) {
        let counter = match outcome {
            Ok(ack) if ack.duplicate => &self.duplicate,
            Ok(_) => &self.stored,
            Err(error) if error.reason() == Reason::PublishOutcomeUnknown => &self.unknown,
            Err(_) => &self.failed,
        };
        counter.inc();
    }
}
