//! A delivery as the `ReceivedMessage` that callers get.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost_types::Timestamp;

use crate::nats::pull::Delivery;
use crate::proto::received_message::Payload;
use crate::proto::{Header, PayloadFormat, ReceivedMessage};

/// The header that holds a message's id.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// What the session adds to a delivery.
#[derive(Debug)]
pub struct Labels {
    /// Counts the session's deliveries.
    pub delivery_id: u64,
    /// Empty where nothing is acknowledged.
    pub ack_token: String,
    /// Until when to settle it.
    pub deadline: Option<SystemTime>,
}

/// Converts a delivery.
pub fn received(delivery: Delivery, labels: Labels, format: PayloadFormat) -> ReceivedMessage {
    let Delivery {
        ack,
        subject,
        headers,
        payload,
        ..
    } = delivery;
    let message_id = message_id(&headers);
    ReceivedMessage {
        delivery_id: labels.delivery_id,
        ack_token: labels.ack_token,
        subject,
        stream: ack.origin.stream().to_owned(),
        consumer: ack.origin.consumer().to_owned(),
        stream_sequence: ack.stream_sequence,
        consumer_sequence: ack.consumer_sequence,
        delivery_attempt: ack.delivered.try_into().unwrap_or(u32::MAX),
        message_id,
        publish_time: Some(Timestamp::from(
            UNIX_EPOCH + Duration::from_nanos(ack.timestamp),
        )),
        ack_deadline: labels.deadline.map(Timestamp::from),
        pending: ack.pending,
        headers: headers.into_iter().map(header).collect(),
        payload: Some(payload_in(format, payload)),
    }
}

/// What a caller asked for; unknown formats are `None`.
pub fn payload_format(number: i32) -> Option<PayloadFormat> {
    match PayloadFormat::try_from(number).ok()? {
        PayloadFormat::Unspecified => Some(PayloadFormat::Bytes),
        format => Some(format),
    }
}

/// The id that a message with these headers was published with; empty without.
pub(super) fn message_id(headers: &[(String, Bytes)]) -> String {
    let mut ids = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(MESSAGE_ID));
    let id = ids.next().map(|(_, value)| String::from_utf8_lossy(value));
    id.unwrap_or_default().into_owned()
}

/// A header as callers see it.
pub(super) fn header((name, value): (String, Bytes)) -> Header {
    // A bare CR is what no text header may hold, so it is not offered as text.
    match std::str::from_utf8(&value) {
        Ok(text) if !text.contains(['\r', '\n']) => Header {
            name,
            value: text.to_owned(),
            binary_value: Bytes::new(),
        },
        _ => Header {
            name,
            value: String::new(),
            binary_value: value,
        },
    }
}

/// A payload in the field that a caller asked for.
pub(super) fn payload_in(format: PayloadFormat, payload: Bytes) -> Payload {
    match format {
        PayloadFormat::Text => match std::str::from_utf8(&payload) {
            Ok(text) => Payload::Text(text.to_owned()),
            Err(_) => Payload::Data(payload),
        },
        _ => Payload::Data(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_falls_back_to_bytes() {
        let text = payload_in(PayloadFormat::Text, Bytes::from_static(b"hello"));
        assert_eq!(text, Payload::Text("hello".to_owned()));
        let bytes = payload_in(PayloadFormat::Text, Bytes::from_static(b"\xff"));
        assert_eq!(bytes, Payload::Data(Bytes::from_static(b"\xff")));
    }

    #[test]
    fn a_bare_cr_comes_as_bytes() {
        let header = header(("A".to_owned(), Bytes::from_static(b"1\r2")));
        assert_eq!(
            (header.value.as_str(), header.binary_value.as_ref()),
            ("", &b"1\r2"[..])
        );
    }
}
