//! Publishing with an outcome: stored, surely not stored, or unknown, and never a guess.
//!
//! "No responders" means that the message was not stored, so it is sent again (a crashed leader took
//! more than five seconds to replace). A lost connection or a timeout leaves the outcome open: then
//! the message is sent again only with its id and inside the duplicate window, where the server says
//! "duplicate" if it was stored. Whatever is still open at the deadline is reported as unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use bytes::Bytes;
use prost_types::Timestamp;
use tokio::time::Instant;
use tonic::Code;

use super::Nats;
use super::api::{ApiError, PubAck};
use super::error::{from_api, from_request, is_passing};
use super::link::RequestError;
use super::lookup::StreamFacts;
use super::request::Pause;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{MessageId, Subject};

/// An attempt without an answer is given up after this long, where another one is safe.
pub(super) const ATTEMPT: Duration = Duration::from_secs(3);

/// JetStream's code for a duplicate of a message that it has not stored yet.
const IN_PROCESS: u64 = 10158;

/// What is left of the duplicate window for a repeated message to arrive in.
const ARRIVAL: Duration = Duration::from_secs(1);

/// JetStream's window where a stream's own is not known.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_secs(120);

/// What a header costs on the wire beyond name and value: a colon, a space, CR and LF.
pub const HEADER_OVERHEAD: usize = 4;

/// A message ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to.
    pub subject: Subject,
    /// All headers, those of JetStream included.
    pub headers: HeaderMap,
    /// The payload.
    pub payload: Bytes,
    /// The message id, which is among the headers, too.
    pub id: Option<MessageId>,
}

impl Outgoing {
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
        // "NATS/1.0\r\n" before and an empty line after.
        let frame = if self.headers.is_empty() { 0 } else { 12 };
        frame + headers + self.payload.len()
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
            refuse_without_acks(stream)?;
        }
        let window = stream
            .as_ref()
            .map_or(DEFAULT_WINDOW, |stream| stream.duplicate_window);
        Attempts {
            nats: self,
            message,
            deadline,
            begun,
            stream,
            window,
            sent_at: None,
        }
        .run()
        .await
    }

    /// A stream without a leader and no stream at all look alike: the stream's name tells.
    pub(super) async fn nobody_listens(&self, subject: &Subject, deadline: Deadline) -> Attempt {
        let subject = subject.as_str();
        match self.stream_names(subject, deadline).await {
            Ok(names) if names.is_empty() => Attempt::Failed(no_stream(subject)),
            Ok(names) => Attempt::Refused(Error::new(
                Reason::JetstreamUnavailable,
                format!("stream {} has no leader now; nothing was stored", names[0]),
            )),
            Err(error) if error.reason() == Reason::JetstreamNotEnabled => Attempt::Failed(error),
            Err(error) => Attempt::Refused(error),
        }
    }

    /// Whoever answered is no stream. One that takes the subject may have stored the message all the
    /// same, and answered later.
    pub(super) async fn stranger_answered(&self, subject: &Subject, deadline: Deadline) -> Attempt {
        match self.nobody_listens(subject, deadline).await {
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

/// A stream with `no_ack` never answers: nobody could say what became of a message.
pub(super) fn refuse_without_acks(stream: &StreamFacts) -> Result<()> {
    if stream.no_ack {
        let text = format!(
            "stream {} has no_ack: it never confirms a message",
            stream.name
        );
        return Err(Error::new(Reason::StreamWithoutAcks, text).with("stream", &stream.name));
    }
    Ok(())
}

pub(super) fn wrong_stream(takes_it: &str) -> Error {
    let text = format!("the subject belongs to the stream {takes_it}");
    Error::new(Reason::WrongStream, text).with("stream", takes_it)
}

pub(super) fn no_stream(subject: &str) -> Error {
    let text = format!("no stream takes the subject {subject}");
    Error::new(Reason::NoStreamForSubject, text).at("subject")
}

/// The attempts to publish one message.
struct Attempts<'a> {
    nats: &'a Nats,
    message: &'a Outgoing,
    deadline: Deadline,
    begun: &'a Begun,
    stream: Option<StreamFacts>,
    window: Duration,
    /// When the first attempt was sent whose outcome is not known.
    sent_at: Option<(Instant, SystemTime)>,
}

/// What one attempt came to.
pub(super) enum Attempt {
    Stored(PubAck),
    /// Not stored, and the next attempt would fail as well.
    Failed(Error),
    /// Not stored, but the next attempt may succeed.
    Refused(Error),
    /// Sent, without an answer.
    Unknown(Code),
}

impl Attempts<'_> {
    async fn run(mut self) -> Result<PubAck> {
        let mut pause = Pause::default();
        loop {
            let sent = (Instant::now(), SystemTime::now());
            let (error, code) = match self.attempt().await {
                Attempt::Stored(ack) => return Ok(ack),
                Attempt::Failed(error) => match self.stored_before(&error).await {
                    Some(ack) => return Ok(ack),
                    None => return Err(self.definite(error)),
                },
                Attempt::Refused(error) => {
                    let code = error.code();
                    (Some(error), code)
                }
                Attempt::Unknown(code) => {
                    self.sent_at.get_or_insert(sent);
                    (None, code)
                }
            };
            if !self.may_repeat() || !pause.before(self.deadline).await {
                return Err(match error {
                    Some(error) => self.definite(out_of_time(error)),
                    None => self.unknown(code),
                });
            }
        }
    }

    async fn attempt(&self) -> Attempt {
        let Ok(link) = self.nats.request_link(self.latest()).await else {
            return Attempt::Refused(super::supervisor::disconnected());
        };
        if let Err(error) = self.nats.check_size(self.message) {
            return Attempt::Failed(error);
        }
        let Outgoing {
            subject,
            headers,
            payload,
            id,
        } = self.message;
        let deadline = match id {
            Some(_) => self.deadline.at_most(ATTEMPT),
            None => self.deadline,
        };
        let headers = Some(headers.clone()).filter(|headers| !headers.is_empty());
        self.begun.mark();
        match link
            .request(subject.as_str(), headers, payload.clone(), deadline)
            .await
        {
            Ok(answer) => match judge(&answer.payload) {
                Some(attempt) => attempt,
                None => self.nats.stranger_answered(subject, self.deadline).await,
            },
            Err(RequestError::NoResponders) => {
                self.nats.nobody_listens(subject, self.deadline).await
            }
            Err(RequestError::Lost) => Attempt::Unknown(Code::Unavailable),
            Err(RequestError::TimedOut) => Attempt::Unknown(Code::DeadlineExceeded),
            Err(RequestError::Denied) => Attempt::Failed(from_request(
                RequestError::Denied,
                "publish to this subject",
            )),
            Err(RequestError::TooLarge) => Attempt::Failed(from_request(
                RequestError::TooLarge,
                "publish to this subject",
            )),
            Err(RequestError::NotSent) => Attempt::Refused(super::supervisor::disconnected()),
        }
    }

    /// Until when the next attempt may be sent: one whose outcome is open, while its id is remembered.
    fn latest(&self) -> Deadline {
        let Some((sent_at, _)) = self.sent_at else {
            return self.deadline;
        };
        let remembered = self.window.saturating_sub(ARRIVAL + sent_at.elapsed());
        self.deadline.at_most(remembered)
    }

    /// A message whose outcome is open is only sent again where its id makes that harmless.
    fn may_repeat(&self) -> bool {
        match self.sent_at {
            None => true,
            Some(_) => self.message.id.is_some() && !self.latest().has_passed(),
        }
    }

    /// JetStream checks expectations before it looks for a duplicate, so a message that an earlier
    /// attempt has stored stands in its own way: as the very one that was found instead.
    async fn stored_before(&self, error: &Error) -> Option<PubAck> {
        self.sent_at?;
        let (stream, id) = (self.stream.as_ref()?, self.message.id.as_ref()?);
        let sequence = error.metadata("actual_sequence")?.parse().ok()?;
        let found = self.nats.id_of(&stream.name, sequence, self.deadline).await;
        (found? == id.as_str()).then(|| PubAck {
            stream: stream.name.clone(),
            seq: sequence,
            duplicate: true,
            domain: String::new(),
            val: None,
        })
    }

    /// The error of an attempt says nothing of an earlier one whose outcome is open.
    fn definite(&self, error: Error) -> Error {
        match self.sent_at {
            Some(_) => self
                .unknown(error.code())
                .with("last_error", error.message()),
            None => self.with_id(self.with_stream(error)),
        }
    }

    /// JetStream does not say which stream takes the subject.
    fn with_stream(&self, error: Error) -> Error {
        match &self.stream {
            Some(stream) if error.reason() == Reason::WrongStream => wrong_stream(&stream.name),
            _ => error,
        }
    }

    fn unknown(&self, code: Code) -> Error {
        let text = "the message was sent and may be stored; retry with its id to be sure";
        let error = unknown(code, text);
        let (_, sent_at) = self
            .sent_at
            .unwrap_or_else(|| (Instant::now(), SystemTime::now()));
        match &self.message.id {
            Some(_) => self
                .with_id(error)
                .with("dedup_expires_at", Timestamp::from(sent_at + self.window)),
            None => error,
        }
    }

    fn with_id(&self, error: Error) -> Error {
        match &self.message.id {
            Some(id) => error.with("message_id", id),
            None => error,
        }
    }
}

/// A deadline that ran out is one, whatever kept the message from being stored. The reason stays.
pub(super) fn out_of_time(error: Error) -> Error {
    if error.reason() == Reason::NatsDisconnected {
        return error;
    }
    error.with_code(Code::DeadlineExceeded)
}

/// What was sent may be stored. The connection was lost, or the time is up.
pub(super) fn unknown(code: Code, text: &str) -> Error {
    let code = match code {
        Code::Unavailable => code,
        _ => Code::DeadlineExceeded,
    };
    Error::new(Reason::PublishOutcomeUnknown, text).with_code(code)
}

/// What an answer says of the message; `None` where it is not a stream's.
pub(super) fn judge(answer: &[u8]) -> Option<Attempt> {
    #[derive(serde::Deserialize)]
    struct Outcome {
        error: Option<ApiError>,
        #[serde(flatten)]
        ack: Option<PubAck>,
    }
    match serde_json::from_slice(answer).ok()? {
        // An earlier message of this id is on its way: this one was not stored, but that one may be.
        Outcome {
            error: Some(error), ..
        } if error.err_code == IN_PROCESS => Some(Attempt::Unknown(Code::Unavailable)),
        Outcome {
            error: Some(error), ..
        } if is_passing(error.err_code) => Some(Attempt::Refused(from_api(&error))),
        Outcome {
            error: Some(error), ..
        } => Some(Attempt::Failed(from_api(&error))),
        Outcome { error: None, ack } => ack.map(Attempt::Stored),
    }
}
