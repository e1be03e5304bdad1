//! Stored messages: what callers ask for, and what JetStream returns.

use crate::convert::received::{header, message_id, payload_format, payload_in};
use crate::error::{Error, Result};
use crate::names::{StreamName, SubjectFilter};
use crate::nats::{Stored, api};
use crate::proto;
use crate::proto::get_message_request::Target;
use crate::proto::purge_stream_request::Limit;

/// What a `PurgeStreamRequest` asks for.
pub fn purge(request: &proto::PurgeStreamRequest) -> Result<api::Purge> {
    let mut purge = api::Purge {
        filter: filter("filter", &request.filter)?,
        ..api::Purge::default()
    };
    // JetStream takes 0 as "not set" and would remove everything.
    match request.limit {
        None => {}
        Some(Limit::UpToSequence(sequence)) => {
            purge.seq = at_least_1("up_to_sequence", sequence)?;
        }
        Some(Limit::Keep(keep)) => purge.keep = at_least_1("keep", keep)?,
    }
    Ok(purge)
}

/// What a `GetMessageRequest` asks for.
pub fn get(request: &proto::GetMessageRequest) -> Result<api::GetMessage> {
    let mut get = api::GetMessage::default();
    match &request.target {
        None => {
            let why = "sequence, last_by_subject or next_by_subject is required";
            return Err(Error::invalid("sequence", why));
        }
        Some(Target::Sequence(sequence)) => get.seq = at_least_1("sequence", *sequence)?,
        Some(Target::LastBySubject(subject)) => {
            get.last_by_subj = SubjectFilter::parse("last_by_subject", subject)?.into();
        }
        Some(Target::NextBySubject(next)) => {
            let field = "next_by_subject.subject";
            get.next_by_subj = SubjectFilter::parse(field, &next.subject)?.into();
            get.seq = next.from_sequence;
        }
    }
    Ok(get)
}

/// What a `DeleteMessageRequest` asks for.
pub fn delete(request: &proto::DeleteMessageRequest) -> Result<api::DeleteMessage> {
    Ok(api::DeleteMessage {
        seq: at_least_1("sequence", request.sequence)?,
        no_erase: request.no_erase,
    })
}

/// The filter of a `ListSubjectsRequest` as JetStream takes it.
pub fn subjects_filter(text: &str) -> Result<String> {
    let filter = filter("filter", text)?;
    // Without a filter JetStream lists no subjects at all.
    Ok(if filter.is_empty() {
        ">".to_owned()
    } else {
        filter
    })
}

/// The field in which a payload is asked for.
pub fn format(number: i32) -> Result<proto::PayloadFormat> {
    let why = || Error::invalid("payload_format", "is none of this enum's values");
    payload_format(number).ok_or_else(why)
}

/// A message as callers see it.
pub fn stored(
    stream: &StreamName,
    message: Stored,
    format: proto::PayloadFormat,
) -> proto::StoredMessage {
    proto::StoredMessage {
        stream: stream.to_string(),
        subject: message.subject,
        sequence: message.sequence,
        time: message.time,
        message_id: message_id(&message.headers),
        headers: message.headers.into_iter().map(header).collect(),
        payload: Some(shown(payload_in(format, message.payload))),
    }
}

/// The same two kinds of payload, in the type of another message.
fn shown(payload: proto::received_message::Payload) -> proto::stored_message::Payload {
    use proto::received_message::Payload as Received;
    match payload {
        Received::Data(data) => proto::stored_message::Payload::Data(data),
        Received::Text(text) => proto::stored_message::Payload::Text(text),
    }
}

fn filter(field: &str, text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    SubjectFilter::parse(field, text).map(String::from)
}

fn at_least_1(field: &str, number: u64) -> Result<u64> {
    if number == 0 {
        return Err(Error::invalid(field, "must be at least 1"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_never_removes_more_than_was_meant() {
        let asked = |filter: &str, limit| proto::PurgeStreamRequest {
            stream: "S".into(),
            filter: filter.into(),
            limit,
        };
        let purged = purge(&asked("a.>", Some(Limit::Keep(2)))).unwrap();
        assert_eq!(
            (purged.filter.as_str(), purged.keep, purged.seq),
            ("a.>", 2, 0)
        );
        assert_eq!(
            purge(&asked("", Some(Limit::UpToSequence(9)))).unwrap().seq,
            9
        );
        for bad in [
            asked("", Some(Limit::Keep(0))),
            asked("", Some(Limit::UpToSequence(0))),
            asked("a..b", None),
        ] {
            assert!(purge(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_message_is_named_in_one_of_three_ways() {
        let asked = |target| proto::GetMessageRequest {
            target,
            ..Default::default()
        };
        let next = |subject: &str| {
            Target::NextBySubject(proto::NextBySubject {
                subject: subject.into(),
                from_sequence: 3,
            })
        };
        let found = get(&asked(Some(next("a.*")))).unwrap();
        assert_eq!((found.next_by_subj.as_str(), found.seq), ("a.*", 3));
        for bad in [
            None,
            Some(Target::Sequence(0)),
            Some(Target::LastBySubject(String::new())),
            Some(next("a b")),
        ] {
            assert!(get(&asked(bad.clone())).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_filter_is_every_subject() {
        assert_eq!(subjects_filter("").unwrap(), ">");
        assert_eq!(subjects_filter("a.*").unwrap(), "a.*");
        assert!(format(9).is_err() && format(0).is_ok());
    }
}
