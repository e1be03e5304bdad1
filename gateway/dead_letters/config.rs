//! The `dead_letters` section: which streams, and how they are made where they are missing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Subjects;
use crate::config::{ByteSize, Checks};
use crate::names::StreamName;

/// The longest that letters may be kept: JetStream counts nanoseconds in 63 bits.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The smallest stream: one message of nats-server's default `max_payload` and its provenance.
const SMALLEST: ByteSize = ByteSize::mib(2);

/// Where dead letters are kept. Off unless both streams are named.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The stream that keeps the letters, together with `advisories`. Default: none.
    pub letters: Option<String>,
    /// The stream that keeps JetStream's advisories until their letters are written, together with
    /// `letters`. Default: none.
    pub advisories: Option<String>,
    /// What the subjects of letters begin with. Default `dead_letters`.
    pub subject: String,
    /// Replicas of the two streams, where the gateway makes them. Default 1.
    pub replicas: u32,
    /// How long letters and advisories are kept, where the gateway makes the streams; 0 is for ever.
    /// Default 30 days.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// The size of each of the two streams, where the gateway makes them; the oldest letters go first.
    /// Default 1 GiB.
    pub max_bytes: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            letters: None,
            advisories: None,
            subject: "dead_letters".to_owned(),
            replicas: 1,
            max_age: Duration::from_secs(30 * 24 * 60 * 60),
            max_bytes: ByteSize::mib(1024),
        }
    }
}

impl Config {
    /// The same with streams of these names, where none are named.
    #[must_use]
    pub fn or_with_streams(mut self, letters: &str, advisories: &str) -> Self {
        if self.letters.is_none() && self.advisories.is_none() {
            self.letters = Some(letters.to_owned());
            self.advisories = Some(advisories.to_owned());
        }
        self
    }

    pub(crate) fn check(&self, checks: &mut Checks) {
        for (key, name) in [("letters", &self.letters), ("advisories", &self.advisories)] {
            let is_name = |name: &String| StreamName::parse(key, name).is_ok();
            checks.require(
                name.as_ref().is_none_or(is_name),
                key,
                "must be a stream's name: no dots, spaces, slashes or wildcards, at most 255 bytes",
            );
        }
        let (given, missing) = match self.letters {
            Some(_) => ("letters", "advisories"),
            None => ("advisories", "letters"),
        };
        checks.require(
            self.letters.is_some() == self.advisories.is_some(),
            given,
            format!("needs dead_letters.{missing} beside it"),
        );
        checks.require(
            self.letters.is_none() || self.letters != self.advisories,
            "advisories",
            "must differ from dead_letters.letters",
        );
        checks.require(
            Subjects::new(&self.subject).is_some(),
            "subject",
            "must be a subject of at most 64 bytes without wildcards that does not begin with `$` or `_`",
        );
        checks.within("replicas", self.replicas, 1..=5);
        checks.time_within("max_age", self.max_age, Duration::ZERO..=LONGEST);
        checks.within(
            "max_bytes",
            self.max_bytes,
            SMALLEST..=ByteSize::bytes(i64::MAX as u64),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config as WholeConfig;

    fn problems(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = WholeConfig::default();
        change(&mut config.dead_letters);
        let problems = config.validate().err();
        let keys = problems.iter().flat_map(|all| all.keys());
        keys.map(str::to_owned).collect()
    }

    #[test]
    fn both_streams_are_named_or_none() {
        assert_eq!(
            problems(|it| it.letters = Some("L".into())),
            ["dead_letters.letters"]
        );
        assert_eq!(
            problems(|it| it.advisories = Some("A".into())),
            ["dead_letters.advisories"]
        );
        let named = |letters: &str, advisories: &str| {
            let config = Config::default().or_with_streams(letters, advisories);
            problems(|it| *it = config)
        };
        assert!(named("L", "A").is_empty());
        assert_eq!(named("L", "L"), ["dead_letters.advisories"]);
        assert_eq!(named("a.b", "A"), ["dead_letters.letters"]);
    }

    #[test]
    fn letters_have_a_subject_of_their_own() {
        for bad in [
            "",
            "a.*",
            "a.>",
            "$JS.EVENT",
            "_INBOX",
            "a b",
            &"s".repeat(65),
        ] {
            assert_eq!(
                problems(|it| it.subject = bad.into()),
                ["dead_letters.subject"],
                "{bad}"
            );
        }
    }

    #[test]
    fn names_given_by_the_operator_stay() {
        let config = Config {
            letters: Some("MINE".into()),
            ..Config::default()
        };
        assert_eq!(config.clone().or_with_streams("L", "A"), config);
    }
}
