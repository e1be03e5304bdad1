//! The two forms of gRPC-Web: bytes as they are, and base64 for what can only read text.

use http::{HeaderMap, HeaderValue, header};

/// How the body of a request or response is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Binary,
    Text,
}

impl Form {
    /// The form of a request; `None` where it is no gRPC-Web, or carries no protobuf.
    pub(super) fn of_request(headers: &HeaderMap) -> Option<Self> {
        let media_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Self::named(media_type)
    }

    /// The form that the response shall have: what `accept` names, or else that of the request.
    pub(super) fn of_response(headers: &HeaderMap, request: Self) -> Self {
        let accepted = headers.get(header::ACCEPT);
        let accepted = accepted.and_then(|value| value.to_str().ok());
        accepted
            .and_then(|value| value.split(',').find_map(Self::named))
            .unwrap_or(request)
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Binary => "application/grpc-web+proto",
            Self::Text => "application/grpc-web-text+proto",
        })
    }

    fn named(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/grpc-web" | "application/grpc-web+proto" => Some(Self::Binary),
            "application/grpc-web-text" | "application/grpc-web-text+proto" => Some(Self::Text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn requests_say_their_form_with_parameters_or_without() {
        for (media_type, form) in [
            ("application/grpc-web", Some(Form::Binary)),
            (
                "application/grpc-web+proto; charset=utf-8",
                Some(Form::Binary),
            ),
            ("Application/grpc-web-text+proto", Some(Form::Text)),
            ("application/grpc", None),
            ("application/grpc-web+json", None),
            ("application/grpc-website", None),
        ] {
            let headers = with(header::CONTENT_TYPE, media_type);
            assert_eq!(Form::of_request(&headers), form, "{media_type}");
        }
    }

    #[test]
    fn responses_have_the_form_that_is_asked_for() {
        for (accept, form) in [
            ("application/grpc-web-text", Form::Text),
            ("text/html, application/grpc-web+proto", Form::Binary),
            ("*/*", Form::Text),
        ] {
            let headers = with(header::ACCEPT, accept);
            assert_eq!(Form::of_response(&headers, Form::Text), form, "{accept}");
        }
    }
}
