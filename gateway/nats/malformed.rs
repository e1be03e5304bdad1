//! Telling which stored messages async-nats cannot receive, and reading their headers all the same.

use std::str::FromStr as _;

use async_nats::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::api::StoredMessage;

/// A stored message as it is, whatever it holds.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) headers: Bytes,
    pub(super) payload: Bytes,
    pub(super) timestamp: u64,
}

impl Raw {
    /// `None` only where the answer is not base64.
    pub(super) fn decode(message: StoredMessage) -> Option<Self> {
        let time = message.time.unwrap_or_default();
        let seconds = u64::try_from(time.seconds).unwrap_or_default();
        let nanoseconds = u64::try_from(time.nanos).unwrap_or_default();
        Some(Self {
            subject: message.subject,
            sequence: message.seq,
            headers: STANDARD.decode(message.hdrs).ok()?.into(),
            payload: STANDARD.decode(message.data).ok()?.into(),
            timestamp: seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanoseconds),
        })
    }
}

/// Whether async-nats' parser fails on the message: the same steps, with its own types.
pub(super) fn is_malformed(message: &Raw) -> bool {
    let subject = &message.subject;
    // A subject that is not UTF-8 comes with replacement characters.
    if subject.contains(|c: char| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER) {
        return true;
    }
    if message.headers.is_empty() {
        return false;
    }
    let Ok(text) = std::str::from_utf8(&message.headers) else {
        return true;
    };
    let mut lines = text.lines().peekable();
    if !lines
        .next()
        .is_some_and(|version| version.starts_with("NATS/1.0"))
    {
        return true;
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return true;
        };
        let mut value = value.trim_start().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        if HeaderName::from_str(name).is_err() || HeaderValue::from_str(value.trim_end()).is_err() {
            return true;
        }
    }
    false
}

/// Names and values as they stand, whatever they hold.
pub(super) fn split_headers(block: &Bytes) -> Vec<(String, Bytes)> {
    let mut headers = Vec::new();
    let mut rest = block.as_ref();
    // The version line comes first.
    let mut first = true;
    while !rest.is_empty() {
        let end = rest
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        if std::mem::take(&mut first) || line.is_empty() {
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        headers.push((
            String::from_utf8_lossy(&line[..colon]).into_owned(),
            Bytes::copy_from_slice(value),
        ));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[u8]) -> Raw {
        Raw {
            subject: "users.login".to_owned(),
            sequence: 1,
            headers: Bytes::copy_from_slice(headers),
            payload: Bytes::new(),
            timestamp: 0,
        }
    }

    #[test]
    fn tells_what_breaks_a_connection() {
        for (headers, malformed) in [
            (&b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n"[..], false),
            (b"", false),
            (b"NATS/1.0\r\nA: 1\r2\r\n\r\n", true),
            (b"NATS/1.0\r\nA: \xff\r\n\r\n", true),
            (b"NATS/1.0\r\nno colon\r\n\r\n", true),
            (b"NATS/1.0\r\nna me: 1\r\n\r\n", true),
            (b"NATS/1.0\r\nA: folded\r\n  value\r\n\r\n", false),
        ] {
            assert_eq!(
                is_malformed(&message(headers)),
                malformed,
                "{:?}",
                headers.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn keeps_malformed_values_as_they_are() {
        let headers = split_headers(&Bytes::from_static(b"NATS/1.0\r\nA: 1\r2\r\nB:3\r\n\r\n"));
        let expected = [("A", &b"1\r2"[..]), ("B", b"3")];
        assert_eq!(headers.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in headers.iter().zip(expected) {
            assert_eq!(
                (name.as_str(), value.as_ref()),
                (expected_name, expected_value)
            );
        }
    }
}
