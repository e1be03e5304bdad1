//! Why a call, or one message of it, failed.

mod retry;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::v1::{ErrorReason, ItemStatus};

/// The beginning of the reasons' names in the contract.
const PREFIX: &str = "ERROR_REASON_";

/// Whether repeating a failed call may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// Not stated.
    Unspecified,
    /// The same request fails again.
    Never,
    /// The same request may succeed later; wait at least [`Error::retry_delay`].
    Later,
    /// Safe only with the same message id, inside the stream's duplicate window.
    SameId,
    /// Read the current state first, then decide.
    AfterRead,
}

/// Why a call, or one message of it, failed. Programs branch on [`Error::reason`], never on the text.
#[derive(Clone)]
pub struct Error(Arc<Details>);

#[derive(Clone, Debug)]
struct Details {
    code: Code,
    reason: String,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<(String, String)>,
    retry_delay: Option<Duration>,
    is_unsent: bool,
    cause: Option<Error>,
}

impl Error {
    /// The gRPC status.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Which fault it is, in the contract's words. [`ErrorReason::Unspecified`] where no gateway answered, and
    /// for reasons that are younger than this library: see [`Error::reason_name`].
    pub fn reason(&self) -> ErrorReason {
        let name = format!("{PREFIX}{}", self.0.reason);
        ErrorReason::from_str_name(&name).unwrap_or(ErrorReason::Unspecified)
    }

    /// The reason's name, `STREAM_NOT_FOUND` for example. Empty where no gateway answered.
    pub fn reason_name(&self) -> &str {
        &self.0.reason
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Facts that belong to the reason: `actual_sequence`, for example.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.metadata
    }

    /// Which fields of the request are wrong, and why.
    pub fn violations(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.violations.iter();
        all.map(|(field, why)| (field.as_str(), why.as_str()))
    }

    /// How long to wait before a retry, where the gateway says so.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// Whether repeating the call may help: what the contract says of the reason, or where this library does not know one,
    /// what the gRPC status stands for.
    pub fn retry(&self) -> Retry {
        match self.reason() {
            ErrorReason::Unspecified => retry_by_code(self.0.code),
            reason => retry::of(reason),
        }
    }

    /// Whether a publish that failed may have been stored: repeat it with the same message id, which the metadata has as
    /// `message_id` where there is one.
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.reason == "PUBLISH_OUTCOME_UNKNOWN"
    }

    /// Whether it says that what was called is closed.
    pub fn is_closed(&self) -> bool {
        self.0.code == Code::Cancelled && self.0.reason.is_empty()
    }

    /// It has not left: what was asked for has surely not been done.
    pub(crate) fn is_unsent(&self) -> bool {
        self.0.is_unsent
    }

    /// What was asked for may have been done all the same: a gateway was reached, and has not said that it was not.
    pub(crate) fn may_be_done(&self) -> bool {
        match self.0.reason.is_empty() {
            true => !self.is_unsent() && self.retry() == Retry::Later,
            false => self.is_outcome_unknown(),
        }
    }

    /// Its time was up before it could leave.
    pub(crate) fn had_no_time(&self) -> bool {
        self.is_unsent() && self.0.code == Code::DeadlineExceeded
    }

    /// A call that failed so may go well at once, on another gateway for example.
    pub(crate) fn is_passing(&self) -> bool {
        match self.0.reason.is_empty() {
            // No gateway says that: the connection has ended, in one of many ways.
            true => self.retry() == Retry::Later && self.0.code != Code::DeadlineExceeded,
            false => self.0.code == Code::Unavailable && self.retry() != Retry::Never,
        }
    }

    /// A stream that ended so would end so again.
    pub(crate) fn is_for_good(&self) -> bool {
        self.retry() != Retry::Later
    }

    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Arc::new(Details {
            code,
            reason: String::new(),
            message: message.into(),
            metadata: HashMap::new(),
            violations: Vec::new(),
            retry_delay: None,
            is_unsent: false,
            cause: None,
        }))
    }

    pub(crate) fn with_reason(reason: ErrorReason, code: Code, message: impl Into<String>) -> Self {
        let mut error = Self::new(code, message);
        if let Some(details) = Arc::get_mut(&mut error.0) {
            details.reason = name(reason);
        }
        error
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// What was used is closed.
    pub(crate) fn closed(what: &str) -> Self {
        Self::new(Code::Cancelled, format!("{what} is closed"))
    }

    /// A stream whose gateway says nothing, or not what it should.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// A message that was sent, and whose answer is lost.
    pub(crate) fn outcome_unknown(why: &str) -> Self {
        let text = format!("the message may be stored: {why}");
        Self::with_reason(ErrorReason::PublishOutcomeUnknown, Code::Unavailable, text)
    }

    /// What this failure comes to where an earlier attempt may have stored the message.
    pub(crate) fn in_doubt(&self) -> Self {
        if self.is_outcome_unknown() {
            return self.clone();
        }
        let mut unknown = Self::outcome_unknown(&self.to_string());
        Arc::make_mut(&mut unknown.0).cause = Some(self.clone());
        unknown
    }

    /// The same error, of a request that has not left.
    pub(crate) fn unsent(mut self) -> Self {
        Arc::make_mut(&mut self.0).is_unsent = true;
        self
    }

    /// The same error; where the outcome is unknown, with the id to publish the message again with.
    pub(crate) fn with_id(mut self, id: &str) -> Self {
        if self.is_outcome_unknown() {
            let metadata = &mut Arc::make_mut(&mut self.0).metadata;
            metadata.insert("message_id".to_owned(), id.to_owned());
        }
        self
    }

    /// The failure of one item; nothing where it went well.
    pub(crate) fn of_item(status: ItemStatus) -> Option<Self> {
        if status.code == 0 {
            return None;
        }
        Some(Self(Arc::new(Details {
            code: Code::from_i32(status.code),
            reason: name(status.reason()),
            message: status.message,
            metadata: status.metadata,
            violations: Vec::new(),
            retry_delay: None,
            is_unsent: false,
            cause: None,
        })))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let violations = details.bad_request().map(|bad| {
            let all = bad.field_violations.iter();
            all.map(|it| (it.field.clone(), it.description.clone()))
                .collect()
        });
        Self(Arc::new(Details {
            code: code(&status),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            message: status.message().to_owned(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            violations: violations.unwrap_or_default(),
            retry_delay: details.retry_info().and_then(|info| info.retry_delay),
            is_unsent: is_unsent(&status),
            cause: None,
        }))
    }
}

fn name(reason: ErrorReason) -> String {
    match reason {
        ErrorReason::Unspecified => String::new(),
        reason => reason.as_str_name().trim_start_matches(PREFIX).to_owned(),
    }
}

/// What a status stands for whose reason is not known, or that no gateway has given.
fn retry_by_code(code: Code) -> Retry {
    match code {
        Code::Unavailable
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::DeadlineExceeded
        | Code::ResourceExhausted => Retry::Later,
        Code::Aborted => Retry::AfterRead,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Retry::Never,
        Code::Ok | Code::DataLoss => Retry::Unspecified,
    }
}

/// A connection that breaks has no code of its own: tonic says CANCELLED or UNKNOWN of it, which no gateway has said.
fn code(status: &Status) -> Code {
    let is_of_connection = std::error::Error::source(status).is_some();
    match status.code() {
        Code::Cancelled | Code::Unknown if is_of_connection => Code::Unavailable,
        code => code,
    }
}

/// No connection was made.
fn is_unsent(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.reason.is_empty() {
            write!(formatter, "{}: ", self.0.reason)?;
        }
        formatter.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl std::error::Error for Error {
    /// What the last attempt said, where the outcome of all of them is unknown.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let cause = self.0.cause.as_ref();
        cause.map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_says_whether_a_retry_helps() {
        let of = |reason| Error::with_reason(reason, Code::Unknown, "").retry();
        assert_eq!(of(ErrorReason::StreamNotFound), Retry::Never);
        assert_eq!(of(ErrorReason::Draining), Retry::Later);
        assert_eq!(of(ErrorReason::PublishOutcomeUnknown), Retry::SameId);
        assert_eq!(of(ErrorReason::WrongLastSequence), Retry::AfterRead);
        assert_eq!(Error::unavailable("").retry(), Retry::Later);
    }

    #[test]
    fn a_connection_that_breaks_is_unavailable() {
        for code in [Code::Cancelled, Code::Unknown] {
            let mut broken = Status::new(code, "broken");
            broken.set_source(Arc::new(std::io::Error::other("reset")));
            let error = Error::from(broken);
            assert_eq!(error.code(), Code::Unavailable);
            assert!(!error.is_closed());
            assert_eq!(Error::from(Status::new(code, "said")).code(), code);
        }
    }

    #[test]
    fn reasons_that_are_younger_are_judged_by_their_status() {
        let of = |code| {
            let mut details = tonic_types::ErrorDetails::new();
            details.set_error_info("SOLAR_FLARE", "jetgate", HashMap::new());
            Error::from(Status::with_error_details(code, "no", details))
        };
        let passing = of(Code::Unavailable);
        assert_eq!(passing.reason(), ErrorReason::Unspecified);
        assert_eq!(passing.reason_name(), "SOLAR_FLARE");
        assert_eq!(passing.retry(), Retry::Later);
        assert!(passing.is_passing() && !passing.is_for_good());
        // By the contract every reason but one says that nothing was done.
        assert!(!passing.may_be_done());
        assert!(!of(Code::ResourceExhausted).is_for_good());
        assert_eq!(of(Code::Aborted).retry(), Retry::AfterRead);
        for code in [
            Code::NotFound,
            Code::FailedPrecondition,
            Code::PermissionDenied,
        ] {
            assert_eq!(of(code).retry(), Retry::Never);
            assert!(of(code).is_for_good() && !of(code).is_passing());
        }
    }

    #[test]
    fn what_has_not_left_has_not_been_done() {
        let late = Error::new(Code::DeadlineExceeded, "");
        assert!(late.may_be_done() && !late.had_no_time());
        let late = late.unsent();
        assert!(!late.may_be_done() && late.had_no_time());
    }

    #[test]
    fn details_of_a_status_are_kept() {
        let mut details = tonic_types::ErrorDetails::new();
        let facts = HashMap::from([("stream".to_owned(), "ORDERS".to_owned())]);
        details
            .set_error_info("STREAM_NOT_FOUND", "jetgate", facts)
            .set_retry_info(Some(Duration::from_secs(3)))
            .add_bad_request_violation("stream", "is wrong");
        let status = Status::with_error_details(Code::NotFound, "no", details);
        let error = Error::from(status);
        assert_eq!(error.reason(), ErrorReason::StreamNotFound);
        assert_eq!(error.metadata()["stream"], "ORDERS");
        assert_eq!(error.violations().next(), Some(("stream", "is wrong")));
        assert_eq!(error.retry_delay(), Some(Duration::from_secs(3)));
        assert!(error.is_for_good());
    }
}
