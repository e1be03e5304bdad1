//! `SubscriberService`.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::convert::consumer::ordered_config;
use crate::convert::received::payload_format;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::listener;
use crate::names::{ConsumerName, StreamName};
use crate::output::{Frames, channel};
use crate::proto::subscribe_request::Source as RequestedSource;
use crate::proto::subscriber_service_server::SubscriberService;
use crate::proto::{
    AcknowledgeRequest, AcknowledgeResponse, FetchRequest, FetchResponse, FlowLimits, OnSessionEnd,
    PayloadFormat, SubscribeRequest, SubscribeResponse,
};
use crate::subscription::config::Config;
use crate::subscription::in_flight::Amount;
use crate::subscription::{
    Durable, Ordered, Session, Settings, Shared, Source, acknowledge, fetch,
};

/// How long opening a session, or an acknowledgement without a deadline, may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a `Fetch` waits unless it says otherwise, and at most.
const MAX_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Heartbeats are at least and at most this far apart.
const HEARTBEATS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// How old the consumer's info may be that a `Fetch` relies on: fetches come often.
const FRESHNESS: Duration = Duration::from_millis(250);

/// The most messages of one `Fetch`, and the most items of one `Acknowledge`.
const LARGEST_BATCH: usize = 10_000;

/// Responses can be made no larger than this.
const LARGEST_RESPONSE: u64 = 256 * 1024 * 1024;

/// Delivers messages and settles them.
pub struct Subscriber {
    shared: Shared,
    config: Config,
    max_response_bytes: u64,
}

impl Subscriber {
    /// The service, with its defaults.
    pub fn new(shared: Shared, config: Config, listener: &listener::Config) -> Self {
        Self {
            shared,
            config,
            max_response_bytes: listener.max_response_bytes.as_u64(),
        }
    }

    async fn open(&self, request: Request<SubscribeRequest>) -> Result<Frames<SubscribeResponse>> {
        // The deadline of a stream is its end; opening it is bounded by itself.
        let deadline =
            Deadline::of_call(request.metadata(), DEFAULT_TIMEOUT)?.at_most(DEFAULT_TIMEOUT);
        let request = request.into_inner();
        let settings = self.settings(&request)?;
        let stream = StreamName::parse("stream", &request.stream)?;
        let source = self.source(stream, request.source)?;
        let (out, frames) = channel();
        let session = Session::open(self.shared.clone(), settings, source, out, deadline).await?;
        self.shared.sessions.tasks().spawn(session.run());
        Ok(frames)
    }

    fn settings(&self, request: &SubscribeRequest) -> Result<Settings> {
        Ok(Settings {
            window: self.window(request.flow.unwrap_or_default())?,
            heartbeat: self.heartbeat(request.heartbeat_interval)?,
            format: format(request.payload_format)?,
            on_session_end: OnSessionEnd::try_from(request.on_session_end)
                .map_err(|_| Error::invalid("on_session_end", "is not a value of OnSessionEnd"))?,
            max_batch_bytes: self.response_size(request.max_response_bytes)?,
        })
    }

    fn window(&self, flow: FlowLimits) -> Result<Amount> {
        let config = &self.config;
        let (most_messages, most_bytes) =
            (config.max_window_messages, config.max_window_bytes.as_u64());
        let messages = flow
            .max_outstanding_messages
            .unwrap_or(config.max_outstanding_messages);
        let bytes = flow
            .max_outstanding_bytes
            .unwrap_or(config.max_outstanding_bytes.as_u64());
        if messages == 0 || messages > most_messages {
            let text = format!("must be from 1 to {most_messages}");
            return Err(Error::invalid("flow.max_outstanding_messages", text));
        }
        if bytes == 0 || bytes > most_bytes {
            let text = format!("must be from 1 to {most_bytes}");
            return Err(Error::invalid("flow.max_outstanding_bytes", text));
        }
        Ok(Amount { messages, bytes })
    }

    fn heartbeat(&self, interval: Option<prost_types::Duration>) -> Result<Duration> {
        let Some(interval) = interval else {
            return Ok(self.config.heartbeat_interval);
        };
        let interval = Duration::try_from(interval).unwrap_or_default();
        if interval < HEARTBEATS.0 || interval > HEARTBEATS.1 {
            return Err(Error::invalid(
                "heartbeat_interval",
                "must be from 1 s to 5 min",
            ));
        }
        Ok(interval)
    }

    fn response_size(&self, bytes: u64) -> Result<u64> {
        match bytes {
            0 => Ok(self.max_response_bytes),
            1..=LARGEST_RESPONSE => Ok(bytes),
            _ => Err(Error::invalid(
                "max_response_bytes",
                "must be at most 256 MiB",
            )),
        }
    }

    fn source(&self, stream: StreamName, source: Option<RequestedSource>) -> Result<Source> {
        let nats = &self.shared.nats;
        match source {
            None => Err(Error::invalid("source", "must be consumer or ordered")),
            Some(RequestedSource::Consumer(name)) => {
                let consumer = ConsumerName::parse("consumer", &name)?;
                {
                    let durable = Durable::new(nats, stream, consumer, Duration::ZERO);
                    Ok(Source::Durable(Box::new(durable)))
                }
            }
            Some(RequestedSource::Ordered(ordered)) => {
                let config = ordered_config(&ordered).map_err(|error| error.inside("ordered"))?;
                Ok(Source::Ordered(Box::new(Ordered::new(
                    nats, stream, config,
                ))))
            }
        }
    }

    async fn fetch_batch(&self, request: Request<FetchRequest>) -> Result<FetchResponse> {
        if self.shared.sessions.draining().is_cancelled() {
            return Err(Error::new(Reason::Draining, "the gateway is shutting down"));
        }
        let has_deadline = request.metadata().contains_key("grpc-timeout");
        let (deadline, request) = {
            let longest = MAX_WAIT.1 + DEFAULT_TIMEOUT;
            (
                Deadline::of_call(request.metadata(), longest)?,
                request.into_inner(),
            )
        };
        let stream = StreamName::parse("stream", &request.stream)?;
        let consumer = ConsumerName::parse("consumer", &request.consumer)?;
        let wait = max_wait(&request)?;
        let durable = Durable::new(&self.shared.nats, stream, consumer, FRESHNESS);
        let source = Source::Durable(Box::new(durable));
        let attach = if has_deadline {
            deadline
        } else {
            deadline.at_most(DEFAULT_TIMEOUT)
        };
        let request = fetch::Request {
            batch: batch(request.batch)?,
            wait: deadline.at_most(wait),
            deadline: attach,
            no_wait: request.no_wait || wait.is_zero(),
            max_bytes: Some(request.max_bytes).filter(|bytes| *bytes > 0),
            max_response_bytes: self.response_size(request.max_response_bytes)?,
            format: format(request.payload_format)?,
        };
        fetch::fetch(self.shared.clone(), source, request).await
    }

    async fn settle(&self, request: Request<AcknowledgeRequest>) -> Result<AcknowledgeResponse> {
        let deadline = Deadline::of_call(request.metadata(), DEFAULT_TIMEOUT)?;
        let request = request.into_inner();
        let items = request.acknowledgements;
        if items.is_empty() || items.len() > LARGEST_BATCH {
            return Err(Error::invalid(
                "acknowledgements",
                "must have from 1 to 10,000 items",
            ));
        }
        let confirm = request.confirm.unwrap_or(true);
        let results = acknowledge::acknowledge(&self.shared, items, confirm, deadline).await;
        Ok(AcknowledgeResponse { results })
    }
}

fn max_wait(request: &FetchRequest) -> Result<Duration> {
    match request.max_wait {
        Some(_) if request.no_wait => Err(Error::invalid(
            "no_wait",
            "must not be set together with max_wait",
        )),
        Some(wait) => match Duration::try_from(wait) {
            Ok(wait) if wait <= MAX_WAIT.1 => Ok(wait),
            _ => Err(Error::invalid("max_wait", "must be from 0 to 5 min")),
        },
        None => Ok(MAX_WAIT.0),
    }
}

fn batch(batch: u32) -> Result<u32> {
    if batch as usize > LARGEST_BATCH {
        return Err(Error::invalid("batch", "must be at most 10,000"));
    }
    Ok(batch.max(1))
}

fn format(number: i32) -> Result<PayloadFormat> {
    payload_format(number)
        .ok_or_else(|| Error::invalid("payload_format", "is not a value of PayloadFormat"))
}

#[tonic::async_trait]
impl SubscriberService for Subscriber {
    type SubscribeStream = Frames<SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Ok(self.open(request).await.map(Response::new)?)
    }

    async fn fetch(
        &self,
        request: Request<FetchRequest>,
    ) -> Result<Response<FetchResponse>, Status> {
        Ok(self.fetch_batch(request).await.map(Response::new)?)
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        Ok(self.settle(request).await.map(Response::new)?)
    }
}
