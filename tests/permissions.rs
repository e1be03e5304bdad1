//! A NATS user who may not consume: calls say so instead of waiting.

use jetgate::proto::{AckKind, OrderedConsumer, PublishRequest};
use serde_json::json;
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, acknowledge, fetch, fetched, item_reason, say, store_many,
    subscribe, subscribe_ordered,
};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, refused};

/// A gateway whose user may not publish to this subject.
async fn start_without(subject: &str) -> (NatsServer, Gateway, Wire) {
    let config = format!(
        "authorization {{ users: [\n\
         {{ user: admin, password: admin }}\n\
         {{ user: gateway, password: gateway, permissions: {{ publish: {{ deny: [\"{subject}\"] }} }} }}\n\
         ] }}"
    );
    let nats = NatsServer::start_with(&config).await;
    let url = nats.url().replace("nats://", "nats://gateway:gateway@");
    let gateway = Gateway::start(&url).await;
    let mut wire = Wire::connect_as(nats.address(), "admin", "admin").await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    let config = json!({ "durable_name": CONSUMER, "ack_policy": "explicit" });
    wire.create_consumer(STREAM, config).await;
    (nats, gateway, wire)
}

#[tokio::test]
async fn who_may_not_pull_is_told() {
    let (_nats, gateway, mut wire) = start_without("$JS.API.CONSUMER.MSG.NEXT.>").await;
    store_many(&mut wire, 1).await;

    let answer = gateway.subscriber().fetch(fetch(1)).await;
    refused(answer, Code::PermissionDenied, "NATS_PERMISSION_DENIED");
    let mut session = Session::open(&gateway, subscribe()).await;
    let end = session.end().await;
    refused::<()>(Err(end), Code::PermissionDenied, "NATS_PERMISSION_DENIED");
}

#[tokio::test]
async fn who_may_not_look_at_consumers_is_told() {
    let (_nats, gateway, _wire) = start_without("$JS.API.CONSUMER.INFO.>").await;

    let answer = gateway.subscriber().subscribe(subscribe()).await;

    refused(
        answer.map(|_| ()),
        Code::PermissionDenied,
        "NATS_PERMISSION_DENIED",
    );
}

#[tokio::test]
async fn who_may_not_create_consumers_is_told() {
    let (_nats, gateway, _wire) = start_without("$JS.API.CONSUMER.CREATE.>").await;

    let request = subscribe_ordered(OrderedConsumer::default());
    let answer = gateway.subscriber().subscribe(request).await;

    refused(
        answer.map(|_| ()),
        Code::PermissionDenied,
        "NATS_PERMISSION_DENIED",
    );
}

#[tokio::test]
async fn who_may_not_acknowledge_is_told() {
    let (_nats, gateway, mut wire) = start_without("$JS.ACK.>").await;
    store_many(&mut wire, 1).await;
    let message = fetched(&gateway, fetch(1)).await.remove(0);

    let item = say(AckKind::Ack, &message.ack_token);
    let result = acknowledge(&gateway, vec![item]).await.remove(0);

    let reason = item_reason(&result, Code::PermissionDenied);
    assert_eq!(reason, "NATS_PERMISSION_DENIED");
}

#[tokio::test]
async fn who_may_not_look_streams_up_publishes_and_is_refused_once_only() {
    for lookup in ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.>"] {
        let (nats, gateway, mut wire) = start_without(lookup).await;
        for _ in 0..10 {
            let request = PublishRequest {
                subject: "orders.x".to_owned(),
                ..PublishRequest::default()
            };
            gateway.publisher().publish(request).await.unwrap();
        }

        assert_eq!(wire.count(STREAM).await, 10);
        let refusals = || nats.log().matches("Publish Violation").count();
        eventually(SOON, async || (refusals() > 0).then_some(())).await;
        assert_eq!(refusals(), 1, "{}", nats.log());
    }
}
