//! The spans of messages, after the semantic conventions for messaging: one from the gateway to the
//! stream and its answer, one from the consumer to the caller.
//!
//! A message has them only if its context is sampled. What a message brings as its own context stays as
//! it is: it names who made the message.

use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status};
use opentelemetry_sdk::trace::Span;

use super::{Trace, context};
use crate::error::{Error, Reason, reason_name};
use crate::nats::Outgoing;
use crate::nats::api::PubAck;
use crate::nats::pull::Delivery;

/// What the span of a message says that was given up before its outcome was known.
const ABANDONED: &str = "abandoned";

/// The span of a message from here to its outcome; nothing where it has none. Where it is dropped without one,
/// the message was given up, and the span says so.
#[derive(Default)]
pub struct Sending(Option<Box<Span>>);

impl Trace {
    /// Whether a message is to carry the call's trace, where there is room for it.
    pub fn hands_on(&self, message: &Outgoing) -> bool {
        self.call.is_some() && !context::is_named(message)
    }

    /// Begins the span of a message that is a call's only one, and lets it carry the trace on. `most` is what its
    /// stream takes of headers and payload, as far as that is known.
    pub fn publishes(&self, message: &mut Outgoing, most: Option<usize>) -> Sending {
        let Some(call) = &self.call else {
            return self.sends(message);
        };
        if context::is_named(message) {
            return self.sends(message);
        }
        if !call.is_sampled() {
            context::give(message, call, most);
            return Sending::default();
        }
        let sending = self.begin(message, call, None);
        if let Some(span) = &sending.0 {
            context::give(message, span.span_context(), most);
        }
        sending
    }

    /// Begins the span of a message that is one of many, if it brings a trace of its own; otherwise it
    /// carries the call's.
    pub fn publishes_one_of_many(&self, message: &mut Outgoing, most: Option<usize>) -> Sending {
        match &self.call {
            Some(call) if !context::is_named(message) => {
                context::give(message, call, most);
                Sending::default()
            }
            _ => self.sends(message),
        }
    }

    /// Begins the span of a message that brings a trace of its own.
    pub fn sends(&self, message: &Outgoing) -> Sending {
        if self.tracer.is_none() {
            return Sending::default();
        }
        match context::of_message(message) {
            Some(own) if own.is_sampled() => self.begin(message, &own, self.call.as_deref()),
            _ => Sending::default(),
        }
    }

    fn begin(
        &self,
        message: &Outgoing,
        parent: &SpanContext,
        call: Option<&SpanContext>,
    ) -> Sending {
        let Some(tracer) = &self.tracer else {
            return Sending::default();
        };
        let mut attributes = vec![
            KeyValue::new("messaging.system", "nats"),
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.destination.name", message.subject.to_string()),
            size(message.payload.len()),
        ];
        let id = message.id.as_ref();
        attributes.extend(id.map(|id| KeyValue::new("messaging.message.id", id.to_string())));
        let span = SpanBuilder::from_name("publish")
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes)
            .with_links(links(call));
        Sending(Some(Box::new(tracer.begin(span, Some(parent)))))
    }

    /// Takes note of a message that is handed to its caller, after it has waited here.
    pub fn delivers(&self, delivery: &Delivery, waited: Duration) {
        let Some(tracer) = &self.tracer else {
            return;
        };
        let Some(parent) = context::of_delivery(&delivery.headers).filter(SpanContext::is_sampled)
        else {
            return;
        };
        let ack = &delivery.ack;
        let stream = ack.origin.stream();
        let now = SystemTime::now();
        let span = SpanBuilder::from_name(format!("deliver {stream}"))
            .with_kind(SpanKind::Consumer)
            .with_start_time(now - waited)
            .with_attributes([
                KeyValue::new("messaging.system", "nats"),
                KeyValue::new("messaging.operation.name", "deliver"),
                KeyValue::new("messaging.operation.type", "receive"),
                KeyValue::new("messaging.destination.name", delivery.subject.clone()),
                KeyValue::new(
                    "messaging.consumer.group.name",
                    ack.origin.consumer().to_owned(),
                ),
                KeyValue::new("messaging.nats.stream", stream.to_owned()),
                KeyValue::new(
                    "messaging.nats.stream_sequence",
                    number(ack.stream_sequence),
                ),
                KeyValue::new("messaging.nats.delivery_attempt", number(ack.delivered)),
                size(delivery.payload.len()),
            ])
            .with_links(links(self.call.as_deref()));
        tracer.begin(span, Some(&parent)).end_with_timestamp(now);
    }
}

impl Sending {
    /// Whether there is a span.
    pub fn is_traced(&self) -> bool {
        self.0.is_some()
    }

    /// Ends the span with what became of the message.
    pub fn end(mut self, outcome: Result<&PubAck, &Error>) {
        let Some(mut span) = self.0.take() else {
            return;
        };
        match outcome {
            Ok(ack) => {
                span.update_name(format!("publish {}", ack.stream));
                span.set_attribute(KeyValue::new("messaging.nats.stream", ack.stream.clone()));
                span.set_attribute(KeyValue::new(
                    "messaging.nats.stream_sequence",
                    number(ack.seq),
                ));
                span.set_attribute(KeyValue::new("messaging.nats.duplicate", ack.duplicate));
            }
            Err(error) => fail(&mut span, reason_name(error.reason())),
        }
    }

    /// Ends the span of a message that was stored together with others.
    pub fn stored(mut self) {
        self.0.take();
    }

    /// Ends the span of a message that failed.
    pub fn fail(mut self, reason: Reason) {
        if let Some(mut span) = self.0.take() {
            fail(&mut span, reason_name(reason));
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            fail(span, ABANDONED);
        }
    }
}

fn fail(span: &mut Span, why: &'static str) {
    span.set_attribute(KeyValue::new("error.type", why));
    span.set_status(Status::error(""));
}

/// To the call that a message came or went with, where that has a span.
fn links(call: Option<&SpanContext>) -> Vec<Link> {
    let call = call.filter(|call| call.is_sampled());
    call.map(|call| Link::with_context(call.clone()))
        .into_iter()
        .collect()
}

fn size(bytes: usize) -> KeyValue {
    KeyValue::new("messaging.message.body.size", number(bytes as u64))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use opentelemetry::Context;
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};

    use super::*;

    /// What has ended.
    #[derive(Clone, Debug, Default)]
    struct Ended(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Ended {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    #[test]
    fn a_message_that_is_given_up_is_no_success() {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(ended.clone())
            .build();
        let sending = || Sending(Some(Box::new(provider.tracer("test").start("publish"))));

        drop(sending());
        sending().stored();
        sending().fail(Reason::StreamFull);

        let spans = ended.0.lock().unwrap();
        let why = |span: &SpanData| {
            let kind = span
                .attributes
                .iter()
                .find(|it| it.key.as_str() == "error.type");
            kind.map(|it| it.value.to_string())
        };
        let why: Vec<_> = spans.iter().map(why).collect();
        let expected = [Some("abandoned"), None, Some("STREAM_FULL")];
        assert_eq!(why, expected.map(|it| it.map(str::to_owned)));
        assert_eq!(spans[0].status, Status::error(""));
        assert_eq!(spans[1].status, Status::Unset);
    }
}
