//! How much memory the entries of a request take, told before it is decoded: an empty one has two bytes on
//! the wire, and up to hundreds in memory.
//!
//! Entries are those of every list and map, at whatever depth: messages, headers, values of JSON, settlements.

use tonic::Status;

use super::shape::{self, Shape};

/// The most that entries may take, in bytes, without their contents. What a request may have by its own
/// rules is less.
const MOST: usize = 16 << 20;

/// Prost decodes no deeper.
const DEEPEST: usize = 100;

/// The wire type of what says its length: texts, messages, packed numbers and the entries of maps.
const LENGTH_DELIMITED: u64 = 2;

/// Fails where there are too many entries in a message of this name.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), Status> {
    let taken = taken(name, bytes);
    if taken > MOST {
        let text = format!("the entries of the request would take {taken} bytes, more than {MOST}");
        return Err(Status::out_of_range(text));
    }
    Ok(())
}

/// What the entries of a message of this name take; nothing where it is no request.
pub(crate) fn taken(name: &str, bytes: &[u8]) -> usize {
    shape::of(name).map_or(0, |shape| within(shape, bytes, DEEPEST))
}

/// What cannot be read counts as nothing: decoding says what is wrong with it.
fn within(shape: &Shape, mut bytes: &[u8], depth: usize) -> usize {
    let Some(deeper) = depth.checked_sub(1) else {
        return 0;
    };
    let mut taken = 0;
    while let Some((number, content)) = field(shape, &mut bytes) {
        let Some(field) = shape.field(number) else {
            continue;
        };
        // A packed list may have an entry in every byte.
        let entries = if field.is_packed {
            content.len().max(1)
        } else {
            1
        };
        taken += entries * field.entry;
        if let Some(shape) = field.shape() {
            taken += within(shape, content, deeper);
        }
    }
    taken
}

/// The next field: its number, and its content where that has a length of its own. Groups, which no message of
/// the contract has, are passed over as they are by prost. The entries of maps have a length whatever their wire
/// type says: not every reader of protobuf looks at it, and prost only of late.
fn field<'a>(shape: &Shape, bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let mut depth = 0_usize;
    loop {
        let key = varint(bytes)?;
        let is_map = depth == 0 && shape.field(key >> 3).is_some_and(|field| field.is_map);
        let size = match if is_map { LENGTH_DELIMITED } else { key & 7 } {
            0 => {
                varint(bytes)?;
                0
            }
            1 => 8,
            LENGTH_DELIMITED => usize::try_from(varint(bytes)?).ok()?,
            3 => {
                depth += 1;
                continue;
            }
            4 => {
                depth = depth.checked_sub(1)?;
                continue;
            }
            5 => 4,
            _ => return None,
        };
        let (content, rest) = bytes.split_at_checked(size)?;
        *bytes = rest;
        if depth == 0 {
            return Some((key >> 3, content));
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::publish_request::Payload;
    use crate::proto::publish_stream_request::Frame;
    use crate::proto::{
        AcknowledgeRequest, Acknowledgement, CreateStreamRequest, Header, PublishFrame,
        PublishRequest, PublishStreamRequest, StreamConfig, StreamSource,
    };
    use proptest::prelude::*;
    use prost::{Message as _, Name};
    use prost_types::{ListValue, Value, value::Kind};

    fn frame(messages: usize, headers: usize) -> Vec<u8> {
        let request = PublishRequest {
            subject: "a".to_owned(),
            headers: vec![Header::default(); headers],
            ..PublishRequest::default()
        };
        let frame = PublishFrame {
            first_number: 300,
            messages: vec![request; messages],
        };
        let frame = Some(Frame::Messages(frame));
        PublishStreamRequest { frame }.encode_to_vec()
    }

    fn json(values: usize) -> PublishRequest {
        let values = vec![Value::default(); values];
        let kind = Some(Kind::ListValue(ListValue { values }));
        PublishRequest {
            payload: Some(Payload::Json(Box::new(Value { kind }))),
            ..PublishRequest::default()
        }
    }

    fn is_taken<M: Name>(message: &M) -> bool {
        check(M::NAME, &message.encode_to_vec()).is_ok()
    }

    #[test]
    fn a_request_of_too_many_is_refused() {
        let name = "PublishStreamRequest";
        assert!(check(name, &frame(16_384, 0)).is_ok());
        assert!(check(name, &frame(100_000, 0)).is_err());
        assert!(check(name, &frame(8, 8_192)).is_ok());
        assert!(check(name, &frame(8, 40_000)).is_err());
        // Answers are what the gateway itself makes.
        assert!(check("PublishStreamResponse", &frame(100_000, 0)).is_ok());
    }

    #[test]
    fn that_holds_of_whatever_a_request_may_have_many_of() {
        let settling = |count| AcknowledgeRequest {
            acknowledgements: vec![Acknowledgement::default(); count],
            ..AcknowledgeRequest::default()
        };
        let creating = |sources| CreateStreamRequest {
            config: Some(StreamConfig {
                sources: vec![StreamSource::default(); sources],
                ..StreamConfig::default()
            }),
        };
        assert!(is_taken(&settling(10_000)) && !is_taken(&settling(1_000_000)));
        assert!(is_taken(&creating(1_000)) && !is_taken(&creating(1_000_000)));
        assert!(is_taken(&json(100_000)) && !is_taken(&json(1_000_000)));
    }

    #[test]
    fn what_stands_behind_a_group_is_counted() {
        // Field 15 as a group that has a number in it.
        let group = [0x7b, 0x08, 0x01, 0x7c];
        let bytes = [&group[..], &frame(100_000, 0)].concat();
        assert!(PublishStreamRequest::decode(&bytes[..]).is_ok());
        assert!(check("PublishStreamRequest", &bytes).is_err());
    }

    #[test]
    fn entries_of_a_map_are_counted_whatever_their_wire_type() {
        // An empty key and an empty value: all that the wire has of it are a key of two bytes, and a length.
        let config = StreamConfig {
            metadata: [(String::new(), String::new())].into(),
            ..StreamConfig::default()
        };
        let config = Some(config);
        let mut request = CreateStreamRequest { config }.encode_to_vec();
        let key = request.len() - 3;
        for wire_type in 0..6 {
            request[key] = request[key] & !7 | wire_type;
            let taken = taken("CreateStreamRequest", &request);
            assert!(
                taken >= size_of::<(String, String)>(),
                "{wire_type}: {taken}"
            );
        }
    }

    #[test]
    fn an_entry_takes_at_least_what_it_has_in_memory() {
        let name = "PublishStreamRequest";
        let empty = taken(name, &frame(1, 0));
        assert!(empty >= size_of::<PublishRequest>(), "{empty}");
        assert!(taken(name, &frame(1, 1)) - empty >= size_of::<Header>());
        let bytes = json(1).encode_to_vec();
        assert!(taken("PublishRequest", &bytes) >= size_of::<Value>());
    }

    proptest! {
        #[test]
        fn every_entry_counts(messages in 0_usize..50, headers in 0_usize..20) {
            let taken = |messages, headers| taken("PublishStreamRequest", &frame(messages, headers));
            let message = taken(1, headers);
            prop_assert_eq!(taken(messages, headers), messages * message);
            let header = taken(1, 1) - taken(1, 0);
            prop_assert_eq!(message, taken(1, 0) + headers * header);
        }
    }
}
