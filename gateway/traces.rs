//! Traces (OpenTelemetry): which calls and messages are traced, and what is handed on of a trace.
//!
//! A call goes on with the trace that its caller names in `traceparent`, and a message with that of
//! its own header, or else that of its call. Stored messages carry the header, so that whoever gets
//! them goes on as well. What belongs to no trace, or to one that is not sampled, has no span; without
//! a receiver nothing has, and nothing is handed on.

mod call;
mod config;
pub(crate) mod context;
mod export;
mod message;

use std::sync::Arc;

use opentelemetry::trace::{
    SpanBuilder, SpanContext, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};

use crate::metrics::Metrics;
pub use call::CallSpan;
pub use config::Config;
pub use export::{Exporter, ReceiverError};
pub use message::Sending;

/// What spans say of where they come from.
const SCOPE: &str = "jetgate";

/// Makes spans. Clones make them for the same receiver.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    spans: SdkTracer,
    sample_ratio: f64,
}

/// The trace of a call, for what is done on its behalf: an extension of every request of a gateway that
/// traces.
#[derive(Clone, Default)]
pub struct Trace {
    /// `None` where nothing is traced.
    tracer: Option<Tracer>,
    /// Where the call's trace has come to, sampled or not.
    call: Option<Arc<SpanContext>>,
}

impl Tracer {
    /// Makes spans for the receiver that is configured, if any, once the exporter runs.
    ///
    /// # Errors
    ///
    /// When the receiver's certificates cannot be used.
    pub fn start(
        config: &Config,
        metrics: &Metrics,
    ) -> Result<Option<(Self, Exporter)>, ReceiverError> {
        let Some(channel) = export::connect(config)? else {
            return Ok(None);
        };
        let (queue, exporter) = export::queue(channel, resource(config), metrics.traces.clone());
        let provider = SdkTracerProvider::builder()
            // What is not sampled gets no span in the first place.
            .with_sampler(Sampler::AlwaysOn)
            // The exporter says what this gateway is; by default the environment would be read.
            .with_resource(Resource::builder_empty().build())
            .with_span_processor(queue)
            .build();
        let tracer = Self(Arc::new(Inner {
            spans: provider.tracer(SCOPE),
            sample_ratio: config.sample_ratio,
        }));
        Ok(Some((tracer, exporter)))
    }

    fn begin(&self, span: SpanBuilder, parent: Option<&SpanContext>) -> Span {
        let mut context = Context::new();
        if let Some(parent) = parent {
            context = context.with_remote_span_context(parent.clone());
        }
        self.0.spans.build_with_context(span, &context)
    }
}

impl Trace {
    /// That of this request.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    /// Whether anything is traced at all.
    pub fn is_on(&self) -> bool {
        self.tracer.is_some()
    }
}

/// What all spans of this gateway say of it.
fn resource(config: &Config) -> Resource {
    let own = config.attributes().unwrap_or_default();
    let own = own
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(
            "service.instance.id",
            uuid::Uuid::now_v7().to_string(),
        ))
        .with_attributes(own)
        .build()
}
