//! JetStream's errors as the gateway's own.
//!
//! Errors are told apart by `err_code`: the HTTP-like `code` beside it is not reliable (an invalid
//! configuration comes with 500). The one table from codes to reasons stands in `error/table.rs`.

use tracing::warn;

use super::api::ApiError;
use super::link::RequestError;
use crate::error::{Error, Reason};

mod table;

/// The gateway's error for one of JetStream's.
pub(super) fn from_api(error: &ApiError) -> Error {
    let reason = reason(error.err_code, &error.description);
    if reason == Reason::Internal {
        // The text may name files of the server.
        warn!(err_code = error.err_code, description = %error.description, "JetStream failed");
        let text = "JetStream failed to do this; the gateway's log has more";
        return Error::new(reason, text).with("err_code", error.err_code);
    }
    let setting = missing_setting(error.err_code).filter(|_| reason == Reason::NotEnabledOnStream);
    let text = match setting {
        Some(setting) => format!("{}: the stream needs {setting}", error.description),
        None => error.description.clone(),
    };
    let mut converted = Error::new(reason, text)
        .with("err_code", error.err_code)
        .with("description", &error.description);
    if let Some(setting) = setting {
        converted = converted.with("setting", setting);
    }
    match actual_sequence(error) {
        Some(sequence) => converted.with("actual_sequence", sequence),
        None => converted,
    }
}

/// The setting of the stream that would allow what JetStream refused.
fn missing_setting(err_code: u64) -> Option<&'static str> {
    Some(match err_code {
        10111 => "allow_rollup_hdrs",
        10166 => "allow_msg_ttl",
        10168 => "allow_msg_counter",
        10174 => "allow_atomic",
        10188 => "allow_msg_schedules",
        _ => return None,
    })
}

/// The error of every call where NATS refuses the login. Why stands in the log: it may tell of files and accounts.
pub(super) fn login_failed() -> Error {
    let text = "NATS refuses the login that the gateway has for this caller; its log has more";
    Error::new(Reason::NatsLoginFailed, text)
}

/// The gateway's error for a request that JetStream did not answer, where that leaves no doubt about
/// an outcome: for reads, and for changes that can be repeated.
pub fn from_request(error: RequestError, what: &str) -> Error {
    match error {
        RequestError::NotSent | RequestError::Lost => super::supervisor::disconnected(),
        RequestError::TimedOut => too_late(what),
        RequestError::NoResponders => Error::new(
            Reason::JetstreamUnavailable,
            format!("nobody serves {what} now"),
        ),
        RequestError::TooLarge => Error::new(
            Reason::MessageTooLarge,
            "the message is larger than the server takes",
        ),
        RequestError::Denied => Error::new(
            Reason::NatsPermissionDenied,
            format!("the gateway's NATS user may not do this: {what}"),
        ),
    }
}

/// The error of a request whose time ran out before its answer came.
pub(super) fn too_late(what: &str) -> Error {
    Error::new(
        Reason::DeadlineExceeded,
        format!("JetStream did not answer in time: {what}"),
    )
}

/// Whether JetStream may answer differently in a moment.
pub(super) fn is_passing(err_code: u64) -> bool {
    reason(err_code, "") == Reason::JetstreamUnavailable
}

/// A code of a later server is most likely a new rule for requests.
fn reason(err_code: u64, description: &str) -> Reason {
    table::find(err_code, description).unwrap_or(Reason::RejectedByJetstream)
}

/// `wrong last sequence: 17` names the sequence found.
fn actual_sequence(error: &ApiError) -> Option<u64> {
    let (_, number) = error.description.split_once("wrong last sequence: ")?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn converted(err_code: u64, description: &str) -> Error {
        from_api(&ApiError {
            code: 500,
            err_code,
            description: description.to_owned(),
        })
    }

    #[test]
    fn maps_by_err_code() {
        for (err_code, description, code, reason) in [
            (
                10059,
                "stream not found",
                Code::NotFound,
                Reason::StreamNotFound,
            ),
            (
                10014,
                "consumer not found",
                Code::NotFound,
                Reason::ConsumerNotFound,
            ),
            (
                10058,
                "stream name already in use",
                Code::AlreadyExists,
                Reason::StreamExists,
            ),
            (
                10071,
                "wrong last sequence: 17",
                Code::Aborted,
                Reason::WrongLastSequence,
            ),
            (
                10164,
                "wrong last sequence",
                Code::Aborted,
                Reason::WrongLastSequence,
            ),
            (
                10008,
                "temporarily unavailable",
                Code::Unavailable,
                Reason::JetstreamUnavailable,
            ),
            (
                10158,
                "in process",
                Code::Unavailable,
                Reason::JetstreamUnavailable,
            ),
            (
                10077,
                "maximum messages exceeded",
                Code::ResourceExhausted,
                Reason::StreamFull,
            ),
            (10077, "write error", Code::Internal, Reason::Internal),
            (
                10057,
                "stream store EOF",
                Code::NotFound,
                Reason::MessageNotFound,
            ),
            (
                10057,
                "message delete not permitted",
                Code::FailedPrecondition,
                Reason::FailedPrecondition,
            ),
            (10110, "I/O error", Code::Internal, Reason::Internal),
            (
                10052,
                "duplicates window",
                Code::InvalidArgument,
                Reason::RejectedByJetstream,
            ),
            (
                10055,
                "stream mirror configuration can not be updated",
                Code::FailedPrecondition,
                Reason::ImmutableField,
            ),
            (
                10052,
                "message schedules can not be disabled",
                Code::FailedPrecondition,
                Reason::ImmutableField,
            ),
            (
                10012,
                "x can not be updated",
                Code::FailedPrecondition,
                Reason::ImmutableField,
            ),
            (10012, "failed", Code::Internal, Reason::Internal),
            (
                10201,
                "contains duplicate message id",
                Code::AlreadyExists,
                Reason::DuplicateMessageId,
            ),
            (
                10176,
                "batch is incomplete",
                Code::Unavailable,
                Reason::BatchIncomplete,
            ),
            (
                10188,
                "message schedules is disabled",
                Code::FailedPrecondition,
                Reason::NotEnabledOnStream,
            ),
            (
                10111,
                "batch rollup sub invalid",
                Code::InvalidArgument,
                Reason::RejectedByJetstream,
            ),
            (
                10065,
                "subjects overlap",
                Code::FailedPrecondition,
                Reason::SubjectsOverlap,
            ),
            (
                10054,
                "message size exceeds",
                Code::InvalidArgument,
                Reason::MessageTooLarge,
            ),
            (
                99999,
                "of a later version",
                Code::InvalidArgument,
                Reason::RejectedByJetstream,
            ),
        ] {
            let error = converted(err_code, description);
            assert_eq!(
                (error.code(), error.reason()),
                (code, reason),
                "{err_code} {description}"
            );
            assert_eq!(
                error.metadata("err_code"),
                Some(err_code.to_string().as_str())
            );
        }
    }

    #[test]
    fn names_the_setting_that_is_off() {
        let error = converted(10188, "message schedules is disabled");
        assert_eq!(error.metadata("setting"), Some("allow_msg_schedules"));
        let error = converted(10111, "batch rollup sub invalid");
        assert_eq!(error.metadata("setting"), None);
    }

    #[test]
    fn tells_the_sequence_that_was_found() {
        let error = converted(10071, "wrong last sequence: 17");
        assert_eq!(error.metadata("actual_sequence"), Some("17"));
    }
}
