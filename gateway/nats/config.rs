//! The `nats` section: which servers, as whom, and how patiently.

mod connect;
mod server_urls;

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::server_urls::{ParseServerUrlsError, ServerUrls};
use crate::config::{Checks, Secret};

/// JetStream holds this many waiting pulls per consumer, of all gateways together.
const MAX_WAITING_PULLS: usize = 512;

/// How to reach NATS.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seed servers, separated by commas; the others of the cluster are learnt from them. Default
    /// `nats://127.0.0.1:4222`.
    pub url: ServerUrls,
    /// A `.creds` file with a user's JWT and seed. Default: none.
    pub credentials_file: Option<PathBuf>,
    /// User name, together with `password`. Default: none.
    pub user: Option<String>,
    /// Password, together with `user`. Default: none.
    pub password: Option<Secret>,
    /// Token for servers that ask for one instead of a user. Default: none.
    pub token: Option<Secret>,
    /// Seed of an nkey (`SU...`). Default: none.
    pub nkey_seed: Option<Secret>,
    /// Certificate authorities (PEM) to trust instead of the system's. Default: none.
    pub tls_ca_file: Option<PathBuf>,
    /// Client certificate chain (PEM), together with `tls_key_file`. Default: none.
    pub tls_cert_file: Option<PathBuf>,
    /// Key of the client certificate (PEM), together with `tls_cert_file`. Default: none.
    pub tls_key_file: Option<PathBuf>,
    /// Begins with the TLS handshake instead of the server's greeting; the server must have
    /// `handshake_first`. Default false.
    pub tls_first: bool,
    /// Refuses a connection without TLS, whatever the server offers. Default false.
    pub require_tls: bool,
    /// JetStream domain: requests go to `$JS.<domain>.API`. Default: none.
    pub domain: Option<String>,
    /// What JetStream's API begins with where the login's account has imported that of another account:
    /// `hub.js`. Instead of `domain`. Default: none.
    pub api_prefix: Option<String>,
    /// Start of the subjects that answers arrive on. Default `_INBOX`.
    pub inbox_prefix: String,
    /// Connection name, as `nats server report connections` shows it. Default `jetgate`.
    pub name: String,
    /// Longest wait for one server to accept a connection. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Time between two round trips that prove a connection alive; two without an answer replace
    /// it. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// Longest wait for the answer to one JetStream API request. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Connections that publish. Default 1.
    pub publish_connections: usize,
    /// Connections that consume. Default 2.
    pub consume_connections: usize,
    /// Waiting pulls of this gateway per consumer, at most 512, which all gateways share.
    /// Default 64.
    pub pull_slots: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: ServerUrls::default(),
            credentials_file: None,
            user: None,
            password: None,
            token: None,
            nkey_seed: None,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            tls_first: false,
            require_tls: false,
            domain: None,
            api_prefix: None,
            inbox_prefix: "_INBOX".to_owned(),
            name: "jetgate".to_owned(),
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            publish_connections: 1,
            consume_connections: 2,
            pull_slots: 64,
        }
    }
}

impl Config {
    /// The same settings for an open server at `url`: no authentication, no TLS, its own JetStream.
    #[must_use]
    pub fn for_open_server(&self, url: ServerUrls) -> Self {
        let Self {
            inbox_prefix, name, ..
        } = self.clone();
        Self {
            url,
            inbox_prefix,
            name,
            connect_timeout: self.connect_timeout,
            ping_interval: self.ping_interval,
            request_timeout: self.request_timeout,
            publish_connections: self.publish_connections,
            consume_connections: self.consume_connections,
            pull_slots: self.pull_slots,
            ..Self::default()
        }
    }

    /// What every request to JetStream's API begins with.
    pub(crate) fn api_prefix(&self) -> String {
        match (&self.api_prefix, &self.domain) {
            (Some(prefix), _) => prefix.clone(),
            (None, Some(domain)) => format!("$JS.{domain}.API"),
            (None, None) => "$JS.API".to_owned(),
        }
    }

    /// The same settings without credentials. The client certificate stays: servers that ask for one ask every
    /// connection.
    #[must_use]
    pub fn without_login(&self) -> Self {
        Self {
            url: self.url.without_credentials(),
            credentials_file: None,
            user: None,
            password: None,
            token: None,
            nkey_seed: None,
            ..self.clone()
        }
    }

    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.positive_time("connect_timeout", self.connect_timeout);
        checks.positive_time("ping_interval", self.ping_interval);
        checks.positive_time("request_timeout", self.request_timeout);
        checks.within("publish_connections", self.publish_connections, 1..=64);
        checks.within("consume_connections", self.consume_connections, 1..=64);
        checks.within("pull_slots", self.pull_slots, 1..=MAX_WAITING_PULLS);
        self.check_names(checks);
        self.check_credentials(checks);
    }

    fn check_names(&self, checks: &mut Checks) {
        checks.require(
            is_prefix(&self.inbox_prefix),
            "inbox_prefix",
            "must be a subject without wildcards, such as `_INBOX` or `_INBOX.gateway`",
        );
        checks.require(
            self.domain.as_deref().is_none_or(is_token),
            "domain",
            "must be one token: no dots, spaces or wildcards, not empty",
        );
        checks.require(
            self.api_prefix.as_deref().is_none_or(is_prefix),
            "api_prefix",
            "must be a subject without wildcards and without a dot at its end, such as `hub.js`",
        );
        checks.require(
            self.api_prefix.is_none() || self.domain.is_none(),
            "api_prefix",
            "cannot be used together with nats.domain",
        );
    }

    fn check_credentials(&self, checks: &mut Checks) {
        let mut given = [
            ("credentials_file", self.credentials_file.is_some()),
            ("user", self.user.is_some()),
            ("token", self.token.is_some()),
            ("nkey_seed", self.nkey_seed.is_some()),
            ("url", self.url.credentials().is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key));
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            checks.require(
                false,
                second,
                format!("cannot be used together with nats.{first}"),
            );
        }
        pair(
            checks,
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
        );
        pair(
            checks,
            ("tls_cert_file", self.tls_cert_file.is_some()),
            ("tls_key_file", self.tls_key_file.is_some()),
        );
    }
}

/// Requires both keys or neither; the problem is that of the one given, whose source is known.
fn pair(checks: &mut Checks, first: (&str, bool), second: (&str, bool)) {
    let (given, missing) = if first.1 {
        (first, second)
    } else {
        (second, first)
    };
    let message = format!("needs nats.{} beside it", missing.0);
    checks.require(given.1 == missing.1, given.0, message);
}

/// Whether subjects can begin with `text` and a dot.
fn is_prefix(text: &str) -> bool {
    text.split('.').all(is_token)
}

/// Whether `text` can stand between two dots of a subject.
fn is_token(text: &str) -> bool {
    let forbidden = |character: char| {
        character.is_whitespace() || character.is_control() || ".*>".contains(character)
    };
    !text.is_empty() && !text.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config as WholeConfig;

    fn problems(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = WholeConfig::default();
        change(&mut config.nats);
        let problems = config.validate().err();
        problems
            .iter()
            .flat_map(|all| all.keys())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn one_way_to_authenticate() {
        let both = problems(|nats| {
            nats.token = Some(Secret::new("t"));
            nats.nkey_seed = Some(Secret::new("s"));
        });

        assert_eq!(both, ["nats.nkey_seed"]);
    }

    #[test]
    fn credentials_in_the_url_are_one_way_too() {
        let both = problems(|nats| {
            nats.url = "nats://ada:secret@n1".parse().unwrap();
            nats.token = Some(Secret::new("t"));
        });

        assert_eq!(both, ["nats.url"]);
    }

    #[test]
    fn pairs_belong_together() {
        let halves = problems(|nats| {
            nats.user = Some("ada".to_owned());
            nats.tls_key_file = Some("key.pem".into());
        });

        assert_eq!(halves, ["nats.user", "nats.tls_key_file"]);
    }

    #[test]
    fn names_must_fit_into_subjects() {
        let bad = problems(|nats| {
            nats.inbox_prefix = "_INBOX.>".to_owned();
            nats.domain = Some("a.b".to_owned());
        });

        assert_eq!(bad, ["nats.inbox_prefix", "nats.domain"]);
        for bad in [
            "", "hub.", ".hub", "hub..js", "hub.>", "hub.*.js", "hub js", "hub\n",
        ] {
            let bad = problems(|nats| nats.api_prefix = Some(bad.to_owned()));
            assert_eq!(bad, ["nats.api_prefix"]);
        }
        for good in ["hub.js", "hub", "$JS.hub.API", "$JS.API"] {
            let good = problems(|nats| nats.api_prefix = Some(good.to_owned()));
            assert_eq!(good, [""; 0]);
        }
    }

    #[test]
    fn one_jetstream_is_asked_and_its_name_stands_before_every_request() {
        let with = |domain: Option<&str>, prefix: Option<&str>| Config {
            domain: domain.map(str::to_owned),
            api_prefix: prefix.map(str::to_owned),
            ..Config::default()
        };
        for (config, prefix) in [
            (with(None, None), "$JS.API"),
            (with(Some("hub"), None), "$JS.hub.API"),
            (with(None, Some("hub.js")), "hub.js"),
        ] {
            assert_eq!(config.api_prefix(), prefix);
        }

        let config = WholeConfig {
            nats: with(Some("hub"), Some("hub.js")),
            ..WholeConfig::default()
        };
        let both = config.validate().unwrap_err();
        assert_eq!(both.keys(), ["nats.api_prefix"]);
        assert!(both.to_string().contains("together with nats.domain"));
    }

    #[test]
    fn an_open_server_gets_no_credentials() {
        let config = Config {
            token: Some(Secret::new("t")),
            require_tls: true,
            pull_slots: 7,
            ..Config::default()
        };

        let open = config.for_open_server("nats://127.0.0.1:1".parse().unwrap());

        assert_eq!(
            (open.token, open.require_tls, open.pull_slots),
            (None, false, 7)
        );
    }
}
