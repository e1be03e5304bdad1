//! Judges who calls, and keeps what it judges by fresh: keys and rules.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use http::{HeaderMap, header::AUTHORIZATION};
use thiserror::Error;
use tokio::sync::watch;

use super::access::Access;
use super::api_key::{ApiKeys, Hash, KeysError};
use super::caller::Caller;
use super::policy::{Policy, PolicyError};
use super::{Config, Credential, PolicyMode, unauthenticated};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::tls::ClientName;

/// The metadata entry that can hold a key instead of `authorization`.
const API_KEY: &str = "x-api-key";

/// Judges who calls. Clones share the keys and the rules.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    config: Config,
    /// `None` where no keys are configured.
    keys: Option<RwLock<ApiKeys>>,
    /// `None` where no rules are configured.
    policy: Option<RwLock<Arc<Policy>>>,
    asks_everybody: bool,
    /// Told of every change of keys and rules.
    changes: watch::Sender<()>,
    metrics: Metrics,
}

/// Why callers cannot be judged.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The rules cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Authenticator {
    /// Reads keys and rules. `certificates` says whether every connection has a client's certificate.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not as it should be.
    pub fn load(config: &Config, certificates: bool, metrics: Metrics) -> Result<Self, AuthError> {
        let keys = config.api_keys_file.as_deref().map(ApiKeys::read);
        let keys = keys.transpose()?;
        let policy = config.policy_file.as_deref().map(Policy::read);
        let policy = policy.transpose()?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            asks_everybody: certificates || keys.is_some(),
            keys: keys.map(RwLock::new),
            policy: policy.map(|policy| RwLock::new(Arc::new(policy))),
            changes: watch::Sender::new(()),
            metrics,
        })))
    }

    /// Says who calls a method, and what it may do.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when the caller shows a key that is none, or shows nothing and has to;
    /// `PERMISSION_DENIED` when it may not call the method at all.
    pub fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        certificate: Option<&ClientName>,
        peer: Option<SocketAddr>,
    ) -> Result<Access> {
        let is_open = self.is_open_to_all(path);
        let judged = self.judge(headers, certificate, is_open);
        let (caller, credential) = judged.inspect_err(|error| {
            self.0.metrics.listener.caller_refused();
            tracing::info!(target: "jetgate::audit", event = "unauthenticated", ?peer, path, %error, "caller refused");
        })?;
        let access = Access::new(self, caller, credential, peer);
        if !is_open {
            access.may_call(path)?;
        }
        Ok(access)
    }

    fn judge(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientName>,
        is_open: bool,
    ) -> Result<(Caller, Credential)> {
        if self.0.keys.is_some()
            && let Some(shown) = shown(headers)?
        {
            return self.bearer(shown);
        }
        match certificate {
            Some(name) => Ok((Caller::of_certificate(name), Credential::Connection)),
            None if is_open || !self.0.asks_everybody => Ok(Default::default()),
            None => Err(unauthenticated("the call has no key")),
        }
    }

    /// Who holds the key that is shown.
    pub(super) fn bearer(&self, shown: &str) -> Result<(Caller, Credential)> {
        let hash = ApiKeys::hash(shown);
        let caller = self.key_holder(&hash, SystemTime::now())?;
        Ok((caller, Credential::ApiKey(hash)))
    }

    fn key_holder(&self, hash: &Hash, now: SystemTime) -> Result<Caller> {
        let keys = self.0.keys.as_ref();
        let keys = keys.ok_or_else(|| unauthenticated("the key is not known"))?;
        let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.holder(hash, now)
    }

    /// Whether what a caller has shown is still good.
    pub(super) fn judge_again(
        &self,
        caller: &Caller,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<()> {
        match credential {
            Credential::Connection => Ok(()),
            Credential::ApiKey(hash) => match self.key_holder(hash, now)?.is(caller) {
                true => Ok(()),
                false => Err(unauthenticated("the key is another caller's now")),
            },
        }
    }

    /// The rules in force, if there are any.
    pub(super) fn policy(&self) -> Option<Arc<Policy>> {
        let policy = self.0.policy.as_ref()?;
        Some(
            policy
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    pub(super) fn policy_mode(&self) -> PolicyMode {
        self.0.config.policy_mode
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The first change is told at once: there may have been one since the caller was admitted.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        let mut changes = self.0.changes.subscribe();
        changes.mark_changed();
        changes
    }

    /// Reads keys and rules again and again, and takes over what changed.
    pub async fn keep_fresh(self) {
        let config = &self.0.config;
        let mut keys = Reread::new("keys", config.api_keys_file.as_deref());
        let mut policy = Reread::new("policy", config.policy_file.as_deref());
        if keys.is_nothing() && policy.is_nothing() {
            return;
        }
        loop {
            tokio::time::sleep(config.reload_interval).await;
            let fresh_keys = keys.read(ApiKeys::read);
            let fresh_policy = policy.read(Policy::read);
            let has_changed = fresh_keys.is_some() || fresh_policy.is_some();
            replace(&self.0.keys, fresh_keys);
            replace(&self.0.policy, fresh_policy.map(Arc::new));
            if has_changed {
                self.0.changes.send_replace(());
            }
        }
    }

    fn is_open_to_all(&self, path: &str) -> bool {
        path.starts_with("/grpc.health.v1.Health/") && self.0.config.open_health
    }
}

/// Readers see the old or the new.
fn replace<T>(place: &Option<RwLock<T>>, fresh: Option<T>) {
    if let Some((place, fresh)) = place.as_ref().zip(fresh) {
        *place.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

/// A file that is read again and again.
struct Reread<'f> {
    what: &'static str,
    file: Option<&'f Path>,
    text: Option<Vec<u8>>,
    rejected: Option<String>,
}

impl<'f> Reread<'f> {
    fn new(what: &'static str, file: Option<&'f Path>) -> Self {
        Self {
            what,
            file,
            // It may have changed since it was first read.
            text: None,
            rejected: None,
        }
    }

    fn is_nothing(&self) -> bool {
        self.file.is_none()
    }

    /// What is in it now, where that is something else and can be used.
    fn read<T, E: std::error::Error>(
        &mut self,
        read: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Option<T> {
        let file = self.file?;
        let text = std::fs::read(file).ok();
        if text.is_some() && text == self.text {
            return None;
        }
        match read(file) {
            Ok(fresh) => {
                tracing::debug!(file = %file.display(), "took over the {}", self.what);
                self.rejected = None;
                self.text = text;
                Some(fresh)
            }
            Err(error) => {
                let error = error.to_string();
                if self.rejected.as_ref() != Some(&error) {
                    tracing::warn!(
                        error,
                        "cannot use the changed {}, keeping the old",
                        self.what
                    );
                }
                self.rejected = Some(error);
                None
            }
        }
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

#[cfg(test)]
mod tests {
    use super::super::api_key::NewKey;
    use super::super::caller::Kind;
    use super::*;
    use crate::error::Reason;

    fn load(config: &Config) -> Authenticator {
        Authenticator::load(config, false, Metrics::new()).unwrap()
    }

    fn with_keys() -> (Authenticator, String) {
        let new = NewKey::make("orders");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        std::fs::write(&file, new.entry()).unwrap();
        let config = Config {
            api_keys_file: Some(file),
            ..Config::default()
        };
        (load(&config), new.secret().to_owned())
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn judge(
        authenticator: &Authenticator,
        path: &str,
        headers: &HeaderMap,
        certificate: Option<&ClientName>,
    ) -> Result<(Kind, String), Reason> {
        let access = authenticator.admit(path, headers, certificate, None);
        let access = access.map_err(|error| error.reason())?;
        let caller = access.caller();
        Ok((caller.kind(), caller.name().to_owned()))
    }

    #[test]
    fn a_key_is_taken_from_either_entry() {
        let (authenticator, key) = with_keys();
        for headers in [
            headers("x-api-key", &key),
            headers("authorization", &format!("Bearer {key}")),
            headers("authorization", &format!("bearer {key}")),
        ] {
            let caller = judge(&authenticator, "/x/Y", &headers, None);
            assert_eq!(caller, Ok((Kind::ApiKey, "orders".to_owned())));
        }
    }

    #[test]
    fn what_is_shown_must_be_good() {
        let (authenticator, _) = with_keys();
        let certificate = ClientName::for_test("ada");
        for headers in [
            headers("x-api-key", "jg_wrong"),
            headers("authorization", "Basic YTpi"),
            headers("authorization", "Bearer"),
        ] {
            let caller = judge(&authenticator, "/x/Y", &headers, Some(&certificate));
            assert_eq!(caller, Err(Reason::Unauthenticated));
        }
    }

    #[test]
    fn a_certificate_is_enough_and_health_needs_nothing() {
        let (authenticator, _) = with_keys();
        let (none, ada) = (HeaderMap::new(), ClientName::for_test("ada"));

        let caller = judge(&authenticator, "/x/Y", &none, Some(&ada));
        assert_eq!(caller, Ok((Kind::Certificate, "ada".to_owned())));
        assert!(judge(&authenticator, "/x/Y", &none, None).is_err());
        let caller = judge(&authenticator, "/grpc.health.v1.Health/Check", &none, None);
        assert_eq!(caller, Ok((Kind::Anonymous, String::new())));
    }

    #[test]
    fn without_keys_the_entries_are_somebody_elses() {
        let headers = headers("authorization", "Basic YTpi");
        let caller = judge(&load(&Config::default()), "/x/Y", &headers, None);
        assert_eq!(caller, Ok((Kind::Anonymous, String::new())));
    }
}
