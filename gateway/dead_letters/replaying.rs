//! Publishing the messages of letters again, each once for a replay.
//!
//! Inside the stream's duplicate window the message id sees to that, which is made of the caller's
//! name of the replay and of the letter's key. For the time after it, a note beside the letter says
//! that the message was published.

use std::str::FromStr as _;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use super::filter::Filter;
use super::key::{Key, ReplayId};
use super::letter::{Letter, PREFIX, header_name, header_value, is_reserved};
use super::reading::{Step, Walk, is_late};
use super::{DeadLetters, Inner};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{MessageId, Reserved, Subject};
use crate::nats::{Begun, Outgoing};
use crate::publishing::Outlet;

/// A replay under way.
pub struct Replay {
    dead_letters: DeadLetters,
    walk: Walk,
}

/// A letter's message as it is published again.
pub struct Repeat {
    key: Key,
    id: ReplayId,
    /// The message.
    pub message: Outgoing,
    /// The names of headers that it has to do without.
    pub left_out: Vec<String>,
}

/// Where a letter's message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The place in its stream.
    pub sequence: u64,
    /// It was stored before, by the same replay.
    pub duplicate: bool,
}

impl DeadLetters {
    /// Begins a replay of the letters that there are now: a message that dies again while it runs
    /// is not published again.
    pub async fn begin_replay(&self, filter: Filter, deadline: Deadline) -> Result<Replay> {
        let (_, last) = self.bounds(deadline).await?;
        Ok(Replay {
            dead_letters: self.clone(),
            walk: self.walk(filter, last),
        })
    }

    /// Publishes the message of a letter, and notes that beside the letter.
    pub async fn publish(
        &self,
        repeat: Repeat,
        outlet: &Outlet,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<Published> {
        let accepted = outlet.one(repeat.message, deadline, begun).await?;
        let sequence = accepted.ack.seq;
        let note = self.note(&repeat.key, &repeat.id, sequence)?;
        self.0.nats.publish(&note, deadline, begun).await?;
        Ok(Published {
            sequence,
            duplicate: accepted.ack.duplicate,
        })
    }

    /// Where the message was stored by an earlier call of the same replay.
    pub async fn published(
        &self,
        key: &Key,
        id: &ReplayId,
        deadline: Deadline,
    ) -> Result<Option<Published>> {
        let noted = self.replay(key, id, deadline).await?;
        Ok(noted.map(|noted| Published {
            sequence: noted.sequence,
            duplicate: true,
        }))
    }

    fn note(&self, key: &Key, id: &ReplayId, sequence: u64) -> Result<Outgoing> {
        let Inner {
            subjects,
            letters,
            nats,
            ..
        } = &*self.0;
        let message_id = MessageId::parse("id", &format!("note.{}", message_id(key, id)?))?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("Nats-Expected-Stream", letters.as_str()),
            (&*format!("{PREFIX}Replay-Sequence"), &*sequence.to_string()),
        ] {
            headers.insert(header_name(name)?, header_value(value)?);
        }
        Ok(Outgoing {
            subject: subjects.replay(key, id, nats.reserved())?,
            headers,
            payload: Bytes::new(),
            id: Some(message_id),
        })
    }
}

impl Replay {
    /// The next letter, or `None` behind the last one. Fails with DEADLINE_EXCEEDED when the time is up.
    pub async fn next(&mut self, deadline: Deadline) -> Result<Option<Letter>> {
        loop {
            if is_late(deadline) {
                return Err(Error::new(Reason::DeadlineExceeded, "the time is up"));
            }
            match self.dead_letters.step(&mut self.walk, deadline).await? {
                Step::Letter(letter) => return Ok(Some(*letter)),
                Step::Other => {}
                Step::End => return Ok(None),
            }
        }
    }
}

impl Repeat {
    /// The message of a letter under this name; fails where the letter has none.
    pub fn new(letter: &Letter, id: &ReplayId, reserved: &Reserved) -> Result<Self> {
        let (Some(subject), Some(payload)) = (&letter.subject, &letter.payload) else {
            let text = format!("the dead letter {} has no message", letter.key);
            return Err(Error::new(Reason::DeadLetterWithoutMessage, text));
        };
        let message_id = message_id(&letter.key, id)?;
        let mut headers = HeaderMap::new();
        let mut left_out = Vec::new();
        for (name, value) in &letter.headers {
            match sound(name, value) {
                Some((name, value)) => headers.append(name, value),
                None => left_out.push(name.clone()),
            }
        }
        for (name, value) in [
            ("Nats-Expected-Stream", letter.key.stream.as_str()),
            (&*format!("{PREFIX}Id"), &*letter.key.to_string()),
            (&*format!("{PREFIX}Consumer"), letter.key.consumer.as_str()),
            (&*format!("{PREFIX}Replay-Id"), id.as_str()),
        ] {
            headers.insert(header_name(name)?, header_value(value)?);
        }
        let message = Outgoing {
            subject: Subject::parse("subject", subject, reserved)?,
            headers,
            payload: payload.clone(),
            id: Some(message_id),
        };
        Ok(Self {
            key: letter.key.clone(),
            id: id.clone(),
            message,
            left_out,
        })
    }
}

/// A header as it is published again. Those that JetStream obeys were meant for the first time: an id
/// or a condition that held then would refuse the message now.
fn sound(name: &str, value: &Bytes) -> Option<(HeaderName, HeaderValue)> {
    if is_reserved(name) {
        return None;
    }
    let value = HeaderValue::from_str(std::str::from_utf8(value).ok()?).ok()?;
    Some((HeaderName::from_str(name).ok()?, value))
}

/// The key's names may be too long for an id, but sequence and incarnation tell as much.
fn message_id(key: &Key, id: &ReplayId) -> Result<MessageId> {
    let text = format!(
        "{}.{}.{}",
        id.as_str(),
        key.sequence,
        key.incarnation.as_str()
    );
    MessageId::parse("replay_id", &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::Cause;

    fn letter() -> Letter {
        let headers = [
            ("Trace", "t"),
            ("Nats-Msg-Id", "old"),
            ("Dead-Letter-Id", "older"),
        ];
        Letter {
            key: Key::parse("letter_id", "ORDERS.c.17.18ab").unwrap(),
            consumer_created: None,
            cause: Cause::Terminated,
            reason: String::new(),
            deliveries: 1,
            time: None,
            subject: Some("orders.new".into()),
            publish_time: None,
            headers: headers
                .map(|(name, value)| (name.to_owned(), Bytes::from(value)))
                .to_vec(),
            payload: Some(Bytes::from_static(b"payload")),
            not_carried: Vec::new(),
            sequence: 3,
        }
    }

    fn repeat(letter: &Letter, id: &str) -> Result<Repeat> {
        Repeat::new(
            letter,
            &ReplayId::parse("replay_id", id)?,
            &Reserved::new("_INBOX"),
        )
    }

    #[test]
    fn a_replay_names_the_consumer_and_obeys_nothing_old() {
        let Repeat {
            message, left_out, ..
        } = repeat(&letter(), "r1").unwrap();

        let headers = message.wire_headers().unwrap();
        let header = |name: &str| headers.get(name).map(|value| value.as_str());
        assert_eq!(header("Trace"), Some("t"));
        assert_eq!(header("Nats-Msg-Id"), Some("r1.17.18ab"));
        assert_eq!(header("Nats-Expected-Stream"), Some("ORDERS"));
        assert_eq!(header("Dead-Letter-Consumer"), Some("c"));
        assert_eq!(header("Dead-Letter-Id"), Some("ORDERS.c.17.18ab"));
        assert_eq!(left_out, ["Nats-Msg-Id", "Dead-Letter-Id"]);
    }

    #[test]
    fn each_replay_has_an_id_of_its_own() {
        let id = |replay| repeat(&letter(), replay).unwrap().message.id.unwrap();
        assert_eq!(id("r1"), id("r1"));
        assert_ne!(id("r1"), id("r2"));
    }

    #[test]
    fn provenance_alone_cannot_be_published() {
        let letter = letter().without_message("gone");
        let error = repeat(&letter, "r1").err();
        assert_eq!(
            error.map(|error| error.reason()),
            Some(Reason::DeadLetterWithoutMessage)
        );
    }
}
