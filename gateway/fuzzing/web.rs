//! Calls of pages in browsers: who is let through, what becomes of what they send, and what they are answered.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::iter;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use tower::{Service, ServiceExt as _, service_fn};

use super::SEPARATOR;
use crate::console::Console;
use crate::metrics::Metrics;
use crate::web::{self, Web};

/// Whose pages may call: this one, and those of every port here.
const PAGE: &str = "https://app.example.com";
const LOCAL: &str = "http://localhost";

/// What the services answer, and what a page gets of it: the status is the last frame.
const ANSWER: &[u8] = b"\0\0\0\0\x01x";
const FRAMED: &[u8] = b"\0\0\0\0\x01x\x80\0\0\0\x0fgrpc-status:0\r\n";

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

static METRICS: LazyLock<Arc<Metrics>> = LazyLock::new(|| Arc::new(Metrics::new()));

/// A request that reached the services: its headers, and its body as far as it can be read.
type Reached = Arc<Mutex<Option<(HeaderMap, Option<Bytes>)>>>;

type Answered = Response<BoxBody<Bytes, Infallible>>;

/// In two bytes method, version and how large the pieces of the body are; then media type, the one that
/// is accepted, origin, and body.
pub fn page_calls(input: &[u8]) {
    let Some(([kind, size], rest)) = input.split_first_chunk() else {
        return;
    };
    let mut parts = rest.splitn(4, |byte| *byte == SEPARATOR);
    let mut next = || parts.next().unwrap_or_default();
    let (media_type, accepted, origin, body) = (next(), next(), next(), next());
    let Some(headers) = headers([
        (header::CONTENT_TYPE, media_type),
        (header::ACCEPT, accepted),
        (header::ORIGIN, origin),
        (header::ACCESS_CONTROL_REQUEST_METHOD, b"POST"),
    ]) else {
        return;
    };
    let size = 1 + usize::from(*size);
    let pieces = body
        .chunks(size)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))));
    let pieces: Vec<Result<_, Infallible>> = pieces.collect();
    let mut request = Request::new(StreamBody::new(iter(pieces)));
    *request.headers_mut() = headers;
    *request.method_mut() = method(*kind);
    let is_http2 = kind & 64 == 0;
    *request.version_mut() = if is_http2 {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };

    let reached = Reached::default();
    let origins = format!("{PAGE}, {LOCAL}:*").parse().unwrap();
    let layer = Web::new(
        services(reached.clone()),
        &web::Config { origins },
        METRICS.clone(),
    );
    let (head, answer) = answered(layer.oneshot(request));
    let may_call = origin.is_empty() || is_named(origin);
    let Some((asked, sent)) = reached.lock().unwrap().take() else {
        // A refusal, or the answer to what a browser asks first.
        assert_ne!(head.status, StatusCode::OK);
        let allowed = head.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert!(allowed.is_none_or(|it| may_call && it.as_bytes() == origin));
        return;
    };
    if head.headers[header::CONTENT_TYPE] == GRPC {
        // It was gRPC, for which browsers ask before.
        assert!(is_http2 && form(media_type).is_none() && sent.as_deref() == Some(body));
        return;
    }
    assert!(may_call, "a page of {} calls", origin.escape_ascii());
    assert_eq!(asked[header::CONTENT_TYPE], GRPC);
    let is_text = form(media_type).expect("only gRPC-Web is translated");
    let expected = if is_text {
        decoded(body)
    } else {
        Some(body.to_vec())
    };
    assert_eq!(sent.as_deref(), expected.as_deref());
    let answer = match form(head.headers[header::CONTENT_TYPE].as_bytes()) {
        Some(true) => decoded(&answer),
        _ => Some(answer.to_vec()),
    };
    assert_eq!(answer.as_deref(), Some(FRAMED));
}

/// In a byte the method; then the host, the origin and the path.
pub fn console_calls(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    let mut parts = rest.splitn(3, |byte| *byte == SEPARATOR);
    let mut next = || parts.next().unwrap_or_default();
    let (host, origin, path) = (next(), next(), next());
    let Some(headers) = headers([(header::HOST, host), (header::ORIGIN, origin)]) else {
        return;
    };
    let mut request = Request::new(String::new());
    let Ok(uri) = path.try_into() else {
        return;
    };
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    *request.method_mut() = method(*kind);
    let authority = request
        .uri()
        .authority()
        .map(|it| it.to_string().into_bytes());
    let path = request.uri().path().to_owned();

    let reached = Reached::default();
    let origins = PAGE.parse().unwrap();
    let console = Console::new(services(reached.clone()), origins, Metrics::clone(&METRICS));
    let (head, answer) = answered(console.oneshot(request));
    if reached.lock().unwrap().is_some() {
        let host = authority.as_deref().unwrap_or(host);
        let is_own = origin == PAGE.as_bytes() || is_here(origin, host);
        assert!(
            origin.is_empty() || is_own,
            "a page of {} calls",
            origin.escape_ascii()
        );
        return;
    }
    // A file, or a word about why there is none: for no frame of another page.
    assert_eq!(head.headers[header::X_FRAME_OPTIONS], "DENY");
    let is_start = path.trim_start_matches('/').is_empty();
    assert!(!answer.is_empty() && (head.status != StatusCode::NOT_FOUND || !is_start));
}

fn method(kind: u8) -> Method {
    match kind % 3 {
        0 => Method::POST,
        1 => Method::OPTIONS,
        _ => Method::GET,
    }
}

/// Those that have a value; `None` where one can be in no request.
fn headers<const N: usize>(headers: [(HeaderName, &[u8]); N]) -> Option<HeaderMap> {
    let given = headers.into_iter().filter(|(_, value)| !value.is_empty());
    let sound = given.map(|(name, value)| Some((name, HeaderValue::from_bytes(value).ok()?)));
    sound.collect()
}

/// Services that note what reaches them.
fn services<B>(
    reached: Reached,
) -> impl Service<
    Request<B>,
    Response = Answered,
    Error = Infallible,
    Future = BoxFuture<'static, Result<Answered, Infallible>>,
>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    service_fn(move |request: Request<B>| {
        let reached = reached.clone();
        let answer = async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.ok().map(|it| it.to_bytes());
            *reached.lock().unwrap() = Some((head.headers, body));
            let status = HeaderName::from_static("grpc-status");
            let trailers = HeaderMap::from_iter([(status, HeaderValue::from_static("0"))]);
            let frames = [
                Frame::data(Bytes::from_static(ANSWER)),
                Frame::trailers(trailers),
            ];
            let body = BodyExt::boxed(StreamBody::new(iter(frames.map(Ok))));
            let mut response = Response::new(body);
            response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
            Ok(response)
        };
        FutureExt::boxed(answer)
    })
}

/// The whole response, for which nothing waits.
fn answered<B: Body<Data = Bytes>>(
    response: impl Future<Output = Result<Response<B>, Infallible>>,
) -> (http::response::Parts, Bytes) {
    let response = response.now_or_never().expect("nothing waits");
    let (head, body) = response.unwrap_or_else(|never| match never {}).into_parts();
    let body = body.collect().now_or_never().expect("nothing waits");
    let body = body.ok().expect("what is answered is whole");
    (head, body.to_bytes())
}

/// Whether a media type is that of gRPC-Web, and then whether it is the one in text.
fn form(media_type: &[u8]) -> Option<bool> {
    // Other bytes than ASCII are no text in a header.
    let media_type = Some(media_type).filter(|it| it.is_ascii())?;
    let essence = media_type.split(|byte| *byte == b';').next()?.trim_ascii();
    let name = essence.to_ascii_lowercase();
    let name = name.strip_suffix(b"+proto").unwrap_or(&name);
    match name {
        b"application/grpc-web" => Some(false),
        b"application/grpc-web-text" => Some(true),
        _ => None,
    }
}

/// Base64 by its definition, quad by quad.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let quads = text.chunks(4).map(|quad| STANDARD.decode(quad).ok());
    Some(quads.collect::<Option<Vec<_>>>()?.concat())
}

fn is_named(origin: &[u8]) -> bool {
    let port = origin.strip_prefix(LOCAL.as_bytes());
    let is_port = |port: &[u8]| match port {
        [] => true,
        [b':', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    origin == PAGE.as_bytes() || port.is_some_and(is_port)
}

/// Whether a browser has the page from that host, and knows it by a name that cannot be made to lead here.
fn is_here(origin: &[u8], host: &[u8]) -> bool {
    let Some((_, page)) = std::str::from_utf8(origin)
        .ok()
        .and_then(|it| it.split_once("://"))
    else {
        return false;
    };
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match page.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => page,
    };
    let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_address = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.parse::<std::net::Ipv4Addr>().is_ok(),
    };
    page.as_bytes() == host && (name == "localhost" || is_address)
}
