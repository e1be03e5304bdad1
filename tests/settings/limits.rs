//! What the gateway takes from its callers, and what it gives them unless they say otherwise.

use std::time::Duration;

use jetgate::config::{ByteSize, Config};
use jetgate::proto::publish_request::Payload;
use jetgate::proto::{FetchRequest, FlowLimits, GetInfoRequest, PublishRequest, SubscribeRequest};
use serde_json::json;
use tonic::{Code, Request};
use tonic_reflection::pb::v1;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, create_consumer, fetch, fetched, store_many, subscribe,
};
use crate::support::{Clients, Gateway, NatsServer, Wire, refused, violated_field};

async fn start_with(change: impl FnOnce(&mut Config)) -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), change).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    (nats, gateway, wire)
}

#[tokio::test]
async fn without_reflection_nothing_is_described() {
    let (_nats, gateway, _wire) = start_with(|config| config.server.reflection = false).await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(gateway.channel());

    let questions = tokio_stream::iter([v1::ServerReflectionRequest::default()]);
    let answer = client.server_reflection_info(questions).await;

    refused(answer.map(|_| ()), Code::Unimplemented, "METHOD_NOT_FOUND");
}

#[tokio::test]
async fn a_request_may_be_as_large_as_configured() {
    let change = |config: &mut Config| config.server.max_request_bytes = ByteSize::kib(16);
    let (_nats, gateway, _wire) = start_with(change).await;
    let of_size = |bytes: usize| PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(Payload::Data(vec![0; bytes].into())),
        ..PublishRequest::default()
    };

    gateway
        .publisher()
        .publish(of_size(15 << 10))
        .await
        .unwrap();
    let answer = gateway.publisher().publish(of_size(17 << 10)).await;

    refused(answer, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_response_is_as_large_as_configured_unless_the_caller_asks_for_more() {
    let change = |config: &mut Config| config.server.max_response_bytes = ByteSize::kib(4);
    let (_nats, gateway, mut wire) = start_with(change).await;
    for _ in 0..8 {
        wire.store("orders.x", &[b'x'; 1_500]).await;
    }

    let two = fetched(&gateway, fetch(4)).await.len();
    let request = FetchRequest {
        max_response_bytes: 1 << 20,
        ..fetch(4)
    };
    let all = fetched(&gateway, request).await.len();

    assert_eq!((two, all), (2, 4));
}

#[tokio::test]
async fn a_connection_carries_as_many_calls_as_configured() {
    let change = |config: &mut Config| config.server.max_concurrent_streams = 2;
    let (_nats, gateway, _wire) = start_with(change).await;
    let first = Session::open(&gateway, subscribe()).await;
    let _second = Session::open(&gateway, subscribe()).await;
    let ask = || {
        let mut request = Request::new(GetInfoRequest {});
        request.set_timeout(Duration::from_secs(1));
        request
    };

    let third = gateway.gateway().get_info(ask()).await;
    assert!(third.is_err(), "{third:?}");
    let other_connection = Clients::at(gateway.public());
    other_connection
        .gateway()
        .get_info(GetInfoRequest {})
        .await
        .unwrap();

    drop(first);
    gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_session_has_the_configured_window_and_heartbeat_unless_it_asks_for_others() {
    let change = |config: &mut Config| {
        config.subscribe.max_outstanding_messages = 3;
        config.subscribe.max_outstanding_bytes = ByteSize::kib(64);
        config.subscribe.max_window_messages = 10;
        config.subscribe.max_window_bytes = ByteSize::kib(128);
        config.subscribe.heartbeat_interval = Duration::from_secs(2);
    };
    let (_nats, gateway, mut wire) = start_with(change).await;
    store_many(&mut wire, 5).await;

    let request = SubscribeRequest {
        heartbeat_interval: None,
        ..subscribe()
    };
    let mut session = Session::open(&gateway, request).await;

    let flow = session.opened.flow.unwrap();
    assert_eq!(flow.max_outstanding_messages, Some(3));
    assert_eq!(flow.max_outstanding_bytes, Some(64 << 10));
    assert_eq!(session.opened.heartbeat_interval.unwrap().seconds, 2);
    session.messages(3).await;
    assert_eq!(session.heartbeat().await.outstanding_messages, 3);
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["num_ack_pending"], 3);

    let open = async |messages, bytes| {
        let flow = Some(FlowLimits {
            max_outstanding_messages: messages,
            max_outstanding_bytes: bytes,
        });
        let request = SubscribeRequest {
            flow,
            ..subscribe()
        };
        Session::try_open(&gateway, request)
            .await
            .map(|it| it.opened.flow.unwrap())
    };
    let largest = open(Some(10), Some(128 << 10)).await.unwrap();
    assert_eq!(largest.max_outstanding_messages, Some(10));
    for (messages, bytes, field) in [
        (Some(11), None, "flow.max_outstanding_messages"),
        (None, Some((128 << 10) + 1), "flow.max_outstanding_bytes"),
    ] {
        let status = refused(
            open(messages, bytes).await,
            Code::InvalidArgument,
            "INVALID_REQUEST",
        );
        assert_eq!(violated_field(&status), field);
    }
}

#[tokio::test]
async fn a_gateway_holds_as_many_sessions_as_configured() {
    let (_nats, gateway, _wire) = start_with(|config| config.subscribe.max_sessions = 1).await;
    let _only = Session::open(&gateway, subscribe()).await;

    let second = Session::try_open(&gateway, subscribe()).await;

    refused(
        second.map(|_| ()),
        Code::ResourceExhausted,
        "TOO_MANY_SESSIONS",
    );
    let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
    assert_eq!(info.into_inner().limits.unwrap().max_sessions, 1);
}
