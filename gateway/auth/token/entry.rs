//! The file of issuers: its form, and what is wrong with one.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::Deserialize;

use super::fetch;

/// Where an issuer says where its keys are (OpenID Connect Discovery).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What tokens may be signed with unless the issuer's entry says so.
const USUAL: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
];

/// The longest that clocks may be apart.
const LONGEST_LEEWAY: Duration = Duration::from_secs(300);

/// What is known of an issuer, and what is asked of its tokens.
pub(super) struct Entry {
    /// As tokens have it in `iss`.
    pub(super) issuer: String,
    pub(super) keys: KeySource,
    pub(super) terms: Arc<Terms>,
}

/// What is asked of the tokens of an issuer, and whose they are.
#[derive(Debug, PartialEq)]
pub(super) struct Terms {
    /// One of these must stand in `aud`.
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) name_claim: String,
    pub(super) groups_claim: String,
    pub(super) name_prefix: String,
    pub(super) leeway: Duration,
}

/// Where the keys of an issuer are.
#[derive(PartialEq)]
pub(super) enum KeySource {
    /// In a file.
    File(PathBuf),
    /// On a server.
    Url(Uri, Proof),
    /// Where this page of the issuer says.
    Discovery(Uri, Proof),
}

/// How the server of the keys and the gateway prove to each other who they are.
#[derive(PartialEq)]
pub(super) struct Proof {
    /// The authorities of the server; the system's where there is no file.
    pub(super) ca_file: Option<PathBuf>,
    /// A file with what to say as a bearer.
    pub(super) bearer_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    issuer: Vec<Written>,
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    issuer: String,
    audiences: Vec<String>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    ca_file: Option<PathBuf>,
    bearer_file: Option<PathBuf>,
    #[serde(default)]
    algorithms: Vec<String>,
    #[serde(default = "sub")]
    name_claim: String,
    #[serde(default = "groups")]
    groups_claim: String,
    #[serde(default)]
    name_prefix: String,
    #[serde(default = "leeway", with = "humantime_serde")]
    leeway: Duration,
}

fn sub() -> String {
    "sub".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

fn leeway() -> Duration {
    Duration::from_secs(30)
}

/// Reads the text of a file, or says everything that is wrong with it.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut mistakes = confusions(&file.issuer);
    let mut entries = Vec::with_capacity(file.issuer.len());
    for written in file.issuer {
        let name = written.issuer.clone();
        match Entry::new(written) {
            Ok(entry) => entries.push(entry),
            Err(why) => mistakes.push(format!("issuer {name:?}: {why}")),
        }
    }
    match mistakes.is_empty() {
        true => Ok(entries),
        false => Err(mistakes),
    }
}

/// Issuers that could be taken for each other, or whose callers could.
fn confusions(issuers: &[Written]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (index, one) in issuers.iter().enumerate() {
        for other in &issuers[..index] {
            let (name, a, b) = (&one.issuer, &one.name_prefix, &other.name_prefix);
            if *name == other.issuer {
                mistakes.push(format!("issuer {name:?} is there twice"));
            } else if a.starts_with(b.as_str()) || b.starts_with(a.as_str()) {
                mistakes.push(format!(
                    "issuer {name:?}: needs a name_prefix that begins otherwise than that of {:?}, so \
                     that callers of the one are never taken for the other's",
                    other.issuer
                ));
            }
        }
    }
    mistakes
}

impl Entry {
    fn new(written: Written) -> Result<Self, String> {
        if written.issuer.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if written.audiences.is_empty() || written.audiences.iter().any(String::is_empty) {
            return Err("audiences must name who the tokens are for".to_owned());
        }
        if written.leeway > LONGEST_LEEWAY {
            return Err("leeway must be at most 5 min".to_owned());
        }
        Ok(Self {
            keys: KeySource::of(&written)?,
            issuer: written.issuer,
            terms: Arc::new(Terms {
                algorithms: algorithms(&written.algorithms)?,
                audiences: written.audiences,
                name_claim: written.name_claim,
                groups_claim: written.groups_claim,
                name_prefix: written.name_prefix,
                leeway: written.leeway,
            }),
        })
    }
}

impl Proof {
    /// The proof on the way from one page to another: what the gateway shows is for the server that the
    /// operator has named.
    pub(super) fn beyond(&self, from: &Uri, to: &Uri) -> Self {
        let is_same = from.authority() == to.authority();
        Self {
            ca_file: self.ca_file.clone(),
            bearer_file: self.bearer_file.clone().filter(|_| is_same),
        }
    }
}

impl KeySource {
    fn of(written: &Written) -> Result<Self, String> {
        let proof = Proof {
            ca_file: written.ca_file.clone(),
            bearer_file: written.bearer_file.clone(),
        };
        let needs_proof = proof.ca_file.is_some() || proof.bearer_file.is_some();
        match (&written.jwks_file, &written.jwks_url) {
            (Some(_), Some(_)) => Err("jwks_file and jwks_url exclude each other".to_owned()),
            (Some(_), None) if needs_proof => {
                Err("ca_file and bearer_file are for keys on a server".to_owned())
            }
            (Some(file), None) => Ok(Self::File(file.clone())),
            (None, Some(url)) => Ok(Self::Url(fetch::url(url)?, proof)),
            (None, None) => {
                let page = format!("{}{DISCOVERY}", written.issuer.trim_end_matches('/'));
                let page = fetch::url(&page);
                let page = page.map_err(|why| format!("{why}; or set jwks_file or jwks_url"))?;
                Ok(Self::Discovery(page, proof))
            }
        }
    }
}

/// Only those whose keys need not be secret: with the others the gateway could make tokens itself, and an
/// attacker could take a public key for a shared secret.
fn algorithms(words: &[String]) -> Result<Vec<Algorithm>, String> {
    if words.is_empty() {
        return Ok(USUAL.to_vec());
    }
    let read = |word: &String| match Algorithm::from_str(word) {
        Ok(algorithm) if algorithm.family() != AlgorithmFamily::Hmac => Ok(algorithm),
        _ => Err(format!(
            "algorithms: {word:?} is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
        )),
    };
    words.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> String {
        format!("[[issuer]]\nissuer = \"https://a.example\"\naudiences = [\"jetgate\"]\n{text}\n")
    }

    #[test]
    fn the_example_can_be_used() {
        let example = include_str!("../../../deploy/config/issuers.toml");
        let entries = parse(example).unwrap();
        assert_eq!(entries.len(), 2);
        assert!(matches!(entries[0].keys, KeySource::Discovery(..)));
        assert!(matches!(entries[1].keys, KeySource::Url(..)));
    }

    #[test]
    fn what_an_entry_leaves_out_has_a_default() {
        let entries = parse(&entry("")).unwrap();
        let [entry] = &entries[..] else { panic!() };
        let terms = &entry.terms;
        assert_eq!(terms.algorithms, USUAL);
        assert_eq!(
            (terms.name_claim.as_str(), terms.groups_claim.as_str()),
            ("sub", "groups")
        );
        assert_eq!(terms.leeway, Duration::from_secs(30));
        let page = "https://a.example/.well-known/openid-configuration";
        assert!(matches!(&entry.keys, KeySource::Discovery(url, _) if *url == page));
    }

    #[test]
    fn what_is_dangerous_or_means_nothing_is_refused() {
        for text in [
            "algorithms = [\"HS256\"]",
            "algorithms = [\"none\"]",
            "algorithms = [\"RS256\", \"rs256\"]",
            "leeway = \"6m\"",
            "jwks_url = \"http://a.example/keys\"",
            "jwks_url = \"https://a.example\"\njwks_file = \"keys\"",
            "jwks_file = \"keys\"\nca_file = \"ca\"",
            "unknown = 1",
        ] {
            assert!(parse(&entry(text)).is_err(), "{text}");
        }
        let without_audience = "[[issuer]]\nissuer = \"https://a.example\"\naudiences = []";
        assert!(parse(without_audience).is_err());
        assert!(parse("[[issuer]]\nissuer = \"a\"\naudiences = [\"b\"]").is_err());
    }

    #[test]
    fn callers_of_two_issuers_are_never_called_the_same() {
        let with = |prefix: &str, other: &str| {
            let second =
                entry(&format!("name_prefix = {other:?}")).replace("a.example", "b.example");
            parse(&format!(
                "{}{second}",
                entry(&format!("name_prefix = {prefix:?}"))
            ))
        };
        assert!(with("a:", "b:").is_ok());
        for (prefix, other) in [("", ""), ("", "b:"), ("a", "ab"), ("ab", "a"), ("a:", "a:")] {
            assert!(with(prefix, other).is_err(), "{prefix} {other}");
        }
        let twice = format!(
            "{}{}",
            entry("name_prefix = \"a:\""),
            entry("name_prefix = \"b:\"")
        );
        assert!(parse(&twice).is_err());
    }
}
