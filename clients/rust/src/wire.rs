//! What goes over the wire without the generated code: frames of many messages, which are written once when they are
//! published, and read without a copy when they are received.

use bytes::{BufMut as _, Bytes};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use prost_types::Timestamp;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstCodec;

use crate::v1;

/// What a publish stream says.
#[derive(Debug)]
pub(crate) enum PublishFrame {
    /// A frame of the generated code.
    Other(v1::publish_stream_request::Frame),
    /// Messages as they were written.
    Messages { first: u64, body: Bytes },
}

/// Writes frames of publish streams.
#[derive(Debug, Default)]
pub(crate) struct PublishCodec;

/// Its encoder.
#[derive(Debug)]
pub(crate) struct PublishEncoder;

type Response = v1::PublishStreamResponse;

impl Codec for PublishCodec {
    type Encode = PublishFrame;
    type Decode = Response;
    type Encoder = PublishEncoder;
    type Decoder = <ProstCodec<v1::PublishStreamRequest, Response> as Codec>::Decoder;

    fn encoder(&mut self) -> PublishEncoder {
        PublishEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<v1::PublishStreamRequest, Response>::raw_decoder(BufferSettings::default())
    }
}

/// The numbers of `PublishStreamRequest.messages` and `PublishFrame.first_number`.
const MESSAGES: u32 = 2;
const FIRST_NUMBER: u32 = 1;

impl Encoder for PublishEncoder {
    type Item = PublishFrame;
    type Error = Status;

    fn encode(&mut self, frame: PublishFrame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match frame {
            PublishFrame::Other(frame) => {
                let request = v1::PublishStreamRequest { frame: Some(frame) };
                let written = request.encode(out);
                written.map_err(|why| Status::internal(why.to_string()))?;
            }
            PublishFrame::Messages { first, body } => {
                let size = key_len(FIRST_NUMBER) + encoded_len_varint(first) + body.len();
                out.reserve(size + key_len(MESSAGES) + encoded_len_varint(size as u64));
                encode_key(MESSAGES, WireType::LengthDelimited, out);
                encode_varint(size as u64, out);
                encode_key(FIRST_NUMBER, WireType::Varint, out);
                encode_varint(first, out);
                out.put_slice(&body);
            }
        }
        Ok(())
    }
}

/// `ConsumeResponse`, whose messages share the memory of the frame that they came in.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConsumeResponse {
    #[prost(oneof = "ConsumeFrame", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(crate) frame: Option<ConsumeFrame>,
}

/// What the gateway says in a session.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ConsumeFrame {
    #[prost(message, boxed, tag = "1")]
    Opened(Box<v1::SessionOpened>),
    #[prost(message, tag = "2")]
    Messages(MessageBatch),
    #[prost(message, tag = "3")]
    Settled(v1::SettleResult),
    #[prost(message, tag = "4")]
    Heartbeat(v1::SessionHeartbeat),
    #[prost(message, tag = "5")]
    Gap(v1::Gap),
    #[prost(message, tag = "6")]
    Draining(v1::Draining),
    #[prost(message, tag = "7")]
    Pong(v1::Pong),
}

/// `MessageBatch`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MessageBatch {
    #[prost(message, repeated, tag = "1")]
    pub(crate) messages: Vec<ReceivedMessage>,
    #[prost(string, tag = "2")]
    pub(crate) resume_token: String,
}

/// `ReceivedMessage`, without what is the same in all messages of a session. Its texts are UTF-8, as the contract says.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReceivedMessage {
    #[prost(uint64, tag = "1")]
    pub(crate) delivery_id: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) ack_token: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) subject: Bytes,
    #[prost(uint64, tag = "6")]
    pub(crate) stream_sequence: u64,
    #[prost(uint32, tag = "8")]
    pub(crate) delivery_attempt: u32,
    #[prost(bytes = "bytes", tag = "9")]
    pub(crate) message_id: Bytes,
    #[prost(message, optional, tag = "10")]
    pub(crate) publish_time: Option<Timestamp>,
    #[prost(uint64, tag = "12")]
    pub(crate) pending: u64,
    #[prost(message, repeated, tag = "13")]
    pub(crate) headers: Vec<Header>,
    #[prost(bytes = "bytes", tag = "14")]
    pub(crate) data: Bytes,
}

/// `Header`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Header {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) binary_value: Bytes,
}

impl From<v1::ReceivedMessage> for ReceivedMessage {
    fn from(message: v1::ReceivedMessage) -> Self {
        let headers = message.headers.into_iter().map(|header| Header {
            name: header.name.into(),
            value: header.value.into(),
            binary_value: header.binary_value,
        });
        Self {
            delivery_id: message.delivery_id,
            ack_token: message.ack_token.into(),
            subject: message.subject.into(),
            stream_sequence: message.stream_sequence,
            delivery_attempt: message.delivery_attempt,
            message_id: message.message_id.into(),
            publish_time: message.publish_time,
            pending: message.pending,
            headers: headers.collect(),
            data: match message.payload {
                Some(v1::received_message::Payload::Data(data)) => data,
                Some(v1::received_message::Payload::Text(text)) => text.into(),
                None => Bytes::new(),
            },
        }
    }
}

/// Text of the contract.
pub(crate) fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_writes_is_read() {
        let header = v1::Header {
            name: "Trace".into(),
            value: "a".into(),
            ..Default::default()
        };
        let message = v1::ReceivedMessage {
            delivery_id: 1,
            ack_token: "token".into(),
            subject: "orders.new".into(),
            stream: "ORDERS".into(),
            consumer: "worker".into(),
            stream_sequence: 5,
            consumer_sequence: 4,
            delivery_attempt: 2,
            message_id: "id".into(),
            publish_time: Some(Timestamp {
                seconds: 7,
                nanos: 9,
            }),
            ack_deadline: Some(Timestamp {
                seconds: 8,
                nanos: 9,
            }),
            pending: 3,
            headers: vec![header],
            payload: Some(v1::received_message::Payload::Data("hello".into())),
        };
        let converted = ReceivedMessage::from(message.clone());
        let batch = v1::MessageBatch {
            messages: vec![message],
            resume_token: "resume".into(),
        };
        let written = v1::ConsumeResponse {
            frame: Some(v1::consume_response::Frame::Messages(batch)),
        };
        let read = ConsumeResponse::decode(Bytes::from(written.encode_to_vec())).unwrap();
        let Some(ConsumeFrame::Messages(batch)) = read.frame else {
            panic!("{read:?}");
        };
        let [message] = &batch.messages[..] else {
            panic!("{batch:?}");
        };
        assert_eq!(*message, converted);
        assert_eq!(batch.resume_token, "resume");
        assert_eq!((message.delivery_id, message.stream_sequence), (1, 5));
        assert_eq!((message.delivery_attempt, message.pending), (2, 3));
        assert_eq!(
            (text(&message.ack_token), text(&message.subject)),
            ("token", "orders.new")
        );
        assert_eq!(
            (text(&message.message_id), text(&message.data)),
            ("id", "hello")
        );
        assert_eq!(
            message.publish_time.as_ref().map(|time| time.seconds),
            Some(7)
        );
        assert_eq!(
            (
                text(&message.headers[0].name),
                text(&message.headers[0].value)
            ),
            ("Trace", "a")
        );
    }
}
