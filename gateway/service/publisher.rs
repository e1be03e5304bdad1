//! `PublisherService`.

use tokio::sync::OwnedSemaphorePermit;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use crate::auth::Access;
use crate::convert::batch::batch;
use crate::convert::message::{DefaultId, outgoing};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::memory::Arriving;
use crate::nats::Outgoing;
use crate::output::{Frames, channel};
use crate::proto::publisher_service_server::PublisherService;
use crate::proto::{
    ItemStatus, PublishBatchRequest, PublishBatchResponse, PublishRequest, PublishResponse,
    PublishResult, PublishStreamRequest, PublishStreamResponse,
};
use crate::publishing::{Accepted, Batch, MintMessageId, Orphans, may_publish, session};
use crate::sessions::Caller;
use crate::traces::{Sending, Trace};

/// The metadata entry that can hold the id of a message.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Publishes messages.
pub struct Publisher {
    shared: session::Shared,
    orphans: Orphans,
}

impl Publisher {
    /// The service. What callers leave behind goes over to `orphans`.
    pub fn new(shared: session::Shared, orphans: Orphans) -> Self {
        Self { shared, orphans }
    }

    async fn publish_one(&self, request: Request<PublishRequest>) -> Result<PublishResponse> {
        let deadline = Deadline::of_call(request.metadata(), self.shared.config.timeout)?;
        let key = idempotency_key(&request)?.map(str::to_owned);
        let (access, trace) = (Access::of(&request), Trace::of(&request));
        let room = Arriving::of(&request);
        let request = request.into_inner();
        may_publish(&access, &request)?;
        let validate_only = request.validate_only;
        let mint = DefaultId::minted(self.shared.config.mint_message_id != MintMessageId::Never);
        let nats = self.shared.outlet.nats();
        let mut message = outgoing(request, key.as_deref(), mint, nats.reserved())?;
        nats.check_size(&message)?;
        if validate_only {
            return self.validate(&message, deadline).await;
        }
        let sent = sends(&access, 1)?;
        let most = match trace.hands_on(&message) {
            true => nats.largest(&message.subject, deadline).await,
            false => None,
        };
        let sending = trace.publishes(&mut message, most);
        let outlet = self.shared.outlet.clone();
        let work = |begun| async move {
            let _kept = (sent, room);
            let outcome = outlet.one(message, deadline, &begun).await;
            sending.end(outcome.as_ref().map(|accepted| &accepted.ack));
            outcome
        };
        self.orphans.see_through(work).await.map(published)
    }

    async fn publish_many(
        &self,
        request: Request<PublishBatchRequest>,
    ) -> Result<PublishBatchResponse> {
        let deadline = Deadline::of_call(request.metadata(), self.shared.config.timeout)?;
        if idempotency_key(&request)?.is_some() {
            let why = "is for Publish alone: each message of a batch has its message_id";
            return Err(Error::invalid(IDEMPOTENCY_KEY, why));
        }
        let reserved = self.shared.outlet.nats().reserved();
        let (access, trace) = (Access::of(&request), Trace::of(&request));
        let room = Arriving::of(&request);
        let request = request.into_inner();
        let count = request.messages.len();
        let mut batch = batch(
            request,
            self.shared.config.mint_message_id,
            reserved,
            |message| may_publish(&access, message),
        )?;
        let sent = sends(&access, count)?;
        let sendings = self.trace_batch(&trace, &mut batch, deadline).await;
        let outlet = self.shared.outlet.clone();
        let work = |begun| async move {
            let _kept = (sent, room);
            let outcome = outlet.batch(batch, deadline, &begun).await;
            for (place, sending) in sendings {
                let item = outcome.as_ref().and_then(|items| items[place].as_ref());
                sending.end(item.map(|accepted| &accepted.ack));
            }
            outcome
        };
        self.orphans.see_through(work).await.map(results)
    }

    /// The spans of those that have one, with their places.
    async fn trace_batch(
        &self,
        trace: &Trace,
        batch: &mut Batch,
        deadline: Deadline,
    ) -> Vec<(usize, Sending)> {
        if !trace.is_on() {
            return Vec::new();
        }
        let (nats, messages) = (self.shared.outlet.nats(), batch.messages_mut());
        // Most likely the others belong to the same stream.
        if let Some((_, first)) = messages.first().filter(|(_, it)| trace.hands_on(it)) {
            nats.largest(&first.subject, deadline).await;
        }
        let sendings = messages.into_iter().map(|(place, message)| {
            let most = nats.known_largest(&message.subject);
            (place, trace.publishes_one_of_many(message, most))
        });
        sendings
            .filter(|(_, sending)| sending.is_traced())
            .collect()
    }

    async fn validate(&self, message: &Outgoing, deadline: Deadline) -> Result<PublishResponse> {
        let stream = self
            .shared
            .outlet
            .nats()
            .validate(message, deadline)
            .await?;
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
}

/// Counts messages of a call against its caller's limit, until what is returned is dropped.
fn sends(access: &Access, messages: usize) -> Result<Option<OwnedSemaphorePermit>> {
    let account = access.account();
    account.map_or(Ok(None), |account| account.send(messages))
}

fn published(Accepted { ack, id }: Accepted) -> PublishResponse {
    PublishResponse {
        stream: ack.stream,
        sequence: ack.seq,
        duplicate: ack.duplicate,
        message_id: id.map(String::from).unwrap_or_default(),
        domain: ack.domain,
        counter_value: ack.val.unwrap_or_default(),
    }
}

fn results(items: Vec<Result<Accepted>>) -> PublishBatchResponse {
    let failed = items.iter().filter(|item| item.is_err()).count();
    let results = items.into_iter().map(|item| match item {
        Ok(accepted) => PublishResult {
            status: Some(ItemStatus::default()),
            published: Some(published(accepted)),
        },
        Err(error) => PublishResult {
            status: Some(error.into()),
            published: None,
        },
    });
    PublishBatchResponse {
        results: results.collect(),
        failed_count: u32::try_from(failed).unwrap_or(u32::MAX),
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

    async fn publish_batch(
        &self,
        request: Request<PublishBatchRequest>,
    ) -> Result<Response<PublishBatchResponse>, Status> {
        Ok(self.publish_many(request).await.map(Response::new)?)
    }

    type PublishStreamStream = Frames<PublishStreamResponse>;

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        // Answered before its first frame is read: callers may wait for that.
        let (out, frames) = channel();
        let (who, room) = (Caller::of(&request), Arriving::of(&request));
        let requests = request.into_inner();
        let serving = session::serve(self.shared.clone(), who, requests, room, out);
        let tasks = self.shared.sessions.tasks();
        tasks.spawn(serving.in_current_span());
        Ok(Response::new(frames))
    }
}
