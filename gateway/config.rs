//! The configuration: one section per module that owns it, loaded from every source at once.
//!
//! Later sources win: built-in defaults, then the TOML file, then the environment, then flags.
//! Loading reports every problem it finds, each with its key and where the value came from, so
//! that a broken deployment is mended in one round.

mod byte_size;
mod checks;
mod environment;
mod load;
mod path_list;
mod problem;
mod schema;
mod secret;
mod shape;
mod suggestion;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub(crate) use self::suggestion::suggestion;
pub use self::{
    byte_size::ByteSize,
    checks::Checks,
    load::Sources,
    path_list::PathList,
    problem::{Problem, Problems, Source},
    secret::Secret,
};
use crate::convert::stream::reach;
use crate::{
    admin, auth, console, dead_letters, limits, listener, memory, nats, publishing, shutdown,
    subscription, telemetry, tenants, tls, traces, web,
};

/// Everything that can be configured; each section is documented where it is defined.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The public gRPC listener.
    pub server: listener::Config,
    /// Certificates of the public listener.
    pub tls: tls::Config,
    /// What callers prove themselves with.
    pub auth: auth::Config,
    /// What each caller may take.
    pub limits: limits::Config,
    /// What may be held of messages.
    pub memory: memory::Config,
    /// gRPC-Web, for pages in browsers.
    pub web: web::Config,
    /// The operator's listener: probes and metrics.
    pub admin: admin::Config,
    /// Pages for people.
    pub console: console::Config,
    /// The connections to NATS.
    pub nats: nats::config::Config,
    /// Whose calls go to NATS by another login.
    pub tenants: tenants::Config,
    /// Publishing.
    pub publish: publishing::Config,
    /// Consuming.
    pub subscribe: subscription::config::Config,
    /// Messages that JetStream gave up.
    pub dead_letters: dead_letters::config::Config,
    /// What streams may be configured to do.
    pub streams: reach::Config,
    /// How the gateway ends.
    pub shutdown: shutdown::Config,
    /// Logs.
    pub log: telemetry::Config,
    /// Traces.
    pub traces: traces::Config,
}

impl Config {
    /// Loads and validates the configuration from `sources`.
    ///
    /// # Errors
    ///
    /// Every problem of every source: unreadable file, unknown key or variable, value of the
    /// wrong form, value out of range.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        load::load(sources)
    }

    /// Checks every range and every rule between keys.
    ///
    /// # Errors
    ///
    /// All violations. Their source is [`Source::Default`], as a finished configuration no longer
    /// knows where its values came from; [`Config::load`] fills it in.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut checks = Checks::default();
        self.server.check(checks.section("server"));
        self.tls.check(checks.section("tls"));
        self.auth.check(checks.section("auth"));
        self.limits.check(checks.section("limits"));
        let largest = self.publish.max_window_bytes;
        let largest = largest.max(self.server.max_request_bytes);
        self.memory.check(largest, checks.section("memory"));
        self.web.check(checks.section("web"));
        self.admin.check(checks.section("admin"));
        self.console.check(checks.section("console"));
        self.nats.check(checks.section("nats"));
        self.tenants.check(self, checks.section("tenants"));
        self.publish.check(checks.section("publish"));
        self.subscribe.check(checks.section("subscribe"));
        self.dead_letters.check(checks.section("dead_letters"));
        self.shutdown.check(checks.section("shutdown"));
        self.log.check(checks.section("log"));
        self.traces.check(checks.section("traces"));

        let same_port = self.admin.listen == self.server.listen && self.admin.listen.port() != 0;
        checks.section("admin").require(
            !same_port,
            "listen",
            "must differ from server.listen: probes and metrics have a listener of their own",
        );
        checks.section("server").require(
            self.server.is_local() || self.asks_callers() || self.server.allow_anonymous,
            "listen",
            "is reachable from outside, and nobody is asked who they are: set auth.api_keys_file, \
             auth.token_issuers_file or tls.client_ca_file, or server.allow_anonymous where something in \
             front authenticates",
        );
        let others = [self.server.listen, self.admin.listen];
        let is_apart = |listen: SocketAddr| listen.port() == 0 || !others.contains(&listen);
        checks.section("console").require(
            self.console.listen.is_none_or(is_apart),
            "listen",
            "must differ from server.listen and admin.listen: the console has a listener of its own",
        );
        checks.section("console").require(
            self.console.is_local() || self.asks_callers() || self.server.allow_anonymous,
            "listen",
            "is reachable from outside, and nobody is asked who they are: see server.listen",
        );
        checks.finish()
    }

    /// Whether every caller has to prove who it is.
    fn asks_callers(&self) -> bool {
        self.tls.authenticates() || self.auth.asks_callers()
    }

    /// The whole configuration as a TOML file, with secrets as `"[redacted]"`.
    ///
    /// Keys without a value are left out, as TOML cannot write "nothing".
    ///
    /// # Errors
    ///
    /// When a value has no TOML form, such as a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// The JSON Schema of the configuration file.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schema::schema()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/config/jetgate.toml");

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn reference_file_holds_the_defaults() {
        let sources = Sources {
            file: Some(REFERENCE.into()),
            ..Sources::default()
        };

        assert_eq!(Config::load(&sources), Ok(Config::default()));
    }

    #[test]
    fn reference_file_names_every_key() {
        let text = std::fs::read_to_string(REFERENCE).unwrap();
        let mut section = "";
        let mut named = BTreeSet::new();
        for line in text.lines() {
            let line = line.strip_prefix("# ").unwrap_or(line);
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                section = name;
            } else if let Some((key, _)) = line.split_once(" = ") {
                named.insert(format!("{section}.{key}"));
            }
        }

        let known: BTreeSet<String> = load::known_keys().into_iter().collect();
        assert_eq!(
            known.difference(&named).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
    }

    #[test]
    fn both_listeners_on_one_address_are_refused() {
        let mut config = Config::default();
        config.admin.listen = config.server.listen;

        let problems = config.validate().unwrap_err();

        assert_eq!(problems.keys(), ["admin.listen"]);
    }

    #[test]
    fn listening_beyond_loopback_needs_authentication_or_consent() {
        let mut config = Config::default();
        config.server.listen = SocketAddr::from(([0, 0, 0, 0], 50051));
        assert_eq!(config.validate().unwrap_err().keys(), ["server.listen"]);

        config.server.allow_anonymous = true;
        assert_eq!(config.validate(), Ok(()));

        config.server.allow_anonymous = false;
        config.tls.cert_file = "a.pem".parse().unwrap();
        config.tls.key_file = "a.key".parse().unwrap();
        assert_eq!(config.validate().unwrap_err().keys(), ["server.listen"]);
        config.tls.client_ca_file = Some("ca.pem".into());
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn the_console_has_a_listener_of_its_own_that_asks_as_the_other_does() {
        let mut config = Config::default();
        config.console.listen = Some(config.admin.listen);
        assert_eq!(config.validate().unwrap_err().keys(), ["console.listen"]);

        config.console.listen = Some(SocketAddr::from(([0, 0, 0, 0], 50053)));
        assert_eq!(config.validate().unwrap_err().keys(), ["console.listen"]);

        config.auth.api_keys_file = Some("keys.toml".into());
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn free_ports_may_be_asked_for_twice() {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config::default();
        config.server.listen = any_port;
        config.admin.listen = any_port;

        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn printing_redacts_secrets() {
        let mut config = Config::default();
        config.nats.password = Some(Secret::new("hunter2"));
        config.nats.url = "nats://ada:hunter3@127.0.0.1:4222".parse().unwrap();

        let printed = format!("{}{config:?}", config.to_toml().unwrap());

        assert!(printed.contains("password = \"[redacted]\""), "{printed}");
        assert!(!printed.contains("hunter"), "{printed}");
    }

    #[test]
    fn printed_configuration_can_be_loaded_again() {
        let printed = Config::default().to_toml().unwrap();

        assert_eq!(
            toml::from_str::<Config>(&printed).unwrap(),
            Config::default()
        );
    }
}
