//! Pages in browsers behind a proxy, and programs that speak JSON.

use http_body_util::BodyExt;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    DESCRIPTORS, GetInfoRequest, GetInfoResponse, PublishResponse, SubscribeResponse,
};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde_json::{Value, json};

use super::{IDLE, LONG, order, start_gateway, start_nats};
use crate::support::consuming::{STREAM, subscribe};
use crate::support::edge::{Edge, Proxy};
use crate::support::page::{Answers, ORIGIN, Page};

async fn page(edge: &Edge) -> Page {
    let stream = edge.tls().connect(edge.address(), edge.name()).await;
    Page::over(ORIGIN, stream.unwrap()).await
}

async fn pages_call_through(proxy: Proxy) {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let Some(edge) = Edge::start(proxy, &[&gateway], IDLE).await else {
        return;
    };
    let mut first = page(&edge).await;

    let path = "/jetgate.v1.PublisherService/Publish";
    let allowed = first.ask(path, "content-type,x-grpc-web").await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], ORIGIN);
    let method = "PublisherService/Publish";
    let stored: PublishResponse = first.call(method, &order("of a page")).await.unwrap();
    assert_eq!(stored.sequence, 1);
    let large = order("x".repeat(2_000_000));
    let error = first.call::<PublishResponse>(method, &large);
    assert_eq!(
        crate::support::reason(&error.await.unwrap_err()),
        "MESSAGE_TOO_LARGE"
    );

    // For longer than the proxy lets a silent stream live, each heartbeat by itself.
    let mut other = page(&edge).await;
    let began = std::time::Instant::now();
    let mut session: Answers<SubscribeResponse> = other
        .stream("SubscriberService/Subscribe", &subscribe())
        .await;
    let mut heartbeats = 0;
    while began.elapsed() < 3 * IDLE {
        let frame = session.next().await.unwrap().expect("it goes on");
        heartbeats += u32::from(matches!(frame.event, Some(Event::Heartbeat(_))));
    }
    assert!(heartbeats >= 3, "{heartbeats}");
    let info: GetInfoResponse = first
        .call("GatewayService/GetInfo", &GetInfoRequest {})
        .await
        .unwrap();
    assert!(!info.version.is_empty());
}

#[tokio::test]
async fn pages_call_through_envoy() {
    pages_call_through(Proxy::Envoy).await;
}

#[tokio::test]
async fn pages_call_through_nginx() {
    pages_call_through(Proxy::Nginx).await;
}

/// The status and the body of the answer to a request in JSON.
async fn post(program: &mut Page, method: &str, request: Value) -> (u16, Value) {
    let path = format!("/jetgate.v1.{method}");
    let json = [("content-type", "application/json")];
    let response = program.post(&path, &json, request.to_string()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body);
    (
        status,
        body.unwrap_or_else(|error| panic!("{method}: {status}: {error}")),
    )
}

#[tokio::test]
async fn every_unary_method_answers_in_json_through_envoy() {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let Some(edge) = Edge::start(Proxy::Envoy, &[&gateway], LONG).await else {
        return;
    };
    let mut program = page(&edge).await;
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let ours = pool
        .services()
        .filter(|it| it.full_name().starts_with("jetgate.v1."));
    let methods: Vec<_> = ours
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    let is_unary =
        |method: &&MethodDescriptor| !method.is_client_streaming() && !method.is_server_streaming();

    let mut answered = 0;
    for method in methods.iter().filter(is_unary) {
        let name = format!("{}/{}", method.parent_service().name(), method.name());
        let (status, answer) = post(&mut program, &name, json!({})).await;
        // Done, or refused by the method itself, which asks for more than an empty request.
        let is_refused = answer["details"][0]["domain"] == "jetgate" && answer["code"] != 12;
        assert!(status == 200 || is_refused, "{name}: {status} {answer}");
        answered += 1;
    }
    assert!(answered > 20, "{answered}");
}

#[tokio::test]
async fn programs_call_unary_methods_by_json_through_envoy() {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let Some(edge) = Edge::start(Proxy::Envoy, &[&gateway], LONG).await else {
        return;
    };
    let mut program = page(&edge).await;
    let mut post = async |method: &str, request: Value| post(&mut program, method, request).await;

    let order = json!({ "subject": "orders.x", "json": { "total": 3 } });
    let (status, stored) = post("PublisherService/Publish", order).await;
    assert_eq!(
        (status, &stored["sequence"]),
        (200, &json!("1")),
        "{stored}"
    );
    let (status, stream) = post("StreamService/GetStream", json!({ "stream": STREAM })).await;
    assert_eq!(status, 200, "{stream}");
    assert_eq!(stream["stream"]["config"]["name"], STREAM, "{stream}");

    // An error has its code and its reason.
    let unknown = json!({ "stream": "NOWHERE" });
    let (status, error) = post("StreamService/GetStream", unknown).await;
    assert_eq!((status, &error["code"]), (404, &json!(5)), "{error}");
    assert_eq!(error["details"][0]["reason"], "STREAM_NOT_FOUND", "{error}");
    let (status, _) = post("StreamService/GetStream", json!({ "strem": STREAM })).await;
    assert_eq!(status, 400);
}
