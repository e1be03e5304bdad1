//! The wire of fast batches: the reply subjects that messages are sent with, and what comes back on
//! them.
//!
//! What a message is in its batch stands in its reply subject, and an answer comes to the subject of
//! the message that caused it: `<inbox>.<batch>.<flow>.fail.<place>.<operation>.$FI`.

use async_nats::Message;
use serde::Deserialize;

use crate::nats::api::ApiError;

/// What is sent with a reply subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// The first message of a batch.
    Open = 0,
    /// A further one.
    Append = 1,
    /// The last one: stored, and then the batch ends.
    Commit = 2,
    /// No message: the batch ends with the one before.
    End = 3,
    /// No message: what was acknowledged last is said again.
    Ping = 4,
}

impl Operation {
    /// Whether a message comes with it.
    pub(super) fn carries_a_message(self) -> bool {
        !matches!(self, Self::End | Self::Ping)
    }

    fn parse(text: &str) -> Option<Self> {
        let known = [
            Self::Open,
            Self::Append,
            Self::Commit,
            Self::End,
            Self::Ping,
        ];
        let number: usize = text.parse().ok()?;
        known.get(number).copied()
    }
}

/// Makes the reply subjects of one batch.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// Up to and with the gap mode.
    head: String,
    /// Up to and with the batch's name.
    name: String,
}

impl Address {
    /// A new batch that is answered below `inbox`, once for at most `flow` messages. While several
    /// batches of a stream are open the server answers more often (read in 2.15.1: for 500 by their
    /// number).
    pub(super) fn new(inbox: &str, flow: u64) -> Self {
        let name = format!("{inbox}.{}", uuid::Uuid::now_v7().simple());
        // The gap mode "ok" would acknowledge what was refused (measured on 2.15.1).
        let head = format!("{name}.{flow}.fail");
        Self { head, name }
    }

    /// Where the answer to the message at `place` comes to.
    pub(super) fn reply(&self, place: u64, operation: Operation) -> String {
        let (mut digits, mut kind) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (place, kind) = (digits.format(place), kind.format(operation as u8));
        [&*self.head, ".", place, ".", kind, ".$FI"].concat()
    }

    /// What `message` answers, where it belongs to this batch.
    pub(super) fn read(&self, message: &Message) -> Option<Heard> {
        let mut tokens = message
            .subject
            .strip_prefix(&self.name)?
            .strip_prefix('.')?
            .split('.');
        let (_flow, _gaps) = (tokens.next()?, tokens.next()?);
        let place = tokens.next()?.parse().ok()?;
        let operation = Operation::parse(tokens.next()?)?;
        let answer = if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            Answer::Nobody
        } else {
            Answer::read(&message.payload)
        };
        Some(Heard {
            place,
            operation,
            answer,
        })
    }
}

/// An answer, and what it answers.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub place: u64,
    pub operation: Operation,
    pub answer: Answer,
}

/// What the server says of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Everything up to here is stored; the next acknowledgement comes after `flow` more.
    Acked { place: u64, flow: u16 },
    /// Another message was expected than this one, which was not taken. The batch ends.
    Gap,
    /// This message was not taken, and the batch ends before it.
    Refused { place: u64, error: ApiError },
    /// The batch has ended; this many messages from its first are stored, the last one under this
    /// sequence.
    Ended {
        count: u64,
        sequence: u64,
        stream: String,
    },
    /// A stream does not take this message. Whether the batch goes on is not said.
    Failed { error: ApiError, stream: String },
    /// Nobody listens to this subject.
    Nobody,
    /// Not the answer of a stream that knows batches.
    Strange,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: Option<String>,
    seq: Option<u64>,
    msgs: Option<u16>,
    error: Option<ApiError>,
    #[serde(default)]
    stream: String,
    batch: Option<String>,
    count: Option<u64>,
}

impl Answer {
    fn read(payload: &[u8]) -> Self {
        let Ok(wire) = serde_json::from_slice::<Wire>(payload) else {
            return Self::Strange;
        };
        match wire {
            Wire {
                kind: Some(kind),
                seq: Some(place),
                msgs,
                error,
                ..
            } => match (kind.as_str(), msgs, error) {
                ("ack", Some(flow), _) => Self::Acked { place, flow },
                ("gap", ..) => Self::Gap,
                ("err", _, Some(error)) => Self::Refused { place, error },
                _ => Self::Strange,
            },
            Wire {
                error: Some(error),
                stream,
                ..
            } => Self::Failed { error, stream },
            Wire {
                batch: Some(_),
                count: Some(count),
                seq: Some(sequence),
                stream,
                ..
            } => Self::Ended {
                count,
                sequence,
                stream,
            },
            _ => Self::Strange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: String, payload: &'static str) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: payload.into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn an_answer_is_read_with_the_place_that_it_answers() {
        let address = Address::new("_INBOX.a.p1", 250);
        let subject = address.reply(17, Operation::Append);
        assert!(subject.ends_with(".250.fail.17.1.$FI"), "{subject}");

        let heard = address.read(&message(subject, r#"{"type":"ack","seq":10,"msgs":5}"#));

        let heard = heard.unwrap();
        assert_eq!((heard.place, heard.operation), (17, Operation::Append));
        assert_eq!(heard.answer, Answer::Acked { place: 10, flow: 5 });
    }

    #[test]
    fn answers_to_another_batch_are_not_this_ones() {
        let address = Address::new("_INBOX.a.p1", 250);
        let other = Address::new("_INBOX.a.p1", 250);
        let subject = other.reply(1, Operation::Open);
        let heard = address.read(&message(subject, r#"{"type":"ack","seq":1,"msgs":5}"#));
        assert!(heard.is_none());
    }

    #[test]
    fn tells_the_servers_answers_apart() {
        let error = ApiError {
            code: 400,
            err_code: 10060,
            description: "expected stream does not match".to_owned(),
        };
        for (payload, expected) in [
            (r#"{"type":"gap","last_seq":3,"seq":5}"#, Answer::Gap),
            (
                r#"{"type":"err","seq":3,"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}}"#,
                Answer::Refused {
                    place: 3,
                    error: error.clone(),
                },
            ),
            (
                r#"{"stream":"S","seq":12,"batch":"b","count":7}"#,
                Answer::Ended {
                    count: 7,
                    sequence: 12,
                    stream: "S".to_owned(),
                },
            ),
            (
                r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"},"stream":"T","seq":0}"#,
                Answer::Failed {
                    error,
                    stream: "T".to_owned(),
                },
            ),
            // One message that was stored without a batch.
            (r#"{"stream":"S","seq":12}"#, Answer::Strange),
            ("hello", Answer::Strange),
            ("", Answer::Strange),
        ] {
            assert_eq!(Answer::read(payload.as_bytes()), expected, "{payload}");
        }
    }
}
