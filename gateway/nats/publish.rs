//! Publishing with an outcome: stored, surely not stored, or unknown, and never a guess.
//!
//! "No responders" means that the message was not stored, so it is sent again (a crashed leader took
//! more than five seconds to replace). A lost connection or a timeout leaves the outcome open: then
//! the message is sent again only with its id and inside the duplicate window, where the server says
//! "duplicate" if it was stored. Whatever is still open at the deadline is reported as unknown.

mod answer;
mod attempts;
mod expected;
mod leaders;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use tokio::time::Instant;
use tonic::Code;

use super::Nats;
use super::api::PubAck;
use super::lookup::StreamFacts;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{MessageId, Subject};
pub(super) use answer::{Attempt, judge};
pub(super) use attempts::{Attempts, out_of_time, unknown, with_id};
pub(super) use expected::{Doubt, doubt, expects, is_refuted};

/// An attempt without an answer is given up after this long, where another one is safe.
pub(super) const ATTEMPT: Duration = Duration::from_secs(3);

/// How long it is asked which stream takes a message that nobody took, before the message is sent again: servers that do
/// not know yet that the leader of all is gone leave the question unanswered, and the stream may have its own again.
pub(super) const ASKING: Duration = Duration::from_secs(1);

/// JetStream's window where a stream's own is not known.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_secs(120);

/// The header by which JetStream knows a message again.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The most that all headers may have together (JetStream's own limit, 10097).
pub const LARGEST_HEADERS: usize = 64 * 1024;

/// What a header costs on the wire beyond name and value: a colon, a space, CR and LF.
pub const HEADER_OVERHEAD: usize = 4;

/// A message ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to.
    pub subject: Subject,
    /// All headers but the message id, those of JetStream included.
    pub headers: HeaderMap,
    /// The payload.
    pub payload: Bytes,
    /// The message id.
    pub id: Option<MessageId>,
}

impl Outgoing {
    /// The headers as they are sent, with the message id; `None` where there are none.
    pub fn wire_headers(&self) -> Option<HeaderMap> {
        let mut headers = self.headers.clone();
        if let Some(id) = &self.id {
            headers.insert(NATS_MESSAGE_ID, id.as_str());
        }
        Some(headers).filter(|headers| !headers.is_empty())
    }

    /// Its size as the server counts it: headers and payload.
    pub fn size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
            .map(|(name, value)| {
                let (name, value): (&str, &str) = (name.as_ref(), value.as_ref());
                name.len() + value.len() + HEADER_OVERHEAD
            })
            .sum();
        let id = self.id.as_ref().map_or(0, |id| {
            MESSAGE_ID.len() + id.as_str().len() + HEADER_OVERHEAD
        });
        // "NATS/1.0\r\n" before and an empty line after.
        let frame = if headers + id == 0 { 0 } else { 12 };
        frame + headers + id + self.payload.len()
    }
}

/// Whether anything was sent yet of what shall be published: from then on nothing can be taken back.
#[derive(Clone, Debug, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    /// Something is sent now.
    pub fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether something was sent.
    pub fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Nats {
    /// Publishes a message and says what became of it. Marks `begun` before the first attempt.
    pub async fn publish(
        &self,
        message: &Outgoing,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<PubAck> {
        let stream = self.stream_of(&message.subject, deadline).await;
        self.publish_into(stream, message, deadline, begun).await
    }

    /// The same where it was looked up already which stream takes the message, as far as it is known.
    pub async fn publish_into(
        &self,
        stream: Option<StreamFacts>,
        message: &Outgoing,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<PubAck> {
        if let Some(stream) = &stream {
            stream.refuse_without_acks()?;
        }
        Attempts::new(self, stream, message, deadline, begun)
            .run()
            .await
    }

    /// A stream without a leader and no stream at all look alike: the stream's name tells, looked up
    /// after the message was `sent`. Messages that were sent together ask once.
    pub(super) async fn nobody_listens(
        &self,
        subject: &Subject,
        sent: Instant,
        deadline: Deadline,
    ) -> Attempt {
        let subject = subject.as_str();
        match self.streams_taking(subject, sent, deadline).await {
            Ok(names) if names.is_empty() => Attempt::Failed(no_stream(subject)),
            Ok(names) => Attempt::Refused(Error::new(
                Reason::JetstreamUnavailable,
                match self.is_imported() {
                    true => format!(
                        "stream {} has no leader now, or the account does not import {subject}; nothing was stored",
                        names[0]
                    ),
                    false => format!("stream {} has no leader now; nothing was stored", names[0]),
                },
            )),
            Err(error) if error.reason() == Reason::JetstreamNotEnabled => Attempt::Failed(error),
            Err(error) if error.reason() == Reason::DeadlineExceeded => {
                Attempt::Refused(Error::new(
                    Reason::JetstreamUnavailable,
                    format!(
                        "nobody takes {subject} now, and JetStream does not say which stream does; nothing was stored"
                    ),
                ))
            }
            Err(error) => Attempt::Refused(error),
        }
    }

    /// Whoever answered is no stream. One that takes the subject may have stored the message all the
    /// same, and answered later.
    pub(super) async fn stranger_answered(
        &self,
        subject: &Subject,
        sent: Instant,
        deadline: Deadline,
    ) -> Attempt {
        match self.nobody_listens(subject, sent, deadline).await {
            Attempt::Failed(error) => Attempt::Failed(error),
            _ => Attempt::Unknown(Code::Unavailable),
        }
    }

    /// Fails where the message is too large for the server.
    pub fn check_size(&self, message: &Outgoing) -> Result<()> {
        let Some(limit) = self.max_payload() else {
            return Ok(());
        };
        let size = message.size();
        if size <= limit {
            return Ok(());
        }
        let text =
            format!("the message has {size} bytes, headers included; the server takes {limit}");
        Err(Error::new(Reason::MessageTooLarge, text)
            .with("max_payload", limit)
            .with("size", size))
    }
}

pub(super) fn wrong_stream(takes_it: &str) -> Error {
    let text = format!("the subject belongs to the stream {takes_it}");
    Error::new(Reason::WrongStream, text).with("stream", takes_it)
}

pub(super) fn no_stream(subject: &str) -> Error {
    let text = format!("no stream takes the subject {subject}");
    Error::new(Reason::NoStreamForSubject, text).at("subject")
}
