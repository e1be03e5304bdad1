//! Imports that are not there, or not whole: every call says so.

use std::time::Duration;

use jetgate::config::Config;
use jetgate::proto::{GetStreamRequest, PublishRequest};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{ACCOUNTS, as_documented, with_messages};
use crate::support::consuming::{STREAM, Session, fetch, subscribe};
use crate::support::{Gateway, NatsServer, finally_answered, http_get, refused};

/// The documented accounts without the imports of these lines.
fn without(part: &str) -> String {
    let imports = ACCOUNTS.find("imports").unwrap();
    let (before, after) = ACCOUNTS.split_at(imports);
    let kept = after.lines().filter(|line| !line.contains(part));
    format!("{before}{}\n", kept.collect::<Vec<_>>().join("\n"))
}

fn message() -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    }
}

#[tokio::test]
async fn a_prefix_with_nothing_behind_it_is_told_and_the_gateway_is_not_ready() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    let change = |config: &mut Config| {
        as_documented(config);
        config.nats.api_prefix = Some("other.js".to_owned());
    };
    let gateway = Gateway::start_unready(&nats.url(), change).await;

    let stream = STREAM.to_owned();
    let answer = gateway
        .streams()
        .get_stream(GetStreamRequest { stream })
        .await;
    let status = refused(answer, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    assert!(status.message().contains("other.js"), "{status:?}");
    let answer = gateway.publisher().publish(message()).await;
    refused(answer, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    let answer = gateway.subscriber().fetch(fetch(1)).await;
    refused(answer, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    let session = Session::try_open(&gateway, subscribe()).await;
    let session = session.map(|_| ());
    refused(session, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");

    assert_ne!(gateway.status_of("").await, Some(ServingStatus::Serving));
    let (status, _) = http_get(&gateway.admin_url("/readyz")).await.unwrap();
    assert_eq!(status, 503);
}

#[tokio::test]
async fn subjects_that_are_not_imported_cannot_be_published_to() {
    let nats = NatsServer::start_with(&without("\"orders.>\"")).await;
    with_messages(&nats, 0).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;

    let answer = finally_answered(
        Duration::from_secs(2),
        message(),
        async |request| gateway.publisher().publish(request).await,
        // Of what it sends at the last moment, the gateway may not learn in time which stream would take it.
        |status| status.message().contains("does not import orders.x"),
    );

    refused(
        answer.await,
        Code::DeadlineExceeded,
        "JETSTREAM_UNAVAILABLE",
    );
}

#[tokio::test]
async fn nobody_consumes_what_could_not_be_acknowledged() {
    let nats = NatsServer::start_with(&without("$JS.ACK.>")).await;
    with_messages(&nats, 1).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;

    let answer = gateway.subscriber().fetch(fetch(1)).await;
    let status = refused(answer, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    assert!(status.message().contains("$JS.ACK.>"), "{status:?}");
    let session = Session::try_open(&gateway, subscribe()).await;
    let session = session.map(|_| ());
    refused(session, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
}
