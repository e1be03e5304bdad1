//! Who calls and what they may do: what callers prove themselves with, and the rules for them.
//!
//! A call is judged when it begins, and whatever it does while it lasts by the rules of that moment.
//! What a caller shows has to be good: a wrong key is refused even where the connection's certificate
//! would have been enough.

mod access;
mod api_key;
mod authenticator;
mod caller;
mod expiry;
pub mod policy;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::access::not_the_owner;
pub use self::{
    access::{Access, Changes},
    api_key::{ApiKeys, KeysError, NewKey},
    authenticator::{AuthError, Authenticator},
    caller::{Caller, Kind, Owner},
    expiry::{Expiry, expired},
};
use crate::{
    config::Checks,
    error::{Error, Reason},
};

/// What callers prove themselves with, beside certificates (`tls.client_ca_file`), and the rules of
/// what they may do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File of API keys. Default: none.
    pub api_keys_file: Option<PathBuf>,
    /// File of the rules of who may do what. Default: none, and everybody may do everything.
    pub policy_file: Option<PathBuf>,
    /// Whether the rules are followed, or only what they would refuse is logged and counted. Default
    /// `enforce`.
    pub policy_mode: PolicyMode,
    /// Answers `grpc.health.v1.Health` to everybody. Default true.
    pub open_health: bool,
    /// Time between two looks at the files. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
}

/// What becomes of what the rules do not allow.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyMode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is logged and counted, and done all the same.
    Shadow,
}

/// What a caller has shown, as far as it can become worthless while a call lasts.
#[derive(Clone, Default)]
enum Credential {
    /// The connection's certificate, or nothing.
    #[default]
    Connection,
    /// An API key, of which the hash is enough.
    ApiKey(api_key::Hash),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_keys_file: None,
            policy_file: None,
            policy_mode: PolicyMode::default(),
            open_health: true,
            reload_interval: Duration::from_secs(10),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.whole_seconds("reload_interval", self.reload_interval);
        if let Some(file) = &self.policy_file
            && let Err(error) = policy::Policy::read(file)
        {
            checks.require(false, "policy_file", error.to_string());
        }
    }
}

fn unauthenticated(why: &str) -> Error {
    Error::new(Reason::Unauthenticated, why)
}
