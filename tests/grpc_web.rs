//! gRPC-Web: pages of named origins call over HTTP/1.1, and nothing else does.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use jetgate::auth::NewKey;
use jetgate::config::Config;
use jetgate::proto::publish_request::Payload;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    AckKind, AcknowledgeRequest, AcknowledgeResponse, GetInfoRequest, GetInfoResponse,
    OrderedConsumer, PublishRequest, PublishResponse, SubscribeResponse,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::support::consuming::{STREAM, create_consumer, say, subscribe, subscribe_ordered};
use crate::support::page::{Answers, ORIGIN, Page, frame};
use crate::support::pki::Authority;
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, http_get, reason};

const PUBLISH: &str = "PublisherService/Publish";
const SUBSCRIBE: &str = "SubscriberService/Subscribe";
const GET_INFO: &str = "GatewayService/GetInfo";
const BINARY: (&str, &str) = ("content-type", "application/grpc-web+proto");

/// A gateway for pages, with the stream of the consuming tests.
async fn start(change: impl FnOnce(&mut Config)) -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.web.origins = ORIGIN.parse().unwrap();
        change(config);
    })
    .await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    (nats, gateway, wire)
}

fn order(text: &str) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(Payload::Text(text.to_owned())),
        ..PublishRequest::default()
    }
}

async fn text_of(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

async fn metric(gateway: &Gateway, name: &str) -> Option<u64> {
    let (_, text) = http_get(&gateway.admin_url("/metrics")).await?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_page_publishes_subscribes_and_acknowledges() {
    let (_nats, gateway, mut wire) = start(|_| ()).await;
    create_consumer(&mut wire, json!({})).await;
    let mut page = Page::open(gateway.public()).await;

    // Two calls on one connection, one after the other.
    for sequence in [1, 2] {
        let stored: PublishResponse = page.call(PUBLISH, &order("a")).await.unwrap();
        assert_eq!(stored.sequence, sequence);
    }

    let mut other = Page::open(gateway.public()).await;
    let mut session: Answers<SubscribeResponse> = other.stream(SUBSCRIBE, &subscribe()).await;
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        let frame = session.next().await.unwrap().unwrap();
        if let Some(Event::Messages(batch)) = frame.event {
            tokens.extend(batch.messages.into_iter().map(|message| message.ack_token));
        }
    }
    let acknowledgements = tokens.iter().map(|token| say(AckKind::Ack, token));
    let request = AcknowledgeRequest {
        acknowledgements: acknowledgements.collect(),
        ..AcknowledgeRequest::default()
    };
    let settled: AcknowledgeResponse = page
        .call("SubscriberService/Acknowledge", &request)
        .await
        .unwrap();
    assert_eq!(settled.results.len(), 2);

    // Its browser's window is closed: the session is gone.
    other.close();
    eventually(SOON, async || {
        (metric(&gateway, "jetgate_sessions ").await? == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn heartbeats_reach_a_page_one_by_one() {
    let (_nats, gateway, _wire) = start(|_| ()).await;
    let mut page = Page::open(gateway.public()).await;

    let request = subscribe_ordered(OrderedConsumer::default());
    let mut session: Answers<SubscribeResponse> = page.stream(SUBSCRIBE, &request).await;

    // Each comes when it is written: what waits for more to be written would come never or in heaps.
    let mut heartbeats = Vec::new();
    while heartbeats.len() < 4 {
        let frame = session.next().await.unwrap().unwrap();
        if let Some(Event::Heartbeat(_)) = frame.event {
            heartbeats.push(std::time::Instant::now());
        }
    }
    let apart = heartbeats.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(apart.clone().min().unwrap() > Duration::from_millis(200));
    assert!(apart.max().unwrap() < Duration::from_secs(10));
}

#[tokio::test]
async fn errors_come_with_their_details_as_the_last_frame() {
    let (_nats, gateway, _wire) = start(|_| ()).await;
    let mut page = Page::open(gateway.public()).await;

    // Refused before the first message, and by tonic itself.
    let nowhere = PublishRequest::default();
    let status = page.call::<PublishResponse>(PUBLISH, &nowhere).await;
    let status = status.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::InvalidArgument, "INVALID_REQUEST")
    );
    let status = page.call::<PublishResponse>("PublisherService/No", &nowhere);
    assert_eq!(reason(&status.await.unwrap_err()), "METHOD_NOT_FOUND");

    // Behind messages.
    let request = subscribe_ordered(OrderedConsumer::default());
    let mut session: Answers<SubscribeResponse> = page.stream(SUBSCRIBE, &request).await;
    session.next().await.unwrap().unwrap();
    gateway.request_shutdown();
    let status: Status = loop {
        match session.next().await {
            Ok(frame) => assert!(frame.is_some(), "it ends with an error"),
            Err(status) => break status,
        }
    };
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "DRAINING")
    );
}

#[tokio::test]
async fn base64_goes_both_ways() {
    let (_nats, gateway, mut wire) = start(|_| ()).await;
    let mut page = Page::open(gateway.public()).await;

    let headers = [
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web-text"),
    ];
    let body = STANDARD.encode(frame(&order("in base64")));
    let path = format!("/jetgate.v1.{PUBLISH}");
    let response = page.post(&path, &headers, body).await;

    assert_eq!(
        response.headers()["content-type"],
        "application/grpc-web-text+proto"
    );
    let text = text_of(response).await;
    let decoded: Vec<u8> = text
        .split_inclusive('=')
        .flat_map(|piece| STANDARD.decode(piece).unwrap_or_default())
        .collect();
    assert!(
        String::from_utf8_lossy(&decoded).contains("grpc-status:0\r\n"),
        "{text}"
    );
    assert_eq!(wire.count(STREAM).await, 1);

    let broken = page.post(&path, &headers, "AAAA*").await;
    let text = text_of(broken).await;
    let trailers = STANDARD.decode(&text).unwrap();
    assert!(String::from_utf8_lossy(&trailers).contains("grpc-status:3\r\n"));
}

#[tokio::test]
async fn browsers_are_told_which_pages_may_call() {
    let (_nats, gateway, mut wire) = start(|_| ()).await;
    let path = format!("/jetgate.v1.{PUBLISH}");
    let wanted = "authorization,content-type,grpc-timeout,x-grpc-web,x-mine";

    let mut page = Page::open(gateway.public()).await;
    let allowed = page.ask(&path, wanted).await;
    assert_eq!(allowed.status(), 204);
    let headers = allowed.headers();
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(headers["access-control-allow-methods"], "POST");
    assert_eq!(headers["access-control-allow-headers"], wanted);
    assert!(headers["vary"].to_str().unwrap().contains("origin"));
    let response = page.post(&path, &[BINARY], frame(&order("mine"))).await;
    assert_eq!(
        response.headers()["access-control-expose-headers"],
        "grpc-status, grpc-message, grpc-status-details-bin"
    );
    text_of(response).await;
    assert_eq!(wire.count(STREAM).await, 1);

    // Another page is told no, and calls nothing even if its browser does not ask.
    let mut stranger = Page::of("https://app.test.evil.test", gateway.public()).await;
    let refused = stranger.ask(&path, wanted).await;
    assert_eq!(refused.status(), 403);
    assert!(
        !refused
            .headers()
            .contains_key("access-control-allow-origin")
    );
    let refused = stranger
        .post(&path, &[BINARY], frame(&order("not mine")))
        .await;
    assert_eq!(refused.status(), 403);
    assert!(text_of(refused).await.contains("web.origins"));
    assert_eq!(wire.count(STREAM).await, 1);
}

#[tokio::test]
async fn what_is_no_grpc_web_is_told_so_over_http_1() {
    let (_nats, gateway, _wire) = start(|_| ()).await;
    let path = format!("/jetgate.v1.{PUBLISH}");
    let mut page = Page::open(gateway.public()).await;

    let grpc = [("content-type", "application/grpc")];
    let response = page.post(&path, &grpc, frame(&order("x"))).await;
    assert_eq!(response.status(), 415);
    assert!(text_of(response).await.contains("gRPC-Web"));
    let json = [("content-type", "application/json")];
    assert_eq!(page.post(&path, &json, "{}").await.status(), 415);
    let answer = http_get(&format!("http://{}/", gateway.public())).await;
    assert_eq!(answer.unwrap().0, 415);

    // gRPC itself is served as ever on the same port.
    gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
}

#[tokio::test]
async fn http_1_is_refused_where_no_page_may_call() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;
    let path = format!("/jetgate.v1.{GET_INFO}");

    let mut page = Page::open(gateway.public()).await;
    assert_eq!(page.ask(&path, "content-type").await.status(), 505);
    let mut page = Page::open(gateway.public()).await;
    let response = page.post(&path, &[BINARY], frame(&GetInfoRequest {})).await;
    assert_eq!(response.status(), 505);
}

#[tokio::test]
async fn pages_call_over_tls_where_they_may() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identity = authority.issue("server", "gateway.test");
    let speaks_http_1 = authority.client(None).speaking(b"http/1.1");
    for (origins, allowed) in [(ORIGIN, true), ("", false)] {
        let gateway = Gateway::start_unready(&nats.url(), |config| {
            config.web.origins = origins.parse().unwrap();
            let file = |path: &std::path::Path| path.to_str().unwrap().parse().unwrap();
            config.tls.cert_file = file(&identity.certificate);
            config.tls.key_file = file(&identity.key);
        })
        .await;

        let stream = speaks_http_1
            .connect(gateway.public(), "gateway.test")
            .await;
        assert_eq!(stream.is_ok(), allowed);
        if let Ok(stream) = stream {
            let mut page = Page::over(ORIGIN, stream).await;
            let info: GetInfoResponse = page.call(GET_INFO, &GetInfoRequest {}).await.unwrap();
            assert!(!info.version.is_empty());
        }
    }
}

#[tokio::test]
async fn pages_prove_who_they_are_like_others() {
    let folder = TempDir::new().unwrap();
    let (key, file) = (NewKey::make("page"), folder.path().join("keys.toml"));
    std::fs::write(&file, key.entry()).unwrap();
    let (_nats, gateway, _wire) = start(|config| config.auth.api_keys_file = Some(file)).await;
    let mut page = Page::open(gateway.public()).await;

    // A question carries no key, and is answered all the same.
    let path = format!("/jetgate.v1.{GET_INFO}");
    assert_eq!(page.ask(&path, "authorization").await.status(), 204);
    let refused = page.call::<GetInfoResponse>(GET_INFO, &GetInfoRequest {});
    assert_eq!(reason(&refused.await.unwrap_err()), "UNAUTHENTICATED");
    let secret = format!("Bearer {}", key.secret());
    let headers = [BINARY, ("authorization", secret.as_str())];
    let response = page.post(&path, &headers, frame(&GetInfoRequest {})).await;
    assert!(text_of(response).await.contains("grpc-status:0"));
}

#[tokio::test]
async fn the_limits_of_the_listener_hold_for_pages() {
    let (_nats, gateway, mut wire) = start(|config| {
        config.server.max_request_bytes = jetgate::config::ByteSize::kib(64);
        config.server.max_header_list_bytes = jetgate::config::ByteSize::kib(8);
        config.server.max_connections_per_address = 3;
    })
    .await;
    let path = format!("/jetgate.v1.{PUBLISH}");

    // The clients of the test have one connection, and the page another.
    let mut page = Page::open(gateway.public()).await;
    let large = order(&"x".repeat(100_000));
    let status = page.call::<PublishResponse>(PUBLISH, &large).await;
    assert_eq!(reason(&status.unwrap_err()), "MESSAGE_TOO_LARGE");
    let mut page = Page::open(gateway.public()).await;
    let long = "x".repeat(10_000);
    let headers = [BINARY, ("x-long", long.as_str())];
    let response = page.post(&path, &headers, frame(&order("x"))).await;
    assert_eq!(response.status(), 431);
    assert_eq!(wire.count(STREAM).await, 0);

    // Half a request holds its place, and no other connection gets it.
    let mut held = Vec::new();
    let refused = eventually(SOON, async || {
        let mut stream = TcpStream::connect(gateway.public()).await.ok()?;
        stream.write_all(b"POST / HTTP/1.1\r\n").await.ok()?;
        let mut first = [0];
        let closed = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut first));
        match closed.await {
            Ok(end) => Some(end.unwrap_or(0)),
            Err(_open) => {
                held.push(stream);
                None
            }
        }
    });
    assert_eq!(refused.await, 0);
    let why = "jetgate_refused_connections_total{why=\"address_full\"}";
    assert!(metric(&gateway, why).await.unwrap() >= 1);
}

#[tokio::test]
async fn a_stream_of_a_page_ends_in_order_when_the_gateway_does() {
    let (_nats, mut gateway, _wire) = start(|_| ()).await;
    let mut page = Page::open(gateway.public()).await;
    let request = subscribe_ordered(OrderedConsumer::default());
    let mut session: Answers<SubscribeResponse> = page.stream(SUBSCRIBE, &request).await;
    session.next().await.unwrap().unwrap();

    gateway.request_shutdown();

    let mut draining = false;
    while let Ok(Some(frame)) = session.next().await {
        draining |= matches!(frame.event, Some(Event::Draining(_)));
    }
    assert!(draining);
    gateway.until_ended(SOON).await;
}
