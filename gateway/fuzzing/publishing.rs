//! A message that is published: no text of it becomes a header, a line or an instruction that its
//! caller did not ask for by name.

use prost_types::Duration;

use super::subjects::{is_reserved, is_subject};
use super::{INBOX, texts};
use crate::convert::message::{DefaultId, outgoing};
use crate::names::Reserved;
use crate::nats::{LARGEST_HEADERS, Outgoing};
use crate::proto::publish_request::Expiry;
use crate::proto::schedule::When;
use crate::proto::{Expectation, Header, PublishRequest, Schedule};

/// A message of texts: subject, id, idempotency key, counter, expectations, schedule, and headers.
pub fn messages(input: &[u8]) {
    let mut texts = texts(input);
    let mut next = || texts.next().unwrap_or_default();
    let (subject, message_id, key) = (next(), next(), next());
    let counter_increment = next();
    let expect = Expectation {
        stream: next(),
        last_message_id: next(),
        last_subject_sequence_subject: next(),
        last_subject_sequence: Some(1),
        ..Expectation::default()
    };
    let schedule = Schedule {
        target: next(),
        source: next(),
        time_zone: next(),
        when: Some(When::Cron(next())),
        ..Schedule::default()
    };
    let seconds = next();
    let mut headers = Vec::new();
    while let Some(name) = texts.next() {
        headers.push(Header {
            name,
            value: texts.next().unwrap_or_default(),
            ..Header::default()
        });
    }
    let expiry = seconds
        .parse()
        .ok()
        .map(|seconds| Duration { seconds, nanos: 0 });
    let request = PublishRequest {
        subject,
        message_id,
        counter_increment,
        headers,
        expiry: expiry.map(Expiry::Ttl),
        ..PublishRequest::default()
    };
    let key = Some(&*key).filter(|key| !key.is_empty());
    for whole in [
        request.clone(),
        PublishRequest {
            expect: Some(expect.into()),
            ..request.clone()
        },
        PublishRequest {
            schedule: Some(schedule.into()),
            ..request
        },
    ] {
        if let Ok(message) = outgoing(whole.clone(), key, DefaultId::Absent, &reserved()) {
            holds(&message, &whole, key);
        }
    }
}

pub(super) fn reserved() -> Reserved {
    Reserved::new(INBOX)
}

/// What holds of every message that goes out.
pub(super) fn holds(message: &Outgoing, request: &PublishRequest, key: Option<&str>) {
    is_subject(message.subject.as_str());
    assert_eq!(message.subject.as_str(), request.subject);
    assert!(!message.subject.as_str().contains(['*', '>']));
    assert!(
        !is_reserved(message.subject.as_str()),
        "{}",
        message.subject
    );

    let lines = lines(message);
    let own = lines.iter().filter(|(name, _)| !is_instruction(name));
    let own: Vec<_> = own.collect();
    assert_eq!(own.len(), request.headers.len(), "{lines:?}");
    for header in &request.headers {
        let text = match header.value.is_empty() {
            true => std::str::from_utf8(&header.binary_value).unwrap(),
            false => &header.value,
        };
        assert!(
            own.iter()
                .any(|(name, value)| *name == header.name && value == text)
        );
    }
    for (name, value) in lines.iter().filter(|(name, _)| is_instruction(name)) {
        assert!(
            is_asked_for(name, request, key),
            "nobody asked for {name}: {value}"
        );
        let leads_somewhere = ["Nats-Schedule-Target", "Nats-Schedule-Source"].contains(&&**name);
        assert!(!leads_somewhere || !is_reserved(value), "{name}: {value}");
    }
    let size: usize = lines
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    assert!(size <= LARGEST_HEADERS);
}

/// The headers as whoever reads the wire sees them.
pub(super) fn lines(message: &Outgoing) -> Vec<(String, String)> {
    let mut wire = String::new();
    for (name, values) in message.wire_headers().iter().flat_map(|it| it.iter()) {
        let name: &str = name.as_ref();
        for value in values {
            wire.push_str(&format!("{name}: {}\r\n", value.as_str()));
        }
    }
    let breaks_out = |c: char| c.is_control() && c != '\t';
    let lines = wire.split_terminator("\r\n").map(|line| {
        assert!(!line.contains(breaks_out), "{line:?} breaks out");
        let (name, value) = line.split_once(": ").expect("a line is a header");
        // Readers trim values; to those of instructions that makes no difference.
        let survives = value.trim() == value || is_instruction(name);
        assert!(survives, "{name} does not survive");
        (name.to_owned(), value.trim().to_owned())
    });
    lines.collect()
}

/// Whether JetStream, or another reader that minds no case, takes it for an order.
fn is_instruction(name: &str) -> bool {
    name.to_lowercase().starts_with("nats-")
}

fn is_asked_for(name: &str, request: &PublishRequest, key: Option<&str>) -> bool {
    let expect = request.expect.as_deref();
    match name {
        "Nats-Msg-Id" => !request.message_id.is_empty() || key.is_some(),
        "Nats-Incr" => !request.counter_increment.is_empty(),
        "Nats-TTL" => request.expiry.is_some(),
        "Nats-Rollup" => request.rollup != 0,
        "Nats-Expected-Stream" => expect.is_some_and(|it| !it.stream.is_empty()),
        "Nats-Expected-Last-Sequence" => expect.is_some_and(|it| it.last_sequence.is_some()),
        "Nats-Expected-Last-Subject-Sequence" => {
            expect.is_some_and(|it| it.last_subject_sequence.is_some())
        }
        "Nats-Expected-Last-Msg-Id" => expect.is_some_and(|it| !it.last_message_id.is_empty()),
        "Nats-Expected-Last-Subject-Sequence-Subject" => {
            expect.is_some_and(|it| !it.last_subject_sequence_subject.is_empty())
        }
        "Nats-Schedule"
        | "Nats-Schedule-Target"
        | "Nats-Schedule-Time-Zone"
        | "Nats-Schedule-TTL"
        | "Nats-Schedule-Source" => request.schedule.is_some(),
        _ => false,
    }
}
