//! Who calls and what they may do: what callers prove themselves with, and the rules for them.
//!
//! A call is judged when it begins, and whatever it does while it lasts by the rules of that moment.
//! What a caller shows has to be good: a wrong key is refused even where the connection's certificate
//! would have been enough.

mod access;
mod api_key;
mod authenticator;
mod caller;
mod changes;
pub(crate) mod entries;
mod expiry;
mod hash;
pub mod policy;
mod reread;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::access::not_the_owner;
pub(crate) use self::entries::{Audience, Reader};
pub(crate) use self::expiry::notice;
pub use self::{
    access::Access,
    api_key::{ApiKeys, KeysError, NewKey},
    authenticator::{AuthError, Authenticator, KeyLookup, Refusal},
    caller::{Caller, Kind, Owner},
    changes::{Change, Changes},
    entries::FileError,
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
    /// File of the issuers whose tokens (JWT) are taken. Default: none.
    pub token_issuers_file: Option<PathBuf>,
    /// Time between two looks at the keys of issuers that have them on a server. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub token_keys_interval: Duration,
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
    ApiKey(hash::Hash),
    /// A token, of which it is enough who signed it.
    Token(token::SignedBy),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_keys_file: None,
            token_issuers_file: None,
            token_keys_interval: Duration::from_secs(300),
            policy_file: None,
            policy_mode: PolicyMode::default(),
            open_health: true,
            reload_interval: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Whether every call has to show a key or a token, or a certificate instead.
    pub(crate) fn asks_callers(&self) -> bool {
        self.api_keys_file.is_some() || self.token_issuers_file.is_some()
    }

    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.whole_seconds("reload_interval", self.reload_interval);
        checks.whole_seconds("token_keys_interval", self.token_keys_interval);
        if let Some(file) = &self.token_issuers_file
            && let Err(error) = token::Tokens::read(file)
        {
            checks.require(false, "token_issuers_file", error.to_string());
        }
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
