//! The connections to NATS. Those of tenants have series of their own, so that what is said of the gateway's own
//! connections is said of those alone.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::catalogue::{Catalogue, label};
use super::share::Share;
use super::tenants::Tenants;

/// Upper bounds in seconds of round trips.
const BUCKETS: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Connection {
    role: &'static str,
}

/// Metrics of the connections.
#[derive(Clone, Debug)]
pub struct Nats {
    /// Whose connections they are; the gateway's own where there is no tenant.
    tenant: Option<Arc<str>>,
    tenants: Tenants,
    connected: Family<Connection, Gauge>,
    outdated: Family<Connection, Gauge>,
    reconnects: Family<Connection, Counter>,
    round_trips: Family<Connection, Histogram, fn() -> Histogram>,
}

impl Nats {
    pub(super) fn register(catalogue: &mut Catalogue, tenants: Tenants) -> Self {
        let metrics = Self {
            tenant: None,
            tenants,
            connected: Family::default(),
            outdated: Family::default(),
            reconnects: Family::default(),
            round_trips: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        catalogue.section("Connections to NATS");
        let role = [label(
            "role",
            "what the connection is for, such as requests",
        )];
        let help = "Connections that are up";
        let name = "jetgate_nats_connected";
        catalogue.add(name, help, &role, metrics.connected.clone());
        let help = "Connections to servers that are too old, or whose version has known security advisories";
        let name = "jetgate_nats_outdated";
        catalogue.add(name, help, &role, metrics.outdated.clone());
        let help = "Connections that were lost or replaced";
        let name = "jetgate_nats_reconnects";
        catalogue.add(name, help, &role, metrics.reconnects.clone());
        let help =
            "Round trips to the server and back, one on each connection every nats.ping_interval";
        let name = "jetgate_nats_rtt_seconds";
        catalogue.add(name, help, &role, metrics.round_trips.clone());
        metrics
    }

    /// Those of the connections of this tenant.
    #[must_use]
    pub fn of(&self, tenant: Option<Arc<str>>) -> Self {
        Self {
            tenant,
            ..self.clone()
        }
    }

    /// Whose connections they are.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Makes the series of a role, at zero.
    pub fn expect(&self, role: &'static str) {
        if let Some(tenant) = &self.tenant {
            return self.tenants.expect(tenant);
        }
        drop(self.connected.get_or_create(&Connection { role }));
        drop(self.outdated.get_or_create(&Connection { role }));
        drop(self.reconnects.get_or_create(&Connection { role }));
    }

    /// Counts a connection as up until the guard is dropped. `role` says what it is for.
    pub fn connected(&self, role: &'static str) -> Share {
        if let Some(tenant) = &self.tenant {
            return self.tenants.connected(tenant);
        }
        Share::of(&self.connected.get_or_create_owned(&Connection { role }), 1)
    }

    /// Counts a connection to a server that should be upgraded, until the guard is dropped.
    pub fn outdated(&self, role: &'static str) -> Share {
        Share::of(&self.outdated.get_or_create_owned(&Connection { role }), 1)
    }

    /// Counts a connection that was lost or replaced.
    pub fn reconnected(&self, role: &'static str) {
        if let Some(tenant) = &self.tenant {
            return self.tenants.reconnected(tenant);
        }
        self.reconnects.get_or_create(&Connection { role }).inc();
    }

    /// Counts an attempt to connect that NATS refused.
    pub fn login_refused(&self) {
        if let Some(tenant) = &self.tenant {
            self.tenants.login_refused(tenant);
        }
    }

    /// Takes note of a round trip; those of tenants are not measured.
    pub fn round_trip(&self, role: &'static str, took: Duration) {
        if self.tenant.is_some() {
            return;
        }
        let round_trips = self.round_trips.get_or_create(&Connection { role });
        round_trips.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn connections_are_counted_by_role() {
        let metrics = Metrics::new();
        metrics.nats.expect("requests");
        let first = metrics.nats.connected("requests");
        let _second = metrics.nats.connected("requests");
        drop(first);
        metrics.nats.reconnected("requests");

        let text = metrics.encode().unwrap();
        assert!(text.contains("jetgate_nats_connected{role=\"requests\"} 1"));
        assert!(text.contains("jetgate_nats_reconnects_total{role=\"requests\"} 1"));
    }
}
