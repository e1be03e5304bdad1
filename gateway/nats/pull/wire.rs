//! What goes over the wire when pulling: requests, messages and statuses, and what they mean.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use serde::Serialize;

use crate::token::{AckSubject, Origin};

/// A message as JetStream delivered it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// JetStream's name of the delivery.
    pub ack: AckSubject,
    /// The message's subject.
    pub subject: String,
    /// Its headers, in no particular order but for equal names.
    pub headers: Vec<(String, Bytes)>,
    /// Its payload.
    pub payload: Bytes,
    /// Its size as JetStream counts it against `max_bytes`.
    pub size: u64,
}

/// What to ask a consumer for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// At most this many messages.
    pub messages: u32,
    /// At most this many bytes.
    pub bytes: Option<u64>,
    /// How long the request waits.
    pub expires: Duration,
    /// Answer with what there is, at once.
    pub no_wait: bool,
    /// A sign of life at least this often; at most half of `expires`.
    pub heartbeat: Option<Duration>,
    /// The client's place among others, where the consumer has priority groups.
    pub place: Option<Place>,
}

/// A client's place in a priority group (ADR-42).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The group.
    pub group: String,
    /// The lowest gets the messages.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: u64,
    /// Get messages only while this many wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_pending: u64,
    /// Or while this many are without an acknowledgement.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_ack_pending: u64,
}

/// How far a consumer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The last sequence of the stream, whether it matched or not.
    pub stream_sequence: u64,
    /// Its last delivery.
    pub consumer_sequence: u64,
}

/// Why a pull ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its time is up, or it asked not to wait.
    Expired,
    /// It brought all that it asked for.
    Complete,
    /// The next message is larger than the bytes that were left, which were this many.
    TooLarge(u64),
    /// The consumer's leader moved, or its server stops: ask again.
    Moved,
    /// Nobody serves the consumer now.
    NoResponders,
    /// As many pulls wait as the consumer allows.
    MaxWaiting,
    /// The consumer was deleted.
    Deleted,
    /// The consumer is a push consumer.
    PushBased,
    /// The consumer refuses the request, and would again.
    Refused(String),
    /// The NATS user may not pull from the consumer.
    Denied,
    /// The client is not the pinned one any more.
    PinLost,
}

pub(super) fn encode(ask: &Ask, pin: Option<&str>) -> Bytes {
    #[derive(Serialize)]
    struct Request<'a> {
        batch: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_bytes: Option<u64>,
        expires: u64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        no_wait: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        idle_heartbeat: Option<u64>,
        #[serde(flatten)]
        place: Option<&'a Place>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    }
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let request = Request {
        batch: ask.messages,
        max_bytes: ask.bytes,
        expires: if ask.no_wait {
            0
        } else {
            nanoseconds(ask.expires)
        },
        no_wait: ask.no_wait,
        idle_heartbeat: ask.heartbeat.filter(|_| !ask.no_wait).map(nanoseconds),
        place: ask.place.as_ref(),
        id: pin,
    };
    // A struct of numbers and texts always encodes.
    serde_json::to_vec(&request).unwrap_or_default().into()
}

pub(super) fn ending(code: u16, text: &str, bytes_left: u64) -> End {
    match (code, text) {
        (503, _) => End::NoResponders,
        (404 | 408, _) => End::Expired,
        (423, _) => End::PinLost,
        (409, "Consumer Deleted") => End::Deleted,
        (409, "Consumer is push based") => End::PushBased,
        (409, "Message Size Exceeds MaxBytes") => End::TooLarge(bytes_left),
        (409, "Batch Completed") => End::Complete,
        (409, "Exceeded MaxWaiting") => End::MaxWaiting,
        (409, text) if text.starts_with("Exceeded MaxRequest") => End::Refused(text.to_owned()),
        // Leadership Change, Server Shutdown, and what later versions add.
        (409, _) => End::Moved,
        (_, text) => End::Refused(text.to_owned()),
    }
}

/// A message as a delivery; most likely it comes from `origin`.
pub(super) fn delivery(message: Message, origin: &Arc<Origin>) -> Option<Delivery> {
    let ack = AckSubject::parse_from(origin, message.reply.as_deref()?)?;
    let headers = message.headers.iter().flat_map(async_nats::HeaderMap::iter);
    let headers = headers
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
        .map(|(name, value)| {
            let (name, value): (&str, &str) = (name.as_ref(), value.as_ref());
            (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        })
        .collect();
    Some(Delivery {
        ack,
        subject: message.subject.to_string(),
        headers,
        payload: message.payload,
        size: message.length as u64,
    })
}

/// How far the consumer has come, as its sign of life says.
pub(super) fn passed(message: &Message) -> Option<Passed> {
    Some(Passed {
        stream_sequence: header_number(message, "Nats-Last-Stream")?,
        consumer_sequence: header_number(message, "Nats-Last-Consumer")?,
    })
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn header_number(message: &Message, name: &str) -> Option<u64> {
    message.headers.as_ref()?.get(name)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_an_ending() {
        for (code, text, end) in [
            (404, "No Messages", End::Expired),
            (408, "Request Timeout", End::Expired),
            (408, "Interest Expired", End::Expired),
            (409, "Leadership Change", End::Moved),
            (409, "Server Shutdown", End::Moved),
            (409, "Batch Completed", End::Complete),
            (409, "Message Size Exceeds MaxBytes", End::TooLarge(7)),
            (409, "Consumer Deleted", End::Deleted),
            (409, "Consumer is push based", End::PushBased),
            (409, "Exceeded MaxWaiting", End::MaxWaiting),
            (503, "", End::NoResponders),
            (423, "Nats-Wrong-Pin-Id", End::PinLost),
            (400, "Bad Request", End::Refused("Bad Request".to_owned())),
        ] {
            assert_eq!(ending(code, text, 7), end, "{code} {text}");
        }
        let refused = End::Refused("Exceeded MaxRequestBatch of 10".to_owned());
        assert_eq!(ending(409, "Exceeded MaxRequestBatch of 10", 0), refused);
    }

    #[test]
    fn a_request_says_no_more_than_it_must() {
        let ask = Ask {
            messages: 10,
            bytes: None,
            expires: Duration::from_secs(5),
            no_wait: false,
            heartbeat: Some(Duration::from_secs(1)),
            place: None,
        };
        assert_eq!(
            encode(&ask, None),
            r#"{"batch":10,"expires":5000000000,"idle_heartbeat":1000000000}"#
        );

        let ask = Ask {
            no_wait: true,
            ..ask
        };
        assert_eq!(
            encode(&ask, None),
            r#"{"batch":10,"expires":0,"no_wait":true}"#
        );

        let place = Place {
            group: "g".to_owned(),
            min_pending: 7,
            ..Place::default()
        };
        let ask = Ask {
            place: Some(place),
            ..ask
        };
        assert_eq!(
            encode(&ask, Some("x")),
            r#"{"batch":10,"expires":0,"no_wait":true,"group":"g","min_pending":7,"id":"x"}"#
        );
    }
}
