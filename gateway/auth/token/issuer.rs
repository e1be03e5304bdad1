//! An issuer of tokens: whose a token of it is, and its keys, which are asked for again and again and kept
//! where there are no others to be had.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout};

use super::entry::{Entry, KeySource};
use super::keys::Keys;
use super::remembered::Good;
use super::{Doubt, SignedBy, claims, fetch};
use crate::auth::unauthenticated;

/// How long asking for the keys may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two questions that tokens with unknown keys bring about; it doubles with every
/// question that brings nothing new. Anybody can make up such tokens.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// An issuer that is trusted.
pub(in crate::auth) struct Issuer {
    entry: Entry,
    name: Arc<str>,
    /// `None` until they have come for the first time.
    keys: RwLock<Option<Arc<Keys>>>,
    asked: Arc<Mutex<Option<Asked>>>,
}

/// The last time that the keys were asked for.
#[derive(Clone)]
struct Asked {
    at: Instant,
    /// Why they did not come.
    failure: Option<String>,
    /// How long to wait before unknown keys make the gateway ask again.
    pause: Duration,
}

/// Whose turn it is to ask for the keys.
pub(in crate::auth) struct Turn(OwnedMutexGuard<Option<Asked>>);

/// What came of asking for the keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::auth) enum Outcome {
    /// Others than before, which are called like this.
    Changed(String),
    /// The same.
    Same,
    /// None, for this reason; where it was the same before, it was said before.
    Failed { why: String, is_news: bool },
}

impl Issuer {
    /// The issuer of an entry, with its keys where they are in a file.
    pub(super) fn new(entry: Entry) -> Result<Self, String> {
        let keys = match &entry.keys {
            KeySource::File(file) => {
                let keys = read_keys(file);
                Some(keys.map_err(|why| format!("issuer {:?}: {why}", entry.issuer))?)
            }
            _ => None,
        };
        Ok(Self {
            name: entry.issuer.as_str().into(),
            entry,
            keys: RwLock::new(keys.map(Arc::new)),
            asked: Arc::default(),
        })
    }

    /// Takes the keys of an earlier reading of the same issuer over, where both have them from the same
    /// server.
    pub(super) fn inherit(&self, old: &Self) {
        let is_same = self.entry.keys == old.entry.keys;
        if is_same && !matches!(self.entry.keys, KeySource::File(_)) {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = old.keys();
        }
    }

    /// Its name, as tokens have it.
    pub(in crate::auth) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its keys have ever come.
    pub(in crate::auth) fn is_known(&self) -> bool {
        self.keys().is_some()
    }

    /// Whether its keys are still these.
    pub(super) fn has_still(&self, keys: &Arc<Keys>) -> bool {
        let now = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        now.as_ref().is_some_and(|now| Arc::ptr_eq(now, keys))
    }

    /// Whether it is trusted on the same terms, and has that key still, as far as is known.
    pub(super) fn still_trusts(&self, signed_by: &SignedBy) -> bool {
        let has_key = |keys: Arc<Keys>| keys.has(&signed_by.key);
        self.entry.terms == signed_by.terms && self.keys().is_none_or(has_key)
    }

    /// Of a token that was signed with this key.
    pub(super) fn signed_by(&self, thumbprint: Arc<str>) -> SignedBy {
        SignedBy {
            issuer: self.name.clone(),
            key: thumbprint,
            terms: self.entry.terms.clone(),
        }
    }

    /// Whose token this is.
    pub(super) fn judge(self: &Arc<Self>, token: &str) -> Result<Good, Doubt> {
        let bad = |why| Doubt::Bad(unauthenticated(why));
        let header = jsonwebtoken::decode_header(token);
        let header = header.map_err(|_| bad("the token cannot be read"))?;
        let terms = &self.entry.terms;
        if !terms.algorithms.contains(&header.alg) {
            return Err(bad(
                "the token is signed with what its issuer is not trusted for",
            ));
        }
        if header.crit.is_some() {
            return Err(bad(
                "the token asks for what the gateway does not know (crit)",
            ));
        }
        let unknown = || Doubt::UnknownKey(self.clone());
        let keys = self.keys().ok_or_else(unknown)?;
        let key = keys.find(header.kid.as_deref(), header.alg);
        let key = key.ok_or_else(unknown)?;

        let mut validation = Validation::new(header.alg);
        validation.leeway = terms.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&terms.audiences);
        validation.set_issuer(&[&self.name]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let token = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation);
        let token = token.map_err(|error| bad(fault(&error)))?;
        Ok(Good {
            caller: claims::caller(terms, &token.claims).map_err(bad)?,
            signed_by: self.signed_by(key.thumbprint.clone()),
            issuer: self.clone(),
            keys,
        })
    }

    pub(super) fn keys(&self) -> Option<Arc<Keys>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// The turn to ask for the keys anew, for a token whose key is not known; `None` where that was done just
    /// now. Those that want it at the same time share one question.
    pub(in crate::auth) async fn may_look_again(&self) -> Option<Turn> {
        let called = Instant::now();
        let asked = self.asked.clone().lock_owned().await;
        let is_fresh = |asked: &Asked| asked.at > called || asked.at.elapsed() < asked.pause;
        (!asked.as_ref().is_some_and(is_fresh)).then_some(Turn(asked))
    }

    /// The turn to ask for the keys where that was last done longer ago than this, or in vain.
    pub(in crate::auth) async fn due(&self, interval: Duration) -> Option<Turn> {
        let asked = self.asked.clone().lock_owned().await;
        // What is a file is looked at whenever somebody looks.
        let is_file = matches!(self.entry.keys, KeySource::File(_));
        let is_recent = |asked: &Asked| match asked.failure {
            None => !is_file && asked.at.elapsed() < interval,
            Some(_) => asked.at.elapsed() < interval.min(PAUSE.1),
        };
        (!asked.as_ref().is_some_and(is_recent)).then_some(Turn(asked))
    }

    /// Asks for the keys.
    pub(in crate::auth) async fn renew(&self, Turn(mut asked): Turn) -> Outcome {
        let got = timeout(PATIENCE, self.get()).await;
        let got = got.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let before = asked.take();
        let outcome = match got {
            Ok(keys) => self.take(keys),
            Err(why) => Outcome::Failed {
                is_news: before.as_ref().and_then(|it| it.failure.as_ref()) != Some(&why),
                why,
            },
        };
        let pause = before.map_or(PAUSE.0, |before| (before.pause * 2).min(PAUSE.1));
        *asked = Some(Asked {
            at: Instant::now(),
            pause: match outcome {
                Outcome::Changed(_) => PAUSE.0,
                _ => pause,
            },
            failure: match &outcome {
                Outcome::Failed { why, .. } => Some(why.clone()),
                _ => None,
            },
        });
        outcome
    }

    pub(super) fn take(&self, fresh: Keys) -> Outcome {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.as_deref() == Some(&fresh) {
            return Outcome::Same;
        }
        let ids = fresh.ids().join(" ");
        *keys = Some(Arc::new(fresh));
        Outcome::Changed(ids)
    }

    async fn get(&self) -> Result<Keys, String> {
        let text = match &self.entry.keys {
            KeySource::File(file) => return read_keys(file),
            KeySource::Url(url, proof) => fetch::get(url, proof).await?,
            KeySource::Discovery(page, proof) => {
                let answer = fetch::get(page, proof).await?;
                let url = self.discovered(&answer)?;
                fetch::get(&url, &proof.beyond(page, &url)).await?
            }
        };
        Keys::parse(&text)
    }

    /// Where the keys are, as the issuer's page says.
    fn discovered(&self, page: &[u8]) -> Result<Uri, String> {
        #[derive(Deserialize)]
        struct Discovered {
            issuer: String,
            jwks_uri: String,
        }
        let discovered: Discovered =
            serde_json::from_slice(page).map_err(|error| format!("discovery: {error}"))?;
        if *discovered.issuer != *self.name {
            return Err(format!(
                "discovery is of another issuer, {:?}",
                discovered.issuer
            ));
        }
        fetch::url(&discovered.jwks_uri)
    }
}

fn read_keys(file: &Path) -> Result<Keys, String> {
    let shown = |why: String| format!("{}: {why}", file.display());
    let text = std::fs::read(file).map_err(|error| shown(error.to_string()))?;
    Keys::parse(&text).map_err(shown)
}

/// What is wrong with a token, without a word of it.
fn fault(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not good yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidSignature => "the signature of the token is wrong",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            "the token lacks exp, iss or aud, or one of them is not as it should be"
        }
        _ => "the token cannot be read",
    }
}
