//! A `PublishRequest` as the message that goes to JetStream, with every check that needs no NATS.

use std::str::FromStr as _;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use super::{json, schedule};
use crate::error::{Error, Result};
use crate::names::{self, MessageId, Reserved, StreamName, Subject, SubjectFilter};
use crate::nats::{HEADER_OVERHEAD, LARGEST_HEADERS, MESSAGE_ID, Outgoing};
use crate::proto::publish_request::{Expiry, Payload};
use crate::proto::{Expectation, Header, PublishRequest, Rollup};

/// The longest time to live: more seconds than this would not be a Go duration.
const LONGEST_TTL: i64 = 9_000_000_000;

/// The id of a message whose caller gave none.
#[derive(Clone, Copy, Debug)]
pub enum DefaultId<'a> {
    /// None.
    Absent,
    /// One that nobody else has.
    Unique,
    /// That of a numbered message of a producer, whose id is short enough for it.
    Numbered(&'a str, u64),
}

impl DefaultId<'_> {
    /// A unique one, where ids are made.
    pub fn minted(mint: bool) -> Self {
        if mint { Self::Unique } else { Self::Absent }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Unique => Some(uuid::Uuid::now_v7().to_string()),
            Self::Numbered(producer, number) => Some(format!("{producer}:{number}")),
        }
    }
}

/// Reads a request.
pub fn outgoing(
    request: PublishRequest,
    idempotency_key: Option<&str>,
    default_id: DefaultId<'_>,
    reserved: &Reserved,
) -> Result<Outgoing> {
    let subject = Subject::parse("subject", &request.subject, reserved)?;
    outgoing_to(subject, request, idempotency_key, default_id, reserved)
}

/// Reads a request whose subject is read already.
pub fn outgoing_to(
    subject: Subject,
    request: PublishRequest,
    idempotency_key: Option<&str>,
    default_id: DefaultId<'_>,
    reserved: &Reserved,
) -> Result<Outgoing> {
    let id = message_id(&request.message_id, idempotency_key, default_id)?;
    let mut headers = Headers::default();
    headers.callers(request.headers)?;
    if let Some(expect) = request.expect {
        headers.expectations(*expect)?;
    }
    headers.expiry(request.expiry)?;
    headers.rollup(request.rollup)?;
    let payload = payload(request.payload)?;
    headers.counter(&request.counter_increment, &payload)?;
    if let Some(plan) = request.schedule.as_deref() {
        for (name, value) in schedule::headers(plan, &subject, reserved)? {
            headers.set(name, &value)?;
        }
    }
    Ok(Outgoing {
        subject,
        headers: headers.finish(id.as_ref())?,
        payload,
        id,
    })
}

fn message_id(field: &str, key: Option<&str>, default: DefaultId<'_>) -> Result<Option<MessageId>> {
    let key = key
        .map(|key| MessageId::parse("idempotency-key", key))
        .transpose()?;
    let field = match field {
        "" => None,
        text => Some(MessageId::parse("message_id", text)?),
    };
    match (field, key) {
        (Some(field), Some(key)) if field != key => Err(Error::invalid(
            "message_id",
            "differs from the metadata entry idempotency-key",
        )),
        (Some(id), _) | (None, Some(id)) => Ok(Some(id)),
        (None, None) => {
            let id = default.text();
            id.map(|id| MessageId::parse("message_id", &id)).transpose()
        }
    }
}

fn payload(payload: Option<Payload>) -> Result<Bytes> {
    Ok(match payload {
        None => Bytes::new(),
        Some(Payload::Data(data)) => data,
        Some(Payload::Text(text)) => text.into(),
        Some(Payload::Json(value)) => json::encode("json", *value)?.into(),
    })
}

/// The headers of a message in the making.
#[derive(Default)]
struct Headers(HeaderMap);

impl Headers {
    fn callers(&mut self, headers: Vec<Header>) -> Result<()> {
        for (place, header) in headers.into_iter().enumerate() {
            let field = format!("headers[{place}]");
            let name = names::HeaderName::parse(&format!("{field}.name"), &header.name)?;
            let value = value(&field, header)?;
            self.0.append(header_name(name.as_str())?, value);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::invalid(name, "must not contain CR or LF"))?;
        self.0.insert(header_name(name)?, value);
        Ok(())
    }

    fn expectations(&mut self, expect: Expectation) -> Result<()> {
        if !expect.stream.is_empty() {
            let stream = StreamName::parse("expect.stream", &expect.stream)?;
            self.set("Nats-Expected-Stream", stream.as_str())?;
        }
        if let Some(sequence) = expect.last_sequence {
            self.set("Nats-Expected-Last-Sequence", &sequence.to_string())?;
        }
        if let Some(sequence) = expect.last_subject_sequence {
            self.set("Nats-Expected-Last-Subject-Sequence", &sequence.to_string())?;
        }
        if !expect.last_message_id.is_empty() {
            let id = MessageId::parse("expect.last_message_id", &expect.last_message_id)?;
            self.set("Nats-Expected-Last-Msg-Id", id.as_str())?;
        }
        if !expect.last_subject_sequence_subject.is_empty() {
            let field = "expect.last_subject_sequence_subject";
            if expect.last_subject_sequence.is_none() {
                return Err(Error::invalid(field, "needs expect.last_subject_sequence"));
            }
            let subject = SubjectFilter::parse(field, &expect.last_subject_sequence_subject)?;
            self.set(
                "Nats-Expected-Last-Subject-Sequence-Subject",
                subject.as_str(),
            )?;
        }
        Ok(())
    }

    fn expiry(&mut self, expiry: Option<Expiry>) -> Result<()> {
        match expiry {
            None | Some(Expiry::NeverExpires(false)) => Ok(()),
            Some(Expiry::NeverExpires(true)) => self.set("Nats-TTL", "never"),
            Some(Expiry::Ttl(ttl)) => {
                let seconds = whole_seconds("ttl", &ttl)?;
                self.set("Nats-TTL", &seconds.to_string())
            }
        }
    }

    fn rollup(&mut self, rollup: i32) -> Result<()> {
        match Rollup::try_from(rollup) {
            Ok(Rollup::Unspecified) => Ok(()),
            Ok(Rollup::Subject) => self.set("Nats-Rollup", "sub"),
            Ok(Rollup::All) => self.set("Nats-Rollup", "all"),
            Err(_) => Err(Error::invalid(
                "rollup",
                format!("{rollup} is not a value of Rollup"),
            )),
        }
    }

    fn counter(&mut self, increment: &str, payload: &Bytes) -> Result<()> {
        if increment.is_empty() {
            return Ok(());
        }
        let digits = increment.strip_prefix(['+', '-']).unwrap_or(increment);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || increment.len() > 128 {
            return Err(Error::invalid(
                "counter_increment",
                "must be a whole number",
            ));
        }
        if !payload.is_empty() {
            return Err(Error::invalid(
                "counter_increment",
                "needs an empty payload",
            ));
        }
        let signed = format!(
            "{}{digits}",
            if increment.starts_with('-') { '-' } else { '+' }
        );
        self.set("Nats-Incr", &signed)
    }

    /// They go together with the message's id.
    fn finish(self, id: Option<&MessageId>) -> Result<HeaderMap> {
        let sizes = self.0.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values
                .iter()
                .map(move |value| name.len() + value.as_str().len() + HEADER_OVERHEAD)
        });
        let id = id.map_or(0, |id| {
            MESSAGE_ID.len() + id.as_str().len() + HEADER_OVERHEAD
        });
        match sizes.sum::<usize>() + id <= LARGEST_HEADERS {
            true => Ok(self.0),
            false => Err(Error::invalid(
                "headers",
                "must have at most 64 KiB together",
            )),
        }
    }
}

/// The seconds of a time to live.
pub(super) fn whole_seconds(field: &str, ttl: &prost_types::Duration) -> Result<i64> {
    if ttl.nanos != 0 || !(1..=LONGEST_TTL).contains(&ttl.seconds) {
        return Err(Error::invalid(field, "must be whole seconds, at least one"));
    }
    Ok(ttl.seconds)
}

fn value(field: &str, header: Header) -> Result<HeaderValue> {
    let (field, text) = match (header.value.is_empty(), header.binary_value.is_empty()) {
        (false, false) => {
            return Err(Error::invalid(
                field,
                "must have one of value and binary_value",
            ));
        }
        (_, true) => (format!("{field}.value"), header.value),
        (true, false) => {
            let field = format!("{field}.binary_value");
            let text = String::from_utf8(header.binary_value.to_vec())
                .map_err(|_| Error::invalid(&*field, "must be valid UTF-8"))?;
            (field, text)
        }
    };
    // NATS has no quoting: outer white space would not survive, NUL and other controls confuse readers.
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Error::invalid(
            field,
            "must not contain CR, LF or other control characters",
        ));
    }
    if text.trim() != text {
        return Err(Error::invalid(
            field,
            "must not begin or end with white space: it would be lost",
        ));
    }
    HeaderValue::from_str(&text).map_err(|_| Error::invalid(field, "must not contain CR or LF"))
}

fn header_name(name: &str) -> Result<HeaderName> {
    HeaderName::from_str(name).map_err(|_| Error::invalid("headers", "has a malformed name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    fn request() -> PublishRequest {
        PublishRequest {
            subject: "users.login".to_owned(),
            ..Default::default()
        }
    }

    fn convert(request: PublishRequest) -> Result<Outgoing> {
        outgoing(request, None, DefaultId::Unique, &Reserved::new("_INBOX"))
    }

    fn header(message: &Outgoing, name: &str) -> Option<String> {
        let headers = message.wire_headers()?;
        headers.get(name).map(|value| value.as_str().to_owned())
    }

    #[test]
    fn mints_an_id_only_where_there_is_none() {
        let minted = convert(request()).unwrap();
        assert_eq!(minted.id.unwrap().as_str().len(), 36);

        let own = PublishRequest {
            message_id: "mine".to_owned(),
            ..request()
        };
        assert_eq!(
            header(&convert(own).unwrap(), "Nats-Msg-Id").as_deref(),
            Some("mine")
        );

        let unmarked =
            outgoing(request(), None, DefaultId::Absent, &Reserved::new("_INBOX")).unwrap();
        assert!(unmarked.id.is_none() && unmarked.headers.is_empty());
    }

    #[test]
    fn an_idempotency_key_is_the_id() {
        let reserved = Reserved::new("_INBOX");
        let message = outgoing(request(), Some("key"), DefaultId::Unique, &reserved).unwrap();
        assert_eq!(header(&message, "Nats-Msg-Id").as_deref(), Some("key"));

        let other = PublishRequest {
            message_id: "mine".to_owned(),
            ..request()
        };
        let error = outgoing(other, Some("key"), DefaultId::Unique, &reserved).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidRequest);
    }

    #[test]
    fn expectations_become_headers() {
        let expect = Expectation {
            stream: "S".to_owned(),
            last_sequence: Some(0),
            last_subject_sequence: Some(7),
            last_message_id: "before".to_owned(),
            last_subject_sequence_subject: "users.*".to_owned(),
        };
        let message = convert(PublishRequest {
            expect: Some(expect.into()),
            ..request()
        })
        .unwrap();
        for (name, value) in [
            ("Nats-Expected-Stream", "S"),
            ("Nats-Expected-Last-Sequence", "0"),
            ("Nats-Expected-Last-Subject-Sequence", "7"),
            ("Nats-Expected-Last-Msg-Id", "before"),
            ("Nats-Expected-Last-Subject-Sequence-Subject", "users.*"),
        ] {
            assert_eq!(header(&message, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn a_ttl_has_whole_seconds() {
        for (seconds, nanos, valid) in [
            (1, 0, true),
            (0, 0, false),
            (0, 5, false),
            (-1, 0, false),
            (1, 1, false),
        ] {
            let ttl = Some(Expiry::Ttl(prost_types::Duration { seconds, nanos }));
            assert_eq!(
                convert(PublishRequest {
                    expiry: ttl,
                    ..request()
                })
                .is_ok(),
                valid,
                "{seconds} {nanos}"
            );
        }
    }

    #[test]
    fn headers_cannot_smuggle_anything() {
        let with = |name: &str, value: &str| {
            let header = Header {
                name: name.to_owned(),
                value: value.to_owned(),
                ..Default::default()
            };
            convert(PublishRequest {
                headers: vec![header],
                ..request()
            })
        };
        assert!(with("X-Trace", "a b: c").is_ok());
        for (name, value) in [
            ("X", "a\rb"),
            ("X", "a\nb"),
            ("X", " a"),
            ("Nats-Msg-Id", "x"),
            ("nats-ttl", "1"),
            ("a b", "x"),
            ("", "x"),
        ] {
            let error = with(name, value).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidRequest, "{name:?} {value:?}");
        }
    }

    #[test]
    fn a_counter_takes_a_whole_number_and_no_payload() {
        let with = |increment: &str, text: &str| {
            convert(PublishRequest {
                counter_increment: increment.to_owned(),
                payload: Some(Payload::Text(text.to_owned())),
                ..request()
            })
        };
        assert_eq!(
            header(&with("5", "").unwrap(), "Nats-Incr").as_deref(),
            Some("+5")
        );
        assert_eq!(
            header(&with("-5", "").unwrap(), "Nats-Incr").as_deref(),
            Some("-5")
        );
        assert!(with("5.5", "").is_err() && with("-", "").is_err() && with("5", "x").is_err());
    }
}
