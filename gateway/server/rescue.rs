//! Gives a reason to what tonic refuses by itself: a message it cannot decode, or one too large, or a
//! method that does not exist come from it without details.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::error::{Error, Reason};

/// The header that carries an error's details.
const DETAILS: &str = "grpc-status-details-bin";

/// The header by which tonic tells which compressions it takes.
const ACCEPTED_ENCODINGS: &str = "grpc-accept-encoding";

/// The layer's service.
#[derive(Clone)]
pub(super) struct Rescue<S>(S);

impl<S> Rescue<S> {
    pub(super) fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move { response.await.map(rescue) })
    }
}

fn rescue(response: Response<Body>) -> Response<Body> {
    match reason_for(response.headers()) {
        Some(error) => Status::from(error).into_http(),
        None => response,
    }
}

/// An error is all headers; one that tonic made has no details among them.
fn reason_for(headers: &HeaderMap) -> Option<Error> {
    if headers.contains_key(DETAILS) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let text = status.message().to_owned();
    match status.code() {
        Code::Unimplemented if headers.contains_key(ACCEPTED_ENCODINGS) => {
            Some(Error::new(Reason::MalformedRequest, text))
        }
        Code::Unimplemented => Some(Error::new(
            Reason::MethodNotFound,
            "the gateway has no such method",
        )),
        Code::OutOfRange | Code::ResourceExhausted => {
            Some(Error::new(Reason::MessageTooLarge, text))
        }
        Code::Internal | Code::Unknown => Some(Error::new(Reason::MalformedRequest, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::StatusExt as _;

    fn rescued(status: Status) -> Status {
        let response = rescue(status.into_http());
        Status::from_header_map(response.headers()).unwrap()
    }

    #[test]
    fn what_tonic_refuses_gets_a_reason() {
        for (status, code, reason) in [
            (
                Status::unimplemented(""),
                Code::Unimplemented,
                "METHOD_NOT_FOUND",
            ),
            (
                Status::out_of_range("large"),
                Code::InvalidArgument,
                "MESSAGE_TOO_LARGE",
            ),
            (
                Status::internal("decode"),
                Code::InvalidArgument,
                "MALFORMED_REQUEST",
            ),
        ] {
            let status = rescued(status);
            assert_eq!(status.code(), code);
            assert_eq!(status.get_details_error_info().unwrap().reason, reason);
        }
    }

    #[test]
    fn what_has_details_stays() {
        let status = rescued(Error::new(Reason::Internal, "a fault").into());
        assert_eq!(status.get_details_error_info().unwrap().reason, "INTERNAL");
        assert_eq!(
            rescued(Status::not_found("a health service")).code(),
            Code::NotFound
        );
    }
}
