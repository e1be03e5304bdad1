//! Every metric: its name, its help and its labels, in a registry of its own.
//!
//! No globals, so that several gateways can run in one process, as the tests do. Labels are never
//! subjects, streams, consumers or callers: those are unbounded.

mod labels;

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use tonic::Code;

use self::labels::code_name;
pub use prometheus_client::metrics::counter::Counter;

use crate::auth::policy::Action;

pub use self::labels::{PublishOutcome, Refusal, SettlementKind, SettlementOutcome};

/// Upper bounds in seconds; the last are for streams, which last as long as their caller likes.
const RPC_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 1800.0,
];

type RpcDurations = Family<Rpc, Histogram, fn() -> Histogram>;

/// What the gateway counts; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    rpc_requests: Family<RpcResult, Counter>,
    rpc_durations: RpcDurations,
    published_messages: Family<Published, Counter>,
    delivered_messages: Counter,
    settlements: Family<Settlement, Counter>,
    dead_letters: Counter,
    sessions: Gauge,
    outstanding_messages: Gauge,
    nats_connected: Family<Connection, Gauge>,
    nats_reconnects: Family<Connection, Counter>,
    connections: Gauge,
    refused_connections: Family<Refused, Counter>,
    tls_expiry: Gauge,
    tls_reload_failures: Counter,
    refused_callers: Counter,
    denials: Family<Denied, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Rpc {
    service: Cow<'static, str>,
    method: Cow<'static, str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RpcResult {
    service: Cow<'static, str>,
    method: Cow<'static, str>,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Published {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Settlement {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    why: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Denied {
    mode: &'static str,
    permission: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Connection {
    role: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero, with a registry of their own.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            rpc_requests: Family::default(),
            rpc_durations: Family::new_with_constructor(|| Histogram::new(RPC_BUCKETS)),
            published_messages: Family::default(),
            delivered_messages: Counter::default(),
            settlements: Family::default(),
            dead_letters: Counter::default(),
            sessions: Gauge::default(),
            outstanding_messages: Gauge::default(),
            nats_connected: Family::default(),
            nats_reconnects: Family::default(),
            connections: Gauge::default(),
            refused_connections: Family::default(),
            tls_expiry: Gauge::default(),
            tls_reload_failures: Counter::default(),
            refused_callers: Counter::default(),
            denials: Family::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    /// Names and helps. The encoder adds `_total` to counters and `_info` to infos.
    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("jetgate");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The gateway that runs", build);

        let help = "Calls that ended, by gRPC status";
        registry.register("rpc_requests", help, self.rpc_requests.clone());
        let help = "From a call's headers to its trailers";
        registry.register("rpc_duration_seconds", help, self.rpc_durations.clone());

        let help = "Messages that callers published, by outcome";
        registry.register("published_messages", help, self.published_messages.clone());
        let help = "Messages sent to callers";
        registry.register("delivered_messages", help, self.delivered_messages.clone());
        let help = "Acknowledgements of every kind that callers gave";
        registry.register("settlements", help, self.settlements.clone());
        let help = "Dead letters that this gateway wrote";
        registry.register("dead_letters", help, self.dead_letters.clone());
        let help = "Consuming sessions that are open";
        registry.register("sessions", help, self.sessions.clone());
        let help = "Messages delivered, neither settled nor expired";
        registry.register(
            "outstanding_messages",
            help,
            self.outstanding_messages.clone(),
        );

        let help = "Connections to NATS that are up";
        registry.register("nats_connected", help, self.nats_connected.clone());
        let help = "Connections to NATS that came back or were replaced";
        registry.register("nats_reconnects", help, self.nats_reconnects.clone());

        let help = "Callers' connections that are open";
        registry.register("connections", help, self.connections.clone());
        let help = "Callers' connections that were not served, by reason";
        registry.register(
            "refused_connections",
            help,
            self.refused_connections.clone(),
        );
        let help =
            "When the first of the listener's certificates ends, in Unix time; 0 without TLS";
        registry.register(
            "tls_certificate_expiry_seconds",
            help,
            self.tls_expiry.clone(),
        );
        let help = "Changed certificates that could not be used";
        registry.register(
            "tls_reload_failures",
            help,
            self.tls_reload_failures.clone(),
        );
        let help = "Calls whose callers did not prove who they are";
        registry.register("refused_callers", help, self.refused_callers.clone());
        let help = "What the rules refused, or would have in shadow mode";
        registry.register("policy_denials", help, self.denials.clone());
        registry
    }

    /// Counts a finished call. The names must be those of the generated code, never a path as it
    /// was received: anybody could fill the registry with those.
    pub fn rpc_finished(
        &self,
        service: impl Into<Cow<'static, str>>,
        method: impl Into<Cow<'static, str>>,
        code: Code,
        duration: Duration,
    ) {
        let rpc = Rpc {
            service: service.into(),
            method: method.into(),
        };
        self.rpc_durations
            .get_or_create(&rpc)
            .observe(duration.as_secs_f64());
        let Rpc { service, method } = rpc;
        let result = RpcResult {
            service,
            method,
            code: code_name(code),
        };
        self.rpc_requests.get_or_create(&result).inc();
    }

    /// The counter of published messages with this outcome.
    pub fn published_messages(&self, outcome: PublishOutcome) -> Counter {
        let published = Published {
            outcome: outcome.label(),
        };
        self.published_messages.get_or_create_owned(&published)
    }

    /// Counts messages sent to a caller.
    pub fn messages_delivered(&self, count: u64) {
        self.delivered_messages.inc_by(count);
    }

    /// Counts settlements that ended alike.
    pub fn settled(&self, kind: SettlementKind, outcome: SettlementOutcome, count: u64) {
        let settlement = Settlement {
            kind: kind.label(),
            outcome: outcome.label(),
        };
        self.settlements.get_or_create(&settlement).inc_by(count);
    }

    /// Counts one dead letter.
    pub fn dead_letter_written(&self) {
        self.dead_letters.inc();
    }

    /// Counts a session until the guard is dropped, together with what it has outstanding.
    pub fn session_opened(&self) -> SessionGuard {
        self.sessions.inc();
        SessionGuard {
            sessions: self.sessions.clone(),
            outstanding_messages: self.outstanding_messages.clone(),
            outstanding: 0,
        }
    }

    /// Counts a connection as up, or as down again. `role` says what it is for.
    pub fn nats_connected(&self, role: &'static str, up: bool) {
        let connected = self.nats_connected.get_or_create(&Connection { role });
        if up {
            connected.inc()
        } else {
            connected.dec()
        };
    }

    /// Counts a connection of `role` that came back or was replaced.
    pub fn nats_reconnected(&self, role: &'static str) {
        self.nats_reconnects
            .get_or_create(&Connection { role })
            .inc();
    }

    /// Counts a caller's connection until the guard is dropped.
    pub fn connection_opened(&self) -> ConnectionGuard {
        self.connections.inc();
        ConnectionGuard(self.connections.clone())
    }

    /// Counts a connection that is not served.
    pub fn connection_refused(&self, why: Refusal) {
        let refused = Refused { why: why.label() };
        self.refused_connections.get_or_create(&refused).inc();
    }

    /// Says when the first of the listener's certificates ends.
    pub fn tls_certificate_expires(&self, at: SystemTime) {
        let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since_1970.map_or(0, |time| time.as_secs());
        self.tls_expiry
            .set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// Counts changed certificates that cannot be used.
    pub fn tls_reload_failed(&self) {
        self.tls_reload_failures.inc();
    }

    /// Counts a call whose caller did not prove who it is.
    pub fn caller_refused(&self) {
        self.refused_callers.inc();
    }

    /// Counts something that the rules do not allow; in shadow mode it was done all the same.
    pub fn denied(&self, action: Action, is_shadow: bool) {
        let denied = Denied {
            mode: if is_shadow { "shadow" } else { "enforce" },
            permission: action.permission(),
        };
        self.denials.get_or_create(&denied).inc();
    }

    /// Everything in the OpenMetrics text format.
    ///
    /// # Errors
    ///
    /// When a value cannot be written; none of those registered here can fail.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A session in the gauges; leaves them when dropped, however the session ends.
#[derive(Debug)]
pub struct SessionGuard {
    sessions: Gauge,
    outstanding_messages: Gauge,
    outstanding: i64,
}

impl SessionGuard {
    /// Says how many messages the session has outstanding now.
    pub fn set_outstanding(&mut self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.outstanding_messages.inc_by(count - self.outstanding);
        self.outstanding = count;
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.sessions.dec();
        self.outstanding_messages.dec_by(self.outstanding);
    }
}

/// A connection in the gauge; leaves it when dropped.
#[derive(Debug)]
pub struct ConnectionGuard(Gauge);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_as_documented() {
        let metrics = Metrics::new();
        metrics.rpc_finished(
            "jetgate.v1.PublisherService",
            "Publish",
            Code::Ok,
            Duration::ZERO,
        );
        metrics.published_messages(PublishOutcome::Stored).inc();
        metrics.messages_delivered(3);
        metrics.settled(SettlementKind::InProgress, SettlementOutcome::Confirmed, 1);
        metrics.nats_connected("requests", true);
        metrics.nats_connected("requests", true);
        metrics.nats_connected("requests", false);
        metrics.nats_reconnected("requests");

        let text = metrics.encode().unwrap();

        for line in [
            "jetgate_rpc_requests_total{service=\"jetgate.v1.PublisherService\",method=\"Publish\",code=\"OK\"} 1",
            "jetgate_rpc_duration_seconds_count{service=\"jetgate.v1.PublisherService\",method=\"Publish\"} 1",
            "jetgate_published_messages_total{outcome=\"stored\"} 1",
            "jetgate_delivered_messages_total 3",
            "jetgate_settlements_total{kind=\"in_progress\",outcome=\"confirmed\"} 1",
            "jetgate_nats_connected{role=\"requests\"} 1",
            "jetgate_nats_reconnects_total{role=\"requests\"} 1",
            concat!(
                "jetgate_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_session_leaves_the_gauges_when_dropped() {
        let metrics = Metrics::new();
        let mut session = metrics.session_opened();
        session.set_outstanding(5);
        session.set_outstanding(2);
        assert_eq!(
            (metrics.sessions.get(), metrics.outstanding_messages.get()),
            (1, 2)
        );

        drop(session);

        assert_eq!(
            (metrics.sessions.get(), metrics.outstanding_messages.get()),
            (0, 0)
        );
    }
}
