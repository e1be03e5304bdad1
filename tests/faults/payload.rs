//! What a message carries: who published it, and filling up to some length.

use bytes::Bytes;

use crate::history::{Content, Key};

/// The longest filling, in bytes.
const FILLING: usize = 400;

/// The payload of a message.
pub fn payload(key: Key, rng: &mut fastrand::Rng) -> Bytes {
    let length = rng.usize(..FILLING);
    let filling: String = std::iter::repeat_with(|| rng.alphanumeric())
        .take(length)
        .collect();
    format!("{}:{}:{filling}", key.writer, key.counter).into()
}

/// What a payload is.
pub fn content(payload: &[u8]) -> Content {
    Content {
        key: key(payload),
        hash: crc32fast::hash(payload),
    }
}

fn key(payload: &[u8]) -> Option<Key> {
    let mut parts = std::str::from_utf8(payload).ok()?.splitn(3, ':');
    let writer = parts.next()?.parse().ok()?;
    let counter = parts.next()?.parse().ok()?;
    parts.next()?;
    Some(Key { writer, counter })
}
