//! Requests to JetStream's JSON API, repeated while JetStream is between leaders.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Code;

use super::Nats;
use super::api::ApiError;
use super::error::{from_api, from_request, is_passing};
use super::link::RequestError;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};

/// Nobody answers on the API's subjects: JetStream is off, or its server is just starting. After
/// this long it is taken to be off.
pub(super) const STARTING: Duration = Duration::from_secs(1);

/// The answer to a deletion.
const DELETED: &[u8] = br#"{"success":true}"#;

/// Waits between attempts double from the first to the last of these, with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

impl Nats {
    /// Sends a request to the API and reads the answer. `operation` follows the API's prefix:
    /// `STREAM.INFO.ORDERS`.
    ///
    /// Repeats it inside the deadline while JetStream has no leader and when an answer is lost: only
    /// for operations that may run twice.
    pub async fn api<R: DeserializeOwned>(
        &self,
        operation: &str,
        body: &impl Serialize,
        deadline: Deadline,
    ) -> Result<R> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Error::new(
                Reason::Internal,
                format!("cannot encode {operation}: {error}"),
            )
        })?;
        self.call(operation, body.into(), deadline).await
    }

    /// Sends a request without a body to the API and reads the answer.
    pub async fn api_get<R: DeserializeOwned>(
        &self,
        operation: &str,
        deadline: Deadline,
    ) -> Result<R> {
        self.call(operation, Bytes::new(), deadline).await
    }

    async fn call<R: DeserializeOwned>(
        &self,
        operation: &str,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<R> {
        let subject = format!("{}.{operation}", self.api_prefix());
        let starting = Deadline::within(STARTING);
        let mut pause = Pause::default();
        let mut unanswered = false;
        loop {
            let failure = match self.attempt(&subject, body.clone(), deadline).await {
                Ok(answer) => match read(operation, &answer)? {
                    Answer::Value(value) => return Ok(value),
                    Answer::Error(error) if is_passing(error.err_code) => from_api(&error),
                    // The attempt before it, whose answer was lost, deleted what this one misses.
                    Answer::Error(error) if unanswered && is_gone(operation, &error) => {
                        return value(operation, DELETED);
                    }
                    Answer::Error(error) => return Err(from_api(&error)),
                },
                Err(RequestError::Denied) => {
                    return Err(from_request(RequestError::Denied, operation));
                }
                Err(RequestError::NoResponders) if starting.has_passed() => {
                    return Err(self.not_enabled());
                }
                Err(RequestError::NoResponders) => self.not_enabled(),
                Err(error) => {
                    unanswered |= error != RequestError::NotSent;
                    from_request(error, operation)
                }
            };
            if !pause.before(deadline).await {
                return Err(failure);
            }
        }
    }

    fn not_enabled(&self) -> Error {
        let text = match &self.config().api_prefix {
            Some(prefix) => {
                format!("nobody serves JetStream's API below nats.api_prefix, {prefix}")
            }
            None => "JetStream is not enabled on the NATS server or for the gateway's account"
                .to_owned(),
        };
        Error::new(Reason::JetstreamNotEnabled, text)
    }

    async fn attempt(
        &self,
        subject: &str,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<Bytes, RequestError> {
        let link = self
            .request_link(deadline)
            .await
            .map_err(|_| RequestError::NotSent)?;
        let attempt = deadline.at_most(self.config().request_timeout);
        link.request(subject, None, body, attempt)
            .await
            .map(|message| message.payload)
    }
}

enum Answer<R> {
    Value(R),
    Error(ApiError),
}

fn read<R: DeserializeOwned>(operation: &str, answer: &[u8]) -> Result<Answer<R>> {
    #[derive(serde::Deserialize)]
    struct Outcome {
        error: Option<ApiError>,
    }
    let outcome: Outcome = value(operation, answer)?;
    match outcome.error {
        Some(error) => Ok(Answer::Error(error)),
        None => value(operation, answer).map(Answer::Value),
    }
}

fn value<R: DeserializeOwned>(operation: &str, answer: &[u8]) -> Result<R> {
    serde_json::from_slice(answer).map_err(|error| {
        let text = format!("cannot read the answer to {operation}: {error}");
        Error::new(Reason::Internal, text)
    })
}

fn is_gone(operation: &str, error: &ApiError) -> bool {
    operation.contains(".DELETE.") && from_api(error).code() == Code::NotFound
}

/// Growing waits between attempts.
#[derive(Default)]
pub(super) struct Pause(Duration);

impl Pause {
    /// Waits before the next attempt; false where the deadline leaves no time for one.
    pub(super) async fn before(&mut self, deadline: Deadline) -> bool {
        self.0 = (self.0 * 2).clamp(BACKOFF.0, BACKOFF.1);
        let wait = self.0.mul_f64(0.5 + fastrand::f64());
        if deadline.remaining() <= wait {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }
}
