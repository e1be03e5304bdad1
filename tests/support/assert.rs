//! Looking into a `tonic::Status`: the reason, the field at fault and the facts that it carries.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The domain of every reason of the gateway.
const DOMAIN: &str = "jetgate";

/// The reason of an error: `STREAM_NOT_FOUND`. Panics when the status carries none of the gateway's.
#[track_caller]
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, DOMAIN, "{status:?}");
    info.reason
}

/// The first field of the request that is at fault: `config.name`.
#[track_caller]
pub(crate) fn violated_field(status: &Status) -> String {
    let request = status.get_details_bad_request();
    let request = request.unwrap_or_else(|| panic!("no BadRequest in {status:?}"));
    let violation = request.field_violations.first();
    violation
        .unwrap_or_else(|| panic!("no field violation in {status:?}"))
        .field
        .clone()
}

/// A fact that the error carries for programs, if it does.
pub(crate) fn metadata(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// The error of a call that must fail with this code and reason.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    result: Result<T, Status>,
    code: Code,
    expected: &str,
) -> Status {
    let status = match result {
        Ok(value) => panic!("should be {expected}: {value:?}"),
        Err(status) => status,
    };
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, expected),
        "{status:?}"
    );
    status
}
