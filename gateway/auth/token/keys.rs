//! The public keys of an issuer: a JSON Web Key Set, as far as its keys can sign tokens.

use std::sync::Arc;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys that one issuer may have.
const MOST: usize = 100;

/// The keys of an issuer, in an order of their own: servers tell the same ones now like this and now like that.
#[derive(PartialEq)]
pub(super) struct Keys(Vec<Key>);

/// A public key.
pub(super) struct Key {
    id: Option<String>,
    /// What it signs with.
    algorithms: Vec<Algorithm>,
    /// Tells it from every other (RFC 7638), whatever it is called.
    pub(super) thumbprint: Arc<str>,
    pub(super) key: DecodingKey,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.algorithms == other.algorithms
            && self.thumbprint == other.thumbprint
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a key set. Keys of kinds that are not known are passed over, as the standard wants it. A set
    /// without any that can be used is rather a mishap than meant, and is not taken.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let set: Set = serde_json::from_slice(text)
            .map_err(|error| format!("no JSON Web Key Set: {error}"))?;
        if set.keys.len() > MOST {
            return Err(format!("the key set has more than {MOST} keys"));
        }
        let mut keys: Vec<Key> = set.keys.into_iter().filter_map(Key::read).collect();
        keys.sort_by_cached_key(|key| (key.id.clone(), key.thumbprint.clone()));
        match keys.is_empty() {
            true => Err("the key set has no key that can be used".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// The key of this id; without an id, the only one that can have signed.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm);
        let mut fitting = self.0.iter().filter(fits);
        if id.is_some() {
            return fitting.find(|key| key.id.as_deref() == id);
        }
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Whether a key with this thumbprint is among them.
    pub(super) fn has(&self, thumbprint: &str) -> bool {
        self.0.iter().any(|key| *key.thumbprint == *thumbprint)
    }

    /// What the keys are called.
    pub(super) fn ids(&self) -> Vec<&str> {
        let ids = self.0.iter();
        ids.map(|key| key.id.as_deref().unwrap_or_default())
            .collect()
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithms = algorithms(&jwk);
        if algorithms.is_empty() || !is_for_signing(&jwk) {
            return None;
        }
        Some(Self {
            thumbprint: jwk.thumbprint(ThumbprintHash::SHA256).ok()?.into(),
            key: DecodingKey::from_jwk(&jwk).ok()?,
            id: jwk.common.key_id,
            algorithms,
        })
    }
}

fn is_for_signing(jwk: &Jwk) -> bool {
    let usage = jwk.common.public_key_use.as_ref();
    let operations = jwk.common.key_operations.as_ref();
    usage.is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// What a key can sign with, or the one of these that it says it is for. A symmetric key is for nothing: it
/// is a secret, and in a set of public keys everybody has it.
fn algorithms(jwk: &Jwk) -> Vec<Algorithm> {
    let possible: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms(),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    };
    let named = jwk.common.key_algorithm.map(Algorithm::try_from);
    let is_meant = |algorithm: &&Algorithm| match &named {
        Some(named) => named.as_ref().is_ok_and(|named| named == *algorithm),
        None => true,
    };
    possible.iter().filter(is_meant).copied().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of RFC 7517, appendix A.1.
    fn ec(changes: Value) -> Value {
        let key = json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        });
        changed(key, changes)
    }

    fn rsa(changes: Value) -> Value {
        changed(
            json!({ "kty": "RSA", "kid": "2", "n": "AQAB", "e": "AQAB" }),
            changes,
        )
    }

    fn changed(mut key: Value, changes: Value) -> Value {
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn parse(keys: &[Value]) -> Result<Keys, String> {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_found_by_its_id_and_what_it_signs_with() {
        let keys = parse(&[ec(json!({})), rsa(json!({})), rsa(json!({ "kid": "3" }))]).unwrap();
        let find = |id, algorithm| keys.find(id, algorithm).map(|key| key.id.as_deref());

        assert_eq!(find(Some("1"), Algorithm::ES256), Some(Some("1")));
        assert_eq!(find(Some("2"), Algorithm::PS512), Some(Some("2")));
        assert_eq!(find(Some("1"), Algorithm::RS256), None);
        assert_eq!(find(Some("1"), Algorithm::ES384), None);
        assert_eq!(find(Some("4"), Algorithm::ES256), None);
        // Without an id only where there is no doubt.
        assert_eq!(find(None, Algorithm::ES256), Some(Some("1")));
        assert_eq!(find(None, Algorithm::RS256), None);
    }

    #[test]
    fn a_key_is_used_for_nothing_else_than_it_says() {
        let keys = parse(&[rsa(json!({ "alg": "RS256", "use": "sig" }))]).unwrap();
        assert!(keys.find(Some("2"), Algorithm::RS256).is_some());
        assert!(keys.find(Some("2"), Algorithm::PS256).is_none());

        for key in [
            rsa(json!({ "use": "enc" })),
            rsa(json!({ "alg": "RSA-OAEP" })),
            rsa(json!({ "alg": "HS256" })),
            rsa(json!({ "key_ops": ["encrypt"] })),
            ec(json!({ "alg": "RS256" })),
            ec(json!({ "crv": "P-521" })),
            json!({ "kty": "oct", "kid": "1", "k": "c2VjcmV0" }),
            json!({ "kty": "new", "kid": "1" }),
            json!(7),
        ] {
            assert!(parse(std::slice::from_ref(&key)).is_err(), "{key}");
            assert!(parse(&[key, ec(json!({}))]).is_ok());
        }
    }

    #[test]
    fn the_same_keys_are_the_same_however_they_are_told() {
        let (one, other) = (ec(json!({})), rsa(json!({})));
        let both = parse(&[one.clone(), other]).unwrap();
        let with_more = rsa(json!({ "x5t": "more" }));
        assert!(both == parse(&[with_more, one.clone()]).unwrap());
        for others in [
            vec![one.clone()],
            vec![one.clone(), rsa(json!({ "kid": "3" }))],
            vec![one.clone(), rsa(json!({ "alg": "RS256" }))],
            vec![one, rsa(json!({ "n": "AQAD" }))],
        ] {
            assert!(both != parse(&others).unwrap());
        }
    }

    #[test]
    fn what_is_no_key_set_is_none() {
        for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
            assert!(Keys::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&vec![ec(json!({})); MOST + 1]).is_err());
    }
}
