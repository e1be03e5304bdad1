//! Messages that async-nats cannot receive: found by raw reads, and handed on like any other.
//!
//! A header value with a bare CR, which any client of the account can publish, panics the
//! library's connection task; other malformed headers make it reconnect for ever. JetStream has
//! then delivered the message, the gateway never sees it, and it comes again after the ack wait. So
//! when a connection breaks, a session reads what it may have missed through the JSON API, whose
//! answers are base64, and picks out what would break the next connection as well.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use super::Nats;
use super::api::{ConsumerConfig, ConsumerInfo, StoredMessage, StoredMessageAnswer};
use super::lookup::matches;
use super::pull::Delivery;
use crate::deadline::Deadline;

use crate::token::AckSubject;

/// No more messages than this are read behind the last one received.
const SEARCH: u64 = 512;

/// The malformed messages that sessions of this gateway hold, by stream and consumer.
#[derive(Default)]
pub(super) struct Quarantine(Mutex<HashMap<(String, String), BTreeMap<u64, Held>>>);

struct Held {
    until: Instant,
    attempts: u64,
}

impl Nats {
    /// What a consumer has delivered behind `after` and async-nats could not receive. Each is handed to
    /// one session, and again only after `ack_wait`.
    pub async fn suspects(
        &self,
        info: &ConsumerInfo,
        after: u64,
        ack_wait: Duration,
        deadline: Deadline,
    ) -> Vec<Delivery> {
        let first = after.max(info.ack_floor.stream_seq) + 1;
        let last = info.delivered.stream_seq.min(first.saturating_add(SEARCH));
        let mut sequences = self.0.quarantine.known(&info.stream_name, &info.name);
        sequences.extend(first..=last);
        sequences.sort_unstable();
        sequences.dedup();

        let mut found = Vec::new();
        for sequence in sequences {
            if deadline.has_passed() {
                break;
            }
            let request = Request {
                seq: sequence,
                next_by_subj: None,
            };
            let Some(message) = self
                .raw_message(&info.stream_name, &request, deadline)
                .await
            else {
                self.release_suspect(&info.stream_name, &info.name, sequence);
                continue;
            };
            if !is_malformed(&message) || !concerns(info, &message) {
                continue;
            }
            if let Some(attempts) = self.0.quarantine.claim(info, sequence, ack_wait) {
                let headers_only = info.config.headers_only;
                let mut suspect = suspect(
                    &info.stream_name,
                    &info.name,
                    headers_only,
                    attempts,
                    message,
                );
                // JetStream finds a message by its stream sequence; the consumer sequence must only
                // lie between the ack floor and the last delivery.
                suspect.ack.consumer_sequence = info.delivered.consumer_seq;
                suspect.ack.pending = info.num_pending;
                found.push(suspect);
            }
        }
        found
    }

    /// The message behind `after` that a reader without acknowledgements comes to next, if that is
    /// malformed.
    pub async fn next_suspect(
        &self,
        stream: &str,
        config: &ConsumerConfig,
        after: u64,
        deadline: Deadline,
    ) -> Option<Delivery> {
        let mut next: Option<Raw> = None;
        let everything = config.filters().next().is_none().then_some(">");
        for filter in config.filters().chain(everything) {
            let request = Request {
                seq: after + 1,
                next_by_subj: Some(filter),
            };
            let found = self.raw_message(stream, &request, deadline).await;
            next = found
                .into_iter()
                .chain(next)
                .min_by_key(|message| message.sequence);
        }
        let message = next.filter(is_malformed)?;
        Some(suspect(stream, "", config.headers_only, 0, message))
    }

    /// Whether sessions of this consumer must keep to connections of their own.
    pub fn is_quarantined(&self, stream: &str, consumer: &str) -> bool {
        !self.0.quarantine.known(stream, consumer).is_empty()
    }

    /// A malformed message is settled, or gone.
    pub fn release_suspect(&self, stream: &str, consumer: &str, sequence: u64) {
        self.0.quarantine.release(stream, consumer, sequence);
    }

    async fn raw_message(
        &self,
        stream: &str,
        request: &Request<'_>,
        deadline: Deadline,
    ) -> Option<Raw> {
        let operation = format!("STREAM.MSG.GET.{stream}");
        let answer: StoredMessageAnswer = self.api(&operation, request, deadline).await.ok()?;
        Raw::decode(answer.message)
    }
}

/// Asks for the message of a sequence, or for the next one from there whose subject matches.
#[derive(Serialize)]
struct Request<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

/// A stored message as it is, whatever it holds.
struct Raw {
    subject: String,
    sequence: u64,
    headers: Bytes,
    payload: Bytes,
    timestamp: u64,
}

impl Raw {
    fn decode(message: StoredMessage) -> Option<Self> {
        let time = message.time.unwrap_or_default();
        let seconds = u64::try_from(time.seconds).unwrap_or_default();
        Some(Self {
            subject: message.subject,
            sequence: message.seq,
            headers: STANDARD.decode(message.hdrs).ok()?.into(),
            payload: STANDARD.decode(message.data).ok()?.into(),
            timestamp: seconds * 1_000_000_000 + u64::try_from(time.nanos).unwrap_or_default(),
        })
    }
}

impl Quarantine {
    fn known(&self, stream: &str, consumer: &str) -> Vec<u64> {
        let held = self.lock();
        let key = (stream.to_owned(), consumer.to_owned());
        held.get(&key)
            .map(|held| held.keys().copied().collect())
            .unwrap_or_default()
    }

    /// Takes a message for the caller's session; returns how many sessions have had it now, or `None`
    /// where another session holds it.
    fn claim(&self, info: &ConsumerInfo, sequence: u64, ack_wait: Duration) -> Option<u64> {
        let now = Instant::now();
        let mut held = self.lock();
        let key = (info.stream_name.clone(), info.name.clone());
        let entry = held
            .entry(key)
            .or_default()
            .entry(sequence)
            .or_insert(Held {
                until: now,
                attempts: 0,
            });
        if entry.until > now {
            return None;
        }
        entry.until = now + ack_wait;
        entry.attempts += 1;
        Some(entry.attempts)
    }

    fn release(&self, stream: &str, consumer: &str, sequence: u64) {
        let mut held = self.lock();
        let key = (stream.to_owned(), consumer.to_owned());
        if let Some(messages) = held.get_mut(&key) {
            messages.remove(&sequence);
            if messages.is_empty() {
                held.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), BTreeMap<u64, Held>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The delivery that the connection could not take.
fn suspect(
    stream: &str,
    consumer: &str,
    headers_only: bool,
    attempts: u64,
    message: Raw,
) -> Delivery {
    let payload = if headers_only {
        Bytes::new()
    } else {
        message.payload
    };
    let size = message.subject.len() + message.headers.len() + payload.len();
    Delivery {
        ack: AckSubject {
            domain: None,
            account_hash: None,
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            delivered: attempts,
            stream_sequence: message.sequence,
            consumer_sequence: 0,
            timestamp: message.timestamp,
            pending: 0,
        },
        subject: message.subject,
        headers: split_headers(&message.headers),
        payload,
        size: size as u64,
    }
}

fn concerns(info: &ConsumerInfo, message: &Raw) -> bool {
    let mut filters = info.config.filters().peekable();
    filters.peek().is_none() || filters.any(|filter| matches(filter, &message.subject))
}

/// Whether async-nats' parser fails on the message: the same steps, with its own types.
fn is_malformed(message: &Raw) -> bool {
    let subject = &message.subject;
    // A subject that is not UTF-8 comes with replacement characters.
    if subject.contains(|c: char| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER) {
        return true;
    }
    if message.headers.is_empty() {
        return false;
    }
    let Ok(text) = std::str::from_utf8(&message.headers) else {
        return true;
    };
    let mut lines = text.lines().peekable();
    if !lines
        .next()
        .is_some_and(|version| version.starts_with("NATS/1.0"))
    {
        return true;
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return true;
        };
        let mut value = value.trim_start().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        if HeaderName::from_str(name).is_err() || HeaderValue::from_str(value.trim_end()).is_err() {
            return true;
        }
    }
    false
}

/// Names and values as they stand, whatever they hold.
fn split_headers(block: &Bytes) -> Vec<(String, Bytes)> {
    let mut headers = Vec::new();
    let mut rest = block.as_ref();
    // The version line comes first.
    let mut first = true;
    while !rest.is_empty() {
        let end = rest
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        if std::mem::take(&mut first) || line.is_empty() {
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        headers.push((
            String::from_utf8_lossy(&line[..colon]).into_owned(),
            Bytes::copy_from_slice(value),
        ));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[u8]) -> Raw {
        Raw {
            subject: "users.login".to_owned(),
            sequence: 1,
            headers: Bytes::copy_from_slice(headers),
            payload: Bytes::new(),
            timestamp: 0,
        }
    }

    #[test]
    fn tells_what_breaks_a_connection() {
        for (headers, malformed) in [
            (&b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n"[..], false),
            (b"", false),
            (b"NATS/1.0\r\nA: 1\r2\r\n\r\n", true),
            (b"NATS/1.0\r\nA: \xff\r\n\r\n", true),
            (b"NATS/1.0\r\nno colon\r\n\r\n", true),
            (b"NATS/1.0\r\nna me: 1\r\n\r\n", true),
            (b"NATS/1.0\r\nA: folded\r\n  value\r\n\r\n", false),
        ] {
            assert_eq!(
                is_malformed(&message(headers)),
                malformed,
                "{:?}",
                headers.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn keeps_malformed_values_as_they_are() {
        let headers = split_headers(&Bytes::from_static(b"NATS/1.0\r\nA: 1\r2\r\nB:3\r\n\r\n"));
        let expected = [("A", &b"1\r2"[..]), ("B", b"3")];
        assert_eq!(headers.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in headers.iter().zip(expected) {
            assert_eq!(
                (name.as_str(), value.as_ref()),
                (expected_name, expected_value)
            );
        }
    }
}
