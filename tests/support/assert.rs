//! Looking into a `tonic::Status`: the reason, the field at fault and the facts that it carries; and waiting for one that
//! is the gateway's own.

use std::time::{Duration, Instant};

use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::{SOON, eventually};

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

/// What the gateway answers, in time, to a call with this deadline.
///
/// The client has a timer of its own, which leaves a busy machine little time to hand over an answer that the gateway gave
/// before the deadline: then the call fails without a word of the gateway, and is made again. So it must be one that may
/// be made twice.
#[track_caller]
pub(crate) fn answered<M: Clone, T>(
    deadline: Duration,
    message: M,
    call: impl AsyncFnMut(Request<M>) -> Result<T, Status>,
) -> impl Future<Output = Result<T, Status>> {
    finally_answered(deadline, message, call, |_| true)
}

/// The same where the gateway may have to answer with less than it knows on a quicker machine: the call is made again until
/// it succeeds or the error is the last word.
#[track_caller]
pub(crate) fn finally_answered<M: Clone, T>(
    deadline: Duration,
    message: M,
    mut call: impl AsyncFnMut(Request<M>) -> Result<T, Status>,
    is_last_word: impl Fn(&Status) -> bool,
) -> impl Future<Output = Result<T, Status>> {
    eventually(3 * SOON, async move || {
        let mut request = Request::new(message.clone());
        request.set_timeout(deadline);
        let called = Instant::now();
        let answer = call(request).await;
        let is_in_time = called.elapsed() < deadline;
        let is_taken = |status: &Status| is_of_the_gateway(status) && is_last_word(status);
        let is_answer = is_in_time && answer.as_ref().err().is_none_or(is_taken);
        is_answer.then_some(answer)
    })
}

/// Whether the gateway itself has said this, and not a client whose own timer ran out.
pub(crate) fn is_of_the_gateway(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.domain == DOMAIN)
}
