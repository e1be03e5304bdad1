//! What a browser is told about pages of other origins: may they call, and what may they read.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};

use super::Origins;

/// What scripts may read of a response, besides what they always may. The status is in the body; only
/// an intermediary that answers by itself puts it into headers.
const READABLE: &str = "grpc-status, grpc-message, grpc-status-details-bin";

/// How long a browser may keep the answer to its question, in seconds. Browsers have bounds of their own.
const REMEMBERED: &str = "7200";

/// What an answer depends on, for caches.
const VARY: &str = "origin, access-control-request-method, access-control-request-headers";

/// Whether this is a browser's question before the call itself.
pub(super) fn is_question<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin to be named in the answer, `None` where no browser asks for a page.
///
/// # Errors
///
/// With the origin, where its pages may not call.
pub(super) fn judge(
    origins: &Origins,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, HeaderValue> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    let allowed = origin.to_str().is_ok_and(|origin| origins.allow(origin));
    match allowed {
        true => Ok(Some(origin.clone())),
        false => Err(origin.clone()),
    }
}

/// The answer to the question: any header may be sent, as callers choose their metadata.
pub(super) fn permission(origin: HeaderValue, asked: &HeaderMap) -> [(HeaderName, HeaderValue); 5] {
    let headers = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let none = || HeaderValue::from_static("content-type");
    [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("POST"),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            headers.cloned().unwrap_or_else(none),
        ),
        (
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static(REMEMBERED),
        ),
        (header::VARY, HeaderValue::from_static(VARY)),
    ]
}

/// Lets the page read the response.
pub(super) fn make_readable(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(READABLE),
    );
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn pages_are_judged_by_their_origin_and_programs_are_not() {
        let origins = "https://a.test".parse().unwrap();

        assert_eq!(
            judge(&origins, &from("https://a.test")),
            Ok(Some(HeaderValue::from_static("https://a.test")))
        );
        assert!(judge(&origins, &from("https://b.test")).is_err());
        assert!(judge(&origins, &from("null")).is_err());
        assert_eq!(judge(&origins, &HeaderMap::new()), Ok(None));
    }

    #[test]
    fn every_header_that_is_asked_for_may_be_sent() {
        let mut asked = from("https://a.test");
        let wanted = HeaderValue::from_static("content-type,authorization,x-mine-bin");
        asked.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, wanted.clone());

        let answer = HeaderMap::from_iter(permission(asked[header::ORIGIN].clone(), &asked));

        assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_HEADERS], wanted);
        assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
    }
}
