//! Tokens that callers bring back, and the ack subjects behind them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::subjects::is_one_argument;
use crate::token::{AckSubject, AckToken, ResumeToken};

/// Ack tokens: as they come, and as if whoever made them knew how to checksum.
pub fn ack_tokens(input: &[u8]) {
    for text in forms(input) {
        let Some(token) = AckToken::decode(&text) else {
            continue;
        };
        assert_eq!(token.encode(), text, "{token:?}");
        let subject = token.subject.to_string();
        names_a_delivery(&subject);
        assert_eq!(AckSubject::parse(&subject), Some(token.subject));
        assert_eq!(ResumeToken::decode(&text), None);
    }
}

/// Resume tokens, likewise.
pub fn resume_tokens(input: &[u8]) {
    for text in forms(input) {
        if let Some(token) = ResumeToken::decode(&text) {
            assert_eq!(token.encode(), text, "{token:?}");
            assert_eq!(AckToken::decode(&text), None);
        }
    }
}

/// Subjects that deliveries come with: anybody in the account can publish with a reply subject.
pub fn ack_subjects(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let Some(parsed) = AckSubject::parse(text) else {
        return;
    };
    let written = parsed.to_string();
    names_a_delivery(&written);
    assert_eq!(AckSubject::parse(&written).as_ref(), Some(&parsed));
    assert_eq!(AckSubject::parse_from(&parsed.origin, text), Some(parsed));
}

/// Where settling it would publish to.
fn names_a_delivery(subject: &str) {
    is_one_argument(subject);
    assert!(!subject.contains(['*', '>']), "{subject:?} has wildcards");
    let tokens = subject.split('.').count();
    assert!(
        subject.starts_with("$JS.ACK.") && [9, 11].contains(&tokens),
        "{subject:?} names no delivery"
    );
}

fn forms(input: &[u8]) -> [String; 2] {
    let checksum = crc32fast::hash(input).to_be_bytes();
    let sealed = URL_SAFE_NO_PAD.encode([input, &checksum].concat());
    [String::from_utf8_lossy(input).into_owned(), sealed]
}
