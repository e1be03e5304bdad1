//! Keeps what callers are judged by fresh: keys, issuers of tokens, rules and tenants.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::join_all;

use super::Authenticator;
use crate::auth::api_key::ApiKeys;
use crate::auth::policy::Policy;
use crate::auth::reread::Reread;
use crate::auth::token::{Issuer, Outcome, Tokens};
use crate::tenants::Table;

/// Asks the issuer of a token for its keys.
pub struct KeyLookup {
    authenticator: Authenticator,
    issuer: Arc<Issuer>,
}

impl KeyLookup {
    pub(super) fn new(authenticator: &Authenticator, issuer: Arc<Issuer>) -> Self {
        Self {
            authenticator: authenticator.clone(),
            issuer,
        }
    }

    /// Asks, in a few seconds at most and not too often. What comes of it shows in the next judgement.
    ///
    /// A question goes on by itself where its call is cancelled: else it would not count, and who made
    /// up tokens could have the issuer asked without end. There is one at a time.
    pub async fn run(&self) {
        let Some(turn) = self.issuer.may_look_again().await else {
            return;
        };
        let (authenticator, issuer) = (self.authenticator.clone(), self.issuer.clone());
        let asking = tokio::spawn(async move {
            let outcome = issuer.renew(turn).await;
            authenticator.note_renewal(&issuer, outcome);
        });
        // It fails only where the gateway ends.
        let _ = asking.await;
    }

    /// Whether the issuer's keys are known, so that the token's is none of them.
    pub(super) fn is_in_vain(&self) -> bool {
        self.issuer.is_known()
    }
}

impl Authenticator {
    /// Reads keys, issuers, rules and tenants again and again, and takes over what changed.
    pub async fn keep_fresh(self) {
        let whole = &self.0.config;
        let config = &whole.auth;
        let mut keys = Reread::new("keys", config.api_keys_file.as_deref());
        let mut tokens = Reread::new("token issuers", config.token_issuers_file.as_deref());
        let mut policy = Reread::new("policy", config.policy_file.as_deref());
        let mut tenants = Reread::new("tenants", whole.tenants.file.as_deref());
        if [&keys, &tokens, &policy, &tenants]
            .iter()
            .all(|it| it.is_nothing())
        {
            return;
        }
        loop {
            tokio::time::sleep(config.reload_interval).await;
            let fresh_keys = keys.read(ApiKeys::read);
            let fresh_tokens = tokens.read(Tokens::read);
            let fresh_policy = policy.read(Policy::read);
            let fresh_tenants = tenants.read(|file| Table::read(file, whole));
            let has_changed = fresh_keys.is_some()
                || fresh_tokens.is_some()
                || fresh_policy.is_some()
                || fresh_tenants.is_some();
            let fresh_tokens = fresh_tokens.zip(self.tokens());
            let fresh_tokens = fresh_tokens.map(|(fresh, old)| Arc::new(fresh.inherit(&old)));
            replace(&self.0.keys, fresh_keys);
            replace(&self.0.tokens, fresh_tokens);
            replace(&self.0.policy, fresh_policy.map(Arc::new));
            replace(&self.0.tenants, fresh_tenants.map(Arc::new));
            if has_changed {
                self.0.changes.send_replace(());
            }
        }
    }

    /// Asks the issuers of tokens for their keys again and again.
    pub async fn keep_issuers_fresh(self) {
        let config = &self.0.config.auth;
        while let Some(tokens) = self.tokens() {
            let renewals = tokens.issuers().iter().map(async |issuer| {
                if let Some(turn) = issuer.due(config.token_keys_interval).await {
                    self.note_renewal(issuer, issuer.renew(turn).await);
                }
            });
            join_all(renewals).await;
            tokio::time::sleep(config.reload_interval).await;
        }
    }

    fn note_renewal(&self, issuer: &Issuer, outcome: Outcome) {
        let has_come = !matches!(outcome, Outcome::Failed { .. });
        self.0.metrics.listener.token_keys_asked(has_come);
        let issuer = issuer.name();
        match outcome {
            Outcome::Changed(keys) => {
                tracing::info!(issuer, keys, "took over the keys of a token issuer");
                self.0.changes.send_replace(());
            }
            Outcome::Failed { why, is_news: true } => {
                tracing::warn!(
                    issuer,
                    error = why,
                    "cannot get the keys of a token issuer, keeping the old"
                );
            }
            Outcome::Same | Outcome::Failed { .. } => {}
        }
    }
}

/// Readers see the old or the new.
fn replace<T>(place: &Option<RwLock<T>>, fresh: Option<T>) {
    if let Some((place, fresh)) = place.as_ref().zip(fresh) {
        *place.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}
