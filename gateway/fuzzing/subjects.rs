//! Subjects and names: what is accepted stays in its place on the wire, and out of what is reserved.

use super::INBOX;
use crate::names::{
    ApiPrefix, ConsumerName, GroupName, HeaderName, MessageId, NamePattern, RepublishDestination,
    Reserved, StreamName, StreamSubject, Subject, SubjectFilter, TransformDestination,
    subject_matches,
};

/// Subjects of servers, of replies and of the gateway itself.
const DANGEROUS: [&str; 9] = [
    "$JS.API.STREAM.DELETE.ORDERS",
    "$JS.ACK.S.C.1.1.1.1.1",
    "$SYS.REQ.SERVER.PING",
    "$KV.bucket.key",
    "_INBOX.abc.1",
    "_R_.x",
    "_GR_.x.y",
    "gateway.inbox.7",
    "gateway.inbox.7.8",
];

/// What a wildcard or a function may stand for.
const FILLED: [&str; 6] = ["$JS", "API", "_INBOX", "inbox", "inbox.7", "x"];

/// Texts where a subject is expected.
pub fn subjects(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let reserved = &Reserved::new(INBOX);
    if let Ok(subject) = Subject::parse("field", text, reserved) {
        assert_eq!(subject.as_str(), text);
        assert!(!text.contains(['*', '>']), "{text:?} has wildcards");
        assert!(!is_reserved(text), "{text:?} is reserved");
        assert!(SubjectFilter::parse("field", text).is_ok() && subject_matches(text, text));
    }
    if let Ok(filter) = SubjectFilter::parse("field", text) {
        is_subject(filter.as_str());
    }
    if StreamSubject::parse("field", text, reserved).is_ok() {
        for subject in DANGEROUS {
            assert!(!subject_matches(text, subject), "{text:?} takes {subject}");
        }
    }
    if let Ok(destination) = RepublishDestination::parse("field", text, reserved) {
        is_subject(destination.as_ref());
        for filled in FILLED {
            let subject = becomes(text, filled);
            // The prefix alone is nobody's inbox.
            assert!(
                subject == INBOX || !is_reserved(&subject),
                "{text:?} becomes {subject}"
            );
        }
    }
    if let Ok(destination) = TransformDestination::parse("field", text) {
        is_subject(destination.as_ref());
    }
    if ApiPrefix::parse("field", text, reserved).is_ok() {
        is_subject(text);
        let tokens: Vec<_> = text.split('.').collect();
        let is_domain = matches!(tokens[..], ["$JS", domain, "API"] if domain != "API");
        assert!(is_domain || !is_reserved(text), "{text:?} is reserved");
    }
}

/// Texts where a name is expected.
pub fn names(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    if StreamName::parse("field", text).is_ok() {
        is_one_argument(text);
        assert!(
            !text.contains(['.', '*', '>', '/', '\\']),
            "{text:?} is not one token"
        );
    }
    assert_eq!(
        StreamName::parse("field", text).is_ok(),
        ConsumerName::parse("field", text).is_ok()
    );
    if GroupName::parse("field", text).is_ok() {
        assert!(ConsumerName::parse("field", &text.replace('/', "_")).is_ok());
    }
    if MessageId::parse("field", text).is_ok() {
        is_one_argument(text);
    }
    if HeaderName::parse("field", text).is_ok() {
        is_one_argument(text);
        assert!(!text.contains(':'), "{text:?} ends early");
        assert!(
            !text.to_lowercase().starts_with("nats-"),
            "{text:?} is JetStream's"
        );
    }
    if let Ok(pattern) = NamePattern::parse("field", text) {
        // A star matches itself like any other text.
        assert!(pattern.matches(text) || text.is_empty());
        assert!(!pattern.is_any() || pattern.matches("x"));
    }
}

/// It is one argument of a protocol line, and no more.
pub(super) fn is_one_argument(text: &str) {
    let breaks_out = |c: char| c.is_whitespace() || c.is_control();
    assert!(
        !text.is_empty() && !text.contains(breaks_out),
        "{text:?} breaks out of its line"
    );
}

/// It is a subject, wildcards or not.
pub(super) fn is_subject(text: &str) {
    is_one_argument(text);
    let is_whole = text.len() <= 1024 && text.split('.').all(|token| !token.is_empty());
    assert!(is_whole, "{text:?} is no subject");
}

/// Whether servers, replies or the gateway itself use this subject.
pub(super) fn is_reserved(subject: &str) -> bool {
    let first = subject.split('.').next().unwrap_or_default();
    let is_inbox = subject.strip_prefix(INBOX);
    first.starts_with('$')
        || ["_INBOX", "_R_", "_GR_"].contains(&first)
        || is_inbox.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A subject that a destination can become.
fn becomes(destination: &str, filled: &str) -> String {
    let tokens = destination.split('.').map(|token| {
        let number = token.strip_prefix('$').unwrap_or_default();
        let is_reference = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match token {
            "*" => filled.split('.').next().unwrap_or_default(),
            ">" => filled,
            token if is_reference || token.starts_with("{{") => filled,
            token => token,
        }
    });
    tokens.collect::<Vec<_>>().join(".")
}
