//! Traces that callers and messages bring: what is handed on is a trace by the definition, and nothing else.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::SEPARATOR;
use super::publishing::{lines, reserved};
use super::subjects::is_one_argument;
use crate::names::Subject;
use crate::nats::Outgoing;
use crate::traces::context;

/// What a message and its headers may take at most.
const MOST: usize = 1024;

/// The values of `traceparent` and `tracestate`, and the payload of a message that the trace is given to.
pub fn trace_contexts(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == SEPARATOR);
    let mut next = || parts.next().unwrap_or_default();
    let (parent, state, payload) = (next(), next(), next());
    let mut metadata = HeaderMap::new();
    for (name, value) in [("traceparent", parent), ("tracestate", state)] {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return;
        };
        metadata.insert(name, value);
    }
    let Some(context) = context::of_call(&metadata) else {
        assert!(!is_parent(parent), "{}", parent.escape_ascii());
        return;
    };
    assert!(is_parent(parent), "{}", parent.escape_ascii());
    let kept = context.trace_state().header();
    assert!(kept.len() <= 512);

    let mut message = Outgoing {
        subject: Subject::parse("subject", "orders.x", &reserved()).unwrap(),
        headers: async_nats::HeaderMap::new(),
        payload: Bytes::copy_from_slice(payload),
        id: None,
    };
    context::give(&mut message, &context, Some(MOST));
    let headers = lines(&message);
    assert!(headers.is_empty() || message.size() <= MOST);
    assert!(payload.len() > 100 || !headers.is_empty(), "there was room");
    let delivered: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    for read in [
        context::of_message(&message),
        context::of_delivery(&delivered),
    ] {
        assert_eq!(read.is_some(), !delivered.is_empty());
        if let Some(read) = read {
            assert_eq!(read, context, "it says the same to whoever reads it");
        }
    }
    let written = delivered.iter().find(|(name, _)| name == "traceparent");
    if let Some((_, written)) = written {
        is_one_argument(std::str::from_utf8(written).expect("it is ASCII"));
        assert!(is_parent(written) && written.len() == 55 && written.starts_with(b"00-"));
    }
}

/// Whether it is one by W3C Trace Context, white space around it put aside.
fn is_parent(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    // A version to come may bring more, but no header of the kind has other bytes.
    if !value.is_ascii() {
        return false;
    }
    let (known, more) = value.split_at(value.len().min(55));
    let mut parts = known.split(|byte| *byte == b'-');
    let mut part = |length: usize| {
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        parts
            .next()
            .filter(|it| it.len() == length && it.iter().all(is_hex))
    };
    let parts = [part(2), part(32), part(16), part(2)];
    let [Some(version), Some(trace), Some(span), Some(_)] = parts else {
        return false;
    };
    let has_more = match version {
        b"ff" => return false,
        b"00" => more.is_empty(),
        _ => more.is_empty() || more[0] == b'-',
    };
    has_more
        && [trace, span]
            .iter()
            .all(|it| it.iter().any(|byte| *byte != b'0'))
}
