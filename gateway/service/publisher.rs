//! `PublisherService`.

use tonic::{Request, Response, Status};

use crate::convert::message::outgoing;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Metrics, PublishOutcome};
use crate::nats::{Nats, Outgoing};
use crate::proto::publisher_service_server::PublisherService;
use crate::proto::{PublishRequest, PublishResponse};
use crate::publishing::{Config, MintMessageId};

/// The metadata entry that can hold the id of a message.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Publishes messages.
pub struct Publisher {
    nats: Nats,
    config: Config,
    metrics: Metrics,
}

impl Publisher {
    /// The service, on this connection to JetStream.
    pub fn new(nats: Nats, config: Config, metrics: Metrics) -> Self {
        Self {
            nats,
            config,
            metrics,
        }
    }

    async fn publish_one(&self, request: Request<PublishRequest>) -> Result<PublishResponse> {
        let deadline = Deadline::of_call(request.metadata(), self.config.timeout)?;
        let key = idempotency_key(&request)?.map(str::to_owned);
        let request = request.into_inner();
        let validate_only = request.validate_only;
        let mint = self.config.mint_message_id != MintMessageId::Never;
        let message = outgoing(request, key.as_deref(), mint, self.nats.reserved())?;
        self.nats.check_size(&message)?;
        if validate_only {
            return self.validate(&message, deadline).await;
        }
        let outcome = self.nats.publish(&message, deadline).await;
        self.count(&outcome);
        let ack = outcome?;
        Ok(PublishResponse {
            stream: ack.stream,
            sequence: ack.seq,
            duplicate: ack.duplicate,
            message_id: message.id.map(|id| id.to_string()).unwrap_or_default(),
            domain: ack.domain,
            counter_value: ack.val.unwrap_or_default(),
        })
    }

    async fn validate(&self, message: &Outgoing, deadline: Deadline) -> Result<PublishResponse> {
        let stream = self.nats.validate(message, deadline).await?;
        Ok(PublishResponse {
            stream: stream.name,
            message_id: message
                .id
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            ..PublishResponse::default()
        })
    }

    fn count(&self, outcome: &Result<crate::nats::api::PubAck>) {
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

fn idempotency_key<T>(request: &Request<T>) -> Result<Option<&str>> {
    let Some(value) = request.metadata().get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Error::invalid(IDEMPOTENCY_KEY, "must be printable ASCII"));
    text.map(Some)
}

#[tonic::async_trait]
impl PublisherService for Publisher {
    async fn publish(
        &self,
        request: Request<PublishRequest>,
    ) -> Result<Response<PublishResponse>, Status> {
        Ok(self.publish_one(request).await.map(Response::new)?)
    }
}
