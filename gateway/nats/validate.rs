//! Looking at a message as its stream would, without storing it.

use super::Nats;
use super::api::StreamConfig;
use super::lookup::StreamFacts;
use super::publish::{Outgoing, no_stream, refuse_without_acks};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};

/// A header, the setting of the stream that it needs, and how to read that.
type Need = (&'static str, &'static str, fn(&StreamConfig) -> bool);

/// What messages can need of their stream.
const NEEDS: [Need; 3] = [
    ("Nats-TTL", "allow_msg_ttl", |config| config.allow_msg_ttl),
    ("Nats-Rollup", "allow_rollup_hdrs", |config| {
        config.allow_rollup_hdrs
    }),
    ("Nats-Incr", "allow_msg_counter", |config| {
        config.allow_msg_counter
    }),
];

impl Nats {
    /// The stream that would take the message, or why it would not.
    pub async fn validate(&self, message: &Outgoing, deadline: Deadline) -> Result<StreamFacts> {
        let subject = message.subject.as_str();
        let names = self.stream_names(subject, deadline).await?;
        if names.is_empty() {
            return Err(no_stream(subject));
        }
        let stream = self
            .stream_of(&message.subject, deadline)
            .await
            .ok_or_else(|| {
                Error::new(
                    Reason::JetstreamUnavailable,
                    format!("stream {} does not answer", names[0]),
                )
            })?;
        refuse_without_acks(&stream)?;
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
        let text = format!("the subject belongs to the stream {name}");
        return Err(Error::new(Reason::WrongStream, text).with("stream", name));
    }
    for (header, setting, is_on) in NEEDS {
        if message.headers.get(header).is_some() && !is_on(config) {
            let text = format!("stream {name} does not have {setting}");
            return Err(Error::new(Reason::NotEnabledOnStream, text).with("setting", setting));
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
