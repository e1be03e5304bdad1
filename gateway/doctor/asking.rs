//! Asking NATS: one answer, or those of every server.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::deadline::Deadline;
use crate::nats::api::ApiError;
use crate::nats::{Link, RequestError};

/// How long more servers are waited for than those that are known.
const QUIET: Duration = Duration::from_millis(300);

/// Servers whose answers are taken.
const MOST: usize = 1000;

/// Why there is no answer to use.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// None came.
    Request(RequestError),
    /// JetStream refuses.
    Api(ApiError),
    /// It is not understood.
    Unreadable(serde_json::Error),
}

/// An answer, and when it came.
pub(super) struct Answer {
    pub(super) payload: Bytes,
    pub(super) asked: SystemTime,
    pub(super) came: SystemTime,
}

/// Asks and reads the answer, which may be an error of JetStream.
pub(super) async fn ask<T: DeserializeOwned>(
    link: &Link,
    subject: &str,
    body: &str,
    patience: Duration,
) -> Result<T, Unanswered> {
    #[derive(Deserialize)]
    struct Outcome {
        error: Option<ApiError>,
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let asking = link.request(subject, None, body, Deadline::within(patience));
    let answer = asking.await.map_err(Unanswered::Request)?.payload;
    let outcome: Outcome = serde_json::from_slice(&answer).map_err(Unanswered::Unreadable)?;
    match outcome.error {
        Some(error) => Err(Unanswered::Api(error)),
        None => serde_json::from_slice(&answer).map_err(Unanswered::Unreadable),
    }
}

/// Asks every server that hears it, and waits for those that are known.
pub(super) async fn ask_all(
    link: &Link,
    subject: &str,
    body: &'static str,
    patience: Duration,
) -> Vec<Answer> {
    let inbox = link.new_inbox();
    let Ok(mut answers) = link.subscribe(inbox.clone()).await else {
        return Vec::new();
    };
    let asked = SystemTime::now();
    let known = 1.max(link.server_info().connect_urls.len());
    let mut deadline = Deadline::within(patience);
    let sent = link.send(subject, Some(inbox), None, body.into(), deadline);
    if sent.await.is_err() {
        return Vec::new();
    }
    let mut all = Vec::new();
    while let Ok(Some(message)) = deadline.bound(answers.next()).await {
        // Nobody listens.
        if message.status.is_some() || all.len() == MOST {
            break;
        }
        all.push(Answer {
            payload: message.payload,
            asked,
            came: SystemTime::now(),
        });
        if all.len() >= known {
            deadline = deadline.at_most(QUIET);
        }
    }
    all
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(RequestError::Denied) => f.write_str("the NATS user may not ask"),
            Self::Request(RequestError::NoResponders) => f.write_str("nobody answers"),
            Self::Request(RequestError::TimedOut) => f.write_str("no answer came in time"),
            Self::Request(_) => f.write_str("the connection was lost"),
            Self::Api(error) => write!(f, "{} ({})", error.description, error.err_code),
            Self::Unreadable(error) => write!(f, "the answer is not understood: {error}"),
        }
    }
}
