//! The list of metrics while it is made: each is registered and described in one step, so that the
//! reference page names what there is.

use std::fmt::Write as _;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Metric, Registry};

/// How the page begins.
const HEAD: &str = "# Metrics\n\n\
    What `/metrics` of the admin port serves, in the OpenMetrics text format. Made from the code: a test compares the two.\n\
    A histogram `x` has the series `x_bucket`, `x_sum` and `x_count`. No label is a subject, stream, consumer or caller, so\n\
    that the number of series is bounded; a tenant is one, as those are configured.\n";

/// A label: its name, and its values or what they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(&'static str, &'static str);

/// A label by its name and its values.
pub(super) const fn label(name: &'static str, values: &'static str) -> Label {
    Label(name, values)
}

/// Registry and page.
pub(super) struct Catalogue {
    registry: Registry,
    page: String,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            registry: Registry::default(),
            page: HEAD.to_owned(),
        }
    }
}

impl Catalogue {
    /// Begins a section of the page.
    pub(super) fn section(&mut self, title: &str) {
        // Writing to a string cannot fail.
        let _written = write!(
            self.page,
            "\n## {title}\n\n| metric | kind | labels | what it tells |\n| --- | --- | --- | --- |\n"
        );
    }

    /// Registers a metric. The encoder adds `_total` to counters and `_info` to infos.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[Label],
        metric: impl Metric,
    ) {
        self.describe(name, EncodeMetric::metric_type(&metric), labels, help);
        self.registry.register(name, help, metric);
    }

    /// Describes a metric that a collector brings.
    pub(super) fn describe(&mut self, name: &str, kind: MetricType, labels: &[Label], help: &str) {
        let kind = kind.as_str();
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels: Vec<_> = labels
            .iter()
            .map(|Label(name, values)| format!("`{name}`: {values}"))
            .collect();
        let labels = labels.join("; ");
        let _written = writeln!(
            self.page,
            "| `{name}{suffix}` | {kind} | {labels} | {help} |"
        );
    }

    /// Registers what finds the values of metrics whenever they are asked for.
    pub(super) fn collect(&mut self, collector: impl Collector) {
        self.registry.register_collector(Box::new(collector));
    }

    pub(super) fn finish(self) -> (Registry, String) {
        (self.registry, self.page)
    }
}
