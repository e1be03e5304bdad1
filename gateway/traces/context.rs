//! W3C Trace Context in the metadata of calls and in the headers of messages.
//!
//! Headers are found in whatever case: Go's libraries write `Traceparent`.

use async_nats::HeaderName;
use bytes::Bytes;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use crate::nats::{LARGEST_HEADERS, Outgoing};

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// Version, trace, span and flags, in hexadecimal.
const FORM: &[u8; 55] = b"00-00000000000000000000000000000000-0000000000000000-00";

/// Room that stays free for what the gateway itself adds to a message behind its context: an atomic batch
/// has three headers.
const SPARE: usize = 256;

/// A longer state is left out: this much has to be passed on (W3C Trace Context, 3.3.1.5).
const LONGEST_STATE: usize = 512;

/// The context that a call brings.
pub(crate) fn of_call(metadata: &http::HeaderMap) -> Option<SpanContext> {
    let text = |name| metadata.get(name)?.to_str().ok();
    parse(text(PARENT)?, text(STATE))
}

/// Whether a message names a context, sound or not, before it is published.
pub(crate) fn is_named(message: &Outgoing) -> bool {
    header(message, PARENT).is_some()
}

/// The context of a message before it is published.
pub(crate) fn of_message(message: &Outgoing) -> Option<SpanContext> {
    parse(header(message, PARENT)?, header(message, STATE))
}

fn header<'a>(message: &'a Outgoing, wanted: &str) -> Option<&'a str> {
    let mut headers = message.headers.iter();
    let (_, values) = headers.find(|(name, _)| {
        let name: &str = name.as_ref();
        name.eq_ignore_ascii_case(wanted)
    })?;
    Some(values.first()?.as_str())
}

/// The context of a message that is delivered.
pub(crate) fn of_delivery(headers: &[(String, Bytes)]) -> Option<SpanContext> {
    let text = |wanted| {
        let mut headers = headers.iter();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        std::str::from_utf8(value).ok()
    };
    parse(text(PARENT)?, text(STATE))
}

/// Gives a message a context, where there is room for it: none is refused for its trace. `most` is what
/// is taken of headers and payload.
pub(crate) fn give(message: &mut Outgoing, context: &SpanContext, most: Option<usize>) {
    let mut written = Written::default();
    let context = Context::new().with_remote_span_context(context.clone());
    TraceContextPropagator::new().inject_context(&context, &mut written);
    let without = message.headers.clone();
    for (name, value) in written.0 {
        message.headers.insert(HeaderName::from_static(name), value);
    }
    let size = message.size() + SPARE;
    let fits = size - message.payload.len() <= LARGEST_HEADERS && most.is_none_or(|it| size <= it);
    if !fits {
        message.headers = without;
    }
}

fn parse(parent: &str, state: Option<&str>) -> Option<SpanContext> {
    if !is_parent(parent.trim()) {
        return None;
    }
    let state = state.filter(|state| state.len() <= LONGEST_STATE);
    let context = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &Read { parent, state });
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

/// Whether it has the form of W3C Trace Context, 3.2: the propagator takes shorter ids and signs as well. A later
/// version may go on behind what is known of it.
fn is_parent(text: &str) -> bool {
    let (known, more) = text.split_at_checked(FORM.len()).unwrap_or((text, ""));
    let fits = |(byte, form): (u8, &u8)| match form {
        b'-' => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    known.len() == FORM.len()
        && known.bytes().zip(FORM).all(fits)
        && (more.is_empty() || (more.starts_with('-') && !text.starts_with("00")))
}

/// Both values as they were read.
struct Read<'a> {
    parent: &'a str,
    state: Option<&'a str>,
}

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => Some(self.parent),
            STATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

/// Both values as they are to be written.
#[derive(Default)]
struct Written(Vec<(&'static str, String)>);

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        match key {
            PARENT => self.0.push((PARENT, value)),
            STATE if !value.is_empty() => self.0.push((STATE, value)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Reserved, Subject};
    use crate::nats::HEADER_OVERHEAD;
    use async_nats::HeaderMap;

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn message(payload: usize) -> Outgoing {
        Outgoing {
            subject: Subject::parse("subject", "orders.x", &Reserved::new("_INBOX")).unwrap(),
            headers: HeaderMap::new(),
            payload: Bytes::from(vec![0; payload]),
            id: None,
        }
    }

    #[test]
    fn a_context_survives_the_message_that_carries_it() {
        let context = parse(SAMPLED, Some("a=1,b=2")).unwrap();
        let mut message = message(10);
        give(&mut message, &context, None);

        assert_eq!(message.headers.get(PARENT).unwrap().as_str(), SAMPLED);
        assert_eq!(message.headers.get(STATE).unwrap().as_str(), "a=1,b=2");
        let read = of_message(&message).unwrap();
        assert_eq!(read.trace_id(), context.trace_id());
        assert_eq!(read.span_id(), context.span_id());
        assert!(read.is_sampled());
    }

    #[test]
    fn no_message_grows_too_large_by_its_context() {
        let context = parse(SAMPLED, None).unwrap();
        let cost = PARENT.len() + SAMPLED.len() + HEADER_OVERHEAD + 12 + SPARE;
        for (most, given) in [(100 + cost, true), (99 + cost, false)] {
            let mut message = message(100);
            give(&mut message, &context, Some(most));
            assert_eq!(is_named(&message), given, "{most}");
            assert!(message.size() <= most - if given { SPARE } else { 0 });
        }
        let mut message = message(0);
        message
            .headers
            .insert("a", "b".repeat(LARGEST_HEADERS - 20).as_str());
        give(&mut message, &context, None);
        assert!(!is_named(&message));
        assert_eq!(message.headers.iter().count(), 1);
    }

    #[test]
    fn what_is_no_context_is_none() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-1-1-1",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert!(parse(bad, None).is_none(), "{bad}");
        }
        let later = SAMPLED.replacen("00", "01", 1);
        assert!(parse(&later, None).is_some() && parse(&format!("{later}-more"), None).is_some());
        // A state that is none, or too long, costs the state alone.
        for state in ["nonsense", &format!("a={}", "b".repeat(LONGEST_STATE))] {
            let context = parse(SAMPLED, Some(state)).unwrap();
            assert_eq!(context.trace_state().header(), "");
        }
    }

    #[test]
    fn deliveries_name_it_in_their_headers() {
        let header = |name: &str, value: &'static str| {
            (name.to_owned(), Bytes::from_static(value.as_bytes()))
        };
        for name in [PARENT, "Traceparent"] {
            assert!(of_delivery(&[header("a", "b"), header(name, SAMPLED)]).is_some());
        }
        assert!(of_delivery(&[header("a", SAMPLED)]).is_none());
        assert!(of_delivery(&[]).is_none());
        let broken = (PARENT.to_owned(), Bytes::from_static(b"\xff"));
        assert!(of_delivery(&[broken]).is_none());
    }
}
