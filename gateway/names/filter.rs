//! What lists are narrowed to: subjects that filters have in common, and patterns of names.

use crate::error::{Error, Result};

/// The longest pattern, in bytes.
const LONGEST: usize = 255;

/// A pattern of names, in which `*` stands for any characters, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// Checks `text`, which `field` of the request holds; empty is every name.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            let why = "must be at most 255 bytes without control characters";
            return Err(Error::invalid(field, why));
        }
        Ok(Self(if text.is_empty() { "*" } else { text }.to_owned()))
    }

    /// Whether every name matches.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Whether this name matches.
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut left) = name.strip_prefix(first) else {
            return false;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // Each part where it first occurs leaves the most for those behind it.
        for part in middle.split('*') {
            match left.split_once(part) {
                Some((_, behind)) => left = behind,
                None => return false,
            }
        }
        left.ends_with(last)
    }
}

/// Whether some subject matches both filters.
pub fn filters_overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(token), Some(wanted)) if token == wanted || token == "*" || wanted == "*" => {}
            _ => return false,
        }
    }
}

/// Whether every subject that matches `inner` matches `outer`, too.
pub fn filter_covers(outer: &str, inner: &str) -> bool {
    let (mut outer, mut inner) = (outer.split('.'), inner.split('.'));
    loop {
        match (outer.next(), inner.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some(token), Some(wanted)) if wanted != ">" && (token == wanted || token == "*") => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        NamePattern::parse("name", pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("", "ORDERS", true),
            ("ORDERS", "ORDERS", true),
            ("ORDERS", "ORDERS_2", false),
            ("ORDERS*", "ORDERS", true),
            ("*_2", "ORDERS_2", true),
            ("O*S*2", "ORDERS_2", true),
            ("O*2*S", "ORDERS_2", false),
            ("a*a", "a", false),
            ("*ab*ab*", "ab", false),
            ("*ab*ab*", "abab", true),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(NamePattern::parse("name", "a\n").is_err());
    }

    #[test]
    fn filters_overlap_where_a_subject_matches_both() {
        for (one, other, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "*.b", true),
            ("a.>", "a", false),
            ("a.>", "a.*.c", true),
            (">", "a", true),
            ("a.b.c", "a.*", false),
        ] {
            assert_eq!(filters_overlap(one, other), expected, "{one} {other}");
            assert_eq!(filters_overlap(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_filter_covers_what_lies_within() {
        for (outer, inner, expected) in [
            ("orders.>", "orders.eu.1", true),
            ("orders.>", "orders.>", true),
            ("orders.>", "orders", false),
            ("orders.*", "orders.>", false),
            ("orders.*", "orders.*", true),
            ("orders.eu", "orders.*", false),
            ("*.>", ">", false),
            (">", "*", true),
        ] {
            assert_eq!(filter_covers(outer, inner), expected, "{outer} {inner}");
        }
    }

    fn filters() -> impl Strategy<Value = String> {
        let tokens = prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..3);
        (tokens, prop::sample::select(vec!["a", "*", ">"])).prop_map(|(mut tokens, last)| {
            tokens.push(last);
            tokens.join(".")
        })
    }

    /// Every subject of up to four tokens that are in no filter, or in some.
    fn subjects() -> impl Iterator<Item = String> {
        let tokens = ["a", "b", "c"];
        (1..=4_u32).flat_map(move |length| {
            (0..3_usize.pow(length)).map(move |number| {
                let place = |at: u32| tokens[number / 3_usize.pow(at) % 3];
                (0..length).map(place).collect::<Vec<_>>().join(".")
            })
        })
    }

    proptest! {
        /// Against every subject.
        #[test]
        fn covering_and_overlapping_agree_with_the_subjects(one in filters(), other in filters()) {
            let matches = |filter: &str, subject: &str| crate::names::subject_matches(filter, subject);
            let covers = subjects().all(|it| !matches(&other, &it) || matches(&one, &it));
            prop_assert_eq!(filter_covers(&one, &other), covers, "{} {}", one, other);
            let overlap = subjects().any(|it| matches(&other, &it) && matches(&one, &it));
            prop_assert_eq!(filters_overlap(&one, &other), overlap, "{} {}", one, other);
        }

        /// Against a search that tries every split.
        #[test]
        fn patterns_agree_with_a_search(pattern in "[ab*]{0,6}", name in "[ab]{0,6}") {
            fn search(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|at| search(rest, &name[at..])),
                    Some((byte, rest)) => name.split_first().is_some_and(|(first, name)| first == byte && search(rest, name)),
                }
            }
            let expected = pattern.is_empty() || search(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(matches(&pattern, &name), expected);
        }
    }
}
