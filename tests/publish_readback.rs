//! Messages with conditions that an earlier attempt to store them has made untrue.

use jetgate::proto::{Expectation, PublishRequest};
use serde_json::json;
use tonic::Request;

use crate::support::{Gateway, NatsServer, SOON, Toxic, eventually, metadata, reason};

fn behind(sequence: u64, id: &str) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        message_id: id.to_owned(),
        expect: Some(Box::new(Expectation {
            last_sequence: Some(sequence),
            ..Expectation::default()
        })),
        ..PublishRequest::default()
    }
}

struct Setting {
    nats: NatsServer,
    toxic: Toxic,
    gateway: Gateway,
}

/// A stream with one message, behind a proxy.
async fn start() -> Setting {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"] });
    nats.wire().await.create_stream(config).await;
    gateway.publisher().publish(behind(0, "0")).await.unwrap();
    Setting {
        nats,
        toxic,
        gateway,
    }
}

/// Publishes a message whose first answer is lost; `between` runs before the gateway asks again.
async fn publish_twice(
    setting: &Setting,
    between: impl AsyncFnOnce(),
) -> Result<tonic::Response<jetgate::proto::PublishResponse>, tonic::Status> {
    setting.toxic.stall_answers();
    let mut publisher = setting.gateway.publisher();
    let mut request = Request::new(behind(1, "1"));
    request.set_timeout(SOON);
    let call = tokio::spawn(async move { publisher.publish(request).await });
    eventually(SOON, async || {
        (setting.nats.wire().await.count("ORDERS").await == 2).then_some(())
    })
    .await;
    between().await;
    setting.toxic.cut();
    setting.toxic.restore();
    call.await.unwrap()
}

#[tokio::test]
async fn finds_itself_where_it_expected_another() {
    let setting = start().await;

    let answer = publish_twice(&setting, async || ()).await.unwrap();

    let answer = answer.into_inner();
    assert_eq!((answer.stream.as_str(), answer.sequence), ("ORDERS", 2));
    assert!(answer.duplicate);
    assert_eq!(setting.nats.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn does_not_take_anothers_message_for_its_own() {
    let setting = start().await;

    let store_another = async || {
        setting.nats.wire().await.store("orders.x", b"").await;
    };
    let status = publish_twice(&setting, store_another).await.unwrap_err();

    assert_eq!(reason(&status), "PUBLISH_OUTCOME_UNKNOWN", "{status:?}");
    assert_eq!(metadata(&status, "message_id").as_deref(), Some("1"));
}
