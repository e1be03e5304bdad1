//! What goes over the wire when pulling: requests, messages and statuses, and what they mean.

use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use serde::Serialize;

use crate::token::AckSubject;

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
}

pub(super) fn encode(ask: &Ask) -> Bytes {
    #[derive(Serialize)]
    struct Request {
        batch: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_bytes: Option<u64>,
        expires: u64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        no_wait: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        idle_heartbeat: Option<u64>,
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
    };
    // A struct of numbers always encodes.
    serde_json::to_vec(&request).unwrap_or_default().into()
}

pub(super) fn ending(code: u16, text: &str, bytes_left: u64) -> End {
    match (code, text) {
        (503, _) => End::NoResponders,
        (404 | 408, _) => End::Expired,
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

pub(super) fn delivery(message: Message) -> Option<Delivery> {
    let ack = AckSubject::parse(message.reply.as_deref()?)?;
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
        };
        assert_eq!(
            encode(&ask),
            r#"{"batch":10,"expires":5000000000,"idle_heartbeat":1000000000}"#
        );

        let ask = Ask {
            no_wait: true,
            ..ask
        };
        assert_eq!(encode(&ask), r#"{"batch":10,"expires":0,"no_wait":true}"#);
    }
}
