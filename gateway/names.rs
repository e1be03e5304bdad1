//! Names that are known to be valid: streams, consumers, message ids and headers; subjects stand in
//! `names/subject.rs`, those that JetStream itself sends to in `names/routing.rs`, what lists are
//! narrowed to in `names/filter.rs`.
//!
//! Each type is made by `parse`, which takes the path of the field that it reads, so that its error
//! can be returned as it is. What has one of these types can be put into a JetStream API subject or
//! a protocol line without a further look.

use std::fmt;

use crate::error::{Error, Result};

mod filter;
mod routing;
mod subject;

pub use filter::{NamePattern, filter_covers, filters_overlap};
pub use routing::{ApiPrefix, RepublishDestination, TransformDestination};
pub use subject::{Reserved, StreamSubject, Subject, SubjectFilter, subject_matches};

/// The longest stream or consumer name, in bytes; JetStream makes a file name of it.
const LONGEST_NAME: usize = 255;

/// The longest message id, in bytes. JetStream keeps every id in memory for the duplicate window.
const LONGEST_MESSAGE_ID: usize = 255;

/// The longest name of a priority group, in bytes.
const LONGEST_GROUP_NAME: usize = 16;

/// Headers of this prefix are instructions to JetStream.
const RESERVED_HEADER: &[u8] = b"nats-";

/// Defines a checked string; the check is `fn(&str) -> Result<(), &'static str>`.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text`, which `field` of the request holds.
            pub fn parse(field: &str, text: &str) -> Result<Self> {
                $check(text).map_err(|why| Error::invalid(field, why))?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        displayed!($name);
    };
}

/// What every checked string offers.
macro_rules! displayed {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

use displayed;

checked_string! {
    /// The name of a stream: one token of an API subject.
    StreamName, check_name
}

checked_string! {
    /// The name of a consumer: one token of an API subject.
    ConsumerName, check_name
}

checked_string! {
    /// A message id, by which JetStream finds duplicates.
    MessageId, check_message_id
}

checked_string! {
    /// The name of a consumer's priority group.
    GroupName, check_group_name
}

checked_string! {
    /// The name of a header that callers may set.
    HeaderName, check_header_name
}

fn check_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.len() > LONGEST_NAME {
        return Err("must be at most 255 bytes");
    }
    if text.contains(['.', '*', '>', '/', '\\']) || text.contains(is_space_or_control) {
        return Err(
            r#"must not contain ".", "*", ">", "/", "\", white space or control characters"#,
        );
    }
    Ok(())
}

fn check_message_id(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > LONGEST_MESSAGE_ID || !text.bytes().all(is_graphic) {
        return Err("must be 1 to 255 printable ASCII characters without spaces");
    }
    Ok(())
}

fn check_group_name(text: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/=".contains(&byte);
    if !(1..=LONGEST_GROUP_NAME).contains(&text.len()) || !text.bytes().all(allowed) {
        return Err(r#"must be 1 to 16 of A-Z, a-z, 0-9, "-", "_", "/" and "=""#);
    }
    Ok(())
}

fn check_header_name(text: &str) -> Result<(), &'static str> {
    let visible = |byte: u8| is_graphic(byte) && byte != b':';
    if text.is_empty() || !text.bytes().all(visible) {
        return Err("must be printable ASCII without spaces and colons, and not empty");
    }
    let start = text.as_bytes().get(..RESERVED_HEADER.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_HEADER)) {
        return Err(r#"names that begin with "Nats-" are reserved"#);
    }
    Ok(())
}

fn is_graphic(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

fn is_space_or_control(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_one_clean_token() {
        for good in [
            "ORDERS",
            "a",
            "with-dash_and_under",
            "é",
            "$x",
            &"n".repeat(255),
        ] {
            assert_eq!(StreamName::parse("stream", good).unwrap().as_str(), good);
            assert_eq!(
                ConsumerName::parse("consumer", good).unwrap().to_string(),
                good
            );
        }
        let long = "n".repeat(256);
        for bad in [
            "", "a.b", "*", ">", "a/b", "a\\b", "a b", "a\tb", "a\r\nb", "\u{7f}", "\u{a0}", &long,
        ] {
            assert!(StreamName::parse("stream", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_names_its_field() {
        let error = StreamName::parse("config.name", "").unwrap_err();
        assert_eq!(error.message(), "config.name: must not be empty");
    }

    #[test]
    fn message_ids_are_printable() {
        for good in [
            "1",
            "a:b c".split(' ').next().unwrap(),
            "01998-ff",
            &"i".repeat(255),
        ] {
            assert!(MessageId::parse("message_id", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "é", "a\r\nX: y", &"i".repeat(256)] {
            assert!(MessageId::parse("message_id", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn groups_have_short_names() {
        for good in ["g", "EU-west_1/a=", &"g".repeat(16)] {
            assert!(GroupName::parse("group", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a.b", "a b", "é", &"g".repeat(17)] {
            assert!(GroupName::parse("group", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn headers_that_jetstream_obeys_are_reserved() {
        for good in ["Trace-Id", "x", "Nats", "NatsX-1", "content_type!"] {
            assert!(
                HeaderName::parse("headers[0].name", good).is_ok(),
                "{good:?}"
            );
        }
        for bad in [
            "",
            "a:b",
            "a b",
            "Nats-Msg-Id",
            "nats-ttl",
            "NATS-",
            "é",
            "a\n",
        ] {
            assert!(
                HeaderName::parse("headers[0].name", bad).is_err(),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_cannot_leave_its_place(text in ".{0,300}") {
            if let Ok(name) = StreamName::parse("stream", &text) {
                prop_assert!(!name.as_str().contains(['.', '*', '>', ' ', '\r', '\n', '\0']));
                prop_assert!((1..=255).contains(&name.as_str().len()));
            }
            if let Ok(id) = MessageId::parse("message_id", &text) {
                prop_assert!(id.as_str().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
            }
            if let Ok(name) = HeaderName::parse("name", &text) {
                prop_assert!(name.as_str().bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b':'));
            }
        }
    }
}
