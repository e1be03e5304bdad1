//! Who calls: what callers prove themselves with, and who may call without.
//!
//! A call is judged when it begins. What a caller shows has to be good: a wrong key is refused even
//! where the connection's certificate would have been enough.

mod api_key;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header::AUTHORIZATION};
use serde::{Deserialize, Serialize};

pub use self::api_key::{ApiKeys, KeysError, NewKey};
use crate::{
    config::Checks,
    error::{Error, Reason, Result},
    tls::ClientName,
};

/// The metadata entry that can hold a key instead of `authorization`.
const API_KEY: &str = "x-api-key";

/// What callers prove themselves with, beside certificates (`tls.client_ca_file`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File of API keys. Default: none.
    pub api_keys_file: Option<PathBuf>,
    /// Answers `grpc.health.v1.Health` to everybody. Default true.
    pub open_health: bool,
    /// Time between two looks at the file. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_keys_file: None,
            open_health: true,
            reload_interval: Duration::from_secs(10),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.whole_seconds("reload_interval", self.reload_interval);
    }
}

/// Who calls: an extension of every request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Nobody is asked who they are.
    Anonymous,
    /// The holder of a client certificate, by the name in it.
    Certificate(ClientName),
    /// The holder of an API key, by the key's name.
    ApiKey(Arc<str>),
}

impl Caller {
    /// Its name, for logs and lists; empty for nobody in particular.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Certificate(name) => name.as_str(),
            Self::ApiKey(name) => name,
        }
    }
}

/// Judges who calls. Clones share the keys.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    config: Config,
    /// `None` where no keys are configured.
    keys: Option<RwLock<ApiKeys>>,
    asks_everybody: bool,
}

impl Authenticator {
    /// Reads the keys. `certificates` says whether every connection has a client's certificate.
    ///
    /// # Errors
    ///
    /// When the file of the keys cannot be read or is not as it should be.
    pub fn load(config: &Config, certificates: bool) -> std::result::Result<Self, KeysError> {
        let keys = config.api_keys_file.as_deref().map(ApiKeys::read);
        let keys = keys.transpose()?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            asks_everybody: certificates || keys.is_some(),
            keys: keys.map(RwLock::new),
        })))
    }

    /// Says who calls.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when the caller shows a key that is none, or shows nothing and has to.
    pub fn judge(
        &self,
        path: &str,
        headers: &HeaderMap,
        certificate: Option<&ClientName>,
    ) -> Result<Caller> {
        if let Some(keys) = &self.0.keys
            && let Some(shown) = shown(headers)?
        {
            let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
            let name = keys.holder(shown, SystemTime::now());
            return name.map(Caller::ApiKey);
        }
        match certificate {
            Some(name) => Ok(Caller::Certificate(name.clone())),
            None if self.is_open_to_all(path) => Ok(Caller::Anonymous),
            None => Err(unauthenticated("the call has no key")),
        }
    }

    /// Reads the keys again and again, and takes over what changed.
    pub async fn keep_fresh(self) {
        let Some((keys, file)) = self
            .0
            .keys
            .as_ref()
            .zip(self.0.config.api_keys_file.as_ref())
        else {
            return;
        };
        let mut rejected = None;
        loop {
            tokio::time::sleep(self.0.config.reload_interval).await;
            let fresh = ApiKeys::read(file).map_err(|error| error.to_string());
            match fresh {
                Ok(fresh) => {
                    rejected = None;
                    *keys.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                }
                Err(error) => {
                    if rejected.as_ref() != Some(&error) {
                        tracing::warn!(error, "cannot use the changed keys, keeping the old");
                    }
                    rejected = Some(error);
                }
            }
        }
    }

    fn is_open_to_all(&self, path: &str) -> bool {
        let is_health = path.starts_with("/grpc.health.v1.Health/");
        !self.0.asks_everybody || (is_health && self.0.config.open_health)
    }
}

/// The key that a caller shows, if it shows one.
fn shown(headers: &HeaderMap) -> Result<Option<&str>> {
    if let Some(value) = headers.get(API_KEY) {
        return value.to_str().map(Some).map_err(|_| not_a_key());
    }
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| not_a_key())?;
    match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(key.trim())),
        _ => Err(not_a_key()),
    }
}

fn not_a_key() -> Error {
    unauthenticated("authorization is not \"Bearer KEY\"")
}

fn unauthenticated(why: &str) -> Error {
    Error::new(Reason::Unauthenticated, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_keys() -> (Authenticator, String) {
        let new = NewKey::make("orders");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        std::fs::write(&file, new.entry()).unwrap();
        let config = Config {
            api_keys_file: Some(file),
            ..Config::default()
        };
        let judge = Authenticator::load(&config, false).unwrap();
        (judge, new.secret().to_owned())
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_key_is_taken_from_either_entry() {
        let (judge, key) = with_keys();
        let orders = Ok(Caller::ApiKey("orders".into()));
        for headers in [
            headers("x-api-key", &key),
            headers("authorization", &format!("Bearer {key}")),
            headers("authorization", &format!("bearer {key}")),
        ] {
            let caller = judge.judge("/x/Y", &headers, None);
            assert_eq!(caller.map_err(|error| error.reason()), orders);
        }
    }

    #[test]
    fn what_is_shown_must_be_good() {
        let (judge, _) = with_keys();
        let certificate = ClientName::for_test("ada");
        for headers in [
            headers("x-api-key", "jg_wrong"),
            headers("authorization", "Basic YTpi"),
            headers("authorization", "Bearer"),
        ] {
            let error = judge.judge("/x/Y", &headers, Some(&certificate));
            assert_eq!(error.unwrap_err().reason(), Reason::Unauthenticated);
        }
    }

    #[test]
    fn a_certificate_is_enough_and_health_needs_nothing() {
        let (judge, _) = with_keys();
        let (none, ada) = (HeaderMap::new(), ClientName::for_test("ada"));

        let caller = judge.judge("/x/Y", &none, Some(&ada)).unwrap();
        assert_eq!(caller, Caller::Certificate(ada));
        assert!(judge.judge("/x/Y", &none, None).is_err());
        let caller = judge.judge("/grpc.health.v1.Health/Check", &none, None);
        assert_eq!(caller.unwrap(), Caller::Anonymous);
    }

    #[test]
    fn without_keys_the_entries_are_somebody_elses() {
        let judge = Authenticator::load(&Config::default(), false).unwrap();
        let caller = judge.judge("/x/Y", &headers("authorization", "Basic YTpi"), None);
        assert_eq!(caller.unwrap(), Caller::Anonymous);
    }
}
