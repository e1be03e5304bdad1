//! What is published, and how it is written on the wire.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::v1;

/// A message to publish.
///
/// ```
/// use jetgate_client::Message;
///
/// let message = Message::new("orders.new", r#"{"id": 17}"#)
///     .message_id("order-17")
///     .header("source", "shop");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub(crate) subject: Cow<'static, str>,
    pub(crate) payload: Bytes,
    pub(crate) message_id: Option<Cow<'static, str>>,
    rare: Option<Box<v1::PublishRequest>>,
}

/// Conditions of a publish: where one does not hold, the message is not stored. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The stream that takes the message.
    pub stream: Option<String>,
    /// The stream's last sequence; 0 is none.
    pub last_sequence: Option<u64>,
    /// The sequence of the last message with this subject; 0 is none.
    pub last_subject_sequence: Option<u64>,
    /// The id of the stream's last message.
    pub last_message_id: Option<String>,
}

impl Message {
    /// A message with this subject and payload.
    pub fn new(subject: impl Into<Cow<'static, str>>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            payload: payload.into(),
            message_id: None,
            rare: None,
        }
    }

    /// Names the event: a stream stores one message of an id while its duplicate window lasts. Without one the library
    /// makes one for its own retries, which does not help a program that publishes the event anew after a crash.
    #[must_use]
    pub fn message_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.message_id = Some(id.into());
        self
    }

    /// Adds a header; a name may occur several times. Names that begin with `Nats-` are reserved.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.rare().headers.push(v1::Header {
            name: name.into(),
            value: value.into(),
            binary_value: Bytes::new(),
        });
        self
    }

    /// Sets the conditions.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.rare().expect = Some(v1::Expectation {
            stream: expect.stream.unwrap_or_default(),
            last_sequence: expect.last_sequence,
            last_subject_sequence: expect.last_subject_sequence,
            last_message_id: expect.last_message_id.unwrap_or_default(),
            ..Default::default()
        });
        self
    }

    /// How long the stream keeps the message, in whole seconds; unset is as long as its own limits say.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.rare().expiry = Some(v1::publish_request::Expiry::Ttl(crate::duration(ttl)));
        self
    }

    /// Sets what else the contract has: schedules, counters, rollups. Subject, payload and id are this message's.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut v1::PublishRequest)) -> Self {
        change(self.rare());
        self
    }

    pub(crate) fn into_request(self) -> v1::PublishRequest {
        let rest = self.rare.map(|rare| *rare).unwrap_or_default();
        v1::PublishRequest {
            subject: self.subject.into_owned(),
            payload: Some(v1::publish_request::Payload::Data(self.payload)),
            message_id: self.message_id.map(Cow::into_owned).unwrap_or_default(),
            ..rest
        }
    }

    /// Appends it as one of the `messages` of a `PublishFrame`. Fields may come in any order on the wire, and those
    /// of `rare` have no subject, payload and id.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let id = self.message_id.as_deref().unwrap_or_default();
        let size = self.encoded_len(id);
        out.reserve(size + key_len(MESSAGES) + encoded_len_varint(size as u64));
        encode_key(MESSAGES, WireType::LengthDelimited, out);
        encode_varint(size as u64, out);
        put(SUBJECT, self.subject.as_bytes(), out);
        put(DATA, &self.payload, out);
        put(MESSAGE_ID, id.as_bytes(), out);
        if let Some(rare) = &self.rare {
            rare.encode_raw(out);
        }
    }

    fn encoded_len(&self, id: &str) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| rare.encoded_len());
        length(SUBJECT, self.subject.len())
            + length(DATA, self.payload.len())
            + length(MESSAGE_ID, id.len())
            + rare
    }

    fn rare(&mut self) -> &mut v1::PublishRequest {
        self.rare.get_or_insert_default()
    }
}

/// The numbers of `PublishFrame.messages` and of the fields of `PublishRequest` that most messages have.
const MESSAGES: u32 = 2;
const SUBJECT: u32 = 1;
const DATA: u32 = 2;
const MESSAGE_ID: u32 = 6;

fn put(field: u32, value: &[u8], out: &mut BytesMut) {
    if !value.is_empty() {
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(value.len() as u64, out);
        out.put_slice(value);
    }
}

fn length(field: u32, value: usize) -> usize {
    match value {
        0 => 0,
        _ => key_len(field) + encoded_len_varint(value as u64) + value,
    }
}

impl<S: Into<Cow<'static, str>>, P: Into<Bytes>> From<(S, P)> for Message {
    fn from((subject, payload): (S, P)) -> Self {
        Self::new(subject, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_contract_reads() {
        let messages = [
            Message::new("orders.new", "hello"),
            Message::new("orders.empty", ""),
            Message::new(format!("orders.{}", 2), vec![0, 255])
                .message_id("id-2")
                .header("Trace", "a")
                .ttl(Duration::from_secs(2))
                .expect(Expect {
                    last_sequence: Some(0),
                    ..Expect::default()
                })
                .with(|request| request.counter_increment = "1".into()),
        ];
        let mut body = BytesMut::new();
        for message in &messages {
            message.write(&mut body);
        }
        let frame = v1::PublishFrame::decode(body.freeze()).unwrap();
        for (read, message) in frame.messages.into_iter().zip(messages) {
            let mut written = message.into_request();
            if matches!(&written.payload, Some(v1::publish_request::Payload::Data(it)) if it.is_empty())
            {
                written.payload = None;
            }
            assert_eq!(read, written);
        }
    }
}
