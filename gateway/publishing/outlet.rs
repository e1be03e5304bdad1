//! Where callers' messages leave the gateway: sent, judged and counted.

use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::metrics::{Metrics, PublishOutcome};
use crate::names::MessageId;
use crate::nats::api::PubAck;
use crate::nats::{Begun, Nats, Outgoing};

/// Sends messages and counts what becomes of them.
pub struct Outlet {
    pub(super) nats: Nats,
    metrics: Metrics,
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
    pub fn new(nats: Nats, metrics: Metrics) -> Self {
        Self { nats, metrics }
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
        self.metrics.message_published(match outcome {
            Ok(ack) if ack.duplicate => PublishOutcome::Duplicate,
            Ok(_) => PublishOutcome::Stored,
            Err(error) if error.reason() == Reason::PublishOutcomeUnknown => {
                PublishOutcome::Unknown
            }
            Err(_) => PublishOutcome::Failed,
        });
    }
}
