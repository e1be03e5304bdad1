//! Subjects: what may be published to, what a consumer may filter by and what a stream may take.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{displayed, is_space_or_control};
use crate::error::{Error, Result};

/// The longest subject, in bytes. A server takes about 4 KiB for a whole protocol line, which also
/// holds the reply subject.
const LONGEST_SUBJECT: usize = 1024;

/// Subjects on which servers answer each other: a message there would be taken for an answer, and a stream there
/// would acknowledge other clients' requests.
const RESERVED_PREFIXES: [&str; 2] = ["_R_", "_GR_"];

/// What the first token of clients' inboxes begins with: `_INBOX_gateway`, for example.
const INBOXES: &str = "_INBOX";

/// The subjects that callers may neither publish to nor capture: those of the servers, of replies,
/// and of the gateway's own inboxes and requests.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// What those of the gateway begin with, without the last dot.
    own: Arc<[String]>,
}

/// A subject that may be published to. Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject(async_nats::Subject);

/// What a consumer filters by: may have wildcards and may name any subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectFilter(String);

/// What a stream takes: may have wildcards, but matches no reserved subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamSubject(String);

impl Reserved {
    /// `inbox_prefix` is what the subjects of the gateway's own inboxes begin with, without the
    /// last dot: `_INBOX` or `_INBOX_gateway`, for example.
    pub fn new(inbox_prefix: impl Into<String>) -> Self {
        Self {
            own: [inbox_prefix.into()].into(),
        }
    }

    /// The same with what requests to JetStream's API begin with where it is another account's.
    #[must_use]
    pub fn and(&self, api_prefixes: impl IntoIterator<Item = String>) -> Self {
        let own = self.own.iter().cloned();
        Self {
            own: own.chain(api_prefixes).collect(),
        }
    }

    /// Whether some reserved subject matches `filter`.
    pub(super) fn overlaps(&self, filter: &str) -> bool {
        if !self.may_overlap(filter) {
            return false;
        }
        let first = filter.split('.').next().unwrap_or_default();
        // Servers' own subjects are longer than one token, so `*` alone does not match any.
        let takes_inboxes = first.starts_with(INBOXES);
        let takes_servers_own = first.starts_with('$') || (first != filter && first == "*");
        let own = self.own.iter().map(String::as_str);
        let prefixes = RESERVED_PREFIXES.into_iter().chain(own);
        takes_servers_own
            || takes_inboxes
            || prefixes
                .into_iter()
                .any(|prefix| begins_with(filter, prefix))
    }

    /// Whether the first byte leaves that open. Every message is looked at, and hardly any goes further.
    fn may_overlap(&self, filter: &str) -> bool {
        let first = filter.as_bytes().first();
        matches!(first, Some(b'$' | b'_' | b'*' | b'>'))
            || self.own.iter().any(|own| own.as_bytes().first() == first)
    }
}

impl Subject {
    /// Checks `text`, which `field` of the request holds.
    pub fn parse(field: &str, text: &str, reserved: &Reserved) -> Result<Self> {
        check_tokens(text).map_err(|why| Error::invalid(field, why))?;
        if text.contains(['*', '>']) {
            return Err(Error::invalid(field, "must not contain wildcards"));
        }
        if reserved.overlaps(text) {
            return Err(Error::invalid(field, "is reserved for servers and replies"));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject as it goes over the wire.
    pub fn on_the_wire(&self) -> async_nats::Subject {
        self.0.clone()
    }
}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0.into_string()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SubjectFilter {
    /// Checks `text`, which `field` of the request holds.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        check_tokens(text).map_err(|why| Error::invalid(field, why))?;
        check_wildcards(text).map_err(|why| Error::invalid(field, why))?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StreamSubject {
    /// Checks `text`, which `field` of the request holds.
    pub fn parse(field: &str, text: &str, reserved: &Reserved) -> Result<Self> {
        let filter = SubjectFilter::parse(field, text)?;
        if reserved.overlaps(text) {
            return Err(Error::invalid(
                field,
                "would take subjects of servers or replies",
            ));
        }
        Ok(Self(filter.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

displayed!(SubjectFilter);
displayed!(StreamSubject);

/// Whether a subject matches a filter: `*` is one token, `>` one or more at the end.
pub fn subject_matches(filter: &str, subject: &str) -> bool {
    let (mut filter, mut subject) = (filter.split('.'), subject.split('.'));
    loop {
        match (filter.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(wanted), Some(token)) if wanted == "*" || wanted == token => {}
            _ => return false,
        }
    }
}

/// Checks what holds for every subject.
pub(super) fn check_tokens(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.len() > LONGEST_SUBJECT {
        return Err("must be at most 1024 bytes");
    }
    if text.contains(is_space_or_control) {
        return Err("must not contain white space or control characters");
    }
    if text.split('.').any(str::is_empty) {
        return Err(r#"must not begin or end with "." or contain "..""#);
    }
    Ok(())
}

/// NATS takes `a*` and `>.a` literally; nobody who writes them means that.
pub(super) fn check_wildcards(text: &str) -> Result<(), &'static str> {
    let mut tokens = text.split('.').peekable();
    while let Some(token) = tokens.next() {
        if token.len() > 1 && token.contains(['*', '>']) {
            return Err(r#""*" and ">" must stand alone between dots"#);
        }
        if token == ">" && tokens.peek().is_some() {
            return Err(r#"">" must be the last token"#);
        }
    }
    Ok(())
}

/// Whether `filter` is `prefix`, or matches a subject that is at least one token longer than it.
fn begins_with(filter: &str, prefix: &str) -> bool {
    if filter == prefix {
        return true;
    }
    let mut tokens = filter.split('.');
    for expected in prefix.split('.') {
        match tokens.next() {
            Some(">") => return true,
            Some(token) if token == "*" || token == expected => {}
            _ => return false,
        }
    }
    tokens.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reserved() -> Reserved {
        Reserved::new("gateway.inbox").and(["hub.js".to_owned()])
    }

    /// Subjects of servers and replies as they occur on the wire.
    const DANGEROUS: [&str; 9] = [
        "$JS.API.STREAM.DELETE.ORDERS",
        "$JS.ACK.S.C.1.1.1.1.1",
        "$SYS.REQ.SERVER.PING",
        "_INBOX.abc.1",
        "_INBOX_x.a",
        "_R_.abc.1",
        "_GR_.abc.1",
        "gateway.inbox.7",
        "hub.js.STREAM.DELETE.ORDERS",
    ];

    #[test]
    fn filters_match_as_in_nats() {
        for (filter, subject, expected) in [
            ("users.*", "users.login", true),
            ("users.*", "users", false),
            ("users.*", "users.login.events", false),
            ("users.*.events", "users.login.events", true),
            ("users.>", "users.login.events", true),
            ("users.>", "users", false),
            ("users.login", "users.login", true),
            ("users.login", "users.logout", false),
        ] {
            assert_eq!(
                subject_matches(filter, subject),
                expected,
                "{filter} {subject}"
            );
        }
    }

    #[test]
    fn a_subject_can_be_published_to() {
        for good in [
            "orders",
            "orders.eu.1",
            "a.$b",
            "é.ü",
            "gateway.other",
            "hub.jsx",
            "a/b",
        ] {
            assert_eq!(
                Subject::parse("subject", good, &reserved())
                    .unwrap()
                    .as_str(),
                good
            );
        }
        let long = "s".repeat(1025);
        let bad = [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "a\tb",
            "a\r\nPUB x",
            "a\0",
            "a.*",
            "a.>",
            "a*b",
            &long,
        ];
        for bad in bad
            .into_iter()
            .chain(DANGEROUS)
            .chain(["_INBOX", "$x", "gateway.inbox"])
        {
            assert!(
                Subject::parse("subject", bad, &reserved()).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_filter_has_whole_wildcards() {
        for good in [">", "*", "a.*", "a.>", "*.a", "$KV.bucket.>", "a.*.b.>"] {
            assert!(
                SubjectFilter::parse("filter_subject", good).is_ok(),
                "{good}"
            );
        }
        for bad in ["", "a.>.b", "a*", "a.b>", "**", "a.*b", "a b", "a..b"] {
            assert!(
                SubjectFilter::parse("filter_subject", bad).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_stream_takes_no_reserved_subjects() {
        for good in ["*", "a.>", "a.*", "gateway.*", "gateway.other.>"] {
            assert!(
                StreamSubject::parse("subjects[0]", good, &reserved()).is_ok(),
                "{good}"
            );
        }
        let bad = [
            ">",
            "*.>",
            "*.*",
            "*.a",
            "$X",
            "$JS.>",
            "_INBOX.*",
            "gateway.>",
            "gateway.*.*",
        ];
        for bad in bad.into_iter().chain(DANGEROUS) {
            assert!(
                StreamSubject::parse("subjects[0]", bad, &reserved()).is_err(),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused_or_clean(text in ".{0,40}") {
            if let Ok(subject) = Subject::parse("subject", &text, &reserved()) {
                prop_assert!(subject.as_str().split('.').all(|token| !token.is_empty()));
                prop_assert!(!subject.as_str().contains(['*', '>', ' ', '\r', '\n', '\t', '\0']));
            }
        }

        #[test]
        fn no_stream_subject_matches_a_reserved_one(
            tokens in prop::collection::vec(
                prop::sample::select(vec!["*", ">", "a", "$JS", "API", "_INBOX", "_R_", "gateway", "inbox", "7"]),
                1..6,
            )
        ) {
            let text = tokens.join(".");
            if let Ok(subject) = StreamSubject::parse("subjects[0]", &text, &reserved()) {
                for dangerous in DANGEROUS {
                    prop_assert!(!subject_matches(subject.as_str(), dangerous), "{text} matches {dangerous}");
                }
            }
        }
    }
}
