//! Whether a browser that calls shows the console's own pages.

use std::net::IpAddr;

use http::uri::Authority;
use http::{Request, header};

use crate::web::Origins;

/// Whether the caller may be a page of the console, or is none at all.
///
/// A page of this origin is let in where the browser knows the host by its address or as localhost. By another
/// name any page on the web could reach a gateway beside the browser that asks nobody who they are: the page's own
/// name only has to lead there (DNS rebinding).
pub(super) fn is_own<B>(request: &Request<B>, named: &Origins) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return true; // A program.
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if named.allow(origin) {
        return true;
    }
    let page = origin.split_once("://").map(|(_, authority)| authority);
    page.is_some_and(|page| Some(page) == host(request) && is_literal(page))
}

/// What the browser takes this gateway for.
fn host<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST)?.to_str().ok(),
    }
}

/// An address, or a name that is never asked for on the network.
fn is_literal(authority: &str) -> bool {
    // No browser says a user here.
    let Some(authority) = authority
        .parse::<Authority>()
        .ok()
        .filter(|_| !authority.contains('@'))
    else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &str, host: &str) -> Request<()> {
        let request = Request::builder().header("host", host);
        request.header("origin", origin).body(()).unwrap()
    }

    #[test]
    fn pages_of_the_console_are_told_from_others() {
        let named = "https://console.test".parse().unwrap();

        for (origin, host) in [
            ("http://127.0.0.1:50053", "127.0.0.1:50053"),
            ("http://localhost:50053", "localhost:50053"),
            ("http://[::1]:50053", "[::1]:50053"),
            ("https://10.1.2.3", "10.1.2.3"),
            ("https://console.test", "behind-a-proxy:50053"),
        ] {
            assert!(is_own(&from(origin, host), &named), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://evil.test:50053", "evil.test:50053"),
            ("http://evil.test", "127.0.0.1:50053"),
            ("http://localhost:5173", "localhost:50053"),
            ("http://127.0.0.1.evil.test", "127.0.0.1.evil.test"),
            ("https://console.test:8443", "console.test:8443"),
            ("null", "127.0.0.1:50053"),
            ("http://evil.test@127.0.0.1", "evil.test@127.0.0.1"),
        ] {
            assert!(!is_own(&from(origin, host), &named), "{origin} {host}");
        }
    }

    #[test]
    fn over_http_2_the_host_is_the_authority() {
        let request = Request::builder().uri("https://127.0.0.1:50053/x");
        let request = request.header("origin", "https://127.0.0.1:50053");
        assert!(is_own(&request.body(()).unwrap(), &Origins::default()));
    }

    #[test]
    fn programs_have_no_origin_and_are_let_in() {
        let request = Request::builder().header("host", "anything").body(());
        assert!(is_own(&request.unwrap(), &Origins::default()));
    }
}
