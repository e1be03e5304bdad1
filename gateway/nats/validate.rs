//! Looking at a message as its stream would, without storing it.

use super::Nats;
use super::api::StreamConfig;
use super::lookup::StreamFacts;
use super::publish::{Outgoing, no_stream, wrong_stream};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{StreamName, subject_matches};

/// What messages can need of their stream: a header, and the setting without which it is refused.
const NEEDS: [(&str, &str); 5] = [
    ("Nats-TTL", "allow_msg_ttl"),
    ("Nats-Rollup", "allow_rollup_hdrs"),
    ("Nats-Incr", "allow_msg_counter"),
    ("Nats-Schedule", "allow_msg_schedules"),
    ("Nats-Schedule-TTL", "allow_msg_ttl"),
];

/// Headers that name a subject of the same stream, and their fields.
const SUBJECTS: [(&str, &str); 2] = [
    ("Nats-Schedule-Target", "schedule.target"),
    ("Nats-Schedule-Source", "schedule.source"),
];

impl Nats {
    /// The stream that would take the message, or why it would not.
    pub async fn validate(&self, message: &Outgoing, deadline: Deadline) -> Result<StreamFacts> {
        let subject = message.subject.as_str();
        let names = self.stream_names(subject, deadline).await?;
        let Some(name) = names.first() else {
            return Err(no_stream(subject));
        };
        // What is known of another stream is old, and a publish's short patience is none of this call's.
        let name = StreamName::parse("stream", name)?;
        let stream = match self.known_stream_named(&name) {
            Some(known) => known,
            None => self.stream_facts(&name, deadline).await?,
        };
        stream.refuse_without_acks()?;
        check_stream(message, &stream)?;
        Ok(stream)
    }
}

fn check_stream(message: &Outgoing, stream: &StreamFacts) -> Result<()> {
    let (name, config) = (&stream.name, &stream.config);
    let expected = message
        .headers
        .get("Nats-Expected-Stream")
        .map(|value| value.as_str());
    if expected.is_some_and(|expected| expected != name) {
        return Err(wrong_stream(name));
    }
    for (header, setting) in NEEDS {
        if message.headers.get(header).is_some() && !is_on(config, setting) {
            let text = format!("stream {name} does not have {setting}");
            return Err(Error::new(Reason::NotEnabledOnStream, text).with("setting", setting));
        }
    }
    for (header, field) in SUBJECTS {
        let subject = message.headers.get(header).map(|value| value.as_str());
        if subject.is_some_and(|subject| !takes(config, subject)) {
            let text = format!("{field}: stream {name} does not take this subject");
            return Err(Error::new(Reason::RejectedByJetstream, text).at(field));
        }
    }
    if config.allow_msg_counter && message.headers.get("Nats-Incr").is_none() {
        let text =
            format!("stream {name} has allow_msg_counter: every message must increment a counter");
        return Err(Error::new(Reason::RejectedByJetstream, text));
    }
    if config.sealed {
        return Err(Error::new(
            Reason::FailedPrecondition,
            format!("stream {name} is sealed"),
        ));
    }
    let limit = config
        .max_msg_size
        .and_then(|limit| usize::try_from(limit).ok());
    if limit.is_some_and(|limit| message.size() > limit) {
        let text = format!("stream {name} takes no message of {} bytes", message.size());
        return Err(Error::new(Reason::MessageTooLarge, text).with("size", message.size()));
    }
    Ok(())
}

/// Looked up by name, as JetStream has more settings than the gateway has fields for.
fn is_on(config: &StreamConfig, setting: &str) -> bool {
    let config = serde_json::to_value(config).unwrap_or_default();
    config.get(setting) == Some(&serde_json::Value::Bool(true))
}

fn takes(config: &StreamConfig, subject: &str) -> bool {
    let mut subjects = config.subjects.iter();
    subjects.any(|filter| subject_matches(filter, subject))
}
