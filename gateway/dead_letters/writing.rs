//! From an advisory to its letter: which consumer gave up which message, and is the message still there.

use prost_types::Timestamp;
use tokio::time::Instant;
use tonic::Code;
use tracing::warn;

use super::key::{Incarnation, Key};
use super::letter::Letter;
use super::{DeadLetters, Inner, if_found};
use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::{GetMessage, GivenUp, StreamInfo};
use crate::nats::{AsOf, Begun, Stored};

/// What became of an advisory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Its letter is stored now.
    Stored,
    /// There is a letter of the same death.
    Known,
    /// It is not for this gateway to write one.
    Ignored,
}

/// The message that an advisory is about, or why the letter does without it.
type Found = Result<Stored, &'static str>;

impl DeadLetters {
    /// Writes the letter of an advisory that arrived at `arrival`. `domain` is the streams' own.
    pub(super) async fn write(
        &self,
        advisory: &GivenUp,
        domain: &str,
        arrival: Instant,
        deadline: Deadline,
    ) -> Result<Written> {
        let Some((stream, consumer)) = self.whose(advisory, domain) else {
            return Ok(Written::Ignored);
        };
        let created = self.created(&stream, &consumer, arrival, deadline).await?;
        // A consumer that is younger than the death is another one of that name.
        let created = created.filter(|created| !is_later(created, &advisory.timestamp));
        let incarnation = match &created {
            Some(created) => Some(Incarnation::created(created)),
            None => Incarnation::parse(&advisory.id),
        };
        let Some(incarnation) = incarnation else {
            return Ok(Written::Ignored);
        };
        let message = self
            .message(&stream, advisory, created.is_some(), deadline)
            .await?;
        let key = Key {
            stream,
            consumer,
            sequence: advisory.stream_seq,
            incarnation,
        };
        let letter = Letter::new(advisory, key, created, message);
        match self.store(&letter, advisory, deadline).await {
            Err(error) if error.reason() == Reason::MessageTooLarge && letter.payload.is_some() => {
                let why = "with its provenance it is larger than NATS or the letters' stream takes";
                self.store(&letter.without_message(why), advisory, deadline)
                    .await
            }
            outcome => outcome,
        }
    }

    /// The stream and the consumer of an advisory, unless it is none of ours: letters about letters
    /// would never end, and another domain's messages are out of reach.
    fn whose(&self, advisory: &GivenUp, domain: &str) -> Option<(StreamName, ConsumerName)> {
        let stream = StreamName::parse("stream", &advisory.stream).ok()?;
        let consumer = ConsumerName::parse("consumer", &advisory.consumer).ok()?;
        let is_own = stream == *self.letters() || stream == *self.advisories();
        let is_near = advisory.domain == domain && advisory.stream_seq > 0;
        (is_near && !is_own).then_some((stream, consumer))
    }

    /// When the consumer was created that has this name now; `None` where there is none.
    async fn created(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
        arrival: Instant,
        deadline: Deadline,
    ) -> Result<Option<Timestamp>> {
        // Looked up since the advisory came: what was known before may be of another incarnation.
        let as_of = AsOf::since(arrival);
        match self
            .0
            .nats
            .consumer_info(stream, consumer, as_of, deadline)
            .await
        {
            Ok(info) => Ok(Some(info.created)),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) if error.reason() == Reason::NatsPermissionDenied => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn message(
        &self,
        stream: &StreamName,
        advisory: &GivenUp,
        consumer_lives: bool,
        deadline: Deadline,
    ) -> Result<Found> {
        // The stream lives at least as long as its consumers.
        if !consumer_lives && !self.is_same_stream(stream, advisory, deadline).await? {
            return Ok(Err("its stream was deleted"));
        }
        let request = GetMessage {
            seq: advisory.stream_seq,
            ..GetMessage::default()
        };
        let message = self.0.nats.stored_message(stream, &request, deadline).await;
        match message {
            Err(error) if error.reason() == Reason::NatsPermissionDenied => {
                warn!(%stream, %error, "the message of a dead letter cannot be read");
                Ok(Err("the gateway's NATS user may not read its stream"))
            }
            Err(error) if error.reason() == Reason::StreamNotFound => {
                Ok(Err("its stream was deleted"))
            }
            message => Ok(if_found(message)?.ok_or("it is not in its stream any more")),
        }
    }

    /// Whether the stream is still that of the message, or one made anew in which the sequence is
    /// another message's.
    async fn is_same_stream(
        &self,
        stream: &StreamName,
        advisory: &GivenUp,
        deadline: Deadline,
    ) -> Result<bool> {
        let info = format!("STREAM.INFO.{stream}");
        match self.0.nats.api_get::<StreamInfo>(&info, deadline).await {
            Ok(info) => Ok(info
                .created
                .is_some_and(|created| !is_later(&created, &advisory.timestamp))),
            Err(error) if error.code() == Code::NotFound => Ok(false),
            Err(error) if error.reason() == Reason::NatsPermissionDenied => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn store(
        &self,
        letter: &Letter,
        advisory: &GivenUp,
        deadline: Deadline,
    ) -> Result<Written> {
        let Inner {
            nats,
            letters,
            subjects,
            ..
        } = &*self.0;
        let outgoing = letter.outgoing(advisory, letters, subjects, nats.reserved())?;
        match nats.publish(&outgoing, deadline, &Begun::default()).await {
            Ok(ack) if ack.duplicate => Ok(Written::Known),
            Ok(_) => Ok(Written::Stored),
            // Without the sequence it is another attempt on its way, which may yet fail.
            Err(error)
                if error.reason() == Reason::WrongLastSequence
                    && error.metadata("actual_sequence").is_some() =>
            {
                Ok(Written::Known)
            }
            Err(error) => Err(error),
        }
    }
}

fn is_later(one: &Timestamp, other: &Timestamp) -> bool {
    (one.seconds, one.nanos) > (other.seconds, other.nanos)
}
