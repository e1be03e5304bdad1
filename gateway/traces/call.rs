//! The spans of calls, after the semantic conventions for RPC.

use std::sync::Arc;

use http::Request;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status};
use opentelemetry_sdk::trace::Span;
use tonic::Code;

use super::{Trace, Tracer, context};
use crate::listener::PeerAddr;

/// The span of a call, from its headers to its end.
pub struct CallSpan(Span);

impl Tracer {
    /// Begins a call's span, if it is to have one, and tells the services of its trace. Calls of the
    /// gateway's `own` methods can begin a trace.
    pub fn call<B>(
        &self,
        request: &mut Request<B>,
        (service, method): (&'static str, &'static str),
        own: bool,
    ) -> Option<CallSpan> {
        let parent = context::of_call(request.headers());
        let is_sampled = match &parent {
            Some(parent) => parent.is_sampled(),
            None => own && fastrand::f64() < self.0.sample_ratio,
        };
        let span = is_sampled.then(|| {
            let peer = request.extensions().get().map(|PeerAddr(peer)| *peer);
            let name = format!("{service}/{method}");
            let mut attributes = vec![
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", name.clone()),
            ];
            attributes
                .extend(peer.map(|peer| KeyValue::new("client.address", peer.ip().to_string())));
            let span = SpanBuilder::from_name(name)
                .with_kind(SpanKind::Server)
                .with_attributes(attributes);
            CallSpan(self.begin(span, parent.as_ref()))
        });
        let call = span
            .as_ref()
            .map(|span| span.0.span_context().clone())
            .or(parent);
        request.extensions_mut().insert(Trace {
            tracer: Some(self.clone()),
            call: call.map(Arc::new),
        });
        span
    }
}

impl CallSpan {
    /// What puts the ids of trace and span into the log of what is done on behalf of the call.
    pub fn log(&self) -> tracing::Span {
        let context = self.0.span_context();
        tracing::error_span!("call", trace_id = %context.trace_id(), span_id = %context.span_id())
    }

    /// The id of its trace.
    pub fn trace_id(&self) -> String {
        self.0.span_context().trace_id().to_string()
    }

    /// Ends it as the call ends. `reason` is that of an error, if it has one.
    pub fn end(mut self, code: Code, reason: Option<&'static str>) {
        let name = name(code);
        self.0
            .set_attribute(KeyValue::new("rpc.response.status_code", name));
        if code != Code::Ok {
            self.0
                .set_attribute(KeyValue::new("error.type", reason.unwrap_or(name)));
        }
        if is_fault(code) {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// Whether a code tells of a fault on this side, as the conventions see it.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The code's name as gRPC's documents write it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
