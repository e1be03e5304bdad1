//! Every metric: its name, its help and its labels, in a registry of its own.
//!
//! No globals, so that several gateways can run in one process, as the tests do. Labels are never
//! subjects, streams, consumers or callers: those are unbounded. Tenants are configured, so they may be.

mod calls;
mod catalogue;
mod consuming;
mod labels;
mod listener;
mod memory;
mod nats;
mod process;
mod publishing;
mod share;
mod tenants;
mod traces;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use prometheus_client::metrics::counter::Counter;

pub use self::calls::{Calls, Method, OpenCall};
pub use self::consuming::{Consuming, SessionGuard};
pub use self::labels::{
    DroppedSpans, MemoryKind, PublishOutcome, Refusal, SettlementKind, SettlementOutcome,
};
pub use self::listener::Listener;
pub use self::memory::Memory;
pub use self::nats::Nats;
pub use self::publishing::Publishing;
pub use self::share::Share;
pub use self::tenants::Tenants;
pub use self::traces::Traces;

use self::catalogue::{Catalogue, label};

/// What the gateway counts; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Calls of every method.
    pub calls: Calls,
    /// Publishing.
    pub publishing: Publishing,
    /// Consuming.
    pub consuming: Consuming,
    /// What is held of messages.
    pub memory: Memory,
    /// The connections to NATS.
    pub nats: Nats,
    /// The tenants and their connections.
    pub tenants: Tenants,
    /// Callers' connections, and who is refused.
    pub listener: Listener,
    /// The spans of traces.
    pub traces: Traces,
    ready: Gauge,
    draining: Gauge,
    registry: Arc<Registry>,
    reference: Arc<str>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero, with a registry of their own.
    pub fn new() -> Self {
        let mut catalogue = Catalogue::default();
        let calls = Calls::register(&mut catalogue);
        let publishing = Publishing::register(&mut catalogue);
        let consuming = Consuming::register(&mut catalogue);
        let memory = Memory::register(&mut catalogue);
        let tenants = Tenants::default();
        let nats = Nats::register(&mut catalogue, tenants.clone());
        tenants.register(&mut catalogue);
        let listener = Listener::register(&mut catalogue);
        let traces = Traces::register(&mut catalogue);

        catalogue.section("The gateway itself");
        let (ready, draining) = (Gauge::default(), Gauge::default());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let version = [label("version", "that of the gateway")];
        catalogue.add("jetgate_build", "The gateway that runs", &version, build);
        let help = "1 while callers should be sent here, as /readyz says";
        catalogue.add("jetgate_ready", help, &[], ready.clone());
        let help = "1 from the signal to end on";
        catalogue.add("jetgate_draining", help, &[], draining.clone());

        process::register(&mut catalogue);

        let (registry, reference) = catalogue.finish();
        Self {
            calls,
            publishing,
            consuming,
            memory,
            nats,
            tenants,
            listener,
            traces,
            ready,
            draining,
            registry: Arc::new(registry),
            reference: reference.into(),
        }
    }

    /// Says whether callers should be sent here.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// Says that the gateway is about to end.
    pub fn drains(&self) {
        self.draining.set(1);
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

    /// The page that describes all of them, in Markdown: `deploy/metrics.md`.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/metrics.md");

    /// `JETGATE_TEST_WRITE=1` writes the page anew.
    #[test]
    fn the_reference_page_is_up_to_date() {
        let metrics = Metrics::new();
        if std::env::var_os("JETGATE_TEST_WRITE").is_some() {
            std::fs::write(REFERENCE, metrics.reference()).unwrap();
        }
        let page = std::fs::read_to_string(REFERENCE).unwrap();
        assert!(
            page == metrics.reference(),
            "deploy/metrics.md is old: JETGATE_TEST_WRITE=1 cargo test --lib reference_page"
        );
    }

    #[test]
    fn the_gateway_says_what_it_is_and_how_it_stands() {
        let metrics = Metrics::new();
        metrics.ready(true);
        metrics.drains();

        let text = metrics.encode().unwrap();

        let version = env!("CARGO_PKG_VERSION");
        for line in [
            &format!("jetgate_build_info{{version=\"{version}\"}} 1"),
            "jetgate_ready 1",
            "jetgate_draining 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
