//! Which letters are meant.

use std::collections::BTreeSet;

use prost_types::Timestamp;

use super::key::Key;
use super::letter::{Cause, Letter};
use crate::names::{ConsumerName, StreamName, SubjectFilter, subject_matches};

/// Which letters; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of this stream.
    pub stream: Option<StreamName>,
    /// Those of this consumer.
    pub consumer: Option<ConsumerName>,
    /// Those of this cause.
    pub cause: Option<Cause>,
    /// Those whose message's subject matches.
    pub subject: Option<SubjectFilter>,
    /// Those that died then or later.
    pub from: Option<Timestamp>,
    /// Those that died before then.
    pub until: Option<Timestamp>,
    /// These.
    pub keys: BTreeSet<Key>,
}

impl Filter {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        let Self {
            stream,
            consumer,
            cause,
            subject,
            from,
            until,
            keys,
        } = self;
        let nothing_named = stream.is_none() && consumer.is_none() && keys.is_empty();
        nothing_named && cause.is_none() && subject.is_none() && from.is_none() && until.is_none()
    }

    /// Whether JetStream itself can tell which letters these are.
    pub(super) fn is_in_subject(&self) -> bool {
        self.keys.is_empty() && self.from.is_none() && self.until.is_none()
    }

    pub(super) fn admits(&self, letter: &Letter) -> bool {
        let time = letter.time.map(|time| (time.seconds, time.nanos));
        let bound = |time: &Timestamp| (time.seconds, time.nanos);
        let subject = letter.subject.as_deref().unwrap_or_default();
        self.stream
            .as_ref()
            .is_none_or(|it| *it == letter.key.stream)
            && self
                .consumer
                .as_ref()
                .is_none_or(|it| *it == letter.key.consumer)
            && self.cause.is_none_or(|it| it == letter.cause)
            && self
                .subject
                .as_ref()
                .is_none_or(|it| subject_matches(it.as_str(), subject))
            && self
                .from
                .as_ref()
                .is_none_or(|from| time >= Some(bound(from)))
            && self
                .until
                .as_ref()
                .is_none_or(|until| time < Some(bound(until)))
    }
}
