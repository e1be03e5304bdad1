//! Tokens that were found good, until they end or the keys of their issuers change: a signature costs
//! more than everything else that a call does before it reaches its service.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::SignedBy;
use super::issuer::Issuer;
use super::keys::Keys;
use crate::auth::caller::Caller;
use crate::auth::hash::Hash;

/// The most tokens that are remembered, and how much memory all that they name may take.
const MOST: (usize, usize) = (10_000, 16 << 20);

/// Tokens that were found good.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    tokens: HashMap<Hash, Good>,
    bytes: usize,
}

/// A token that was found good.
pub(super) struct Good {
    pub(super) caller: Caller,
    pub(super) signed_by: SignedBy,
    pub(super) issuer: Arc<Issuer>,
    /// The keys of its issuer at that time.
    pub(super) keys: Arc<Keys>,
}

impl Good {
    fn size(&self) -> usize {
        let groups = self.caller.groups();
        let groups = groups.map(|group| size_of::<String>() + group.len());
        size_of::<Self>() + self.caller.name().len() + groups.sum::<usize>()
    }
}

impl Remembered {
    /// Whose it is, where it is still good.
    pub(super) fn find(&self, hash: &Hash, now: SystemTime) -> Option<(Caller, SignedBy)> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner.tokens.get(hash)?;
        let is_good = known.caller.expires().is_some_and(|end| end > now)
            && known.issuer.has_still(&known.keys);
        is_good.then(|| (known.caller.clone(), known.signed_by.clone()))
    }

    /// Remembers a token; itself it is not kept.
    pub(super) fn add(&self, hash: Hash, good: Good) {
        let size = good.size();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.tokens.len() >= MOST.0 || inner.bytes + size > MOST.1 {
            // Those that are used come back at once.
            *inner = Inner::default();
        }
        if inner.tokens.insert(hash, good).is_none() {
            inner.bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::entry;
    use super::*;
    use crate::auth::caller::Kind;
    use crate::auth::hash;

    #[test]
    fn what_is_remembered_takes_no_more_than_it_may() {
        let text = "[[issuer]]\nissuer = \"https://a.example\"\naudiences = [\"jetgate\"]";
        let issuer = Issuer::new(entry::parse(text).unwrap().remove(0)).unwrap();
        let issuer = Arc::new(issuer);
        let set = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
        issuer.take(Keys::parse(set.as_bytes()).unwrap());
        let keys = issuer.keys().unwrap();
        let (remembered, now) = (Remembered::default(), SystemTime::now());
        let good = |number: usize| Good {
            caller: Caller::new(Kind::Token, number.to_string())
                .in_groups(vec!["g".repeat(500); 200])
                .until(Some(now + Duration::from_secs(60))),
            signed_by: issuer.signed_by("thumbprint".into()),
            issuer: issuer.clone(),
            keys: keys.clone(),
        };
        for number in 0..400 {
            let hash = hash::of(number.to_string());
            remembered.add(hash, good(number));
            assert!(remembered.find(&hash, now).is_some());
            assert!(
                remembered
                    .find(&hash, now + Duration::from_secs(60))
                    .is_none()
            );
        }
        let inner = remembered.0.lock().unwrap();
        assert!(inner.bytes <= MOST.1 && inner.tokens.len() <= MOST.1 / (200 * 500));
    }
}
