//! A key that signs tokens, made by hand: the gateway's own library is not asked what is right.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key that signs.
pub(super) struct Key {
    id: String,
    algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    /// The quickest kind.
    pub(super) fn new(id: &str) -> Self {
        Self::of(id, "ES256")
    }

    /// One for this algorithm.
    pub(super) fn of(id: &str, algorithm: &'static str) -> Self {
        let pair = match algorithm {
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            "RS256" | "PS256" => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
            }
            other => panic!("no key for {other}"),
        };
        Self {
            id: id.to_owned(),
            algorithm,
            pair,
        }
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({}), claims)
    }

    /// The same with these changes of its header.
    pub(super) fn sign_with(&self, changes: &Value, claims: &Value) -> String {
        let mut header = json!({ "alg": self.algorithm, "typ": "JWT", "kid": self.id });
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        let signed = signed_part(&header, claims);
        let signature = self.signature(header["alg"].as_str().unwrap(), signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    fn signature(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(text).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let encoding: &dyn RsaEncoding = match algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }

    /// Its public half, as a key set has it.
    pub(super) fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Ec(pair) => {
                // Uncompressed: a 4, x and y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Pair::Ed(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": n, "e": e })
            }
        };
        key["kid"] = json!(self.id);
        key["use"] = json!("sig");
        key
    }

    /// The public half as bytes that everybody can have.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }
}

/// What a signature is of.
pub(super) fn signed_part(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|it| encode(it.to_string().as_bytes()));
    format!("{header}.{claims}")
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
