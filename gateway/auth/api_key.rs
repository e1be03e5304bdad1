//! API keys: random secrets of which the gateway knows only hashes.
//!
//! A key has 256 random bits, so a plain SHA-256 of it cannot be guessed back, and looking the hash
//! up tells nobody how much of a guess was right.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use aws_lc_rs::rand;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use prost_types::Timestamp;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use super::caller::{Caller, Kind};
use super::hash::{self, Hash};
use super::unauthenticated;
use crate::error::Result;

/// What every key begins with, so that scanners find those that got into the wrong hands.
const PREFIX: &str = "jg_";

/// Random bytes of a key.
const LENGTH: usize = 32;

/// The keys of one file, and who holds them.
pub struct ApiKeys(HashMap<Hash, Caller>);

/// Why a file of keys cannot be used.
#[derive(Debug, Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not as it should be.
    #[error("cannot use {}: {why}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    #[serde(default)]
    groups: Vec<String>,
    expires: Option<toml::value::Datetime>,
}

impl ApiKeys {
    /// Reads a file of keys.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has entries that are not as they should be.
    pub fn read(file: &Path) -> std::result::Result<Self, KeysError> {
        let text = fs::read_to_string(file).map_err(|source| KeysError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|why| KeysError::Unusable {
            file: file.to_owned(),
            why,
        })
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut keys = HashMap::with_capacity(file.key.len());
        for entry in file.key {
            let name = entry.name.as_str();
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err("a key has no name, or one with control characters".to_owned());
            }
            let hash = parse_hash(&entry.sha256)
                .ok_or_else(|| format!("the sha256 of {name} is not 64 hexadecimal digits"))?;
            let expires = entry.expires.map(|time| time.to_string().parse());
            let expires: Option<Timestamp> = expires
                .transpose()
                .map_err(|_| format!("the expiry of {name} is not like 2030-01-31T00:00:00Z"))?;
            let expires = expires.map(SystemTime::try_from).transpose();
            let expires = expires.map_err(|_| format!("the expiry of {name} is out of range"))?;
            let holder = Caller::new(Kind::ApiKey, name)
                .in_groups(entry.groups)
                .until(expires);
            if keys.insert(hash, holder).is_some() {
                return Err(format!("the key of {} is there twice", entry.name));
            }
        }
        Ok(Self(keys))
    }

    /// Whose key this is.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when it is nobody's, or no longer.
    pub(super) fn holder(&self, hash: &Hash, now: SystemTime) -> Result<Caller> {
        match self.0.get(hash) {
            None => Err(unauthenticated("the key is not known")),
            Some(holder) if holder.expires().is_some_and(|end| end <= now) => {
                Err(unauthenticated("the key has expired"))
            }
            Some(holder) => Ok(holder.clone()),
        }
    }
}

fn parse_hash(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != hash.len() * 2 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

/// A key that was just made: the only time that it can be seen.
pub struct NewKey {
    name: String,
    secret: Zeroizing<String>,
}

impl NewKey {
    /// Makes a key for `name`.
    ///
    /// Where the system has no randomness to give, it ends the process rather than make a key that
    /// can be guessed.
    pub fn make(name: &str) -> Self {
        let mut bytes = [0; LENGTH];
        if rand::fill(&mut bytes).is_err() {
            std::process::abort();
        }
        let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).into();
        bytes.zeroize();
        Self {
            name: name.to_owned(),
            secret,
        }
    }

    /// The key itself, for its holder.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The entry for the gateway's file.
    pub fn entry(&self) -> String {
        let hash: String = hash::of(&self.secret)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = toml::Value::from(self.name.as_str());
        format!("[[key]]\nname = {name}\nsha256 = \"{hash}\"\n")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn holder(keys: &ApiKeys, key: &NewKey, now: SystemTime) -> Result<Caller> {
        keys.holder(&hash::of(key.secret()), now)
    }

    #[test]
    fn a_new_key_is_known_by_its_entry() {
        let key = NewKey::make("orders \"eu\"");
        let keys = ApiKeys::parse(&key.entry()).unwrap();

        assert_eq!(
            holder(&keys, &key, SystemTime::now()).unwrap().name(),
            "orders \"eu\""
        );
        assert!(!key.entry().contains(key.secret()));
        assert_ne!(NewKey::make("a").secret(), NewKey::make("a").secret());
    }

    #[test]
    fn a_key_ends_at_its_expiry() {
        let key = NewKey::make("orders");
        let text = format!("{}expires = 2030-01-31T00:00:00Z\n", key.entry());
        let keys = ApiKeys::parse(&text).unwrap();
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_896_048_000);

        let before = end - Duration::from_secs(1);
        assert!(holder(&keys, &key, before).is_ok());
        assert!(holder(&keys, &key, end).is_err());
    }

    #[test]
    fn entries_must_be_whole() {
        let good = NewKey::make("a").entry();
        for text in [
            "[[key]]\nname = \"a\"".to_owned(),
            good.replace("\"a\"", "\"\""),
            good.replace("sha256 = \"", "sha256 = \"0"),
            good.replace("sha256", "sha512"),
            format!("{good}{good}"),
            format!("{good}expires = 12:00:00\n"),
        ] {
            assert!(ApiKeys::parse(&text).is_err(), "{text}");
        }
        assert!(ApiKeys::parse("").unwrap().0.is_empty());
    }
}
