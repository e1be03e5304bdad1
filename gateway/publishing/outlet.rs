//! Where callers' messages leave the gateway: sent, judged and counted.

use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Counter, Metrics, PublishOutcome, Publishing};
use crate::names::MessageId;
use crate::nats::api::PubAck;
use crate::nats::{Begun, Nats, Outgoing, Progress};

/// Sends messages and counts what becomes of them.
pub struct Outlet {
    pub(super) nats: Nats,
    /// What is counted of publishing.
    pub(super) metrics: Publishing,
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
        let metrics = metrics.publishing.clone();
        Self {
            nats,
            stored: metrics.messages(PublishOutcome::Stored),
            duplicate: metrics.messages(PublishOutcome::Duplicate),
            unknown: metrics.messages(PublishOutcome::Unknown),
            failed: metrics.messages(PublishOutcome::Failed),
            metrics,
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
        let publishing = self.nats.publish(&message, deadline, begun);
        let outcome = self.counted(1, publishing).await;
        outcome.map(|ack| Accepted {
            ack,
            id: message.id,
        })
    }

    /// Publishes messages that share their outcome: they count as on their way until it is there.
    pub(super) async fn counted(
        &self,
        messages: usize,
        publishing: impl Future<Output = Result<PubAck>>,
    ) -> Result<PubAck> {
        let _in_flight = self.metrics.in_flight(messages);
        let began = Instant::now();
        let outcome = publishing.await;
        if outcome.is_ok() {
            self.metrics.answered(began.elapsed());
        }
        (0..messages).for_each(|_| self.count(&outcome));
        outcome
    }

    pub(super) fn count(&self, outcome: &Result<PubAck>) {
        let counter = match outcome {
            Ok(ack) if ack.duplicate => &self.duplicate,
            Ok(_) => &self.stored,
            Err(error) => self.of_failure(error),
        };
        counter.inc();
    }

    /// Counts what a batch has settled. Duplicates are not told apart there.
    pub(super) fn count_all(&self, progress: &Progress) {
        self.stored.inc_by(progress.stored);
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
