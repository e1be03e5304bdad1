//! The names of consumers that the gateway makes: they tell for which caller, and serve nobody else.

use uuid::Uuid;

use crate::auth::{Access, Owner, not_the_owner};
use crate::error::Result;
use crate::names::ConsumerName;

/// What they begin with.
const PREFIX: &str = "jetgate-";

/// Digits of the owner, and of what tells its consumers apart.
const DIGITS: (usize, usize) = (16, 32);

/// What the names of a caller's consumers begin with: `jetgate-` and a fingerprint of the caller.
pub(crate) fn stem(owner: Owner) -> String {
    format!("{PREFIX}{owner}")
}

/// A new name.
pub(super) fn new_name(owner: Owner) -> Result<ConsumerName> {
    let name = format!("{}-{}", stem(owner), Uuid::now_v7().simple());
    ConsumerName::parse("consumer", &name)
}

/// Whether the gateway makes such names.
pub(super) fn is_own(name: &str) -> bool {
    owner_in(name).is_some()
}

/// Refuses a consumer that was made for another caller.
///
/// # Errors
///
/// `PERMISSION_DENIED`.
pub(super) fn check(access: &Access, stream: &str, consumer: &str) -> Result<()> {
    match owner_in(consumer) {
        Some(owner) if owner != access.owner().to_string() => Err(not_the_owner(stream, consumer)),
        _ => Ok(()),
    }
}

fn owner_in(name: &str) -> Option<&str> {
    let (owner, rest) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    (is_hex(owner, DIGITS.0) && is_hex(rest, DIGITS.1)).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Caller, Kind};

    #[test]
    fn a_name_is_its_owners_alone() {
        let orders = Caller::new(Kind::ApiKey, "orders");
        let name = new_name(orders.owner()).unwrap();
        assert!(is_own(name.as_str()) && name.as_str().starts_with(&stem(orders.owner())));

        let nobody = Access::default();
        assert!(check(&nobody, "S", name.as_str()).is_err());
        let own = new_name(nobody.owner()).unwrap();
        assert!(check(&nobody, "S", own.as_str()).is_ok());
        for others in ["worker", "jetgate-x", "jetgate-0123456789abcdef"] {
            assert!(!is_own(others) && check(&nobody, "S", others).is_ok());
        }
    }
}
