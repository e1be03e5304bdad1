//! Tokens that were found good, until they end or the keys of their issuers change: a signature costs
//! more than everything else that a call does before it reaches its service.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest;

use super::SignedBy;
use super::issuer::Issuer;
use super::keys::Keys;
use crate::auth::caller::Caller;

/// The most tokens that are remembered, and how long they may be all together: who they name is never
/// longer than they are.
const MOST: (usize, usize) = (10_000, 16 << 20);

/// What a token is remembered by; the token itself is not kept.
pub(super) type Hash = [u8; digest::SHA256_OUTPUT_LEN];

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

/// What to remember a token by.
pub(super) fn hash(token: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
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

    /// Remembers a token of this length.
    pub(super) fn add(&self, hash: Hash, length: usize, good: Good) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.tokens.len() >= MOST.0 || inner.bytes + length > MOST.1 {
            // Those that are used come back at once.
            *inner = Inner::default();
        }
        if inner.tokens.insert(hash, good).is_none() {
            inner.bytes += length;
        }
    }
}
