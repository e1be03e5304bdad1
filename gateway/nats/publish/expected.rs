//! Refusals by what a message expects of its stream, and whether they come from a leader of the past.
//!
//! A leader that hung while another was elected takes messages until it learns of that: of one message there may be its
//! refusal and the new leader's acknowledgement, in any order. What it knows of the stream has an end that lies before what
//! the caller expects, and was told by the new one.

use async_nats::HeaderMap;

use crate::error::{Error, Reason};

/// The headers by which a message expects a sequence.
const EXPECTED: [&str; 2] = [
    "Nats-Expected-Last-Sequence",
    "Nats-Expected-Last-Subject-Sequence",
];

/// Whether the answer comes from somebody who knows of less than the message with these headers expects. It does not say
/// which of two expectations it is about: of the stream's end as well as of the subject's, the smaller one counts.
pub(in crate::nats) fn knows_less(headers: &HeaderMap, error: &Error) -> bool {
    if error.reason() != Reason::WrongLastSequence {
        return false;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let expected = EXPECTED.into_iter().filter_map(|name| headers.get(name));
    let expected = expected.filter_map(|value| number(value.as_str())).min();
    let actual = error.metadata("actual_sequence").and_then(number);
    actual
        .zip(expected)
        .is_some_and(|(actual, expected)| actual < expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        headers
    }

    #[test]
    fn who_knows_of_less_than_is_expected_may_be_of_the_past() {
        let refused = |actual: &str| {
            let error = Error::new(Reason::WrongLastSequence, "wrong last sequence");
            error.with("actual_sequence", actual)
        };
        for name in EXPECTED {
            assert!(knows_less(&headers(name, "7"), &refused("6")));
            assert!(!knows_less(&headers(name, "7"), &refused("7")));
            assert!(!knows_less(&headers(name, "7"), &refused("8")));
            assert!(!knows_less(&headers(name, "0"), &refused("8")));
        }
        let mut both = headers(EXPECTED[0], "100");
        both.insert(EXPECTED[1], "3");
        assert!(!knows_less(&both, &refused("5")));
        let seven = headers(EXPECTED[0], "7");
        assert!(!knows_less(&HeaderMap::new(), &refused("6")));
        let silent = Error::new(Reason::WrongLastSequence, "");
        assert!(!knows_less(&seven, &silent));
        let other = Error::new(Reason::WrongStream, "").with("actual_sequence", "6");
        assert!(!knows_less(&seven, &other));
    }
}
