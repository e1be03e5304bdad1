//! JetStream of another account, whose API the login's own account has imported (`nats.api_prefix`): what a gateway
//! does differently there.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::link::{Link, RequestError};
use super::pull::Ask;
use super::request::{Pause, STARTING};
use super::{AsOf, Nats};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};

/// How long a pull waits at most. Whether anybody still listens is known to the server that took the pull, not to one of
/// its cluster that has the consumer: that serves a pull until it expires.
pub(super) const LONGEST_PULL: Duration = Duration::from_secs(5);

/// How many pulls there are in the place of one for more messages, and how many where none of them waits.
pub(super) const PULLS: u32 = 8;
const PULLS_AT_ONCE: u32 = 256;

/// How long one attempt to find the subjects of acknowledgements waits.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Pulls for one message each in the place of one for several: how many, and of which kind. Over an import a request has one
/// answer: more of them pass only where the export says so, and not behind a message without headers and payload. So there
/// are no heartbeats either.
pub(super) fn split(ask: &Ask, brings_much: bool) -> (u32, Ask) {
    let most = match (ask.no_wait, brings_much) {
        (true, _) => PULLS_AT_ONCE,
        (false, true) => PULLS,
        (false, false) => 1,
    };
    let count = ask.messages.clamp(1, most);
    let each = Ask {
        messages: 1,
        bytes: ask.bytes.map(|bytes| (bytes / u64::from(count)).max(1)),
        expires: ask.expires.min(LONGEST_PULL),
        heartbeat: None,
        ..ask.clone()
    };
    (count, each)
}

impl Nats {
    /// Whether JetStream is another account's.
    pub fn is_imported(&self) -> bool {
        self.config().api_prefix.is_some()
    }

    /// Fails where acknowledgements of a consumer, which exists, reach nobody: without a confirmation they would be lost
    /// without a word.
    pub async fn check_acks(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
        deadline: Deadline,
    ) -> Result<()> {
        if !self.is_imported() {
            return Ok(());
        }
        let starting = Deadline::within(STARTING);
        let (mut pause, mut is_led) = (Pause::default(), false);
        loop {
            let link = self.request_link(deadline).await?;
            let attempt = link.try_acks(stream, consumer, deadline.at_most(ATTEMPT));
            match attempt.await {
                Err(RequestError::NoResponders) if is_led => return Err(no_acks()),
                // Whether it is just the leader that is missing, nobody but the leader can say.
                Err(RequestError::NoResponders) if starting.has_passed() => {
                    let now = AsOf::since(Instant::now());
                    self.consumer_info(stream, consumer, now, deadline).await?;
                    is_led = true;
                }
                Err(RequestError::NoResponders) => {
                    if !pause.before(deadline).await {
                        return Err(no_leader(consumer));
                    }
                }
                _ => return Ok(()),
            }
        }
    }
}

impl Link {
    /// Whether acknowledgements of a consumer reach it: extends a delivery that there is not.
    pub async fn try_acks(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
        deadline: Deadline,
    ) -> Result<(), RequestError> {
        let subject = format!("$JS.ACK.{stream}.{consumer}.1.{}.1.0.0", i64::MAX);
        let extension = Bytes::from_static(b"+WPI");
        let answer = self.request(&subject, None, extension, deadline).await;
        answer.map(|_| ())
    }
}

fn no_leader(consumer: &ConsumerName) -> Error {
    let text = format!("consumer {consumer} takes no acknowledgements now");
    Error::new(Reason::JetstreamUnavailable, text)
}

fn no_acks() -> Error {
    let text = "acknowledgements reach nobody: the account that imports JetStream's API has to import $JS.ACK.> as well";
    Error::new(Reason::JetstreamNotEnabled, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_becomes_pulls_that_together_bring_no_more() {
        let ask = |messages, no_wait| Ask {
            messages,
            bytes: Some(1_000),
            expires: Duration::from_secs(30),
            no_wait,
            heartbeat: Some(Duration::from_secs(5)),
            place: None,
        };
        for (ask, brings_much, count, bytes) in [
            (ask(1, false), true, 1, 1_000),
            (ask(5, false), true, 5, 200),
            (ask(512, false), true, 8, 125),
            (ask(512, false), false, 1, 1_000),
            (ask(100, true), false, 100, 10),
            (ask(512, true), false, 256, 3),
        ] {
            let (pulls, each) = split(&ask, brings_much);
            assert_eq!((pulls, each.messages, each.bytes), (count, 1, Some(bytes)));
            assert_eq!((each.expires, each.heartbeat), (LONGEST_PULL, None));
            assert_eq!(each.no_wait, ask.no_wait);
        }
    }
}
