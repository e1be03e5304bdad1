//! The console: its files with what guards them, and calls of its own pages and of no others.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use jetgate::auth::NewKey;
use jetgate::config::Config;
use jetgate::proto::{GetInfoRequest, GetInfoResponse, ListStreamsRequest, ListStreamsResponse};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::page::{ORIGIN, Page, frame};
use crate::support::{Clients, Gateway, NatsServer, SOON, http_get, reason};

const GET_INFO: &str = "GatewayService/GetInfo";
const LIST_STREAMS: &str = "StreamService/ListStreams";
const CALL: (&str, &str) = ("content-type", "application/grpc-web+proto");

/// A gateway with a console, which browsers reach by a name.
async fn start(change: impl FnOnce(&mut Config)) -> (NatsServer, Gateway) {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.console.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.console.origins = ORIGIN.parse().unwrap();
        change(config);
    })
    .await;
    (nats, gateway)
}

async fn text_of(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

#[tokio::test]
async fn the_page_comes_with_what_keeps_others_from_using_it() {
    let (_nats, gateway) = start(|_| ()).await;
    let mut page = Page::open(gateway.console()).await;

    let start = page.get("/", &[]).await;
    assert_eq!(start.status(), 200);
    let policy = start.headers()["content-security-policy"].to_str().unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(start.headers()["x-content-type-options"], "nosniff");
    assert!(!start.headers().contains_key("access-control-allow-origin"));
    let text = text_of(start).await;
    assert!(text.contains("<title>jetgate console</title>"), "{text}");
    assert!(
        !text.contains("http://") && !text.contains("https://"),
        "nothing from elsewhere: {text}"
    );

    let other = page.get("/../etc/passwd", &[]).await;
    assert_eq!(other.status(), 404);
    assert!(other.headers().contains_key("content-security-policy"));
}

#[tokio::test]
async fn connections_beyond_its_limit_are_closed() {
    let (_nats, gateway) = start(|config| config.console.max_connections = 1).await;
    let mut page = Page::open(gateway.console()).await;
    assert_eq!(page.get("/", &[]).await.status(), 200);

    let mut one_too_many = TcpStream::connect(gateway.console()).await.unwrap();
    let end = tokio::time::timeout(SOON, one_too_many.read(&mut [0; 1])).await;

    // It is closed, perhaps with a reset.
    assert_eq!(end.unwrap().unwrap_or(0), 0);
    assert_eq!(page.get("/", &[]).await.status(), 200);
}

#[tokio::test]
async fn its_own_pages_call_and_no_others() {
    let (_nats, gateway) = start(|_| ()).await;

    let mut page = Page::open(gateway.console()).await;
    let info: GetInfoResponse = page.call(GET_INFO, &GetInfoRequest {}).await.unwrap();
    assert!(info.start_time.is_some());

    // A page whose own name leads to this address: its origin is the host that it asks.
    for origin in [
        "http://gateway.test",
        "https://other.test",
        "http://127.0.0.1:5173",
    ] {
        let mut page = Page::of(origin, gateway.console()).await;
        let path = format!("/jetgate.v1.{GET_INFO}");
        let refused = page.post(&path, &[CALL], frame(&GetInfoRequest {})).await;
        assert_eq!(refused.status(), 403, "{origin}");
        assert!(
            !refused
                .headers()
                .contains_key("access-control-allow-origin")
        );
        assert_eq!(
            page.ask(&path, "content-type").await.status(),
            403,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn programs_call_there_as_well() {
    let (_nats, gateway) = start(|_| ()).await;
    let clients = Clients::at(gateway.console());

    let mut streams = clients.streams();
    let listed = streams.list_streams(ListStreamsRequest::default()).await;

    assert!(listed.unwrap().into_inner().streams.is_empty());
}

#[tokio::test]
async fn callers_are_asked_who_they_are_there_too() {
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys.toml");
    let key = NewKey::make("operator");
    std::fs::write(&keys, key.entry()).unwrap();
    let (_nats, gateway) = start(|config| config.auth.api_keys_file = Some(keys.clone())).await;

    let mut page = Page::open(gateway.console()).await;
    let all = ListStreamsRequest::default();
    let refused = page.call::<ListStreamsResponse>(LIST_STREAMS, &all).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(reason(&refused), "UNAUTHENTICATED");

    let clients = Clients::at(gateway.console()).showing(key.secret());
    let info = clients.gateway().get_info(GetInfoRequest {}).await;
    assert_eq!(info.unwrap().into_inner().identity, "operator");
    // The page itself is no secret.
    assert_eq!(page.get("/", &[]).await.status(), 200);
}

#[tokio::test]
async fn there_is_none_unless_it_is_asked_for() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;

    // The port of the calls has no pages.
    let url = format!("http://{}/", gateway.public());
    assert_eq!(http_get(&url).await.unwrap().0, 505);
}
