//! Tokens (JWT): whose they are, by the keys of the issuers that are trusted.

mod claims;
mod entry;
mod fetch;
mod issuer;
mod keys;
mod remembered;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;
use thiserror::Error;

use self::entry::Terms;
pub(super) use self::issuer::{Issuer, Outcome};
use self::remembered::Remembered;
use super::caller::Caller;
use super::{hash, unauthenticated};
use crate::error::Error;

/// Longer ones are not looked at.
const LONGEST: usize = 16 * 1024;

/// The issuers of one file.
pub(super) struct Tokens {
    issuers: Vec<Arc<Issuer>>,
    good: Remembered,
}

/// Which key of which issuer a token was signed with, and on what terms it was taken.
#[derive(Clone)]
pub(super) struct SignedBy {
    issuer: Arc<str>,
    /// The key's thumbprint.
    key: Arc<str>,
    terms: Arc<Terms>,
}

/// Why a token is nobody's.
pub(super) enum Doubt {
    /// For good.
    Bad(Error),
    /// Its issuer may have new keys.
    UnknownKey(Arc<Issuer>),
}

/// Why a file of issuers cannot be used.
#[derive(Debug, Error)]
#[error("cannot use the token issuers {}: {}", file.display(), mistakes.join("; "))]
pub struct IssuersError {
    file: PathBuf,
    mistakes: Vec<String>,
}

impl Tokens {
    /// Reads a file of issuers, and the keys of those that have them in files.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not as it should be.
    pub(super) fn read(file: &Path) -> Result<Self, IssuersError> {
        let failed = |mistakes| IssuersError {
            file: file.to_owned(),
            mistakes,
        };
        let text =
            std::fs::read_to_string(file).map_err(|error| failed(vec![error.to_string()]))?;
        let entries = entry::parse(&text).map_err(failed)?;
        let issuers = entries.into_iter().map(Issuer::new);
        let issuers: Result<_, _> = issuers.map(|it| it.map(Arc::new)).collect();
        Ok(Self {
            issuers: issuers.map_err(|mistake| failed(vec![mistake]))?,
            good: Remembered::default(),
        })
    }

    /// Takes the keys over of those that have theirs in the same place: they are not asked for anew, which
    /// could be in vain just now.
    pub(super) fn inherit(self, old: &Self) -> Self {
        for issuer in &self.issuers {
            if let Some(old) = old.of(issuer.name()) {
                issuer.inherit(old);
            }
        }
        self
    }

    /// The issuers.
    pub(super) fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    /// Whether this looks like a token, and not like a key.
    pub(super) fn is_token(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Whose token this is.
    pub(super) fn judge(&self, token: &str, now: SystemTime) -> Result<(Caller, SignedBy), Doubt> {
        let bad = |why| Doubt::Bad(unauthenticated(why));
        if token.len() > LONGEST {
            return Err(bad("the token is too long"));
        }
        let hash = hash::of(token);
        if let Some(known) = self.good.find(&hash, now) {
            return Ok(known);
        }
        let claimed = claimed(token).ok_or_else(|| bad("the token cannot be read"))?;
        let issuer = self.of(&claimed);
        let issuer = issuer.ok_or_else(|| bad("the token's issuer is not trusted"))?;
        let good = issuer.judge(token)?;
        let judged = (good.caller.clone(), good.signed_by.clone());
        self.good.add(hash, good);
        Ok(judged)
    }

    /// Whether tokens that were signed like this are still good, as far as is known. Those that were taken
    /// on other terms are not: they could be somebody else's now, or nobody's.
    pub(super) fn trusts(&self, signed_by: &SignedBy) -> bool {
        let issuer = self.of(&signed_by.issuer);
        issuer.is_some_and(|issuer| issuer.still_trusts(signed_by))
    }

    fn of(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.issuers.iter().find(|issuer| issuer.name() == name)
    }
}

/// Who a token says that it is from; nothing of it is proven.
fn claimed(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let claims: Claimed = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    Some(claims.iss)
}
