//! The tenants: which are open, how they are connected, and whose calls are refused.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalogue::{Catalogue, label};
use super::share::Share;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Tenant {
    tenant: Arc<str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    tenant: Arc<str>,
    why: &'static str,
}

/// Metrics of tenants.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    open: Gauge,
    connected: Family<Tenant, Gauge>,
    reconnects: Family<Tenant, Counter>,
    login_failures: Family<Tenant, Counter>,
    refused: Family<Refused, Counter>,
}

impl Tenants {
    pub(super) fn register(&self, catalogue: &mut Catalogue) {
        catalogue.section("Tenants");
        let tenant = label("tenant", "its name");
        let help = "Tenants that are connected or connecting; the others are not called";
        catalogue.add("jetgate_tenants_open", help, &[], self.open.clone());
        let help = "A tenant's connections that are up";
        let name = "jetgate_tenant_connected";
        catalogue.add(name, help, &[tenant], self.connected.clone());
        let help = "A tenant's connections that were lost or replaced";
        let name = "jetgate_tenant_reconnects";
        catalogue.add(name, help, &[tenant], self.reconnects.clone());
        let help = "Attempts to connect whose credentials NATS refused, or that could not be read";
        let name = "jetgate_tenant_login_failures";
        catalogue.add(name, help, &[tenant], self.login_failures.clone());
        let help = "Calls of a tenant that were refused before they were looked at";
        let name = "jetgate_tenant_refused_calls";
        let labels = [tenant, label("why", "login_failed, too_many_open")];
        catalogue.add(name, help, &labels, self.refused.clone());
    }

    /// Counts a tenant as open until the guard is dropped.
    pub fn opened(&self) -> Share {
        Share::of(&self.open, 1)
    }

    /// Counts a call that is refused.
    pub fn refused(&self, tenant: &Arc<str>, why: &'static str) {
        let tenant = tenant.clone();
        let refused = Refused { tenant, why };
        self.refused.get_or_create(&refused).inc();
    }

    pub(super) fn expect(&self, tenant: &Arc<str>) {
        let tenant = of(tenant);
        drop(self.connected.get_or_create(&tenant));
        drop(self.reconnects.get_or_create(&tenant));
        drop(self.login_failures.get_or_create(&tenant));
    }

    pub(super) fn connected(&self, tenant: &Arc<str>) -> Share {
        Share::of(&self.connected.get_or_create_owned(&of(tenant)), 1)
    }

    pub(super) fn reconnected(&self, tenant: &Arc<str>) {
        self.reconnects.get_or_create(&of(tenant)).inc();
    }

    pub(super) fn login_refused(&self, tenant: &Arc<str>) {
        self.login_failures.get_or_create(&of(tenant)).inc();
    }
}

fn of(tenant: &Arc<str>) -> Tenant {
    Tenant {
        tenant: tenant.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn the_connections_of_a_tenant_are_not_the_gateways() {
        let metrics = Metrics::new();
        let acme = metrics.nats.of(Some("acme".into()));
        acme.expect("requests");
        let _connected = acme.connected("requests");
        acme.login_refused();

        let text = metrics.encode().unwrap();
        assert!(!text.contains("jetgate_nats_connected{"));
        for line in [
            "jetgate_tenant_connected{tenant=\"acme\"} 1",
            "jetgate_tenant_login_failures_total{tenant=\"acme\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
