//! The files of the console, as they were when the binary was built.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;

/// One file.
struct File {
    /// Below `/`.
    path: &'static str,
    plain: &'static [u8],
    /// The same by gzip; empty where that makes it no smaller.
    gzip: &'static [u8],
}

/// Empty where the console was not built.
static FILES: &[File] = &include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What is shown in its place.
static UNBUILT: File = File {
    path: START,
    plain: include_bytes!("unbuilt.html"),
    gzip: &[],
};

const START: &str = "index.html";

/// Files whose names change with what is in them.
const LASTING: &str = "assets/";

/// What a page may do: run and show what is from here, and call here. Nothing may show the page in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The file that is asked for.
pub(super) fn answer<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "pages are read by GET\n");
    }
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { START } else { path };
    let start = (FILES.is_empty() && path == START).then_some(&UNBUILT);
    match start.or_else(|| FILES.iter().find(|file| file.path == path)) {
        Some(file) => file.response(takes_gzip(request.headers())),
        None => refusal(StatusCode::NOT_FOUND, "no such page\n"),
    }
}

impl File {
    fn response(&self, takes_gzip: bool) -> Response<Full<Bytes>> {
        let packed = takes_gzip && !self.gzip.is_empty();
        let bytes = if packed { self.gzip } else { self.plain };
        let mut response = Response::new(Full::new(Bytes::from_static(bytes)));
        let headers = response.headers_mut();
        guard(headers);
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, self.media_type());
        set(header::VARY, "accept-encoding");
        set(
            header::CACHE_CONTROL,
            match self.path.starts_with(LASTING) {
                true => "public, max-age=31536000, immutable",
                false => "no-cache",
            },
        );
        if packed {
            set(header::CONTENT_ENCODING, "gzip");
        }
        response
    }

    fn media_type(&self) -> &'static str {
        match self.path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

/// A word instead of a file.
pub(super) fn refusal(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *response.status_mut() = status;
    guard(response.headers_mut());
    let text = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// What keeps a browser from doing more with the pages than they are for.
fn guard(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.split(',').any(|coding| coding.trim() == "gzip"))
}
