//! Callers' connections, who is refused, and the listener's certificates.

use std::time::SystemTime;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalogue::{Catalogue, label};
use super::labels::Refusal;
use super::share::Share;
use crate::auth::policy::Action;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    why: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KeysAsked {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Limited {
    limit: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Denied {
    mode: &'static str,
    permission: String,
}

/// Metrics of the public listener.
#[derive(Clone, Debug)]
pub struct Listener {
    connections: Gauge,
    refused_connections: Family<Refused, Counter>,
    refused_callers: Counter,
    refused_pages: Counter,
    denials: Family<Denied, Counter>,
    limited: Family<Limited, Counter>,
    token_keys: Family<KeysAsked, Counter>,
    tls_expiry: Gauge,
    tls_reload_failures: Counter,
}

impl Listener {
    pub(super) fn register(catalogue: &mut Catalogue) -> Self {
        let metrics = Self {
            connections: Gauge::default(),
            refused_connections: Family::default(),
            refused_callers: Counter::default(),
            refused_pages: Counter::default(),
            denials: Family::default(),
            limited: Family::default(),
            token_keys: Family::default(),
            tls_expiry: Gauge::default(),
            tls_reload_failures: Counter::default(),
        };
        // Alerts ask how much they grew, which nothing can say of a series that begins with 1.
        for why in Refusal::ALL {
            let _begun_at_zero = metrics.refused(why);
        }
        metrics.describe(catalogue);
        metrics
    }

    fn describe(&self, catalogue: &mut Catalogue) {
        catalogue.section("The public listener");
        let help = "Callers' connections that are open";
        catalogue.add("jetgate_connections", help, &[], self.connections.clone());
        let help = "Callers' connections that were not served, by reason";
        let why = [label(
            "why",
            "full, address_full, handshake, certificate, protocol, proxy_header",
        )];
        let name = "jetgate_refused_connections";
        catalogue.add(name, help, &why, self.refused_connections.clone());
        let help = "Calls whose callers did not prove who they are";
        let name = "jetgate_refused_callers";
        catalogue.add(name, help, &[], self.refused_callers.clone());
        let help = "Calls of pages that web.origins does not name";
        let name = "jetgate_refused_pages";
        catalogue.add(name, help, &[], self.refused_pages.clone());
        let help = "What the rules refused, or would have in shadow mode";
        let labels = [
            label("mode", "enforce, shadow"),
            label("permission", "what was missing, as the rules name it"),
        ];
        let name = "jetgate_policy_denials";
        catalogue.add(name, help, &labels, self.denials.clone());
        let help = "Calls, sessions and messages beyond the limits of their callers, and bodies that were held by them";
        let labels = [
            label(
                "limit",
                "requests_per_second, bytes_per_second, max_calls, max_sessions, max_in_flight, max_message_bytes",
            ),
            label("outcome", "refused, held"),
        ];
        let name = "jetgate_caller_limits";
        catalogue.add(name, help, &labels, self.limited.clone());
        let help = "How often the keys of issuers of tokens were asked for";
        let labels = [label("outcome", "came, failed")];
        let name = "jetgate_token_key_lookups";
        catalogue.add(name, help, &labels, self.token_keys.clone());
        let help =
            "When the first of the listener's certificates ends, in Unix time; 0 without TLS";
        let name = "jetgate_tls_certificate_expiry_seconds";
        catalogue.add(name, help, &[], self.tls_expiry.clone());
        let help = "Changed certificates that could not be used";
        let name = "jetgate_tls_reload_failures";
        catalogue.add(name, help, &[], self.tls_reload_failures.clone());
    }

    /// Counts a caller's connection until the guard is dropped.
    pub fn connection_opened(&self) -> Share {
        Share::of(&self.connections, 1)
    }

    /// Counts a connection that is not served.
    pub fn connection_refused(&self, why: Refusal) {
        self.refused(why).inc();
    }

    fn refused(&self, why: Refusal) -> Counter {
        let refused = Refused { why: why.label() };
        self.refused_connections.get_or_create_owned(&refused)
    }

    /// Counts a call whose caller did not prove who it is.
    pub fn caller_refused(&self) {
        self.refused_callers.inc();
    }

    /// Counts a call of a page that may not call.
    pub fn page_refused(&self) {
        self.refused_pages.inc();
    }

    /// Counts something that the rules do not allow; in shadow mode it was done all the same.
    pub fn denied(&self, action: Action, is_shadow: bool) {
        let denied = Denied {
            mode: if is_shadow { "shadow" } else { "enforce" },
            permission: action.permission(),
        };
        self.denials.get_or_create(&denied).inc();
    }

    /// Counts a caller that has reached a limit, by the limit's key.
    pub fn caller_limited(&self, limit: &'static str, outcome: &'static str) {
        let limited = Limited { limit, outcome };
        self.limited.get_or_create(&limited).inc();
    }

    /// Counts that the keys of an issuer of tokens were asked for.
    pub fn token_keys_asked(&self, have_come: bool) {
        let outcome = if have_come { "came" } else { "failed" };
        self.token_keys.get_or_create(&KeysAsked { outcome }).inc();
    }

    /// Says when the first of the certificates ends.
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
}
