//! Where callers' messages leave the gateway: sent, judged and counted.

use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Counter, Metrics, PublishOutcome};
use crate::names::MessageId;
use crate::nats::api::PubAck;
use crate::nats::{Begun, Nats, Outgoing, Progress};

/// Sends messages and counts what becomes of them.
pub struct Outlet {
    pub(super) nats: Nats,
    stored: Counter,
    duplicate: Counter,
    stored_or_duplicate: Counter,
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
            stored_or_duplicate: metrics.published_messages(PublishOutcome::StoredOrDuplicate),
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
            Err(error) => self.of_failure(error),
        };
        counter.inc();
    }

    /// Counts what fast ingest has settled.
    pub(super) fn count_all(&self, progress: &Progress) {
        let found = progress.duplicates + progress.stored_or_duplicate;
        self.stored.inc_by(progress.stored.saturating_sub(found));
        self.duplicate.inc_by(progress.duplicates);
        self.stored_or_duplicate
            .inc_by(progress.stored_or_duplicate);
        for (_, error) in &progress.failed {
            self.of_failure(error).inc();
        }
    }

    fn of_failure(&self, error: &Error) -> &Counter {
        match error.reason() {
            Reason::PublishOutcomeUnknown => &self.unknown,
            _ => &self.failed,
        }
    }
}
