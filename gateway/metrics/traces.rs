//! The spans of traces: how many reached their receiver, and how many did not.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::catalogue::{Catalogue, label};
use super::labels::DroppedSpans;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Dropped {
    why: &'static str,
}

/// Metrics of traces.
#[derive(Clone, Debug)]
pub struct Traces {
    exported: Counter,
    dropped: Family<Dropped, Counter>,
}

impl Traces {
    pub(super) fn register(catalogue: &mut Catalogue) -> Self {
        let metrics = Self {
            exported: Counter::default(),
            dropped: Family::default(),
        };
        catalogue.section("Traces");
        let help = "Spans that the OTLP receiver took";
        catalogue.add(
            "jetgate_spans_exported",
            help,
            &[],
            metrics.exported.clone(),
        );
        let help = "Spans that were dropped: more came than could be sent, the receiver stayed away, or did not want them";
        let why = [label("why", "queue_full, unreachable, rejected")];
        catalogue.add("jetgate_spans_dropped", help, &why, metrics.dropped.clone());
        for why in [
            DroppedSpans::QueueFull,
            DroppedSpans::Unreachable,
            DroppedSpans::Rejected,
        ] {
            metrics.dropped(why, 0);
        }
        metrics
    }

    /// Counts spans that the receiver took.
    pub fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    /// Counts spans that are lost.
    pub fn dropped(&self, why: DroppedSpans, spans: u64) {
        let dropped = Dropped { why: why.label() };
        self.dropped.get_or_create(&dropped).inc_by(spans);
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{DroppedSpans, Metrics};

    #[test]
    fn spans_are_counted_by_what_becomes_of_them() {
        let metrics = Metrics::new();
        metrics.traces.exported(3);
        metrics.traces.dropped(DroppedSpans::QueueFull, 2);

        let text = metrics.encode().unwrap();
        for line in [
            "jetgate_spans_exported_total 3",
            "jetgate_spans_dropped_total{why=\"queue_full\"} 2",
            "jetgate_spans_dropped_total{why=\"rejected\"} 0",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }
}
