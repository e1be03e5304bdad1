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
use crate::error::{Error, Reason};
use crate::nats::Outgoing;
use crate::nats::api::PubAck;
use crate::nats::pull::Delivery;

/// The span of a message from here to its outcome; nothing where it has none. It ends when it is dropped.
#[derive(Default)]
pub struct Sending(Option<Box<Span>>);

impl Trace {
    /// Begins the span of a message that is a call's only one, and lets it carry the trace on.
    pub fn publishes(&self, message: &mut Outgoing, max_payload: Option<usize>) -> Sending {
        let Some(call) = &self.call else {
            return self.sends(message);
        };
        if context::is_named(message) {
            return self.sends(message);
        }
        if !call.is_sampled() {
            context::give(message, call, max_payload);
            return Sending::default();
        }
        let sending = self.begin(message, call, None);
        if let Some(span) = &sending.0 {
            context::give(message, span.span_context(), max_payload);
        }
        sending
    }

    /// Begins the span of a message that is one of many, if it brings a trace of its own; otherwise it
    /// carries the call's.
    pub fn publishes_one_of_many(
        &self,
        message: &mut Outgoing,
        max_payload: Option<usize>,
    ) -> Sending {
        match &self.call {
            Some(call) if !context::is_named(message) => {
                context::give(message, call, max_payload);
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
    pub fn end(self, outcome: Result<&PubAck, &Error>) {
        let Some(mut span) = self.0 else { return };
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
            Err(error) => fail(&mut span, error.reason()),
        }
    }

    /// Ends the span of a message that was stored together with others.
    pub fn stored(self) {
        drop(self);
    }

    /// Ends the span of a message that failed.
    pub fn fail(self, reason: Reason) {
        if let Some(mut span) = self.0 {
            fail(&mut span, reason);
        }
    }
}

fn fail(span: &mut Span, reason: Reason) {
    let name = reason.as_str_name().trim_start_matches("ERROR_REASON_");
    span.set_attribute(KeyValue::new("error.type", name));
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
