//! `SubscriberService`.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use crate::auth::Access;
use crate::convert::open::{self, Limits, Open};
use crate::convert::time::span;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::listener;
use crate::memory::{Arriving, Hold};
use crate::names::{ConsumerName, StreamName};
use crate::output::{Frames, channel};
use crate::proto::subscriber_service_server::SubscriberService;
use crate::proto::{
    AcknowledgeRequest, AcknowledgeResponse, ConsumeRequest, ConsumeResponse, FetchRequest,
    FetchResponse, SubscribeRequest, SubscribeResponse,
};
use crate::sessions::Caller;
use crate::subscription::config::Config;
use crate::subscription::{Durable, Frame, Session, Shared, acknowledge, consume, fetch};
use crate::traces::Trace;

/// How long opening a session, or an acknowledgement without a deadline, may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a `Fetch` waits unless it says otherwise, and at most.
const MAX_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// How old the consumer's info may be that a `Fetch` relies on: fetches come often.
const FRESHNESS: Duration = Duration::from_millis(250);

/// The most messages of one `Fetch`.
const LARGEST_FETCH: usize = 10_000;

/// Delivers messages and settles them.
pub struct Subscriber {
    shared: Shared,
    limits: Limits,
}

impl Subscriber {
    /// The service, with its defaults.
    pub fn new(shared: Shared, config: Config, listener: &listener::Config) -> Self {
        Self {
            shared,
            limits: Limits {
                sessions: config,
                max_response_bytes: listener.max_response_bytes.as_u64(),
            },
        }
    }

    async fn open(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Frames<Frame, SubscribeResponse>> {
        // The deadline of a stream is its end; opening it is bounded by itself.
        let deadline =
            Deadline::of_call(request.metadata(), DEFAULT_TIMEOUT)?.at_most(DEFAULT_TIMEOUT);
        let who = Caller::of(&request).named(&request.get_ref().client_name)?;
        let open = Open::check(request.into_inner().into(), &self.limits)?;
        let (out, frames) = channel();
        let session = Session::open(self.shared.clone(), open, who, None, out, deadline).await?;
        let tasks = self.shared.sessions.tasks();
        tasks.spawn(session.run().in_current_span());
        Ok(frames)
    }

    /// The call is answered before its first frame has come: some clients send none before.
    fn begin(&self, request: Request<Streaming<ConsumeRequest>>) -> Frames<Frame, ConsumeResponse> {
        let (out, frames) = channel();
        let (who, room) = (Caller::of(&request), Arriving::of(&request));
        let (shared, limits) = (self.shared.clone(), self.limits.clone());
        let serving = consume(shared, limits, who, request.into_inner(), room, out);
        let tasks = self.shared.sessions.tasks();
        tasks.spawn(serving.in_current_span());
        frames
    }

    async fn fetch_batch(&self, request: Request<FetchRequest>) -> Result<(FetchResponse, Hold)> {
        if self.shared.sessions.draining().is_cancelled() {
            return Err(Error::new(Reason::Draining, "the gateway is shutting down"));
        }
        let has_deadline = request.metadata().contains_key("grpc-timeout");
        let longest = MAX_WAIT.1 + DEFAULT_TIMEOUT;
        let deadline = Deadline::of_call(request.metadata(), longest)?;
        let (access, trace) = (Access::of(&request), Trace::of(&request));
        let request = request.into_inner();
        let stream = StreamName::parse("stream", &request.stream)?;
        let consumer = ConsumerName::parse("consumer", &request.consumer)?;
        let wait = max_wait(&request)?;
        let priority = open::priority(request.priority.as_ref())?;
        let durable = Durable::new(&self.shared.nats, stream, consumer, FRESHNESS, priority);
        let attach = if has_deadline {
            deadline
        } else {
            deadline.at_most(DEFAULT_TIMEOUT)
        };
        let request = fetch::Request {
            access,
            trace,
            batch: batch(request.batch)?,
            wait: deadline.at_most(wait),
            deadline: attach,
            answer_by: deadline,
            no_wait: request.no_wait || wait.is_zero(),
            max_bytes: Some(request.max_bytes).filter(|bytes| *bytes > 0),
            max_response_bytes: self.limits.response_size(request.max_response_bytes)?,
            format: open::format(request.payload_format)?,
        };
        fetch::fetch(self.shared.clone(), durable, request).await
    }

    async fn settle(&self, request: Request<AcknowledgeRequest>) -> Result<AcknowledgeResponse> {
        let deadline = Deadline::of_call(request.metadata(), DEFAULT_TIMEOUT)?;
        let access = Access::of(&request);
        let request = request.into_inner();
        let items = request.acknowledgements;
        if items.is_empty() || items.len() > acknowledge::LARGEST_BATCH {
            return Err(Error::invalid(
                "acknowledgements",
                "must have from 1 to 10,000 items",
            ));
        }
        let confirm = request.confirm.unwrap_or(true);
        let results =
            acknowledge::acknowledge(&self.shared, &access, items, confirm, deadline).await;
        Ok(AcknowledgeResponse { results })
    }
}

fn max_wait(request: &FetchRequest) -> Result<Duration> {
    match request.max_wait {
        Some(_) if request.no_wait => Err(Error::invalid(
            "no_wait",
            "must not be set together with max_wait",
        )),
        Some(wait) => match span(wait) {
            Some(wait) if wait <= MAX_WAIT.1 => Ok(wait),
            _ => Err(Error::invalid("max_wait", "must be from 0 to 5 min")),
        },
        None => Ok(MAX_WAIT.0),
    }
}

fn batch(batch: u32) -> Result<u32> {
    if batch as usize > LARGEST_FETCH {
        return Err(Error::invalid("batch", "must be at most 10,000"));
    }
    Ok(batch.max(1))
}

#[tonic::async_trait]
impl SubscriberService for Subscriber {
    type SubscribeStream = Frames<Frame, SubscribeResponse>;
    type ConsumeStream = Frames<Frame, ConsumeResponse>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Ok(self.open(request).await.map(Response::new)?)
    }

    async fn consume(
        &self,
        request: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        Ok(Response::new(self.begin(request)))
    }

    async fn fetch(
        &self,
        request: Request<FetchRequest>,
    ) -> Result<Response<FetchResponse>, Status> {
        let (batch, hold) = self.fetch_batch(request).await?;
        let mut response = Response::new(batch);
        // The room of the batch is given back once it is written.
        response.extensions_mut().insert(Arc::new(hold));
        Ok(response)
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        Ok(self.settle(request).await.map(Response::new)?)
    }
}
