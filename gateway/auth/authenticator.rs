//! Judges who calls: by keys, by the issuers of tokens and by rules.

mod fresh;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use http::{HeaderMap, header::AUTHORIZATION};
use thiserror::Error;
use tokio::sync::watch;

pub use self::fresh::KeyLookup;
use super::access::Access;
use super::api_key::{ApiKeys, KeysError};
use super::caller::Caller;
use super::entries::FileError;
use super::hash::{self, Hash};
use super::policy::Policy;
use super::token::{Doubt, IssuersError, Tokens};
use super::{Credential, PolicyMode, expired, unauthenticated};
use crate::config::Config;
use crate::error::{Error, Reason, Result};
use crate::limits::Accounts;
use crate::metrics::Metrics;
use crate::tenants::{Table, Tenant};
use crate::tls::ClientCertificate;

/// The metadata entry that can hold a key instead of `authorization`.
const API_KEY: &str = "x-api-key";

/// Judges who calls. Clones share the keys and the rules.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    config: Config,
    /// `None` where no keys are configured.
    keys: Option<RwLock<ApiKeys>>,
    /// `None` where no issuers are configured.
    tokens: Option<RwLock<Arc<Tokens>>>,
    /// `None` where no rules are configured.
    policy: Option<RwLock<Arc<Policy>>>,
    /// `None` where no tenants are configured.
    tenants: Option<RwLock<Arc<Table>>>,
    asks_everybody: bool,
    /// Told of every change of keys, rules and tenants.
    changes: watch::Sender<()>,
    accounts: Accounts,
    metrics: Metrics,
}

/// Why callers cannot be judged.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The issuers of tokens cannot be used.
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    /// The rules or the tenants cannot be used.
    #[error(transparent)]
    Entries(#[from] FileError),
}

/// Why a caller is not admitted.
pub enum Refusal {
    /// For good.
    Final(Error),
    /// The issuer of its token has to be asked for its keys first.
    KeyUnknown(KeyLookup),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Final(error) => error,
            Refusal::KeyUnknown(lookup) if lookup.is_in_vain() => {
                unauthenticated("the key of the token is not its issuer's")
            }
            Refusal::KeyUnknown(_) => {
                let text = "the gateway has not got the keys of the token's issuer yet";
                Self::new(Reason::TokenKeysUnavailable, text)
            }
        }
    }
}

impl Authenticator {
    /// Reads keys, issuers, rules and tenants.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not as it should be.
    pub fn load(config: &Config, accounts: Accounts, metrics: Metrics) -> Result<Self, AuthError> {
        let auth = &config.auth;
        let keys = auth.api_keys_file.as_deref().map(ApiKeys::read);
        let keys = keys.transpose()?;
        let tokens = auth.token_issuers_file.as_deref().map(Tokens::read);
        let tokens = tokens.transpose()?;
        let policy = auth.policy_file.as_deref().map(Policy::read);
        let policy = policy.transpose()?;
        let tenants = config.tenants.read(config).transpose()?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            asks_everybody: config.tls.authenticates() || auth.asks_callers(),
            keys: keys.map(RwLock::new),
            tokens: tokens.map(|tokens| RwLock::new(Arc::new(tokens))),
            policy: policy.map(|policy| RwLock::new(Arc::new(policy))),
            tenants: tenants.map(|tenants| RwLock::new(Arc::new(tenants))),
            changes: watch::Sender::new(()),
            accounts,
            metrics,
        })))
    }

    /// Says who calls a method, and what it may do.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when the caller shows a key or token that is none, or shows nothing and has to.
    pub fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
        peer: Option<SocketAddr>,
    ) -> Result<Access, Refusal> {
        let is_open = self.is_open_to_all(path);
        let (caller, credential) = self.judge(headers, certificate, is_open)?;
        if is_open {
            return Ok(Access::new(self, caller, credential, peer).beyond_rules());
        }
        let tenant = self.tenant_of(&caller);
        let account = self.0.accounts.of(&caller, peer, tenant.as_deref());
        let access = Access::new(self, caller, credential, peer);
        Ok(access.with_account(account).with_tenant(tenant))
    }

    /// Takes note of a call whose caller is nobody that is known. What the rules deny is noted where they do.
    pub fn note_refusal(&self, path: &str, peer: Option<SocketAddr>, error: &Error) {
        if matches!(
            error.reason(),
            Reason::Unauthenticated | Reason::TokenKeysUnavailable
        ) {
            self.0.metrics.listener.caller_refused();
            tracing::info!(
                target: "jetgate::audit", event = "unauthenticated", peer = peer.map(tracing::field::display), path, %error,
                "caller refused",
            );
        }
    }

    fn judge(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
        is_open: bool,
    ) -> Result<(Caller, Credential), Refusal> {
        if self.0.config.auth.asks_callers()
            && let Some(shown) = shown(headers)?
        {
            return self.bearer(shown);
        }
        match certificate {
            None if is_open || !self.0.asks_everybody => Ok(Default::default()),
            None => Err(unauthenticated("the call has no key or token").into()),
            Some(certificate) => {
                let caller = Caller::of_certificate(certificate);
                match caller.has_expired(SystemTime::now()) {
                    false => Ok((caller, Credential::Connection)),
                    true if is_open => Ok(Default::default()),
                    true => Err(expired().into()),
                }
            }
        }
    }

    /// Who holds the key or token that is shown.
    fn bearer(&self, shown: &str) -> Result<(Caller, Credential), Refusal> {
        let now = SystemTime::now();
        if let Some(tokens) = self.tokens().filter(|_| Tokens::is_token(shown)) {
            return match tokens.judge(shown, now) {
                Ok((caller, signed_by)) => Ok((caller, Credential::Token(signed_by))),
                Err(Doubt::Bad(error)) => Err(Refusal::Final(error)),
                Err(Doubt::UnknownKey(issuer)) => {
                    Err(Refusal::KeyUnknown(KeyLookup::new(self, issuer)))
                }
            };
        }
        let hash = hash::of(shown);
        let caller = self.key_holder(&hash, now)?;
        Ok((caller, Credential::ApiKey(hash)))
    }

    /// Judges what a caller shows in the middle of a call.
    pub(super) async fn bearer_later(&self, shown: &str) -> Result<(Caller, Credential)> {
        let refusal = match self.bearer(shown) {
            Err(Refusal::KeyUnknown(lookup)) => {
                lookup.run().await;
                self.bearer(shown)
            }
            judged => judged,
        };
        Ok(refusal?)
    }

    fn key_holder(&self, hash: &Hash, now: SystemTime) -> Result<Caller> {
        let keys = self.0.keys.as_ref();
        let keys = keys.ok_or_else(|| unauthenticated("the key is not known"))?;
        let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.holder(hash, now)
    }

    fn tokens(&self) -> Option<Arc<Tokens>> {
        let tokens = self.0.tokens.as_ref()?;
        Some(
            tokens
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    /// Whether what a caller has shown is still good.
    pub(super) fn judge_again(
        &self,
        caller: &Caller,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<()> {
        match credential {
            Credential::Connection if caller.has_expired(now) => Err(expired()),
            Credential::Connection => Ok(()),
            Credential::Token(_) if caller.expires().is_none_or(|end| end <= now) => Err(expired()),
            Credential::Token(signed_by) => match self.tokens() {
                Some(tokens) if tokens.trusts(signed_by) => Ok(()),
                _ => Err(unauthenticated(
                    "the token's issuer is not trusted any more, or not with this key or on these terms",
                )),
            },
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

    /// The tenants, if there are any.
    pub(crate) fn tenants(&self) -> Option<Arc<Table>> {
        let tenants = self.0.tenants.as_ref()?;
        Some(
            tenants
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    /// The tenant of a caller.
    pub(super) fn tenant_of(&self, caller: &Caller) -> Option<Arc<Tenant>> {
        self.tenants()?.of(caller).cloned()
    }

    pub(super) fn policy_mode(&self) -> PolicyMode {
        self.0.config.auth.policy_mode
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The first change is told at once: there may have been one since the caller was admitted.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        let mut changes = self.0.changes.subscribe();
        changes.mark_changed();
        changes
    }

    fn is_open_to_all(&self, path: &str) -> bool {
        path.starts_with("/grpc.health.v1.Health/") && self.0.config.auth.open_health
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
    unauthenticated("authorization is not \"Bearer KEY\" or \"Bearer TOKEN\"")
}

#[cfg(test)]
mod tests {
    use super::super::api_key::NewKey;
    use super::super::caller::Kind;
    use super::*;
    use crate::error::Reason;

    fn load(config: &Config) -> Authenticator {
        let accounts = Accounts::new(&Default::default(), Metrics::new());
        Authenticator::load(config, accounts, Metrics::new()).unwrap()
    }

    fn with_keys() -> (Authenticator, String) {
        let new = NewKey::make("orders");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        std::fs::write(&file, new.entry()).unwrap();
        let mut config = Config::default();
        config.auth.api_keys_file = Some(file);
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
        certificate: Option<&ClientCertificate>,
    ) -> Result<(Kind, String), Reason> {
        let access = authenticator.admit(path, headers, certificate, None);
        let access = access.map_err(|refusal| Error::from(refusal).reason())?;
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
        let certificate = ClientCertificate::for_test("ada");
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
        let (none, ada) = (HeaderMap::new(), ClientCertificate::for_test("ada"));

        let caller = judge(&authenticator, "/x/Y", &none, Some(&ada));
        assert_eq!(caller, Ok((Kind::Certificate, "ada".to_owned())));
        assert!(judge(&authenticator, "/x/Y", &none, None).is_err());
        let caller = judge(&authenticator, "/grpc.health.v1.Health/Check", &none, None);
        assert_eq!(caller, Ok((Kind::Anonymous, String::new())));
    }

    #[test]
    fn a_certificate_that_has_ended_is_good_for_nothing() {
        let authenticator = load(&Config::default());
        let (none, now) = (HeaderMap::new(), SystemTime::now());
        let ada = ClientCertificate::for_test("ada").until(now);

        let caller = judge(&authenticator, "/x/Y", &none, Some(&ada));
        assert_eq!(caller, Err(Reason::Unauthenticated));
        let health = "/grpc.health.v1.Health/Check";
        let caller = judge(&authenticator, health, &none, Some(&ada));
        assert_eq!(caller, Ok((Kind::Anonymous, String::new())));

        let later = now + std::time::Duration::from_secs(60);
        let ada = ClientCertificate::for_test("ada").until(later);
        let caller = judge(&authenticator, "/x/Y", &none, Some(&ada));
        assert_eq!(caller, Ok((Kind::Certificate, "ada".to_owned())));
    }

    #[test]
    fn without_keys_the_entries_are_somebody_elses() {
        let headers = headers("authorization", "Basic YTpi");
        let caller = judge(&load(&Config::default()), "/x/Y", &headers, None);
        assert_eq!(caller, Ok((Kind::Anonymous, String::new())));
    }
}
