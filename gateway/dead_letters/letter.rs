//! A letter, and how it is stored: the message's payload and headers as they were, and where they came
//! from in headers that begin with `Dead-Letter-`.
//!
//! Headers of the message that JetStream or this gateway would take for their own get that prefix, too
//! (`Dead-Letter-Nats-Msg-Id`), and lose it when they are read. What NATS cannot carry in a header is
//! named: the message itself is still in its stream.

use std::str::FromStr as _;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use prost_types::Timestamp;

use super::key::{Key, Subjects};
use crate::error::{Error, Reason, Result};
use crate::names::{MessageId, Reserved, StreamName};
use crate::nats::api::{GivenUp, GivenUpKind};
use crate::nats::{HEADER_OVERHEAD, Outgoing, Stored};

/// What headers of letters and of replayed messages begin with.
pub(super) const PREFIX: &str = "Dead-Letter-";

/// Headers of messages that JetStream or the gateway would take for their own.
const RESERVED: [&str; 2] = ["Nats-", PREFIX];

/// The most that the message's own headers may have together: JetStream takes 64 KiB in all.
const HEADERS: usize = 48 * 1024;

/// How many headers that stay behind are named, and how much of their names is.
const NAMED: usize = 16;
const LONGEST_NAME: usize = 128;

/// The longest reason that is kept, in bytes.
const LONGEST_REASON: usize = 4 * 1024;

/// What JetStream says of messages that were removed, where others say why they terminate one.
const REMOVED: [&str; 2] = [
    "Message deleted by stream limits",
    "Unacknowledged message was deleted",
];

/// Why a message is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Delivered as many times as it may be.
    MaxDeliveries,
    /// Terminated by whoever received it.
    Terminated,
    /// Removed from its stream while it was delivered and not acknowledged.
    Removed,
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Tells it from every other.
    pub key: Key,
    /// When the consumer was created, where that is known.
    pub consumer_created: Option<Timestamp>,
    /// Why it is dead.
    pub cause: Cause,
    /// What was given as the reason.
    pub reason: String,
    /// How many times it was delivered.
    pub deliveries: u64,
    /// When it died.
    pub time: Option<Timestamp>,
    /// Its subject, where it was still there.
    pub subject: Option<String>,
    /// When it was published, where it was still there.
    pub publish_time: Option<Timestamp>,
    /// Its headers.
    pub headers: Vec<(String, Bytes)>,
    /// Its payload, where it was still there.
    pub payload: Option<Bytes>,
    /// What could not be taken over.
    pub not_carried: Vec<String>,
    /// The letter's place in the letters' stream; 0 until it is stored.
    pub sequence: u64,
}

impl Cause {
    /// As it stands in subjects and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxDeliveries => "max_deliveries",
            Self::Terminated => "terminated",
            Self::Removed => "removed",
        }
    }

    /// Reads it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::MaxDeliveries, Self::Terminated, Self::Removed];
        all.into_iter().find(|cause| cause.as_str() == text)
    }

    fn of(advisory: &GivenUp) -> Self {
        match advisory.kind {
            GivenUpKind::MaxDeliver => Self::MaxDeliveries,
            GivenUpKind::Terminated if REMOVED.contains(&advisory.reason.as_str()) => Self::Removed,
            GivenUpKind::Terminated => Self::Terminated,
        }
    }
}

impl Letter {
    /// The letter of an advisory, about the message if that is still there, or why it is not.
    pub fn new(
        advisory: &GivenUp,
        key: Key,
        consumer_created: Option<Timestamp>,
        message: Result<Stored, &str>,
    ) -> Self {
        let mut letter = Self {
            key,
            consumer_created,
            cause: Cause::of(advisory),
            reason: advisory.reason.clone(),
            deliveries: advisory.deliveries,
            time: Some(advisory.timestamp),
            subject: None,
            publish_time: None,
            headers: Vec::new(),
            payload: None,
            not_carried: Vec::new(),
            sequence: 0,
        };
        match message {
            Err(why) => letter.not_carried.push(format!("message: {why}")),
            Ok(message) => {
                letter.subject = Some(message.subject);
                letter.publish_time = message.time;
                letter.headers = message.headers;
                letter.payload = Some(message.payload);
                letter.leave_out_headers();
            }
        }
        letter
    }

    /// The same without headers and payload: provenance alone.
    #[must_use]
    pub fn without_message(mut self, why: &str) -> Self {
        self.headers.clear();
        self.payload = None;
        self.not_carried.push(format!("message: {why}"));
        self
    }

    fn leave_out_headers(&mut self) {
        let (sound, broken): (Vec<_>, Vec<_>) = std::mem::take(&mut self.headers)
            .into_iter()
            .partition(|(name, value)| carried(name, value).is_some());
        for (name, _) in broken.iter().take(NAMED) {
            let name = tidy(name, LONGEST_NAME);
            self.not_carried
                .push(format!("header {name}: NATS cannot carry it"));
        }
        if broken.len() > NAMED {
            let more = broken.len() - NAMED;
            self.not_carried
                .push(format!("headers: {more} more that NATS cannot carry"));
        }
        let size = |(name, value): &(String, Bytes)| {
            PREFIX.len() + name.len() + value.len() + HEADER_OVERHEAD
        };
        if sound.iter().map(size).sum::<usize>() > HEADERS {
            let why = format!("headers: more than {} KiB", HEADERS / 1024);
            return self.not_carried.push(why);
        }
        self.headers = sound;
    }

    /// The letter as a message for the letters' stream, which refuses it where the key has a letter.
    pub fn outgoing(
        &self,
        advisory: &GivenUp,
        stream: &StreamName,
        subjects: &Subjects,
        reserved: &Reserved,
    ) -> Result<Outgoing> {
        let key = &self.key;
        let subject = subjects.letter(key, self.cause, self.subject.as_deref(), reserved)?;
        // Not the key: where the consumer is made anew between two attempts, that changes.
        let id = MessageId::parse("id", &advisory.id)?;

        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let Some((name, value)) = carried(name, value) {
                headers.append(name, value);
            }
        }
        for (name, value) in self.provenance() {
            headers.append(
                header_name(&format!("{PREFIX}{name}"))?,
                header_value(&value)?,
            );
        }
        for (name, value) in [
            ("Nats-Expected-Stream", stream.as_str()),
            ("Nats-Expected-Last-Subject-Sequence", "0"),
            (
                "Nats-Expected-Last-Subject-Sequence-Subject",
                &subjects.letter_of(key),
            ),
        ] {
            headers.insert(header_name(name)?, header_value(value)?);
        }
        Ok(Outgoing {
            subject,
            headers,
            payload: self.payload.clone().unwrap_or_default(),
            id: Some(id),
        })
    }

    fn provenance(&self) -> Vec<(&'static str, String)> {
        let time = |time: &Option<Timestamp>| time.as_ref().map(ToString::to_string);
        let mut headers = vec![
            ("Stream", self.key.stream.to_string()),
            ("Sequence", self.key.sequence.to_string()),
            ("Consumer", self.key.consumer.to_string()),
            ("Cause", self.cause.as_str().to_owned()),
            ("Deliveries", self.deliveries.to_string()),
            ("Has-Message", self.payload.is_some().to_string()),
        ];
        let reason = Some(tidy(&self.reason, LONGEST_REASON)).filter(|reason| !reason.is_empty());
        let known = [
            ("Consumer-Created", time(&self.consumer_created)),
            ("Reason", reason),
            ("Time", time(&self.time)),
            (
                "Subject",
                self.subject.as_deref().map(|it| tidy(it, usize::MAX)),
            ),
            ("Publish-Time", time(&self.publish_time)),
        ];
        headers.extend(
            known
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        headers.extend(
            self.not_carried
                .iter()
                .map(|it| ("Not-Carried", it.clone())),
        );
        headers
    }

    /// Reads a stored letter; `None` where the message is none.
    pub fn read(message: Stored, subjects: &Subjects) -> Option<Self> {
        let (key, cause) = subjects.read_letter(&message.subject)?;
        let mut letter = Self {
            key,
            consumer_created: None,
            cause,
            reason: String::new(),
            deliveries: 0,
            time: message.time,
            subject: None,
            publish_time: None,
            headers: Vec::new(),
            payload: None,
            not_carried: Vec::new(),
            sequence: message.sequence,
        };
        for (name, value) in message.headers {
            letter.take_header(name, value, &message.payload);
        }
        Some(letter)
    }

    fn take_header(&mut self, name: String, value: Bytes, payload: &Bytes) {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            if !is_reserved(&name) {
                self.headers.push((name, value));
            }
            return;
        };
        if is_reserved(rest) {
            self.headers.push((rest.to_owned(), value));
            return;
        }
        let text = String::from_utf8_lossy(&value).into_owned();
        match rest {
            "Consumer-Created" => self.consumer_created = text.parse().ok(),
            "Reason" => self.reason = text,
            "Deliveries" => self.deliveries = text.parse().unwrap_or_default(),
            "Time" => self.time = text.parse().ok().or(self.time),
            "Subject" => self.subject = Some(text),
            "Publish-Time" => self.publish_time = text.parse().ok(),
            "Has-Message" if text == "true" => self.payload = Some(payload.clone()),
            "Not-Carried" => self.not_carried.push(text),
            // The others stand in the key.
            _ => {}
        }
    }
}

/// A header of the message as a letter carries it; `None` where NATS cannot.
fn carried(name: &str, value: &Bytes) -> Option<(HeaderName, HeaderValue)> {
    let name = match is_reserved(name) {
        true => HeaderName::from_str(&format!("{PREFIX}{name}")),
        false => HeaderName::from_str(name),
    };
    let value = std::str::from_utf8(value).ok()?;
    if value.contains(['\r', '\n', '\0']) {
        return None;
    }
    Some((name.ok()?, HeaderValue::from_str(value).ok()?))
}

/// Whether JetStream or the gateway would take a header for its own.
pub(super) fn is_reserved(name: &str) -> bool {
    let begins_with = |prefix: &&str| {
        let start = name.as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    RESERVED.iter().any(begins_with)
}

/// Text that fits a header: one line, cut to `most` bytes.
fn tidy(text: &str, most: usize) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = text.trim();
    let ends = text.char_indices().map(|(place, c)| place + c.len_utf8());
    let end = ends
        .take_while(|end| *end <= most)
        .last()
        .unwrap_or_default();
    text[..end].to_owned()
}

pub(super) fn header_name(name: &str) -> Result<HeaderName> {
    HeaderName::from_str(name)
        .map_err(|_| Error::new(Reason::Internal, "a header has a malformed name"))
}

pub(super) fn header_value(value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value)
        .map_err(|_| Error::new(Reason::Internal, "a header has a malformed value"))
}

#[cfg(test)]
mod tests;
