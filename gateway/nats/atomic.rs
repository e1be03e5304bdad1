//! Publishing several messages as one: all are stored or none (ADR-50).
//!
//! The stream's leader collects the messages of a batch, answers each with an empty reply, and stores
//! them when the last one comes, which is marked as the commit. Until the commit is sent nothing can
//! be stored, so everything before it may be repeated with a new batch; afterwards only the answer to
//! the commit says what happened. The answers before it are waited for: only they say why the server
//! gives up a batch, whose commit is then merely told that the batch is incomplete.

use std::collections::HashSet;
use std::time::SystemTime;

use prost_types::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;
use tonic::Code;

use super::Nats;
use super::api::{ApiError, PubAck};
use super::error::{from_api, from_request, is_passing, too_late};
use super::link::{Link, OpenRequest, RequestError};
use super::lookup::StreamFacts;
use super::publish::{
    ASKING, ATTEMPT, Attempt, Begun, DEFAULT_WINDOW, Doubt, Outgoing, doubt, expects, judge,
    out_of_time, unknown,
};
use super::request::Pause;
use crate::clock;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};

/// Answered where the leader has not all of a batch: it changed, or the batch took too long.
const INCOMPLETE: u64 = 10_176;

/// Too many batches are open, of this stream or of this server.
const TOO_MANY: [u64; 2] = [10_210, 10_211];

impl Nats {
    /// Publishes a batch and answers with the acknowledgement of its last message; those before it
    /// have the sequences before its own. Marks `begun` before the first message is sent.
    pub async fn publish_atomic(
        &self,
        messages: &[Outgoing],
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<PubAck> {
        let stream = self.one_stream(messages, deadline).await?;
        let attempt = BatchAttempt {
            nats: self,
            messages,
            deadline,
            stream: stream.as_ref(),
        };
        let mut pause = Pause::default();
        // When an attempt was made that may be stored although it was refused, by a leader of the past.
        let mut doubted_at = None;
        let mut is_led = false;
        loop {
            let sent_at = clock::now();
            let committed = Begun::default();
            let error = match attempt.run(begun, &committed).await {
                Attempt::Stored(ack) => return Ok(ack),
                Attempt::Failed(error) if !is_led && attempt.doubts(&error) => {
                    doubted_at.get_or_insert(sent_at);
                    is_led = attempt.is_led().await;
                    error
                }
                Attempt::Failed(error) => {
                    return Err(match doubted_at {
                        Some(sent_at) if !(is_led && attempt.ends_doubt(&error)) => {
                            attempt.unknown(error.code(), sent_at)
                        }
                        _ => error,
                    });
                }
                Attempt::Refused(error) => {
                    if committed.is_marked() && attempt.is_led_in_turns() {
                        doubted_at.get_or_insert(sent_at);
                    }
                    error
                }
                Attempt::Unknown(code) => {
                    return Err(attempt.unknown(code, doubted_at.unwrap_or(sent_at)));
                }
            };
            if !pause.before(deadline).await {
                return Err(match doubted_at {
                    Some(sent_at) => attempt.unknown(error.code(), sent_at),
                    None => out_of_time(error),
                });
            }
        }
    }

    /// The stream of all messages, as far as that can be found out quickly.
    async fn one_stream(
        &self,
        messages: &[Outgoing],
        deadline: Deadline,
    ) -> Result<Option<StreamFacts>> {
        let mut found: Option<StreamFacts> = None;
        let mut asked = HashSet::new();
        for (place, message) in messages.iter().enumerate() {
            if !asked.insert(message.subject.as_str()) {
                continue;
            }
            let Some(stream) = self.stream_of(&message.subject, deadline).await else {
                // No stream, or no answer: JetStream will say more to the message itself.
                break;
            };
            stream
                .refuse_without_acks()
                .map_err(|error| blame(error, place))?;
            match &found {
                Some(first) if first.name != stream.name => {
                    return Err(blame(spans(&first.name, &stream.name), place));
                }
                Some(_) => {}
                None => found = Some(stream),
            }
        }
        Ok(found)
    }
}

/// One attempt to store a batch, over one connection.
struct BatchAttempt<'a> {
    nats: &'a Nats,
    messages: &'a [Outgoing],
    deadline: Deadline,
    stream: Option<&'a StreamFacts>,
}

impl BatchAttempt<'_> {
    /// Marks `committed` when the commit is answered.
    async fn run(&self, begun: &Begun, committed: &Begun) -> Attempt {
        let Ok(link) = self.nats.request_link(self.deadline).await else {
            return Attempt::Refused(super::supervisor::disconnected());
        };
        let id = uuid::Uuid::now_v7().to_string();
        let staged = match self.staged(&id) {
            Ok(staged) => staged,
            Err(error) => return Attempt::Failed(error),
        };
        let Some((commit, rest)) = staged.split_last() else {
            return Attempt::Failed(Error::invalid("messages", "must not be empty"));
        };
        begun.mark();
        match self.stage(&link, rest).await {
            // Nobody would hear what became of the batch.
            Ok(()) if self.deadline.has_passed() => Attempt::Refused(too_late("the batch")),
            Ok(()) => self.commit(&link, commit, committed).await,
            Err(attempt) => attempt,
        }
    }

    /// The messages with the headers of a batch; the last one commits it.
    fn staged(&self, id: &str) -> Result<Vec<Outgoing>> {
        let last = self.messages.len();
        let stage = |(place, message): (usize, &Outgoing)| {
            let mut message = message.clone();
            message.headers.insert("Nats-Batch-Id", id);
            let number = place + 1;
            message
                .headers
                .insert("Nats-Batch-Sequence", number.to_string());
            if number == last {
                message.headers.insert("Nats-Batch-Commit", "1");
            }
            let checked = self.nats.check_size(&message);
            checked.map_err(|error| blame(error, place))?;
            Ok(message)
        };
        self.messages.iter().enumerate().map(stage).collect()
    }

    /// Sends everything before the commit. The first message goes ahead: whether its stream takes
    /// batches at all shows before the rest is on its way.
    async fn stage(&self, link: &Link, messages: &[Outgoing]) -> Result<(), Attempt> {
        let deadline = self.deadline.at_most(ATTEMPT);
        let first = messages.len().min(1);
        for (base, part) in [(0, &messages[..first]), (first, &messages[first..])] {
            let mut open = Vec::with_capacity(part.len());
            for message in part {
                open.push(begin(link, message, deadline).await);
            }
            for (offset, open) in open.into_iter().enumerate() {
                let place = base + offset;
                let answer = match open {
                    Ok(open) => open.answer(deadline).await,
                    Err(error) => Err(error),
                };
                match answer {
                    Ok(answer) if answer.payload.is_empty() => {}
                    Ok(answer) => return Err(self.judged(&answer.payload, place).await),
                    Err(error) => return Err(self.not_stored(error, place).await),
                }
            }
        }
        Ok(())
    }

    async fn commit(&self, link: &Link, message: &Outgoing, committed: &Begun) -> Attempt {
        let answer = match begin(link, message, self.deadline).await {
            Ok(open) => open.answer(self.deadline).await,
            Err(error) => Err(error),
        };
        let place = self.messages.len() - 1;
        match answer {
            Ok(answer) => {
                committed.mark();
                self.judged(&answer.payload, place).await
            }
            Err(RequestError::Lost) => Attempt::Unknown(Code::Unavailable),
            Err(RequestError::TimedOut) => Attempt::Unknown(Code::DeadlineExceeded),
            Err(error) => self.not_stored(error, place).await,
        }
    }

    /// A message without an answer that leaves no doubt: nothing is stored.
    async fn not_stored(&self, error: RequestError, place: usize) -> Attempt {
        let subject = &self.messages[place].subject;
        let attempt = match error {
            RequestError::NoResponders => {
                let asking = self.deadline.at_most(ASKING);
                self.nats
                    .nobody_listens(subject, Instant::now(), asking)
                    .await
            }
            RequestError::Denied | RequestError::TooLarge => Attempt::Failed(refusal(error)),
            RequestError::NotSent | RequestError::Lost | RequestError::TimedOut => {
                Attempt::Refused(refusal(error))
            }
        };
        blamed(attempt, place)
    }

    /// An answer that is not empty. That to the commit does not say which message it is about.
    async fn judged(&self, answer: &[u8], place: usize) -> Attempt {
        let is_commit = place + 1 == self.messages.len();
        let Ok(Refusal { error, stream }) = serde_json::from_slice(answer) else {
            let attempt = match judge(answer) {
                Some(attempt) if is_commit => attempt,
                _ => self.not_of_a_batch(place).await,
            };
            return blamed(attempt, place);
        };
        let expected = self.stream.map(|facts| facts.name.as_str());
        match expected {
            // To a second stream the batch looks as if its beginning were missing.
            Some(expected) if error.err_code == INCOMPLETE && stream != expected => {
                blamed(Attempt::Failed(spans(expected, &stream)), place)
            }
            _ if is_commit => sorted(&error),
            _ => blamed(sorted(&error), place),
        }
    }

    /// Whoever answered is no stream, or one that takes this message alone.
    async fn not_of_a_batch(&self, place: usize) -> Attempt {
        let subject = &self.messages[place].subject;
        let is_commit = place + 1 == self.messages.len();
        let answer = self
            .nats
            .stranger_answered(subject, Instant::now(), self.deadline);
        match answer.await {
            Attempt::Unknown(_) if !is_commit => {
                let text = "someone answers on this subject who does not know batches";
                Attempt::Failed(Error::new(Reason::FailedPrecondition, text))
            }
            attempt => attempt,
        }
    }

    fn is_led_in_turns(&self) -> bool {
        self.stream
            .is_some_and(|stream| stream.config.num_replicas != 1)
    }

    /// Why a refusal may be that of a leader of the past, beside whom the new one stores the batch. A batch that is stored
    /// already fails by the first that expects something.
    fn doubt(&self, error: &Error) -> Option<Doubt> {
        let mut messages = self.messages.iter();
        let first = messages.find(|message| expects(&message.headers))?;
        doubt(&first.headers, error)
    }

    fn doubts(&self, error: &Error) -> bool {
        let doubt = self.doubt(error);
        self.is_led_in_turns() && matches!(doubt, Some(Doubt::KnowsLess | Doubt::Undecided))
    }

    /// Whether the answer of the one leader leaves no doubt about earlier attempts.
    fn ends_doubt(&self, error: &Error) -> bool {
        match self.doubt(error) {
            Some(Doubt::KnowsLess) => true,
            // It looks for ids first.
            Some(Doubt::Undecided) => self.messages.iter().all(|message| message.id.is_some()),
            Some(Doubt::Ahead(_)) | None => false,
        }
    }

    /// Waits until one leader alone speaks for the stream; false where the time is up before.
    async fn is_led(&self) -> bool {
        match self.stream {
            Some(stream) => self.nats.one_leader(&stream.name, self.deadline).await,
            None => false,
        }
    }

    fn unknown(&self, code: Code, sent_at: SystemTime) -> Error {
        let text = "the batch was sent and may be stored, all of it or nothing";
        let error = unknown(code, text);
        if self.messages.iter().any(|message| message.id.is_none()) {
            return error;
        }
        let window = self
            .stream
            .map_or(DEFAULT_WINDOW, |facts| facts.duplicate_window);
        error.with("dedup_expires_at", Timestamp::from(sent_at + window))
    }
}

/// A refusal of JetStream, with the stream that it comes from.
#[derive(Deserialize)]
struct Refusal {
    error: ApiError,
    #[serde(default)]
    stream: String,
}

async fn begin(
    link: &Link,
    message: &Outgoing,
    deadline: Deadline,
) -> Result<OpenRequest, RequestError> {
    let headers = message.wire_headers();
    let subject = message.subject.as_str();
    link.begin(subject, headers, message.payload.clone(), deadline)
        .await
}

/// Whether another batch may fare better.
fn sorted(error: &ApiError) -> Attempt {
    let code = error.err_code;
    if code == INCOMPLETE || TOO_MANY.contains(&code) || is_passing(code) {
        Attempt::Refused(from_api(error))
    } else {
        Attempt::Failed(from_api(error))
    }
}

fn refusal(error: RequestError) -> Error {
    from_request(error, "publish to this subject")
}

fn spans(first: &str, other: &str) -> Error {
    let text = format!("the batch begins in stream {first}, this message belongs to {other}");
    Error::new(Reason::BatchSpansStreams, text).at("subject")
}

fn blamed(attempt: Attempt, place: usize) -> Attempt {
    match attempt {
        Attempt::Failed(error) => Attempt::Failed(blame(error, place)),
        Attempt::Refused(error) => Attempt::Refused(blame(error, place)),
        other => other,
    }
}

/// Says which message an error is about.
fn blame(error: Error, place: usize) -> Error {
    error
        .inside(&format!("messages[{place}]"))
        .with("item", place)
}
