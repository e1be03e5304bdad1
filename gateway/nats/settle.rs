//! Sending acknowledgements to JetStream (ADR-13, ADR-15), with its own confirmation where asked for.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Code;

use super::link::{Link, RequestError};
use super::request::Pause;
use super::{AsOf, Nats};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::token::AckSubject;

/// The longest wait for a confirmation.
const CONFIRMATION: Duration = Duration::from_secs(5);

/// How long one attempt waits for it.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What a caller says of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done.
    Ack,
    /// Not done; deliver again, at once or after this time.
    Nak(Option<Duration>),
    /// At work: the ack wait starts anew.
    InProgress,
    /// Hopeless; never deliver again.
    Term(String),
}

impl Settlement {
    fn payload(&self) -> Bytes {
        match self {
            Self::Ack => Bytes::from_static(b"+ACK"),
            Self::Nak(None) => Bytes::from_static(b"-NAK"),
            Self::Nak(Some(delay)) => format!(r#"-NAK {{"delay":{}}}"#, delay.as_nanos()).into(),
            Self::InProgress => Bytes::from_static(b"+WPI"),
            Self::Term(reason) if reason.is_empty() => Bytes::from_static(b"+TERM"),
            Self::Term(reason) => format!("+TERM {reason}").into(),
        }
    }
}

impl Link {
    /// Sends a settlement to the ack subject of its delivery. OK means that it was handed to the
    /// connection. Safe to drop: until it is done, nothing was sent.
    pub async fn settle(
        &self,
        subject: &str,
        settlement: &Settlement,
        deadline: Deadline,
    ) -> Result<(), RequestError> {
        self.send(subject, None, None, settlement.payload(), deadline)
            .await
    }
}

impl Nats {
    /// Settles a delivery. Without `confirm`, OK means that it was sent.
    pub async fn settle(
        &self,
        delivery: &AckSubject,
        settlement: &Settlement,
        confirm: bool,
        deadline: Deadline,
    ) -> Result<()> {
        let subject = delivery.to_string();
        if confirm {
            let payload = settlement.payload();
            return self
                .settle_confirmed(delivery, &subject, payload, deadline)
                .await;
        }
        let link = self.request_link(deadline).await?;
        let sent = link.settle(&subject, settlement, deadline).await;
        sent.map_err(|_| super::supervisor::disconnected())
    }

    /// Repeated until JetStream answers: settling twice is harmless. "No responders" is no answer: the
    /// consumer is gone, or has no leader now.
    async fn settle_confirmed(
        &self,
        delivery: &AckSubject,
        subject: &str,
        payload: Bytes,
        deadline: Deadline,
    ) -> Result<()> {
        let deadline = deadline.at_most(CONFIRMATION);
        let mut pause = Pause::default();
        let mut sent = false;
        loop {
            let (attempt, as_of) = (deadline.at_most(ATTEMPT), AsOf::since(Instant::now()));
            let link = match self.request_link(deadline).await {
                Ok(link) => link,
                Err(error) => return Err(if sent { outcome_unknown() } else { error }),
            };
            match link.request(subject, None, payload.clone(), attempt).await {
                Ok(_) => return Ok(()),
                Err(RequestError::NoResponders) => {
                    self.find_consumer(delivery, as_of, deadline).await?;
                }
                Err(RequestError::Denied) => {
                    let text = "the gateway's NATS user may not acknowledge";
                    return Err(Error::new(Reason::NatsPermissionDenied, text));
                }
                Err(RequestError::NotSent | RequestError::TooLarge) => {}
                Err(RequestError::Lost) => sent = true,
                Err(RequestError::TimedOut) => {
                    sent = true;
                    self.find_consumer(delivery, as_of, deadline).await?;
                }
            }
            if !pause.before(deadline).await {
                return Err(outcome_unknown());
            }
        }
    }

    /// Fails only where the consumer is surely gone, or surely has not delivered the message: JetStream
    /// does not answer then.
    async fn find_consumer(
        &self,
        delivery: &AckSubject,
        as_of: AsOf,
        deadline: Deadline,
    ) -> Result<()> {
        let stream = StreamName::parse("ack_token", delivery.origin.stream())?;
        let consumer = ConsumerName::parse("ack_token", delivery.origin.consumer())?;
        let info = self
            .consumer_info(&stream, &consumer, as_of, deadline)
            .await;
        match info {
            Ok(info) if info.delivered.stream_seq < delivery.stream_sequence => Err(Error::new(
                Reason::StaleToken,
                "the consumer was reset, or lost its last deliveries in a crash: the message comes again",
            )),
            Err(error) if error.code() == Code::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn outcome_unknown() -> Error {
    let text = "JetStream did not confirm the acknowledgement in time; it is safe to send it again";
    Error::new(Reason::AckOutcomeUnknown, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_those_of_the_ack_protocol() {
        for (settlement, payload) in [
            (Settlement::Ack, "+ACK"),
            (Settlement::Nak(None), "-NAK"),
            (
                Settlement::Nak(Some(Duration::from_secs(5))),
                r#"-NAK {"delay":5000000000}"#,
            ),
            (Settlement::InProgress, "+WPI"),
            (Settlement::Term(String::new()), "+TERM"),
            (Settlement::Term("broken".to_owned()), "+TERM broken"),
        ] {
            assert_eq!(settlement.payload(), payload);
        }
    }
}
