//! How many messages and headers a request has, counted before it is decoded: an empty one takes two
//! bytes on the wire and hundreds in memory.

use tonic::Status;

/// The most messages of a request, and the most headers of all of them together. What a request may
/// have by its own rules is less.
const MOST: (usize, usize) = (16_384, 65_536);

/// What is counted in a message of this name: the numbers of the fields that lead there, and the most of
/// it.
const LIMITS: [(&str, &[u32], usize); 5] = [
    ("PublishRequest", &[5], MOST.1),
    ("PublishBatchRequest", &[1], MOST.0),
    ("PublishBatchRequest", &[1, 5], MOST.1),
    ("PublishStreamRequest", &[2, 2], MOST.0),
    ("PublishStreamRequest", &[2, 2, 5], MOST.1),
];

/// Fails where there are too many.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), Status> {
    for (_, path, most) in LIMITS.iter().filter(|(of, ..)| *of == name) {
        let count = count(bytes, path);
        if count > *most {
            let text = format!("the request has {count} messages or headers, more than {most}");
            return Err(Status::out_of_range(text));
        }
    }
    Ok(())
}

/// How many fields there are at the end of `path`. What cannot be read counts as nothing: decoding says
/// what is wrong with it.
fn count(mut bytes: &[u8], path: &[u32]) -> usize {
    let Some((wanted, rest)) = path.split_first() else {
        return 1;
    };
    let mut found = 0;
    while let Some((number, content)) = field(&mut bytes) {
        if number == u64::from(*wanted) {
            found += count(content, rest);
        }
    }
    found
}

/// The next field: its number, and its content where that has a length of its own.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let key = varint(bytes)?;
    let size = match key & 7 {
        0 => {
            varint(bytes)?;
            0
        }
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some((key >> 3, content))
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
    use crate::proto::publish_stream_request::Frame;
    use crate::proto::{Header, PublishFrame, PublishRequest, PublishStreamRequest};
    use proptest::prelude::*;
    use prost::Message as _;

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

    #[test]
    fn a_request_of_too_many_is_refused() {
        let name = "PublishStreamRequest";
        assert!(check(name, &frame(MOST.0, 0)).is_ok());
        assert!(check(name, &frame(MOST.0 + 1, 0)).is_err());
        assert!(check(name, &frame(8, MOST.1 / 8)).is_ok());
        assert!(check(name, &frame(8, MOST.1 / 8 + 1)).is_err());
        assert!(check("PublishStreamResponse", &frame(MOST.0 + 1, 0)).is_ok());
    }

    proptest! {
        #[test]
        fn counts_what_is_there(messages in 0_usize..50, headers in 0_usize..20) {
            let bytes = frame(messages, headers);
            prop_assert_eq!(count(&bytes, &[2, 2]), messages);
            prop_assert_eq!(count(&bytes, &[2, 2, 5]), messages * headers);
        }

        #[test]
        fn reads_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for (name, ..) in LIMITS {
                let _ = check(name, &bytes);
            }
        }
    }
}
