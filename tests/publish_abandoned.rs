//! Callers that go away while their messages are on their way.

use std::time::Duration;

use jetgate::proto::PublishRequest;
use serde_json::json;
use tonic::Request;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::support::{Gateway, NatsServer, SOON, Toxic, eventually, http_get};

async fn create_stream(nats: &NatsServer) {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"] });
    nats.wire().await.create_stream(config).await;
}

fn message(id: &str) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        message_id: id.to_owned(),
        ..PublishRequest::default()
    }
}

/// Begins a call that the test then abandons.
fn begin(gateway: &Gateway, id: &str) -> tokio::task::JoinHandle<()> {
    let mut publisher = gateway.publisher();
    let mut request = Request::new(message(id));
    request.set_timeout(SOON);
    tokio::spawn(async move {
        let _ = publisher.publish(request).await;
    })
}

async fn until_stored(nats: &NatsServer, count: u64) {
    eventually(SOON, async || {
        (nats.wire().await.count("ORDERS").await == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_vanished_caller_has_sent_is_followed_up() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    create_stream(&nats).await;
    gateway.publisher().publish(message("0")).await.unwrap();

    // The message is stored, and neither the gateway nor the caller hears of it.
    toxic.stall_answers();
    let call = begin(&gateway, "1");
    until_stored(&nats, 2).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    toxic.cut();
    toxic.restore();

    // The gateway asks again, for nobody but its own books.
    let expected = r#"jetgate_published_messages_total{outcome="duplicate"} 1"#;
    eventually(SOON, async || {
        let (_, metrics) = http_get(&gateway.admin_url("/metrics")).await?;
        metrics.contains(expected).then_some(())
    })
    .await;
    assert_eq!(nats.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn what_a_vanished_caller_has_not_sent_is_never_sent() {
    let mut nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;
    create_stream(&nats).await;
    gateway.publisher().publish(message("0")).await.unwrap();
    nats.kill();
    eventually(SOON, async || {
        (gateway.status_of("").await == Some(ServingStatus::NotServing)).then_some(())
    })
    .await;

    let calls: Vec<_> = (1..=20)
        .map(|id| begin(&gateway, &id.to_string()))
        .collect();
    // Once a later call on the same connection is answered, the gateway has these.
    eventually(SOON, async || gateway.status_of("").await).await;
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    let mut impatient = Request::new(message("21"));
    impatient.set_timeout(Duration::from_millis(200));
    gateway.publisher().publish(impatient).await.unwrap_err();
    nats.restart().await;

    gateway.publisher().publish(message("22")).await.unwrap();
    assert_eq!(nats.wire().await.count("ORDERS").await, 2);
}
