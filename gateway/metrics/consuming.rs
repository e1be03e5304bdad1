//! Deliveries, what callers say of them, and why sessions stand still.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::catalogue::{Catalogue, label};
use super::labels::{SettlementKind, SettlementOutcome};
use super::share::Share;
use crate::proto::StallReason;

/// Upper bounds in seconds of JetStream's confirmations.
const BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Upper bounds in seconds of the time that callers work on a message.
const WORK: [f64; 12] = [
    0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Settlement {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Stall {
    reason: &'static str,
}

/// Metrics of consuming.
#[derive(Clone, Debug)]
pub struct Consuming {
    delivered: Counter,
    redelivered: Counter,
    settlements: Family<Settlement, Counter>,
    answers: Histogram,
    confirmations: Histogram,
    sessions: Gauge,
    outstanding: Gauge,
    stalled: Family<Stall, Gauge>,
    stalls: Family<Stall, Counter>,
}

impl Consuming {
    pub(super) fn register(catalogue: &mut Catalogue) -> Self {
        let metrics = Self {
            delivered: Counter::default(),
            redelivered: Counter::default(),
            settlements: Family::default(),
            answers: Histogram::new(WORK),
            confirmations: Histogram::new(BUCKETS),
            sessions: Gauge::default(),
            outstanding: Gauge::default(),
            stalled: Family::default(),
            stalls: Family::default(),
        };
        metrics.describe(catalogue);
        metrics
    }

    fn describe(&self, catalogue: &mut Catalogue) {
        catalogue.section("Consuming");
        let help = "Messages sent to callers, by sessions and by Fetch";
        let name = "jetgate_delivered_messages";
        catalogue.add(name, help, &[], self.delivered.clone());
        let help = "Those of them that were delivered before, to anybody";
        let name = "jetgate_redelivered_messages";
        catalogue.add(name, help, &[], self.redelivered.clone());
        let help = "Acknowledgements of every kind that callers gave";
        let labels = [
            label("kind", "ack, nak, in_progress, term"),
            label("outcome", "confirmed, sent, failed, unknown"),
        ];
        let name = "jetgate_settlements";
        catalogue.add(name, help, &labels, self.settlements.clone());
        let help = "From a session's delivery of a message to the first word of its caller: ack, nak or term";
        let name = "jetgate_delivery_settle_seconds";
        catalogue.add(name, help, &[], self.answers.clone());
        let help =
            "From sending an acknowledgement to JetStream's confirmation, where one is asked for";
        let name = "jetgate_settlement_confirm_seconds";
        catalogue.add(name, help, &[], self.confirmations.clone());
        let help = "Consuming sessions that are open: Subscribe and Consume";
        catalogue.add("jetgate_sessions", help, &[], self.sessions.clone());
        let help = "Messages that sessions delivered, neither settled nor expired";
        let name = "jetgate_outstanding_messages";
        catalogue.add(name, help, &[], self.outstanding.clone());
        let reasons = "those of StallReason without the prefix, such as WINDOW_FULL";
        let labels = [label("reason", reasons)];
        let help = "Sessions that get nothing at the moment, by what their last heartbeat said; \
                    with NO_MESSAGES all is well";
        let name = "jetgate_stalled_sessions";
        catalogue.add(name, help, &labels, self.stalled.clone());
        let help = "How often a session began to get nothing for this reason";
        catalogue.add("jetgate_session_stalls", help, &labels, self.stalls.clone());
    }

    /// Counts messages sent to a caller, by their delivery attempts.
    pub fn delivered(&self, attempts: impl Iterator<Item = u64>) {
        let (mut all, mut again) = (0, 0);
        for attempt in attempts {
            all += 1;
            again += u64::from(attempt > 1);
        }
        self.delivered.inc_by(all);
        self.redelivered.inc_by(again);
    }

    /// Counts settlements that ended alike.
    pub fn settled(&self, kind: SettlementKind, outcome: SettlementOutcome, count: u64) {
        let settlement = Settlement {
            kind: kind.label(),
            outcome: outcome.label(),
        };
        self.settlements.get_or_create(&settlement).inc_by(count);
    }

    /// Takes note of the first word of a caller on a delivery.
    pub fn answered(&self, after: Duration) {
        self.answers.observe(after.as_secs_f64());
    }

    /// Takes note of a confirmation.
    pub fn confirmed(&self, after: Duration) {
        self.confirmations.observe(after.as_secs_f64());
    }

    /// Counts a session until the guard is dropped, with what it has outstanding and why it stalls.
    pub fn session_opened(&self) -> SessionGuard {
        SessionGuard {
            _session: Share::of(&self.sessions, 1),
            outstanding: Share::of(&self.outstanding, 0),
            stall: None,
            metrics: self.clone(),
        }
    }
}

/// A session in the metrics; leaves them when dropped, however the session ends.
#[derive(Debug)]
pub struct SessionGuard {
    _session: Share,
    outstanding: Share,
    stall: Option<(StallReason, Share)>,
    metrics: Consuming,
}

impl SessionGuard {
    /// Says how many messages the session has outstanding now.
    pub fn set_outstanding(&mut self, count: usize) {
        self.outstanding.set(count);
    }

    /// Says why the session gets nothing, if it is so.
    pub fn set_stall(&mut self, reason: StallReason) {
        let current = self.stall.as_ref().map(|(reason, _)| *reason);
        if current.unwrap_or_default() == reason {
            return;
        }
        self.stall = (reason != StallReason::Unspecified).then(|| {
            let label = Stall {
                reason: reason.as_str_name().trim_start_matches("STALL_REASON_"),
            };
            self.metrics.stalls.get_or_create(&label).inc();
            let gauge = self.metrics.stalled.get_or_create_owned(&label);
            (reason, Share::of(&gauge, 1))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn value(metrics: &Metrics, name: &str) -> i64 {
        let text = metrics.encode().unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    fn a_session_leaves_the_gauges_when_dropped() {
        let metrics = Metrics::new();
        let mut session = metrics.consuming.session_opened();
        session.set_outstanding(5);
        session.set_outstanding(2);
        session.set_stall(StallReason::NoMessages);
        session.set_stall(StallReason::WindowFull);
        session.set_stall(StallReason::WindowFull);

        let names = [
            "jetgate_sessions ",
            "jetgate_outstanding_messages ",
            "jetgate_stalled_sessions{reason=\"WINDOW_FULL\"} ",
            "jetgate_stalled_sessions{reason=\"NO_MESSAGES\"} ",
        ];
        assert_eq!(names.map(|name| value(&metrics, name)), [1, 2, 1, 0]);
        drop(session);
        assert_eq!(names.map(|name| value(&metrics, name)), [0, 0, 0, 0]);
        let stalls = "jetgate_session_stalls_total{reason=\"WINDOW_FULL\"} ";
        assert_eq!(value(&metrics, stalls), 1);
    }

    #[test]
    fn deliveries_and_settlements_are_counted() {
        let metrics = Metrics::new();
        metrics.consuming.delivered([1, 2, 7].into_iter());
        let (kind, outcome) = (SettlementKind::InProgress, SettlementOutcome::Confirmed);
        metrics.consuming.settled(kind, outcome, 3);

        assert_eq!(value(&metrics, "jetgate_delivered_messages_total"), 3);
        assert_eq!(value(&metrics, "jetgate_redelivered_messages_total"), 2);
        let settled = "jetgate_settlements_total{kind=\"in_progress\",outcome=\"confirmed\"}";
        assert_eq!(value(&metrics, settled), 3);
    }
}
