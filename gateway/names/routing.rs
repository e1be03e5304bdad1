//! Subjects that JetStream itself sends to on a stream's behalf: what subjects become, where stored
//! messages are published again, and where another JetStream is reached.
//!
//! The server does with them what the gateway's account may do, so none may lead to the subjects of
//! servers and replies: it takes a stream that republishes to `$JS.API.>` (measured), which would
//! hand JetStream's API to whoever may publish to that stream.

use std::fmt;

use super::displayed;
use super::subject::{Reserved, check_tokens, check_wildcards};
use crate::error::{Error, Result};

/// What subjects become that are stored: may hold wildcards and functions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransformDestination(String);

/// Where stored messages are published again: the same, but nowhere reserved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepublishDestination(String);

/// What the subjects of another JetStream's API begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiPrefix(String);

impl TransformDestination {
    /// Checks `text`, which `field` of the request holds.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let checked = check_tokens(text)
            .and_then(|()| check_wildcards(text))
            .and_then(|()| check_functions(text));
        checked.map_err(|why| Error::invalid(field, why))?;
        Ok(Self(text.to_owned()))
    }
}

impl RepublishDestination {
    /// Checks `text`, which `field` of the request holds.
    pub fn parse(field: &str, text: &str, reserved: &Reserved) -> Result<Self> {
        let TransformDestination(text) = TransformDestination::parse(field, text)?;
        let first = text.split('.').next().unwrap_or_default();
        if is_filled_in(first) || first == "*" || first == ">" {
            let why = "must begin with plain text, up to the first dot";
            return Err(Error::invalid(field, why));
        }
        if reserved.overlaps(&reach(&text)) {
            let why = "would publish to subjects of servers or replies";
            return Err(Error::invalid(field, why));
        }
        Ok(Self(text))
    }
}

impl ApiPrefix {
    /// Checks `text`, which `field` of the request holds.
    pub fn parse(field: &str, text: &str, reserved: &Reserved) -> Result<Self> {
        check_tokens(text).map_err(|why| Error::invalid(field, why))?;
        if text.contains(['*', '>']) {
            return Err(Error::invalid(field, "must not contain wildcards"));
        }
        if !is_domain(text) && reserved.overlaps(text) {
            let why = r#"must be "$JS.<domain>.API", or a subject that is not reserved"#;
            return Err(Error::invalid(field, why));
        }
        Ok(Self(text.to_owned()))
    }
}

displayed!(TransformDestination);
displayed!(RepublishDestination);
displayed!(ApiPrefix);

/// `{{wildcard(1)}}` is one token as a whole; JetStream takes anything else literally.
fn check_functions(text: &str) -> Result<(), &'static str> {
    let whole = |token: &str| token.starts_with("{{") && token.ends_with("}}");
    let broken = |token: &str| (token.contains("{{") || token.contains("}}")) && !whole(token);
    if text.split('.').any(broken) {
        return Err(r#""{{" and "}}" must enclose all that stands between two dots"#);
    }
    Ok(())
}

/// Whether JetStream puts something else in the place of a token: `{{wildcard(1)}}` or `$1`.
fn is_filled_in(token: &str) -> bool {
    let number = token.strip_prefix('$').unwrap_or_default();
    let is_reference = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    token.starts_with("{{") || is_reference
}

/// A filter that matches every subject that a destination can become: a function may make several
/// tokens of one.
fn reach(destination: &str) -> String {
    let mut reach = Vec::new();
    for token in destination.split('.') {
        if is_filled_in(token) {
            reach.push(">");
            break;
        }
        reach.push(token);
    }
    reach.join(".")
}

fn is_domain(prefix: &str) -> bool {
    let tokens: Vec<_> = prefix.split('.').collect();
    matches!(tokens[..], ["$JS", domain, "API"] if domain != "API")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reserved() -> Reserved {
        Reserved::new("gateway.inbox")
    }

    #[test]
    fn a_transform_has_whole_functions() {
        for good in [
            "a.>",
            "a.{{wildcard(1)}}",
            "{{partition(10,1,2)}}.$1",
            "$KV.b.>",
        ] {
            assert!(TransformDestination::parse("dest", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a..b",
            "a.x{{wildcard(1)}}",
            "a.{{split(1, -)}}",
            "a.{{b.c}}",
            "a*",
            "a.>.b",
        ] {
            assert!(TransformDestination::parse("dest", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_republished_where_servers_listen() {
        let parse = |text| RepublishDestination::parse("dest", text, &reserved());
        for good in ["copy.>", "copy.{{wildcard(1)}}", "gateway.other.$1", "copy"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ">",
            "*",
            "*.a",
            "$JS.API.>",
            "$SYS.x",
            "$1.a",
            "{{wildcard(1)}}.a",
            "_INBOX.>",
            "_R_.a",
            "gateway.>",
            "gateway.$1",
            "gateway.{{split(1,-)}}",
            "gateway.inbox.x",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn another_jetstream_is_a_domain_or_an_import() {
        let parse = |text| ApiPrefix::parse("api", text, &reserved());
        for good in ["$JS.hub.API", "JS.other", "accounts.a.API"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "$JS.API",
            "$JS.API.API",
            "$JS.*.API",
            "$JS.hub.API.STREAM",
            "$SYS.REQ",
            "_INBOX.a",
            "gateway.inbox",
            "a b",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_destination_becomes_a_reserved_subject(
            tokens in prop::collection::vec(
                prop::sample::select(vec!["*", ">", "a", "$JS", "_INBOX", "gateway", "inbox", "$1", "{{wildcard(1)}}"]),
                1..5,
            ),
            filled in prop::sample::select(vec!["$JS", "API", "_INBOX", "inbox", "inbox.7", "x"]),
        ) {
            let text = tokens.join(".");
            if RepublishDestination::parse("dest", &text, &reserved()).is_ok() {
                let becomes = tokens.iter().map(|token| match *token {
                    "*" => filled.split('.').next().unwrap_or_default(),
                    ">" | "$1" | "{{wildcard(1)}}" => filled,
                    token => token,
                });
                let subject = becomes.collect::<Vec<_>>().join(".");
                // The prefix alone is nobody's inbox, and is refused only where it stands in plain text.
                let is_inbox = reserved().overlaps(&subject) && subject != "gateway.inbox";
                prop_assert!(!is_inbox, "{} becomes {}", text, subject);
            }
        }
    }
}
