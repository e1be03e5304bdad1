//! Which letter: its key, and the subjects under which letters and their replays are stored.
//!
//! `<prefix>.<stream>.<consumer>.<sequence>.<incarnation>` comes first, so that everything of one
//! message lies under one subject; then `letter.<cause>.<subject of the message>`, so that JetStream
//! itself finds letters by any of these, or `replay.<replay id>`.

use std::fmt;

use super::letter::Cause;
use crate::error::{Error, Result};
use crate::names::{ConsumerName, Reserved, StreamName, Subject};

/// The longest prefix, in bytes: names and subjects need room as well.
const LONGEST_PREFIX: usize = 64;

/// Stands for the subject where it is not known or too long.
const NO_SUBJECT: &str = "_";

/// What tells one letter from every other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The stream of the message.
    pub stream: StreamName,
    /// The consumer that the message failed for.
    pub consumer: ConsumerName,
    /// The message's place in the stream.
    pub sequence: u64,
    /// Tells the consumer from earlier and later ones of its name.
    pub incarnation: Incarnation,
}

/// Tells a consumer from earlier and later ones of its name: when it was created, in hexadecimal, or
/// where that is not known the id of JetStream's advisory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incarnation(String);

/// A caller's name of a replay: one token of a subject, and a part of message ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayId(String);

/// The subjects below a prefix.
#[derive(Clone, Debug)]
pub struct Subjects {
    prefix: String,
}

impl Key {
    /// Reads a letter's id, which `field` of the request holds.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let key = Self::read(text.split('.'));
        key.ok_or_else(|| Error::invalid(field, "is no letter_id"))
    }

    fn read<'a>(mut tokens: impl Iterator<Item = &'a str>) -> Option<Self> {
        let key = Self {
            stream: StreamName::parse("stream", tokens.next()?).ok()?,
            consumer: ConsumerName::parse("consumer", tokens.next()?).ok()?,
            sequence: tokens.next().and_then(number)?,
            incarnation: Incarnation::parse(tokens.next()?)?,
        };
        tokens.next().is_none().then_some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stream,
            consumer,
            sequence,
            incarnation,
        } = self;
        write!(f, "{stream}.{consumer}.{sequence}.{}", incarnation.0)
    }
}

impl Incarnation {
    /// That of a consumer created then.
    pub fn created(time: &prost_types::Timestamp) -> Self {
        let (seconds, nanoseconds) = (i128::from(time.seconds), i128::from(time.nanos));
        Self(format!("{:x}", seconds * 1_000_000_000 + nanoseconds))
    }

    /// The incarnation that is known by nothing but an advisory of it; `None` where that has no id
    /// that can stand in a subject.
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReplayId {
    /// Reads a replay's name, which `field` of the request holds.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        if !is_id(text) {
            return Err(Error::invalid(
                field,
                r#"must be 1 to 64 of A-Z, a-z, 0-9, "-" and "_""#,
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subjects {
    /// The subjects below `prefix`; `None` where that is no subject to publish to.
    pub fn new(prefix: &str) -> Option<Self> {
        let is_subject = Subject::parse("subject", prefix, &Reserved::new("_INBOX")).is_ok();
        let is_own = is_subject && !prefix.starts_with('_') && prefix.len() <= LONGEST_PREFIX;
        is_own.then(|| Self {
            prefix: prefix.to_owned(),
        })
    }

    /// What the letters' stream takes.
    pub fn all(&self) -> String {
        format!("{}.>", self.prefix)
    }

    /// Where a letter is stored.
    pub fn letter(
        &self,
        key: &Key,
        cause: Cause,
        subject: Option<&str>,
        reserved: &Reserved,
    ) -> Result<Subject> {
        let filed = |last: &str| {
            let text = format!("{}.{key}.letter.{}.{last}", self.prefix, cause.as_str());
            Subject::parse("subject", &text, reserved)
        };
        subject.map_or_else(
            || filed(NO_SUBJECT),
            |subject| filed(subject).or_else(|_| filed(NO_SUBJECT)),
        )
    }

    /// Where the letter of a key is, whatever its cause and subject.
    pub fn letter_of(&self, key: &Key) -> String {
        format!("{}.{key}.letter.>", self.prefix)
    }

    /// Where it is noted that a letter was replayed.
    pub fn replay(&self, key: &Key, id: &ReplayId, reserved: &Reserved) -> Result<Subject> {
        let text = format!("{}.{key}.replay.{}", self.prefix, id.as_str());
        Subject::parse("subject", &text, reserved)
    }

    /// Where every replay of a letter is noted.
    pub fn replays_of(&self, key: &Key) -> String {
        format!("{}.{key}.replay.*", self.prefix)
    }

    /// What the subjects of all letters of these match; `None` is any.
    pub fn letters(
        &self,
        stream: Option<&StreamName>,
        consumer: Option<&ConsumerName>,
        cause: Option<Cause>,
        subject: Option<&str>,
    ) -> String {
        let stream = stream.map_or("*", StreamName::as_str);
        let consumer = consumer.map_or("*", ConsumerName::as_str);
        let cause = cause.map_or("*", Cause::as_str);
        let subject = subject.unwrap_or(">");
        format!(
            "{}.{stream}.{consumer}.*.*.letter.{cause}.{subject}",
            self.prefix
        )
    }

    /// What the notes of all replays of these match; `None` is any.
    pub fn replays(&self, stream: Option<&StreamName>, consumer: Option<&ConsumerName>) -> String {
        let stream = stream.map_or("*", StreamName::as_str);
        let consumer = consumer.map_or("*", ConsumerName::as_str);
        format!("{}.{stream}.{consumer}.*.*.replay.*", self.prefix)
    }

    /// The key and the cause of a letter that is stored there; `None` where no letter is.
    pub fn read_letter(&self, subject: &str) -> Option<(Key, Cause)> {
        let rest = subject.strip_prefix(&self.prefix)?.strip_prefix('.')?;
        let tokens: Vec<&str> = rest.split('.').collect();
        let [
            stream,
            consumer,
            sequence,
            incarnation,
            "letter",
            cause,
            _,
            ..,
        ] = tokens[..]
        else {
            return None;
        };
        let key = Key::read([stream, consumer, sequence, incarnation].into_iter())?;
        Some((key, Cause::parse(cause)?))
    }

    /// The replay that is noted there.
    pub fn read_replay(&self, subject: &str) -> Option<ReplayId> {
        let (_, id) = subject.strip_prefix(&self.prefix)?.rsplit_once('.')?;
        ReplayId::parse("replay_id", id).ok()
    }
}

/// Only what `Display` makes: no signs, no leading zeros.
fn number(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|number: &u64| *number > 0 && number.to_string() == text)
}

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::subject_matches;
    use proptest::prelude::*;

    fn key() -> Key {
        Key::parse("letter_id", "ORDERS.c.17.18ab").unwrap()
    }

    fn subjects() -> Subjects {
        Subjects::new("dead.letters").unwrap()
    }

    fn reserved() -> Reserved {
        Reserved::new("_INBOX")
    }

    #[test]
    fn an_id_has_four_parts() {
        assert_eq!(key().to_string(), "ORDERS.c.17.18ab");
        for bad in [
            "",
            "S.c.17",
            "S.c.17.i.j",
            "S.c.0.i",
            "S.c.017.i",
            "S.c.+1.i",
            "S.*.1.i",
            "S.c.1.i>",
            "S..1.i",
        ] {
            assert!(Key::parse("letter_id", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn letters_are_found_by_every_part_of_their_subject() {
        let (subjects, key) = (subjects(), key());
        let letter = subjects
            .letter(&key, Cause::Terminated, Some("orders.eu.new"), &reserved())
            .unwrap();
        assert_eq!(
            letter.as_str(),
            "dead.letters.ORDERS.c.17.18ab.letter.terminated.orders.eu.new"
        );
        for (cause, subject, expected) in [
            (None, None, true),
            (Some(Cause::Terminated), Some("orders.>"), true),
            (None, Some("orders.*.new"), true),
            (Some(Cause::MaxDeliveries), None, false),
            (None, Some("other.>"), false),
        ] {
            let filter = subjects.letters(Some(&key.stream), Some(&key.consumer), cause, subject);
            assert_eq!(
                subject_matches(&filter, letter.as_str()),
                expected,
                "{filter}"
            );
        }
        assert!(subject_matches(&subjects.letter_of(&key), letter.as_str()));
        let found = subjects.read_letter(letter.as_str());
        assert_eq!(found, Some((key, Cause::Terminated)));
    }

    #[test]
    fn a_subject_that_does_not_fit_is_left_out() {
        let long = "x".repeat(1_000);
        for subject in [None, Some(long.as_str()), Some("a b"), Some("a..b")] {
            let letter = subjects().letter(&key(), Cause::Removed, subject, &reserved());
            assert!(
                letter.unwrap().as_str().ends_with(".letter.removed._"),
                "{subject:?}"
            );
        }
    }

    #[test]
    fn replays_are_no_letters() {
        let (subjects, id) = (subjects(), ReplayId::parse("replay_id", "r-1").unwrap());
        let replay = subjects.replay(&key(), &id, &reserved()).unwrap();
        assert!(subject_matches(
            &subjects.replays_of(&key()),
            replay.as_str()
        ));
        assert!(subject_matches(
            &subjects.replays(None, None),
            replay.as_str()
        ));
        assert!(!subject_matches(
            &subjects.letters(None, None, None, None),
            replay.as_str()
        ));
        assert_eq!(subjects.read_letter(replay.as_str()), None);
        assert_eq!(subjects.read_replay(replay.as_str()), Some(id));
    }

    #[test]
    fn creation_times_tell_consumers_apart() {
        let created =
            |seconds, nanos| Incarnation::created(&prost_types::Timestamp { seconds, nanos });
        assert_ne!(created(1_700_000_000, 1), created(1_700_000_000, 2));
        assert_eq!(created(1, 0).as_str(), "3b9aca00");
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_letter_or_comes_back(text in "[a-z0-9.*>_-]{0,40}") {
            if let Ok(key) = Key::parse("letter_id", &text) {
                prop_assert_eq!(key.to_string(), text.clone());
            }
            let _ = subjects().read_letter(&format!("dead.letters.{text}"));
        }
    }
}
