//! The way of spans to their receiver: a bounded queue, and one task that sends what is in it.
//!
//! Whoever ends a span never waits. Where the queue is full, or the receiver stays away for too long,
//! spans are dropped and counted.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span as Begun, SpanData, SpanProcessor};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};
use tracing::{info, warn};

use super::{Config, SCOPE, config};
use crate::metrics::{DroppedSpans, Traces};

/// Spans that wait to be sent.
const QUEUE: usize = 8192;

/// The most that are sent together.
const BATCH: usize = 512;

/// How long a span waits for others.
const LINGER: Duration = Duration::from_secs(1);

/// How long connecting, and then an attempt, may take.
const CONNECTING: Duration = Duration::from_secs(5);
const ATTEMPT: Duration = Duration::from_secs(10);

/// How often the same spans are sent, and the first pause between; each further one is twice as long.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// How long the last spans may take when the gateway ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// The receiver cannot be used.
#[derive(Debug, Error)]
pub enum ReceiverError {
    /// The file of certificates cannot be read.
    #[error("cannot read {} (traces.otlp_ca_file): {source}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What the file holds, or the system, is of no use.
    #[error("the OTLP receiver's certificates cannot be used: {0}")]
    Tls(#[from] tonic::transport::Error),
}

/// Where ended spans go.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    metrics: Traces,
}

/// Sends spans to their receiver.
pub struct Exporter {
    spans: mpsc::Receiver<SpanData>,
    /// What is being sent.
    batch: Vec<SpanData>,
    receiver: TraceServiceClient<Channel>,
    resource: resource::v1::Resource,
    is_failing: bool,
    metrics: Traces,
}

/// The way to the receiver, which is used from the first span on; `None` where none is configured.
pub(super) fn connect(config: &Config) -> Result<Option<Channel>, ReceiverError> {
    let Some(uri) = config.otlp_endpoint.as_deref().and_then(config::endpoint) else {
        return Ok(None);
    };
    let is_tls = uri.scheme_str() == Some("https");
    let mut endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECTING)
        .user_agent(concat!("jetgate/", env!("CARGO_PKG_VERSION")))?;
    if is_tls {
        let mut tls = ClientTlsConfig::new();
        tls = match &config.otlp_ca_file {
            Some(file) => {
                let pem = std::fs::read(file).map_err(|source| ReceiverError::File {
                    file: file.clone(),
                    source,
                })?;
                tls.ca_certificate(Certificate::from_pem(pem))
            }
            None => tls.with_native_roots(),
        };
        // What bounds connecting does not bound a handshake.
        endpoint = endpoint.tls_config(tls.timeout(CONNECTING))?;
    }
    Ok(Some(endpoint.connect_lazy()))
}

/// Both ends of the way.
pub(super) fn queue(channel: Channel, resource: Resource, metrics: Traces) -> (Queue, Exporter) {
    let (sender, spans) = mpsc::channel(QUEUE);
    let queue = Queue {
        spans: sender,
        metrics: metrics.clone(),
    };
    let attributes = ResourceAttributesWithSchema::from(&resource).attributes.0;
    let exporter = Exporter {
        spans,
        batch: Vec::new(),
        receiver: TraceServiceClient::new(channel),
        resource: resource::v1::Resource {
            attributes,
            ..resource::v1::Resource::default()
        },
        is_failing: false,
        metrics,
    };
    (queue, exporter)
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Begun, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.metrics.dropped(DroppedSpans::QueueFull, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporter {
    /// Sends spans until `stop`, and then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        // What is under way is seen through: spans that the receiver has taken would come twice otherwise.
        let sending = async {
            while stop.run_until_cancelled(self.collect()).await.is_some() {
                self.send(&stop).await;
            }
            while self.take_rest() {
                self.send(&stop).await;
            }
        };
        let farewell = async {
            stop.cancelled().await;
            sleep(FAREWELL).await;
        };
        tokio::select! {
            () = sending => {}
            // Who is gone by then has no use for them.
            () = farewell => {}
        }
        let left = self.batch.len() + self.spans.len();
        self.metrics.dropped(DroppedSpans::Unreachable, left as u64);
    }

    /// Waits for spans, and a little for those that come with them.
    async fn collect(&mut self) {
        let mut until = None;
        while self.batch.len() < BATCH {
            let room = BATCH - self.batch.len();
            let came = self.spans.recv_many(&mut self.batch, room);
            let count = match until {
                None => came.await,
                Some(until) => match timeout_at(until, came).await {
                    Ok(count) => count,
                    Err(_) => return,
                },
            };
            if count == 0 {
                // Nobody makes spans any more.
                return std::future::pending().await;
            }
            until.get_or_insert_with(|| Instant::now() + LINGER);
        }
    }

    /// Takes what is there; whether that is anything.
    fn take_rest(&mut self) -> bool {
        while self.batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            self.batch.push(span);
        }
        !self.batch.is_empty()
    }

    /// Sends the batch, more than once where that may help, and without pauses from `stop` on. Safe to drop: the
    /// batch stays.
    async fn send(&mut self, stop: &CancellationToken) {
        let count = self.batch.len() as u64;
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            let status = match self.attempt().await {
                Ok(rejected) => {
                    self.succeeded();
                    self.metrics.exported(count.saturating_sub(rejected));
                    self.metrics.dropped(DroppedSpans::Rejected, rejected);
                    break;
                }
                Err(status) => status,
            };
            self.failed(&status);
            if !may_pass(status.code()) {
                self.metrics.dropped(DroppedSpans::Rejected, count);
                break;
            }
            if attempt == ATTEMPTS {
                self.metrics.dropped(DroppedSpans::Unreachable, count);
                break;
            }
            stop.run_until_cancelled(sleep(pause)).await;
            pause *= 2;
        }
        self.batch.clear();
    }

    /// Sends the batch once; how many of its spans the receiver did not want.
    async fn attempt(&mut self) -> Result<u64, Status> {
        let request = self.request();
        let answer = timeout(ATTEMPT, self.receiver.export(request)).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("no answer"))??;
        let partial = answer.into_inner().partial_success.unwrap_or_default();
        Ok(u64::try_from(partial.rejected_spans).unwrap_or_default())
    }

    fn request(&self) -> ExportTraceServiceRequest {
        let spans = self.batch.iter().cloned().map(Span::from).collect();
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = ScopeSpans {
            scope: Some(scope),
            spans,
            ..ScopeSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![scope_spans],
                ..ResourceSpans::default()
            }],
        }
    }

    fn succeeded(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            info!("spans are exported again");
        }
    }

    /// Told once, until it works again.
    fn failed(&mut self, status: &Status) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let (code, message) = (status.code(), status.message());
            warn!(?code, message, "spans cannot be exported");
        }
    }
}

/// Whether another attempt may succeed (OTLP, "failures").
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            // What tonic says of a connection that breaks or cannot be made.
            | Code::Unknown
    )
}
