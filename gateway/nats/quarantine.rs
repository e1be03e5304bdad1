//! Messages that async-nats cannot receive: found by raw reads, and handed on like any other.
//!
//! A header value with a bare CR, which any client of the account can publish, panics the
//! library's connection task; other malformed headers make it reconnect for ever. JetStream has
//! then delivered the message, the gateway never sees it, and it comes again after the ack wait. So
//! when a connection breaks, a session reads what it may have missed through the JSON API, whose
//! answers are base64, and picks out what would break the next connection as well. Until that is
//! settled, the sessions of its consumer use connections of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use super::Nats;
use super::api::{ConsumerConfig, ConsumerInfo, StoredMessageAnswer};
use super::lookup::matches;
use super::malformed::{Raw, is_malformed, split_headers};
use super::pull::Delivery;
use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::token::AckSubject;

/// No more messages than this are read behind the last one received.
const SEARCH: u64 = 512;

/// JetStream's ack wait began when it sent the message, which was found only some time later: the
/// message may be handed out again this much before the ack wait is over by our own clock, but not
/// before half of it.
const FOUND_LATE: Duration = Duration::from_secs(2);

/// The malformed messages of consumers that have sessions here.
#[derive(Default)]
pub(super) struct Quarantine(Mutex<HashMap<(String, String), BTreeMap<u64, Held>>>);

struct Held {
    /// No other session gets the message before.
    until: Instant,
    /// How many sessions have had it.
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
        let floor = info.ack_floor.stream_seq;
        let first = after.max(floor) + 1;
        let last = info.delivered.stream_seq.min(first.saturating_add(SEARCH));
        let mut sequences = self.0.quarantine.known(info, floor);
        sequences.extend(first..=last);
        sequences.sort_unstable();
        sequences.dedup();

        let mut found = Vec::new();
        for sequence in sequences {
            if deadline.has_passed() {
                break;
            }
            found.extend(self.claim(info, sequence, ack_wait, deadline).await);
        }
        found
    }

    /// Takes a message for a session, if it is malformed and no other session has it.
    async fn claim(
        &self,
        info: &ConsumerInfo,
        sequence: u64,
        ack_wait: Duration,
        deadline: Deadline,
    ) -> Option<Delivery> {
        let quarantine = &self.0.quarantine;
        let request = Request {
            seq: sequence,
            next_by_subj: None,
        };
        let message = match self
            .raw_message(&info.stream_name, &request, deadline)
            .await
        {
            Ok(message) => message,
            Err(error) => {
                if error.reason() == Reason::MessageNotFound {
                    quarantine.release(&info.stream_name, &info.name, sequence);
                }
                return None;
            }
        };
        if !is_malformed(&message) || !concerns(info, &message) {
            return None;
        }
        let lease = ack_wait - FOUND_LATE.min(ack_wait / 2);
        let attempts = quarantine.claim(info, sequence, lease)?;
        let headers_only = info.config.headers_only;
        let mut delivery = delivery(
            &info.stream_name,
            &info.name,
            headers_only,
            attempts,
            message,
        );
        // JetStream finds a message by its stream sequence; the consumer sequence must only lie
        // between the ack floor and the last delivery.
        delivery.ack.consumer_sequence = info.delivered.consumer_seq;
        delivery.ack.pending = info.num_pending;
        Some(delivery)
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
            let found = self.raw_message(stream, &request, deadline).await.ok();
            next = found
                .into_iter()
                .chain(next)
                .min_by_key(|message| message.sequence);
        }
        let message = next.filter(is_malformed)?;
        Some(delivery(stream, "", config.headers_only, 0, message))
    }

    /// Whether sessions of this consumer must keep to connections of their own.
    pub fn is_quarantined(&self, info: &ConsumerInfo) -> bool {
        !self.0.quarantine.known(info, 0).is_empty()
    }

    /// A message is settled for good: it need not be looked for any more.
    pub fn release_suspect(&self, stream: &str, consumer: &str, sequence: u64) {
        self.0.quarantine.release(stream, consumer, sequence);
    }

    /// A message was given back: the next session may have it as soon as JetStream delivers it.
    pub fn return_suspect(&self, stream: &str, consumer: &str, sequence: u64) {
        self.0.quarantine.give_back(stream, consumer, sequence);
    }

    async fn raw_message(
        &self,
        stream: &str,
        request: &Request<'_>,
        deadline: Deadline,
    ) -> Result<Raw> {
        let operation = format!("STREAM.MSG.GET.{stream}");
        let answer: StoredMessageAnswer = self.api(&operation, request, deadline).await?;
        Raw::decode(answer.message).ok_or_else(|| {
            crate::error::Error::new(Reason::Internal, "a stored message is not base64")
        })
    }
}

/// Asks for the message of a sequence, or for the next one from there whose subject matches.
#[derive(Serialize)]
struct Request<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

impl Quarantine {
    /// The messages of a consumer that are not settled; those below its ack floor are.
    fn known(&self, info: &ConsumerInfo, ack_floor: u64) -> Vec<u64> {
        let mut held = self.lock();
        if held.is_empty() {
            return Vec::new();
        }
        let key = (info.stream_name.clone(), info.name.clone());
        let Some(messages) = held.get_mut(&key) else {
            return Vec::new();
        };
        messages.retain(|sequence, _| *sequence > ack_floor);
        let known: Vec<u64> = messages.keys().copied().collect();
        if known.is_empty() {
            held.remove(&key);
        }
        known
    }

    /// How many sessions have had the message now; `None` where another one still has it.
    fn claim(&self, info: &ConsumerInfo, sequence: u64, lease: Duration) -> Option<u64> {
        let now = Instant::now();
        let mut held = self.lock();
        let messages = held
            .entry((info.stream_name.clone(), info.name.clone()))
            .or_default();
        let entry = messages.entry(sequence).or_insert(Held {
            until: now,
            attempts: 0,
        });
        if entry.until > now {
            return None;
        }
        entry.until = now + lease;
        entry.attempts += 1;
        Some(entry.attempts)
    }

    fn give_back(&self, stream: &str, consumer: &str, sequence: u64) {
        let mut held = self.lock();
        if held.is_empty() {
            return;
        }
        let messages = held.get_mut(&(stream.to_owned(), consumer.to_owned()));
        if let Some(message) = messages.and_then(|messages| messages.get_mut(&sequence)) {
            message.until = Instant::now();
        }
    }

    fn release(&self, stream: &str, consumer: &str, sequence: u64) {
        let mut held = self.lock();
        // Nearly always; nothing is allocated for a settlement then.
        if held.is_empty() {
            return;
        }
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
fn delivery(
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
