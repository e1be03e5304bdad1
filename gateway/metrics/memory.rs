//! What is held of messages, and where there is no room for more.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalogue::{Catalogue, label};
use super::labels::MemoryKind;
use super::share::Share;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Kind {
    kind: &'static str,
}

/// Metrics of the budget of memory.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Series>);

#[derive(Debug)]
struct Series {
    most: Gauge,
    held: [Gauge; 3],
    shortages: [Counter; 3],
}

impl Memory {
    pub(super) fn register(catalogue: &mut Catalogue) -> Self {
        catalogue.section("Memory");
        let kinds = label("kind", "publish_streams, deliveries, requests");
        let most = Gauge::default();
        let help = "Bytes of memory.max_buffered_bytes that may be taken, by the gateway's own login and the tenants \
                    that are open together";
        catalogue.add("jetgate_max_buffered_bytes", help, &[], most.clone());
        let held = Family::<Kind, Gauge>::default();
        let help = "Bytes of memory.max_buffered_bytes that are taken, all tenants together; open pulls take what \
                    they may bring";
        catalogue.add("jetgate_buffered_bytes", help, &[kinds], held.clone());
        let shortages = Family::<Kind, Counter>::default();
        let help = "How often there was not room for all: a publish stream began to wait, a pull asked for less, a \
                    request was refused or waited";
        let name = "jetgate_buffer_shortages";
        catalogue.add(name, help, &[kinds], shortages.clone());
        let kind = |kind: MemoryKind| Kind { kind: kind.label() };
        Self(Arc::new(Series {
            most,
            held: MemoryKind::ALL.map(|it| held.get_or_create_owned(&kind(it))),
            shortages: MemoryKind::ALL.map(|it| shortages.get_or_create_owned(&kind(it))),
        }))
    }

    /// Counts the bytes of a budget until the guard is dropped.
    pub fn budget(&self, bytes: u64) -> Share {
        Share::of(&self.0.most, usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Counts that something holds so many bytes now, and held others before.
    pub fn held(&self, kind: MemoryKind, before: u64, now: u64) {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.held[kind as usize].inc_by(bytes(now) - bytes(before));
    }

    /// Counts that there was not room for all.
    pub fn short(&self, kind: MemoryKind) {
        self.0.shortages[kind as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use crate::config::ByteSize;
    use crate::memory::Budget;
    use crate::metrics::Metrics;

    #[test]
    fn what_may_be_taken_is_the_sum_of_the_budgets_that_are_open() {
        let metrics = Metrics::new();
        let own = Budget::new(ByteSize::kib(3), metrics.memory.clone());
        let tenant = Budget::new(ByteSize::kib(2), metrics.memory.clone());
        let most = |bytes: u64| {
            let line = format!("\njetgate_max_buffered_bytes {bytes}\n");
            let text = metrics.encode().unwrap();
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        };
        most(5 * 1024);
        drop(tenant);
        most(3 * 1024);
        drop(own);
        most(0);
    }
}
