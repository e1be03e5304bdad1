//! The one error type of the gateway and the only place that turns it into a `tonic::Status`.
//!
//! A reason decides the gRPC code and whether a retry helps; both are options of the `ErrorReason`
//! enum in `proto/jetgate/v1/error.proto`, so that table, documentation and code cannot differ.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

pub use crate::proto::ErrorReason as Reason;
use crate::proto::{ErrorReasonInfo, ItemStatus, Retry};

/// The `domain` of every `ErrorInfo` that the gateway sends.
pub const DOMAIN: &str = "jetgate";

/// What callers are told to wait before a retry where nothing better is known.
const DEFAULT_RETRY_DELAY: Duration = Duration::from_millis(500);

/// What the gateway says when it cannot do what it was asked to.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    reason: Reason,
    code: Option<Code>,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<FieldViolation>,
    quota: Option<QuotaViolation>,
    retry_delay: Option<Duration>,
}

/// A result with the gateway's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this reason; `message` is for people.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            reason,
            code: None,
            message: message.into(),
            metadata: HashMap::new(),
            violations: Vec::new(),
            quota: None,
            retry_delay: None,
        }))
    }

    /// One field of the request is wrong. `field` is its path in the request: `config.name`.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        let mut error = Self::new(Reason::InvalidRequest, format!("{field}: {description}"));
        error
            .0
            .violations
            .push(FieldViolation::new(field, description));
        error
    }

    /// Adds a fact that programs can use.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.0.metadata.insert(key.into(), value.to_string());
        self
    }

    /// Names the field of the request that caused an error with another reason than `INVALID_REQUEST`.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        let violation = FieldViolation::new(field, self.0.message.clone());
        self.0.violations.push(violation);
        self
    }

    /// Names one of several fields of the request that caused the error, each with its own description.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = FieldViolation::new(field, description);
        self.0.violations.push(violation);
        self
    }

    /// Moves the field violations below `prefix`: `name` becomes `config.name`.
    #[must_use]
    pub fn inside(mut self, prefix: &str) -> Self {
        for violation in &mut self.0.violations {
            violation.field = format!("{prefix}.{}", violation.field);
        }
        self
    }

    /// Moves the field violations from below one prefix to below another.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        for violation in &mut self.0.violations {
            if let Some(field) = violation.field.strip_prefix(from) {
                violation.field = format!("{to}{field}");
            }
        }
        self
    }

    /// Reports another gRPC code than the reason's own: an unknown outcome is DEADLINE_EXCEEDED or
    /// UNAVAILABLE, depending on what came first.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Says whose limit is reached, and which.
    #[must_use]
    pub fn exceeding(mut self, subject: impl Into<String>, limit: impl Into<String>) -> Self {
        self.0.quota = Some(QuotaViolation::new(subject, limit));
        self
    }

    /// Says how long to wait before a retry.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_delay = Some(delay);
        self
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0
            .code
            .unwrap_or_else(|| Code::from_i32(row(self.0.reason).code))
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// A fact added by [`Error::with`].
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key).map(String::as_str)
    }

    fn retry_delay(&self) -> Option<Duration> {
        let retryable = row(self.0.reason).retry == Retry::Later as i32;
        self.0
            .retry_delay
            .or_else(|| retryable.then_some(DEFAULT_RETRY_DELAY))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", reason_name(self.0.reason), self.0.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, delay) = (error.code(), error.retry_delay());
        let inner = *error.0;

        let mut details = ErrorDetails::new();
        details.set_error_info(reason_name(inner.reason), DOMAIN, inner.metadata);
        if !inner.violations.is_empty() {
            details.set_bad_request(inner.violations);
        }
        if let Some(quota) = inner.quota {
            details.set_quota_failure(vec![quota]);
        }
        if let Some(delay) = delay {
            details.set_retry_info(Some(delay));
        }
        Self::with_error_details(code, inner.message, details)
    }
}

impl From<Error> for ItemStatus {
    fn from(error: Error) -> Self {
        Self {
            code: error.code() as i32,
            reason: error.reason() as i32,
            message: error.0.message,
            metadata: error.0.metadata,
        }
    }
}

/// Every reason and how it is reported, in the order of their numbers.
pub fn reasons() -> impl Iterator<Item = ErrorReasonInfo> {
    ROWS.iter().map(|row| ErrorReasonInfo {
        reason: row.number,
        name: row.name.to_owned(),
        code: row.code,
        retry: row.retry,
        description: row.description.to_owned(),
    })
}

/// A reason's name as in `ErrorInfo.reason`.
pub fn reason_name(reason: Reason) -> &'static str {
    row(reason).name
}

/// How a reason is reported.
struct Row {
    number: i32,
    name: &'static str,
    code: i32,
    retry: i32,
    description: &'static str,
}

static UNSPECIFIED: Row = Row {
    number: 0,
    name: "INTERNAL",
    code: Code::Internal as i32,
    retry: Retry::Never as i32,
    description: "",
};

static ROWS: &[Row] = &include!(concat!(env!("OUT_DIR"), "/reasons.rs"));

fn row(reason: Reason) -> &'static Row {
    let place = ROWS.binary_search_by_key(&(reason as i32), |row| row.number);
    place.map_or(&UNSPECIFIED, |place| &ROWS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_so_that_a_search_finds_each() {
        assert!(ROWS.is_sorted_by_key(|row| row.number));
        for row in ROWS {
            let reason = Reason::try_from(row.number).unwrap();
            assert_eq!(reason.as_str_name(), format!("ERROR_REASON_{}", row.name));
            assert_ne!(Code::from_i32(row.code), Code::Unknown);
            assert!(!row.description.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn a_status_carries_reason_violations_and_retry_delay() {
        let status = Status::from(Error::invalid("name", "must not be empty").inside("config"));
        let details = status.get_error_details();

        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(details.error_info().unwrap().reason, "INVALID_REQUEST");
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "config.name"
        );
        assert!(details.retry_info().is_none());

        let status = Status::from(Error::new(Reason::NatsDisconnected, "no connection"));
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_error_details().retry_info().is_some());
    }
}
