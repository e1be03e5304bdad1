//! Calls by method and status, under the names that dashboards for gRPC servers know.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::catalogue::{Catalogue, Label, label};
use super::labels::code_name;
use crate::error::Reason;
use crate::proto::METHODS;

/// Upper bounds in seconds; the last are for streams, which last as long as their caller likes.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 1800.0,
];

/// Methods that are not of the contract.
const OTHERS: [(&str, &str, &str); 5] = [
    ("grpc.health.v1.Health", "Check", "unary"),
    ("grpc.health.v1.Health", "List", "unary"),
    ("grpc.health.v1.Health", "Watch", "server_stream"),
    (
        "grpc.reflection.v1.ServerReflection",
        "ServerReflectionInfo",
        "bidi_stream",
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        "ServerReflectionInfo",
        "bidi_stream",
    ),
];

/// What stands for everything that does not exist: anybody can make up paths.
const UNKNOWN: (&str, &str, &str) = ("other", "other", "other");

const LABELS: [Label; 3] = [
    label("grpc_type", "unary, server_stream, bidi_stream"),
    label("grpc_service", "such as jetgate.v1.PublisherService"),
    label("grpc_method", "such as Publish"),
];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    grpc_type: &'static str,
    grpc_service: &'static str,
    grpc_method: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct HandledLabels {
    grpc_type: &'static str,
    grpc_service: &'static str,
    grpc_method: &'static str,
    grpc_code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ErrorLabels {
    reason: &'static str,
}

/// The methods, and how their calls are counted.
#[derive(Clone, Debug)]
pub struct Calls {
    /// By path.
    methods: Arc<HashMap<String, Arc<Method>>>,
    unknown: Arc<Method>,
}

/// One method.
#[derive(Debug)]
pub struct Method {
    labels: Labels,
    started: Counter,
    handled: Family<HandledLabels, Counter>,
    handling: Histogram,
    /// Messages that came whole.
    pub received: Counter,
    /// Messages that were handed to the connection.
    pub sent: Counter,
    errors: Family<ErrorLabels, Counter>,
}

struct Families {
    started: Family<Labels, Counter>,
    handled: Family<HandledLabels, Counter>,
    handling: Family<Labels, Histogram, fn() -> Histogram>,
    received: Family<Labels, Counter>,
    sent: Family<Labels, Counter>,
    errors: Family<ErrorLabels, Counter>,
}

impl Calls {
    pub(super) fn register(catalogue: &mut Catalogue) -> Self {
        let families = Families {
            started: Family::default(),
            handled: Family::default(),
            handling: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            received: Family::default(),
            sent: Family::default(),
            errors: Family::default(),
        };
        families.describe(catalogue);
        let known = METHODS.iter().chain(&OTHERS);
        let methods = known.map(|&(service, method, kind)| {
            let path = format!("/{service}/{method}");
            (path, Arc::new(families.method((service, method, kind))))
        });
        Self {
            methods: Arc::new(methods.collect()),
            unknown: Arc::new(families.method(UNKNOWN)),
        }
    }

    /// Counts a call from here to when what is returned is dropped.
    pub fn begin(&self, path: &str) -> OpenCall {
        let method = self.methods.get(path).unwrap_or(&self.unknown).clone();
        method.started.inc();
        OpenCall {
            method,
            began: Instant::now(),
            code: None,
            reason: None,
        }
    }
}

impl Families {
    fn describe(&self, catalogue: &mut Catalogue) {
        catalogue.section("Calls");
        let help = "Calls that began";
        catalogue.add("grpc_server_started", help, &LABELS, self.started.clone());
        let help = "Calls that ended, a caller that left among them";
        let code = label("grpc_code", "OK, NotFound and so on, as Go writes them");
        let labels = [LABELS[0], LABELS[1], LABELS[2], code];
        catalogue.add("grpc_server_handled", help, &labels, self.handled.clone());
        let help =
            "From a call's headers to its trailers; a stream lasts as long as its caller likes";
        let name = "grpc_server_handling_seconds";
        catalogue.add(name, help, &LABELS, self.handling.clone());
        let help = "Messages of calls that came";
        let name = "grpc_server_msg_received";
        catalogue.add(name, help, &LABELS, self.received.clone());
        let help = "Messages of calls that were sent";
        catalogue.add("grpc_server_msg_sent", help, &LABELS, self.sent.clone());
        let help = "Calls that ended with an error, by its reason: refusals, limits that were met, NATS away";
        let reason = [label(
            "reason",
            "those of error.proto, without the prefix; NONE where an error has none",
        )];
        catalogue.add("jetgate_call_errors", help, &reason, self.errors.clone());
    }

    /// Counters that are at zero are shown as well, so that rates begin with the first call.
    fn method(
        &self,
        (service, method, kind): (&'static str, &'static str, &'static str),
    ) -> Method {
        let labels = Labels {
            grpc_type: kind,
            grpc_service: service,
            grpc_method: method,
        };
        let method = Method {
            started: self.started.get_or_create_owned(&labels),
            handled: self.handled.clone(),
            handling: self.handling.get_or_create_owned(&labels),
            received: self.received.get_or_create_owned(&labels),
            sent: self.sent.get_or_create_owned(&labels),
            errors: self.errors.clone(),
            labels,
        };
        method.handled(Code::Ok);
        method
    }
}

impl Method {
    fn handled(&self, code: Code) -> Counter {
        let Labels {
            grpc_type,
            grpc_service,
            grpc_method,
        } = self.labels;
        self.handled.get_or_create_owned(&HandledLabels {
            grpc_type,
            grpc_service,
            grpc_method,
            grpc_code: code_name(code),
        })
    }
}

/// A call until it has ended; a call without a status was left by its caller.
#[derive(Debug)]
pub struct OpenCall {
    method: Arc<Method>,
    began: Instant,
    code: Option<Code>,
    reason: Option<&'static str>,
}

impl OpenCall {
    /// The method that is called.
    pub fn method(&self) -> &Arc<Method> {
        &self.method
    }

    /// Takes note of how the call ends.
    pub fn ends(&mut self, status: &Status) {
        self.code = Some(status.code());
        if status.code() != Code::Ok {
            self.reason = reason(status);
            let reason = self.reason.unwrap_or("NONE");
            let errors = &self.method.errors;
            errors.get_or_create(&ErrorLabels { reason }).inc();
        }
    }

    /// How it ends, as far as is known.
    pub fn code(&self) -> Code {
        self.code.unwrap_or(Code::Cancelled)
    }

    /// The reason of the error that it ends with, if it has one.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Whether the method is one of the gateway's own.
    pub fn is_own(&self) -> bool {
        let (service, method) = self.name();
        METHODS
            .iter()
            .any(|(known, name, _)| (*known, *name) == (service, method))
    }

    /// How long it has lasted.
    pub fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// Service and method.
    pub fn name(&self) -> (&'static str, &'static str) {
        let labels = &self.method.labels;
        (labels.grpc_service, labels.grpc_method)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.method.handled(self.code()).inc();
        self.method.handling.observe(self.lasted().as_secs_f64());
    }
}

/// The name of the reason, which is one of those that there are.
fn reason(status: &Status) -> Option<&'static str> {
    const PREFIX: &str = "ERROR_REASON_";
    let info = status.get_details_error_info();
    let reason = info.and_then(|info| Reason::from_str_name(&format!("{PREFIX}{}", info.reason)));
    reason.map(|reason| reason.as_str_name().trim_start_matches(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::metrics::Metrics;

    fn shown(metrics: &Metrics, line: &str) -> bool {
        metrics.encode().unwrap().lines().any(|shown| shown == line)
    }

    #[test]
    fn calls_are_counted_by_method_and_code() {
        let metrics = Metrics::new();
        let path = "/jetgate.v1.SubscriberService/Subscribe";
        metrics.calls.begin(path).ends(&Status::ok(""));
        let error: Status = Error::new(Reason::StreamNotFound, "none").into();
        metrics.calls.begin(path).ends(&error);
        drop(metrics.calls.begin(path));

        let labels = "grpc_type=\"server_stream\",grpc_service=\"jetgate.v1.SubscriberService\",\
                      grpc_method=\"Subscribe\"";
        for line in [
            format!("grpc_server_started_total{{{labels}}} 3"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"OK\"}} 1"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"NotFound\"}} 1"),
            format!("grpc_server_handled_total{{{labels},grpc_code=\"Canceled\"}} 1"),
            format!("grpc_server_handling_seconds_count{{{labels}}} 3"),
            "jetgate_call_errors_total{reason=\"STREAM_NOT_FOUND\"} 1".to_owned(),
        ] {
            assert!(shown(&metrics, &line), "{line}");
        }
    }

    #[test]
    fn paths_that_do_not_exist_make_no_series() {
        let metrics = Metrics::new();
        for path in ["/a/b", "/jetgate.v1.PublisherService/No", "", "/"] {
            drop(metrics.calls.begin(path));
        }

        let other = "grpc_type=\"other\",grpc_service=\"other\",grpc_method=\"other\"";
        assert!(shown(
            &metrics,
            &format!("grpc_server_started_total{{{other}}} 4")
        ));
        assert!(!metrics.encode().unwrap().contains("\"No\""));
    }
}
