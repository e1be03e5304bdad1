//! Refusals by what a message expects of its stream, and whether they come from a leader of the past.
//!
//! A leader that hung while another was elected takes messages until it learns of that: of one message there may be its
//! refusal and the new leader's acknowledgement, in any order. What it knows of the stream has an end that lies before what
//! the caller expects, and was told by the new one; or a message of the subject is under way with it for ever.

use async_nats::HeaderMap;

use crate::error::{Error, Reason};

/// The headers by which a message expects a sequence.
const EXPECTED: [&str; 2] = [
    "Nats-Expected-Last-Sequence",
    "Nats-Expected-Last-Subject-Sequence",
];

/// Why a refusal may come from a leader of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nats) enum Doubt {
    /// It knows of less than the message expects.
    KnowsLess,
    /// It says of no sequence: another message of the subject is under way, and a leader of the past never learns what
    /// becomes of that.
    Undecided,
    /// The end of the stream is behind this sequence, as it counts what is under way: a leader of the past may count what
    /// is never stored.
    Ahead(u64),
}

/// Whether an error of a message with these headers may be one.
pub(in crate::nats) fn doubt(headers: &HeaderMap, error: &Error) -> Option<Doubt> {
    if error.reason() != Reason::WrongLastSequence {
        return None;
    }
    let expected = expected(headers)?;
    match actual(error) {
        None => Some(Doubt::Undecided),
        Some(actual) if actual < expected => Some(Doubt::KnowsLess),
        Some(actual) => headers.get(EXPECTED[0]).map(|_| Doubt::Ahead(actual)),
    }
}

/// Whether there is a message behind what is expected, by the answer.
pub(in crate::nats) fn is_refuted(headers: &HeaderMap, error: &Error) -> bool {
    let refutes = |actual: u64| expected(headers).is_some_and(|expected| actual >= expected);
    error.reason() == Reason::WrongLastSequence && actual(error).is_some_and(refutes)
}

/// Whether a message with these headers expects anything.
pub(in crate::nats) fn expects(headers: &HeaderMap) -> bool {
    expected(headers).is_some()
}

/// An answer does not say which of two expectations it is about: of the stream's end as well as of the subject's, the
/// smaller one counts.
fn expected(headers: &HeaderMap) -> Option<u64> {
    let expected = EXPECTED.into_iter().filter_map(|name| headers.get(name));
    expected
        .filter_map(|value| value.as_str().parse().ok())
        .min()
}

fn actual(error: &Error) -> Option<u64> {
    error.metadata("actual_sequence")?.parse().ok()
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
        let less = Some(Doubt::KnowsLess);
        for name in EXPECTED {
            assert_eq!(doubt(&headers(name, "7"), &refused("6")), less);
            for (expected, actual) in [("7", "7"), ("7", "8"), ("0", "8")] {
                let ahead = actual.parse().ok().filter(|_| name == EXPECTED[0]);
                let ahead = ahead.map(Doubt::Ahead);
                assert_eq!(doubt(&headers(name, expected), &refused(actual)), ahead);
                assert!(is_refuted(&headers(name, expected), &refused(actual)));
            }
        }
        let mut both = headers(EXPECTED[0], "100");
        both.insert(EXPECTED[1], "3");
        assert_eq!(doubt(&both, &refused("5")), Some(Doubt::Ahead(5)));
        let seven = headers(EXPECTED[0], "7");
        assert_eq!(doubt(&HeaderMap::new(), &refused("6")), None);
        assert!(!expects(&HeaderMap::new()) && expects(&seven));
        assert!(!is_refuted(&HeaderMap::new(), &refused("6")));
        let silent = Error::new(Reason::WrongLastSequence, "");
        assert_eq!(doubt(&seven, &silent), Some(Doubt::Undecided));
        assert!(!is_refuted(&seven, &silent));
        let other = Error::new(Reason::WrongStream, "").with("actual_sequence", "6");
        assert_eq!(doubt(&seven, &other), None);
        assert!(!is_refuted(&seven, &other));
    }
}
