//! Why a call has no answer, on one line.

use std::{error::Error, fmt, time::Duration};

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use super::{output::one_line, quantity};
use crate::cli::Failure;

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// The gateway, or the connection, says so.
    Status(Box<Status>),
    /// Nothing came.
    Silence(Duration),
}

impl CallError {
    /// The gateway's reason; the name of the gRPC code where something else answered.
    pub(super) fn reason(&self) -> String {
        let status = match self {
            Self::Status(status) if status.source().is_none() => status,
            _ => return "UNAVAILABLE".to_owned(),
        };
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone());
        reason.unwrap_or_else(|| screaming(&format!("{:?}", status.code())))
    }

    fn is_unavailable(&self) -> bool {
        match self {
            // What no gateway has said has its source here.
            Self::Status(status) => status.code() == Code::Unavailable || status.source().is_some(),
            Self::Silence(_) => true,
        }
    }
}

/// `NotFound` as gRPC writes it: `NOT_FOUND`.
fn screaming(camel: &str) -> String {
    let mut text = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self {
            Self::Status(status) if has_expired(status) => {
                return f.write_str("the gateway does not answer in time");
            }
            Self::Status(status) => match status.source() {
                Some(source) => {
                    return write!(f, "the connection is broken: {}", innermost(source));
                }
                None => status,
            },
            Self::Silence(timeout) => {
                let time = quantity::time(*timeout);
                return write!(f, "the gateway does not answer within {time}");
            }
        };
        write!(f, "{}: {}", self.reason(), one_line(status.message()))?;
        let details = status.get_error_details();
        if let Some(info) = details.error_info() {
            let mut facts: Vec<_> = info.metadata.iter().collect();
            facts.sort();
            for (key, value) in facts {
                write!(f, "; {key}={}", one_line(value))?;
            }
        }
        for violation in details
            .bad_request()
            .iter()
            .flat_map(|it| &it.field_violations)
        {
            // The message of a call with one mistake says the same.
            if !status.message().contains(&violation.description) {
                let description = one_line(&violation.description);
                write!(f, "; {}: {description}", violation.field)?;
            }
        }
        Ok(())
    }
}

/// What happened, behind what each layer calls it.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    one_line(&inner.to_string())
}

/// Whether tonic itself gave the call up, at its deadline: gateways answer before.
fn has_expired(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        source = error.source();
    }
    false
}

impl Error for CallError {}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        if error.is_unavailable() {
            Self::unavailable(error)
        } else {
            Self::other(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error as GatewayError, Reason};

    #[test]
    fn an_error_is_one_line_with_reason_facts_and_remedies() {
        let error = GatewayError::new(Reason::ImmutableField, "stream S cannot be changed\nso")
            .with("fields", "storage,first_seq")
            .violation("config.storage", "keep the value");
        let error = CallError::from(Status::from(error));

        assert_eq!(
            error.to_string(),
            "IMMUTABLE_FIELD: stream S cannot be changed so; fields=storage,first_seq; \
             config.storage: keep the value"
        );
    }

    #[test]
    fn a_violation_that_the_message_tells_is_not_repeated() {
        let error = CallError::from(Status::from(GatewayError::invalid("name", "is required")));

        assert_eq!(error.to_string(), "INVALID_REQUEST: name: is required");
    }

    #[test]
    fn a_broken_connection_is_no_refusal() {
        let error = std::io::Error::other("certificate required");
        let error = CallError::from(Status::from_error(Box::new(error)));

        assert!(error.is_unavailable());
        let said = error.to_string();
        assert_eq!(said, "the connection is broken: certificate required");
        assert_eq!(error.reason(), "UNAVAILABLE");
    }

    #[test]
    fn answers_of_others_have_the_name_of_their_code() {
        let error = CallError::from(Status::resource_exhausted("no"));

        assert_eq!(error.to_string(), "RESOURCE_EXHAUSTED: no");
    }
}
