//! What surrounds the services: health, reflection, the admin port, and calls that are none.

use std::time::Duration;

use jetgate::proto::{GatewayState, GetInfoRequest, GetInfoResponse, PublishRequest};
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{
    Clients, Gateway, NatsServer, RoundRobin, SOON, eventually, http_get, raw_call, refused, start,
    start_with_stream,
};

const SERVICES: [&str; 5] = [
    "jetgate.v1.ConsumerService",
    "jetgate.v1.GatewayService",
    "jetgate.v1.PublisherService",
    "jetgate.v1.StreamService",
    "jetgate.v1.SubscriberService",
];

/// A port on which nobody listens.
const NOWHERE: &str = "nats://127.0.0.1:1";

async fn until_status(gateway: &Gateway, service: &str, status: ServingStatus) {
    eventually(SOON, async || {
        (gateway.status_of(service).await == Some(status)).then_some(())
    })
    .await;
}

async fn until_http(gateway: &Gateway, path: &str, code: u16) -> String {
    let url = gateway.admin_url(path);
    eventually(SOON, async || {
        http_get(&url)
            .await
            .filter(|(answered, _)| *answered == code)
            .map(|(_, body)| body)
    })
    .await
}

async fn info(gateway: &Gateway) -> GetInfoResponse {
    gateway
        .gateway()
        .get_info(GetInfoRequest {})
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn health_follows_nats_for_every_service() {
    let (mut nats, gateway) = start().await;
    let everything = SERVICES.iter().copied().chain([""]);

    for service in everything.clone() {
        until_status(&gateway, service, ServingStatus::Serving).await;
    }
    nats.kill();
    for service in everything.clone() {
        until_status(&gateway, service, ServingStatus::NotServing).await;
    }
    nats.restart().await;
    for service in everything {
        until_status(&gateway, service, ServingStatus::Serving).await;
    }
}

#[tokio::test]
async fn health_tells_its_watchers() {
    let (mut nats, gateway) = start().await;
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut changes = gateway.health().watch(request).await.unwrap().into_inner();
    assert_eq!(
        changes.next().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    nats.kill();

    let next = tokio::time::timeout(SOON, changes.next())
        .await
        .expect("no change")
        .unwrap();
    assert_eq!(next.unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn health_notices_a_lost_connection_without_waiting_for_its_next_look() {
    let (mut nats, gateway) = start().await;

    nats.kill();

    let at_once = Duration::from_secs(4);
    let away = Some(ServingStatus::NotServing);
    eventually(at_once, async || {
        (gateway.status_of("").await == away).then_some(())
    })
    .await;
}

#[tokio::test]
async fn health_does_not_know_other_services() {
    let (_nats, gateway) = start().await;

    let request = HealthCheckRequest {
        service: "jetgate.v1.NoService".to_owned(),
    };
    let status = gateway.health().check(request).await.unwrap_err();

    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_gateway_without_jetstream_is_not_ready() {
    let nats = NatsServer::start_without_jetstream().await;
    let gateway = Gateway::start_unready(&nats.url(), |_| ()).await;

    let answer = eventually(SOON, async || {
        let answer = info(&gateway).await;
        answer.nats.is_some().then_some(answer)
    });

    assert_eq!(answer.await.state(), GatewayState::Starting);
    until_status(&gateway, "", ServingStatus::NotServing).await;
    until_http(&gateway, "/readyz", 503).await;
}

#[tokio::test]
async fn a_gateway_starts_without_nats_and_serves_once_it_is_there() {
    let mut nats = NatsServer::start().await;
    nats.kill();
    let gateway = Gateway::start_unready(&nats.url(), |_| ()).await;
    until_http(&gateway, "/livez", 200).await;
    until_http(&gateway, "/readyz", 503).await;

    nats.restart().await;

    gateway.until_serving().await;
    until_http(&gateway, "/readyz", 200).await;
}

#[tokio::test]
async fn liveness_does_not_depend_on_nats_and_readiness_does() {
    let (mut nats, gateway) = start().await;
    until_http(&gateway, "/livez", 200).await;
    until_http(&gateway, "/readyz", 200).await;

    nats.kill();
    until_http(&gateway, "/readyz", 503).await;
    until_http(&gateway, "/livez", 200).await;

    nats.restart().await;
    until_http(&gateway, "/readyz", 200).await;
}

#[tokio::test]
async fn a_hung_nats_makes_the_gateway_unready() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.nats.ping_interval = Duration::from_secs(1);
    })
    .await;

    nats.pause();
    until_http(&gateway, "/readyz", 503).await;

    nats.resume();
    until_http(&gateway, "/readyz", 200).await;
}

#[tokio::test]
async fn metrics_count_the_calls() {
    let (_nats, gateway) = start().await;
    info(&gateway).await;

    let body = until_http(&gateway, "/metrics", 200).await;

    assert!(
        body.contains("jetgate_") && body.contains("GetInfo"),
        "{body}"
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn describes_itself_and_the_server_behind_it() {
    let (_nats, gateway, _wire) =
        start_with_stream(json!({ "name": "ORDERS", "subjects": ["orders.>"] })).await;

    let answer = info(&gateway).await;

    assert_eq!(answer.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.state(), GatewayState::Ready);
    assert!(!answer.gateway_id.is_empty());
    let nats = answer.nats.unwrap();
    assert!(
        nats.server_version.starts_with("2.") && nats.api_level >= 4,
        "{nats:?}"
    );
    assert_eq!((nats.streams, nats.consumers), (1, 0));
    let limits = answer.limits.unwrap();
    assert_eq!(limits.max_message_bytes, 1024 * 1024);
    assert_eq!(limits.default_outstanding_messages, 256);
    assert_eq!(limits.default_outstanding_bytes, 8 * 1024 * 1024);
    assert!(limits.max_outstanding_messages >= 256 && limits.max_request_bytes > 1024 * 1024);
}

#[tokio::test]
async fn describes_itself_while_nats_is_away() {
    let gateway = Gateway::start_unready(NOWHERE, |_| ()).await;

    let answer = info(&gateway).await;

    assert_eq!(answer.state(), GatewayState::Starting);
    assert_eq!(answer.nats, None);
    assert_eq!(answer.limits.unwrap().max_message_bytes, 0);
}

#[tokio::test]
async fn reflection_v1_lists_and_describes_the_services() {
    use v1::server_reflection_request::MessageRequest::{FileContainingSymbol, ListServices};
    use v1::server_reflection_response::MessageResponse;

    let (_nats, gateway) = start().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(gateway.channel());
    let ask = |question| v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };

    let questions = [
        ask(ListServices(String::new())),
        ask(FileContainingSymbol(
            "jetgate.v1.PublisherService.Publish".to_owned(),
        )),
    ];
    let answers = client
        .server_reflection_info(tokio_stream::iter(questions))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;

    let [Ok(list), Ok(file)] = &answers[..] else {
        panic!("{answers:?}")
    };
    let Some(MessageResponse::ListServicesResponse(list)) = &list.message_response else {
        panic!("{list:?}")
    };
    let names: Vec<&str> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for service in SERVICES.iter().chain(&["grpc.health.v1.Health"]) {
        assert!(names.contains(service), "{service} is not among {names:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(file)) = &file.message_response else {
        panic!("{file:?}")
    };
    assert!(!file.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn reflection_v1alpha_lists_the_services() {
    use v1alpha::server_reflection_request::MessageRequest::ListServices;
    use v1alpha::server_reflection_response::MessageResponse;

    let (_nats, gateway) = start().await;
    let channel = gateway.channel();
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);

    let question = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ListServices(String::new())),
    };
    let answers = client
        .server_reflection_info(tokio_stream::iter([question]))
        .await
        .unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap();

    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<&str> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for service in SERVICES {
        assert!(names.contains(&service), "{service} is not among {names:?}");
    }
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() {
    let (_nats, gateway) = start().await;

    for path in [
        "/jetgate.v1.PublisherService/Nothing",
        "/jetgate.v1.NoService/Publish",
        "/",
    ] {
        let status = raw_call(gateway.public(), path, &[], b"").await;
        refused(
            Err::<(), _>(status),
            Code::Unimplemented,
            "METHOD_NOT_FOUND",
        );
    }
}

#[tokio::test]
async fn a_request_that_is_no_protobuf_is_malformed() {
    let (_nats, gateway) = start().await;
    let text_that_is_not_utf8 = &b"\x1a\x01\xff"[..];

    for request in [&b"\xff\xff\xff\xff"[..], text_that_is_not_utf8] {
        let path = "/jetgate.v1.PublisherService/Publish";
        let status = raw_call(gateway.public(), path, &[], request).await;
        refused(
            Err::<(), _>(status),
            Code::InvalidArgument,
            "MALFORMED_REQUEST",
        );
    }
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_is_an_invalid_request() {
    let (_nats, gateway) = start().await;

    let path = "/jetgate.v1.PublisherService/Publish";
    let status = raw_call(gateway.public(), path, &[("grpc-timeout", "soon")], b"").await;

    refused(
        Err::<(), _>(status),
        Code::InvalidArgument,
        "INVALID_REQUEST",
    );
}

#[tokio::test]
async fn any_replica_serves_any_call() {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"] });
    let (nats, first, mut wire) = start_with_stream(config).await;
    let second = Gateway::start(&nats.url()).await;
    let proxy = RoundRobin::start(&[first.public(), second.public()]).await;
    let through_proxy = Clients::at(proxy.address());

    let request = |id: &str| PublishRequest {
        subject: "orders.x".to_owned(),
        message_id: id.to_owned(),
        ..PublishRequest::default()
    };
    let mut duplicates = Vec::new();
    for id in ["1", "1", "2", "2"] {
        let answer = through_proxy
            .publisher()
            .publish(request(id))
            .await
            .unwrap();
        duplicates.push(answer.into_inner().duplicate);
    }

    assert_eq!(duplicates, [false, true, false, true]);
    assert_eq!(wire.count("ORDERS").await, 2);
    assert_ne!(
        info(&first).await.gateway_id,
        info(&second).await.gateway_id
    );
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = through_proxy.gateway();
        ids.push(
            client
                .get_info(GetInfoRequest {})
                .await
                .unwrap()
                .into_inner()
                .gateway_id,
        );
    }
    assert_ne!(ids[0], ids[1]);
}
