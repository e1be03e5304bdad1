//! The streams that are known, found by their names and by the subjects that they take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::CAPACITY;
use super::index::SubjectIndex;
use crate::error::{Error, Reason, Result};
use crate::names::{Subject, subject_matches};
use crate::nats::api::StreamConfig;

/// How old what is known of a stream may be.
const STREAM_AGE: Duration = Duration::from_secs(30);

/// What publishing needs to know of a stream.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub config: Arc<StreamConfig>,
    /// It never acknowledges a publish.
    pub no_ack: bool,
    /// How long it remembers message ids.
    pub duplicate_window: Duration,
}

impl StreamFacts {
    /// Fails for a stream with `no_ack`, which never answers: nobody could say what became of a message.
    pub fn refuse_without_acks(&self) -> Result<()> {
        if !self.no_ack {
            return Ok(());
        }
        let text = format!(
            "stream {} has no_ack: it never confirms a message",
            self.name
        );
        Err(Error::new(Reason::StreamWithoutAcks, text).with("stream", &self.name))
    }

    /// The most that one of its messages may have with its headers, where that is bounded.
    pub fn largest(&self) -> Option<usize> {
        self.config.max_msg_size?.try_into().ok()
    }

    /// Whether the stream takes a subject.
    pub fn takes(&self, subject: &Subject) -> bool {
        let filters = &self.config.subjects;
        filters
            .iter()
            .any(|filter| subject_matches(filter, subject.as_str()))
    }
}

/// The streams.
#[derive(Default)]
pub(super) struct Streams {
    by_name: HashMap<Arc<str>, (Instant, StreamFacts)>,
    by_subject: SubjectIndex<Arc<str>>,
    /// When a stream was last found to have changed: an answer to an earlier question may be outdated.
    changed: Option<Instant>,
}

impl Streams {
    /// The stream that takes a subject.
    pub(super) fn taking(&self, subject: &Subject, now: Instant) -> Option<StreamFacts> {
        self.by_subject
            .find(subject.as_str(), |name| self.fresh(name, now).cloned())
    }

    /// The stream of this name.
    pub(super) fn named(&self, name: &str, now: Instant) -> Option<StreamFacts> {
        self.fresh(name, now).cloned()
    }

    fn fresh(&self, name: &str, now: Instant) -> Option<&StreamFacts> {
        let (asked, facts) = self.by_name.get(name)?;
        (now.duration_since(*asked) < STREAM_AGE).then_some(facts)
    }

    /// Learns of a stream what was asked for at a moment.
    pub(super) fn learn(&mut self, facts: StreamFacts, asked: Instant) {
        if self.changed.is_some_and(|changed| asked < changed) {
            return;
        }
        self.remove(&facts.name);
        if self.by_name.len() >= CAPACITY {
            self.remove_old(asked);
        }
        if self.by_name.len() >= CAPACITY {
            return;
        }
        let name: Arc<str> = facts.name.as_str().into();
        for filter in &facts.config.subjects {
            self.by_subject.insert(filter, name.clone());
        }
        self.by_name.insert(name, (asked, facts));
    }

    /// Forgets a stream, which has changed.
    pub(super) fn forget(&mut self, name: &str, now: Instant) {
        self.changed = Some(now);
        self.remove(name);
    }

    /// Forgets all: any may have changed.
    pub(super) fn forget_all(&mut self, now: Instant) {
        *self = Self {
            changed: Some(now),
            ..Self::default()
        };
    }

    fn remove(&mut self, name: &str) {
        let Some((name, (_, facts))) = self.by_name.remove_entry(name) else {
            return;
        };
        for filter in &facts.config.subjects {
            self.by_subject.remove(filter, &name);
        }
    }

    fn remove_old(&mut self, now: Instant) {
        let names = self.by_name.keys().cloned();
        let old: Vec<_> = names.filter(|it| self.fresh(it, now).is_none()).collect();
        for name in old {
            self.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Reserved;

    fn facts(name: &str, subjects: &[&str]) -> StreamFacts {
        let subjects = subjects.iter().map(|it| (*it).to_owned());
        StreamFacts {
            name: name.to_owned(),
            config: Arc::new(StreamConfig {
                subjects: subjects.collect(),
                ..StreamConfig::default()
            }),
            no_ack: false,
            duplicate_window: Duration::ZERO,
        }
    }

    fn taking(streams: &Streams, subject: &str, now: Instant) -> Option<String> {
        let subject = Subject::parse("subject", subject, &Reserved::new("_INBOX")).unwrap();
        streams.taking(&subject, now).map(|facts| facts.name)
    }

    #[test]
    fn what_is_known_of_a_stream_is_replaced_and_grows_old() {
        let (mut streams, now) = (Streams::default(), Instant::now());
        streams.learn(facts("A", &["a.>", "b"]), now);
        assert_eq!(taking(&streams, "a.x", now).as_deref(), Some("A"));

        streams.learn(facts("A", &["b"]), now);
        streams.learn(facts("B", &["a.*"]), now);
        assert_eq!(taking(&streams, "a.x", now).as_deref(), Some("B"));
        assert_eq!(taking(&streams, "a.x.y", now), None);

        streams.forget("B", now);
        assert_eq!(taking(&streams, "a.x", now), None);
        let later = now + STREAM_AGE;
        assert!(streams.named("A", now).is_some());
        assert!(streams.named("A", later).is_none());
        assert_eq!(taking(&streams, "b", later), None);
    }

    #[test]
    fn what_was_asked_before_a_change_is_not_kept() {
        let (mut streams, asked) = (Streams::default(), Instant::now());
        let later = asked + Duration::from_millis(1);

        streams.forget("A", later);
        streams.learn(facts("A", &["a"]), asked);
        assert!(streams.named("A", later).is_none());

        streams.learn(facts("A", &["a"]), later);
        assert!(streams.named("A", later).is_some());
        streams.forget_all(later + Duration::from_millis(1));
        streams.learn(facts("A", &["a"]), later);
        assert!(streams.named("A", later).is_none());
    }

    #[test]
    fn what_is_old_makes_room_for_what_is_new() {
        let (mut streams, now) = (Streams::default(), Instant::now());
        for number in 0..CAPACITY {
            streams.learn(facts(&number.to_string(), &["a"]), now);
        }
        streams.learn(facts("B", &["b"]), now);
        assert!(streams.named("B", now).is_none());

        let later = now + STREAM_AGE;
        streams.learn(facts("B", &["b"]), later);
        assert!(streams.named("B", later).is_some());
        assert_eq!(streams.by_name.len(), 1);
    }
}
