//! The attempts to publish one message: what each came to, and whether another one is safe.

use std::time::{Duration, SystemTime};

use async_nats::Message;
use prost_types::Timestamp;
use tokio::time::Instant;
use tonic::Code;

use super::{
    ASKING, ATTEMPT, Attempt, Begun, DEFAULT_WINDOW, Doubt, Outgoing, doubt, is_refuted, judge,
    wrong_stream,
};
use crate::clock;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::Nats;
use crate::nats::api::PubAck;
use crate::nats::error::from_request;
use crate::nats::link::RequestError;
use crate::nats::lookup::StreamFacts;
use crate::nats::request::Pause;
use crate::nats::supervisor::disconnected;

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
    /// One leader was found to speak alone since.
    is_led: bool,
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
            is_led: false,
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
                    // Repeating is harmless, as what is expected is so no more once the message is stored.
                    if !self.may_be_refused_in_error(&error, sent).await {
                        return match self.stored_before(&error).await {
                            Some(ack) => Ok(ack),
                            None => Err(self.definite(error)),
                        };
                    }
                    (Some(error), Code::Aborted)
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
                let asking = self.deadline.at_most(ASKING);
                Box::pin(nats.nobody_listens(subject, sent, asking)).await
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

    /// Whether to ask again, as a refusal may be that of a leader of the past, beside whom the new one stores the message.
    async fn may_be_refused_in_error(&mut self, error: &Error, sent: Instant) -> bool {
        let doubt = doubt(&self.message.headers, error);
        if doubt.is_none() || !self.is_led_in_turns().await {
            return false;
        }
        let is_sure = match doubt {
            None | Some(Doubt::KnowsLess) => self.is_led,
            // Without its id nobody could tell later whether what is found is the message itself.
            Some(Doubt::Undecided) => self.is_led || !self.is_remembered(),
            Some(Doubt::Ahead(sequence)) => self.is_led || self.is_there(sequence).await,
        };
        if is_sure {
            return false;
        }
        let is_first = self.doubted_at.is_none();
        self.doubted_at.get_or_insert_with(|| with_date(sent));
        if doubt == Some(Doubt::Undecided) && is_first {
            // Mostly it is decided at once.
            return true;
        }
        self.is_led = match &self.stream {
            Some(stream) => Box::pin(self.nats.one_leader(&stream.name, self.deadline)).await,
            // Nobody can be asked but by the message itself.
            None => true,
        };
        self.is_led
    }

    /// Whether the message's stream may have another leader.
    async fn is_led_in_turns(&mut self) -> bool {
        if self.stream.is_none() {
            let subject = &self.message.subject;
            self.stream = self.nats.stream_of(subject, self.deadline).await;
            if let Some(stream) = &self.stream {
                self.window = stream.duplicate_window;
            }
        }
        let stream = self.stream.as_ref();
        stream.is_none_or(|stream| stream.config.num_replicas != 1)
    }

    /// Whether the stream knows an earlier attempt by its id.
    fn is_remembered(&self) -> bool {
        let age = self.open_since().map(|(time, _)| time.elapsed());
        self.message.id.is_some() && self.window > age.unwrap_or_default() + ARRIVAL
    }

    /// Whether a message is stored at this sequence.
    async fn is_there(&self, sequence: u64) -> bool {
        let Some(stream) = &self.stream else {
            return true;
        };
        let id = self.nats.id_of(&stream.name, sequence, self.deadline).await;
        id.is_some()
    }

    /// Whether a last answer leaves no doubt about earlier ones.
    fn ends_doubt(&self, error: &Error) -> bool {
        let headers = &self.message.headers;
        match doubt(headers, error) {
            Some(Doubt::KnowsLess) => self.is_led,
            // Before it looks at what is expected, a leader of several servers looks for the id.
            Some(Doubt::Undecided) => self.is_led && self.is_remembered(),
            Some(Doubt::Ahead(_)) | None => is_refuted(headers, error) && self.is_remembered(),
        }
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
        let is_open = self.sent_at.is_some();
        let is_in_doubt = self.doubted_at.is_some() && !self.ends_doubt(&error);
        match is_open || is_in_doubt {
            true => self
                .unknown(error.code())
                .with("last_error", error.message()),
            false => with_id(self.with_stream(error), self.message),
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
