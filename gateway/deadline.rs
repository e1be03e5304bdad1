//! How long a call may take: the caller's `grpc-timeout`, and when to answer so that the caller
//! still sees the answer.

use std::time::Duration;

use tokio::time::{Instant, Timeout};
use tonic::metadata::MetadataMap;

use crate::error::{Error, Reason, Result};

/// A client whose own timer fires first never sees the details of an error, so the gateway answers
/// this much earlier: a tenth of the time, within these bounds.
const MARGIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// No deadline lies further ahead, so that adding it to a clock cannot overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The time by which a call must be answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    answer_by: Instant,
}

impl Deadline {
    /// The deadline of a call: its `grpc-timeout`, or `default` where it has none. A deadline that has
    /// passed is an error.
    pub fn of_call(metadata: &MetadataMap, default: Duration) -> Result<Self> {
        let Some(value) = metadata.get("grpc-timeout") else {
            return Ok(Self::within(default));
        };
        let timeout = value.to_str().ok().and_then(parse_timeout).ok_or_else(|| {
            Error::invalid(
                "grpc-timeout",
                "must be at most 8 digits and one of H, M, S, m, u, n",
            )
        })?;
        let deadline = Self::within(timeout.min(LONGEST).saturating_sub(margin(timeout)));
        if deadline.remaining().is_zero() {
            return Err(Error::new(
                Reason::DeadlineExceeded,
                "the deadline had passed on arrival",
            ));
        }
        Ok(deadline)
    }

    /// The time `timeout` from now.
    pub fn within(timeout: Duration) -> Self {
        Self {
            answer_by: Instant::now() + timeout.min(LONGEST),
        }
    }

    /// The earlier of this deadline and `timeout` from now.
    #[must_use]
    pub fn at_most(self, timeout: Duration) -> Self {
        Self {
            answer_by: self.answer_by.min(Instant::now() + timeout.min(LONGEST)),
        }
    }

    /// What is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.answer_by.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.answer_by
    }

    /// Bounds `future`.
    pub fn bound<F: Future>(self, future: F) -> Timeout<F> {
        tokio::time::timeout_at(self.answer_by, future)
    }
}

fn margin(timeout: Duration) -> Duration {
    (timeout / 10).clamp(MARGIN.0, MARGIN.1)
}

/// Reads a `grpc-timeout` as the gRPC protocol over HTTP/2 defines it: 1 to 8 digits and a unit.
fn parse_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 60 * 60)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_refuses_the_rest() {
        assert_eq!(parse_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            parse_timeout("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        for bad in ["", "S", "5", "5s", "-5S", "123456789S", "5 S", "é"] {
            assert_eq!(parse_timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn answers_before_the_deadline() {
        assert_eq!(margin(Duration::from_millis(50)), Duration::from_millis(20));
        assert_eq!(margin(Duration::from_secs(1)), Duration::from_millis(100));
        assert_eq!(margin(Duration::from_secs(60)), Duration::from_millis(250));
    }

    #[tokio::test]
    async fn a_call_has_less_than_its_caller_waits() {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "1S".parse().unwrap());
        let deadline = Deadline::of_call(&metadata, Duration::from_secs(9)).unwrap();
        assert!(deadline.remaining() <= Duration::from_millis(900));
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_is_an_error() {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "1n".parse().unwrap());
        let error = Deadline::of_call(&metadata, Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.reason(), Reason::DeadlineExceeded);
    }
}
