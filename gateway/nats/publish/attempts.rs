//! The attempts to publish one message: what each came to, and whether another one is safe.

use std::time::{Duration, SystemTime};

use async_nats::Message;
use prost_types::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;
use tonic::Code;

use super::{ATTEMPT, Begun, DEFAULT_WINDOW, Outgoing, knows_less, wrong_stream};
use crate::clock;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::Nats;
use crate::nats::api::{ApiError, PubAck};
use crate::nats::error::{from_api, from_request, is_passing};
use crate::nats::link::RequestError;
use crate::nats::lookup::StreamFacts;
use crate::nats::request::Pause;
use crate::nats::supervisor::disconnected;

/// JetStream's code for a duplicate of a message that it has not stored yet.
const IN_PROCESS: u64 = 10158;

/// How long a leader that was deposed while it hung takes to know, once it is back.
const DEPOSED: Duration = Duration::from_millis(500);

/// What is left of the duplicate window for a repeated message to arrive in.
const ARRIVAL: Duration = Duration::from_secs(1);

/// The attempts to publish one message.
pub(in crate::nats) struct Attempts<'a> {
    nats: &'a Nats,
    message: &'a Outgoing,
    deadline: Deadline,
    begun: &'a Begun,
    stream: Option<StreamFacts>,
    window: Duration,
    /// When the first attempt was sent whose outcome is not known.
    sent_at: Option<(Instant, SystemTime)>,
    /// When an attempt was sent whose refusal is in doubt.
    doubted_at: Option<(Instant, SystemTime)>,
}

/// What one attempt came to.
pub(in crate::nats) enum Attempt {
    Stored(PubAck),
    /// Not stored, and the next attempt would fail as well.
    Failed(Error),
    /// Not stored, but the next attempt may succeed.
    Refused(Error),
    /// Sent, without an answer.
    Unknown(Code),
}

impl<'a> Attempts<'a> {
    /// None yet. `stream` takes the message, as far as that is known.
    pub(in crate::nats) fn new(
        nats: &'a Nats,
        stream: Option<StreamFacts>,
        message: &'a Outgoing,
        deadline: Deadline,
        begun: &'a Begun,
    ) -> Self {
        let window = stream
            .as_ref()
            .map_or(DEFAULT_WINDOW, |stream| stream.duplicate_window);
        Self {
            nats,
            message,
            deadline,
            begun,
            stream,
            window,
            sent_at: None,
            doubted_at: None,
        }
    }

    /// Makes the first and all that follow it.
    pub(in crate::nats) async fn run(self) -> Result<PubAck> {
        let sent = Instant::now();
        match self.attempt(sent).await {
            Attempt::Stored(ack) => Ok(ack),
            // Boxed, as are all rare ways: a future has room for the largest, and each call moves it.
            other => Box::pin(self.go_on(sent, other)).await,
        }
    }

    /// Makes those that follow a first one, which was sent elsewhere and came to `answer`.
    pub(in crate::nats) async fn after(
        self,
        sent: Instant,
        answer: Result<Message, RequestError>,
    ) -> Result<PubAck> {
        let first = self.judged(sent, answer).await;
        self.go_on(sent, first).await
    }

    async fn go_on(mut self, mut sent: Instant, mut attempt: Attempt) -> Result<PubAck> {
        let mut pause = Pause::default();
        loop {
            let (error, code) = match attempt {
                Attempt::Stored(ack) => return Ok(ack),
                Attempt::Failed(error) => {
                    // Harmless, as what is expected is so no more once the message is stored.
                    if self.doubts(&error, sent) && self.deadline.remaining() > DEPOSED {
                        tokio::time::sleep(DEPOSED).await;
                        sent = Instant::now();
                        attempt = self.attempt(sent).await;
                        continue;
                    }
                    return match self.stored_before(&error).await {
                        Some(ack) => Ok(ack),
                        None => Err(self.definite(error)),
                    };
                }
                Attempt::Refused(error) => {
                    let code = error.code();
                    (Some(error), code)
                }
                Attempt::Unknown(code) => {
                    self.sent_at.get_or_insert_with(|| with_date(sent));
                    (None, code)
                }
            };
            if !self.may_repeat() || !pause.before(self.deadline).await {
                return Err(match error {
                    Some(error) => self.definite(out_of_time(error)),
                    None => self.unknown(code),
                });
            }
            sent = Instant::now();
            attempt = self.attempt(sent).await;
        }
    }

    async fn attempt(&self, sent: Instant) -> Attempt {
        let Ok(link) = self.nats.request_link(self.latest()).await else {
            return Attempt::Refused(disconnected());
        };
        if let Err(error) = self.nats.check_size(self.message) {
            return Attempt::Failed(error);
        }
        let Outgoing {
            subject, payload, ..
        } = self.message;
        let deadline = match self.message.id {
            Some(_) => self.deadline.at_most(ATTEMPT),
            None => self.deadline,
        };
        let headers = self.message.wire_headers();
        self.begun.mark();
        let answer = link.request(subject.as_str(), headers, payload.clone(), deadline);
        self.judged(sent, answer.await).await
    }

    async fn judged(&self, sent: Instant, answer: Result<Message, RequestError>) -> Attempt {
        let (nats, subject) = (self.nats, &self.message.subject);
        match answer {
            Ok(answer) => match judge(&answer.payload) {
                Some(attempt) => attempt,
                None => Box::pin(nats.stranger_answered(subject, sent, self.deadline)).await,
            },
            Err(RequestError::NoResponders) => {
                Box::pin(nats.nobody_listens(subject, sent, self.deadline)).await
            }
            Err(RequestError::Lost) => Attempt::Unknown(Code::Unavailable),
            Err(RequestError::TimedOut) => Attempt::Unknown(Code::DeadlineExceeded),
            Err(error @ (RequestError::Denied | RequestError::TooLarge)) => {
                Attempt::Failed(from_request(error, "publish to this subject"))
            }
            Err(RequestError::NotSent) => Attempt::Refused(disconnected()),
        }
    }

    /// Until when the next attempt may be sent: one whose outcome is open, while its id is remembered.
    fn latest(&self) -> Deadline {
        let Some((sent_at, _)) = self.open_since() else {
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

    /// Whether an answer may be that of a leader of the past, beside whom the new one stores the message. The same
    /// answer again is not; where no time is left to ask again, the outcome is open.
    fn doubts(&mut self, error: &Error, sent: Instant) -> bool {
        let is_first = self.doubted_at.is_none();
        let stream = self.stream.as_ref();
        let is_led_in_turns = stream.is_none_or(|stream| stream.config.num_replicas != 1);
        let knows_less = is_led_in_turns && knows_less(&self.message.headers, error);
        if knows_less {
            self.doubted_at = is_first.then(|| with_date(sent));
        }
        knows_less && is_first
    }

    /// When the first attempt was sent that may have stored the message.
    fn open_since(&self) -> Option<(Instant, SystemTime)> {
        let open = [self.sent_at, self.doubted_at].into_iter().flatten();
        open.min_by_key(|(time, _)| *time)
    }

    /// A stream with one replica checks sequences before it looks for a duplicate, so a message that an
    /// earlier attempt has stored stands in its own way: as the very one that was found instead.
    async fn stored_before(&self, error: &Error) -> Option<PubAck> {
        self.open_since()?;
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
        match self.open_since() {
            Some(_) => self
                .unknown(error.code())
                .with("last_error", error.message()),
            None => with_id(self.with_stream(error), self.message),
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
            .open_since()
            .unwrap_or_else(|| with_date(Instant::now()));
        match &self.message.id {
            Some(_) => with_id(error, self.message)
                .with("dedup_expires_at", Timestamp::from(sent_at + self.window)),
            None => error,
        }
    }
}

/// The time with its date.
fn with_date(time: Instant) -> (Instant, SystemTime) {
    (time, clock::now() - time.elapsed())
}

/// Says which message an error is about.
pub(in crate::nats) fn with_id(error: Error, message: &Outgoing) -> Error {
    match &message.id {
        Some(id) => error.with("message_id", id),
        None => error,
    }
}

/// A deadline that ran out is one, whatever kept the message from being stored. The reason stays.
pub(in crate::nats) fn out_of_time(error: Error) -> Error {
    if error.reason() == Reason::NatsDisconnected {
        return error;
    }
    error.with_code(Code::DeadlineExceeded)
}

/// What was sent may be stored. The connection was lost, or the time is up.
pub(in crate::nats) fn unknown(code: Code, text: &str) -> Error {
    let code = match code {
        Code::Unavailable => code,
        _ => Code::DeadlineExceeded,
    };
    Error::new(Reason::PublishOutcomeUnknown, text).with_code(code)
}

/// What an answer says of the message; `None` where it is not a stream's.
pub(in crate::nats) fn judge(answer: &[u8]) -> Option<Attempt> {
    if let Some(ack) = plain(answer) {
        return Some(Attempt::Stored(ack));
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(match answer.error {
        // An earlier message of this id is on its way: this one was not stored, but that one may be.
        Some(error) if error.err_code == IN_PROCESS => Attempt::Unknown(Code::Unavailable),
        Some(error) if is_passing(error.err_code) => Attempt::Refused(from_api(&error)),
        Some(error) => Attempt::Failed(from_api(&error)),
        None => Attempt::Stored(PubAck {
            // Required, so that no other JSON is taken for an acknowledgement.
            stream: answer.stream?,
            seq: answer.seq?,
            duplicate: answer.duplicate,
            domain: answer.domain,
            val: answer.val,
        }),
    })
}

/// The acknowledgement that nearly every message gets, which says nothing but where it is stored: read
/// without a parser, as this is done for each. Whatever else it may be, is left to the parser.
fn plain(answer: &[u8]) -> Option<PubAck> {
    let rest = answer.strip_prefix(br#"{"stream":""#)?;
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (stream, rest) = rest.split_at(end);
    let number = rest.strip_prefix(br#"","seq":"#)?.strip_suffix(b"}")?;
    if !number.first()?.is_ascii_digit() {
        return None;
    }
    Some(PubAck {
        stream: str::from_utf8(stream).ok()?.to_owned(),
        seq: str::from_utf8(number).ok()?.parse().ok()?,
        duplicate: false,
        domain: String::new(),
        val: None,
    })
}

/// An acknowledgement or an error.
#[derive(Deserialize)]
struct Answer {
    error: Option<ApiError>,
    stream: Option<String>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    domain: String,
    val: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_acknowledgement_needs_no_parser() {
        let ack = plain(br#"{"stream":"S","seq":7}"#).unwrap();
        assert_eq!((&*ack.stream, ack.seq, ack.duplicate), ("S", 7, false));
        for other in [
            r#"{"stream":"S","seq":7,"duplicate":true}"#,
            r#"{"stream":"S","seq":7,"domain":"hub"}"#,
            r#"{"stream":"S\u0041","seq":7}"#,
            r#"{"stream":"S","seq":+7}"#,
            r#"{"stream":"S","seq":}"#,
            r#"{"stream":"S","seq":18446744073709551616}"#,
            r#"{"stream":"S"#,
        ] {
            assert_eq!(plain(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_an_acknowledgement_reads_as_one() {
        let text = br#"{"stream":"S","seq":7,"duplicate":true,"val":"12"}"#;
        let Some(Attempt::Stored(ack)) = judge(text) else {
            panic!("not stored");
        };
        assert_eq!(
            (ack.seq, ack.duplicate, ack.val.as_deref()),
            (7, true, Some("12"))
        );
        for other in ["", "{}", r#"{"stream":"S"}"#, r#"{"seq":1}"#, "[]"] {
            assert!(judge(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn an_error_says_whether_another_attempt_may_help() {
        let answer = |code: u64| {
            let text = format!(r#"{{"error":{{"err_code":{code}}},"stream":"S","seq":0}}"#);
            judge(text.as_bytes())
        };
        assert!(matches!(answer(10_077), Some(Attempt::Failed(_))));
        assert!(matches!(answer(10_008), Some(Attempt::Refused(_))));
        assert!(matches!(answer(IN_PROCESS), Some(Attempt::Unknown(_))));
    }
}
