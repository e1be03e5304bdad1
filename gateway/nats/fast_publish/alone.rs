//! What a batch has not settled, or cannot carry: judged, and published by itself.

use tokio::time::Instant;

use super::batch::Cause;
use super::queue::{Entry, State};
use super::running::Running;
use super::{FastIngest, Phase, REST};
use crate::error::{Error, Reason};
use crate::nats::RequestError;
use crate::nats::error::{from_api, from_request, is_passing};

/// How many messages are published by themselves at a time.
const ALONE: usize = 256;

/// Fast batches are not allowed on the stream, or its messages do not look like those of one.
const NO_BATCHES: [u64; 2] = [10_205, 10_206];

/// Too many batches are open, of this stream or of this server.
const TOO_MANY: u64 = 10_211;

/// JetStream's code for a duplicate of a message that it has not stored yet.
const IN_PROCESS: u64 = 10_158;

impl FastIngest {
    /// Whether no batch can carry a message.
    pub(super) fn goes_alone(&self, entry: &Entry) -> bool {
        let rests = self.resting.is_some_and(|until| Instant::now() < until);
        let may_wrongly_be_acknowledged = entry.known && self.stream.config.num_replicas > 1;
        rests || may_wrongly_be_acknowledged || !matches!(entry.state, State::Waiting)
    }

    /// Sees to the messages that a batch has not settled.
    pub(super) fn conclude(&mut self, running: &Running) {
        let verdict = running.verdict();
        let open = usize::try_from(verdict.open).unwrap_or(usize::MAX);
        for place in 0..open.min(self.queue.len()) {
            if let Some(entry) = self.queue.get_mut(place) {
                entry.state = State::Open;
            }
        }
        let (Some(cause), Some(entry)) = (verdict.cause, self.queue.get_mut(open)) else {
            return;
        };
        entry.state = match cause {
            Cause::Broken => State::Waiting,
            Cause::Nobody => {
                // It may be gone.
                self.nats.forget_stream(&self.name);
                self.looking = None;
                State::Alone
            }
            Cause::Denied => State::Settled(Err(from_request(
                RequestError::Denied,
                "publish to this subject",
            ))),
            Cause::WrongStream(other) => {
                State::Settled(Err(wrong_stream(&self.stream.name, &other)))
            }
            Cause::Refused(error) => match error.err_code {
                code if NO_BATCHES.contains(&code) || code == TOO_MANY => {
                    self.resting = Some(Instant::now() + REST);
                    State::Waiting
                }
                IN_PROCESS => State::Open,
                code if is_passing(code) => State::Alone,
                _ => State::Settled(Err(from_api(&error))),
            },
        };
    }

    /// Publishes the first messages by themselves, where they want that.
    pub(super) fn publish_alone(&mut self) -> bool {
        // Where a failure halts, each waits for the one before.
        let width = if self.queue.is_strict() { 1 } else { ALONE };
        let (mut begun, mut under_way) = (false, false);
        for place in 0..width {
            let Some(entry) = self.queue.get(place) else {
                break;
            };
            match entry.state {
                State::Repeated => under_way = true,
                State::Settled(_) => {}
                _ if self.goes_alone(entry) => {
                    begun = true;
                    self.repeat(place);
                }
                _ => break,
            }
        }
        if !begun && !under_way {
            self.phase = Phase::Idle;
            return true;
        }
        begun
    }

    fn repeat(&mut self, place: usize) {
        let Some(entry) = self.queue.get_mut(place) else {
            return;
        };
        let state = std::mem::replace(&mut entry.state, State::Repeated);
        let (number, message, deadline) = (entry.number, entry.message.clone(), entry.deadline);
        match (state, entry.sent) {
            (State::Open, Some(sent)) => self.pipeline.repeat_lost(number, message, deadline, sent),
            _ => self.pipeline.publish(number, message, deadline),
        }
    }
}

fn wrong_stream(expected: &str, other: &str) -> Error {
    let text = format!("the subject does not belong to stream {expected}");
    let error = Error::new(Reason::WrongStream, text).at("subject");
    if other.is_empty() {
        return error;
    }
    error.with("stream", other)
}
