//! Publishing over an import: who stored what, once, and what callers may not reach.

use jetgate::proto::{
    CreateStreamRequest, PublishAckMode, PublishOpen, PublishPath, PublishRequest, StreamConfig,
};
use tonic::Code;

use super::{ACCOUNTS, as_documented, with_messages};
use crate::support::consuming::STREAM;
use crate::support::publishing::{Publishing, assert_truthful};
use crate::support::{Gateway, NatsServer, refused, violated_field};

fn message(number: u64) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        message_id: format!("m{number}"),
        payload: Some(jetgate::proto::publish_request::Payload::Text(
            number.to_string(),
        )),
        ..PublishRequest::default()
    }
}

#[tokio::test]
async fn a_message_is_stored_once_by_its_id() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    with_messages(&nats, 0).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;
    for duplicate in [false, true] {
        let stored = gateway.publisher().publish(message(1)).await.unwrap();
        let stored = stored.into_inner();
        assert_eq!(
            (stored.stream.as_str(), stored.sequence, stored.duplicate),
            (STREAM, 1, duplicate)
        );
    }
}

#[tokio::test]
async fn publish_streams_answer_each_message_and_do_without_fast_ingest() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    let mut hub = with_messages(&nats, 0).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;
    for (mode, first) in [
        (PublishAckMode::PerMessage, 1),
        (PublishAckMode::Cumulative, 1_001),
    ] {
        let open = PublishOpen {
            stream: STREAM.to_owned(),
            ack_mode: mode as i32,
            ..PublishOpen::default()
        };
        let mut stream = Publishing::open(&gateway, open).await;
        assert_eq!(stream.opened.path(), PublishPath::Pipelined);
        let numbers = first..first + 1_000;
        stream.publish(first, numbers.map(message).collect()).await;
        stream.settled(first + 999).await;
        assert_truthful(&mut hub, STREAM, &stream.outcomes).await;
    }
    assert_eq!(hub.count(STREAM).await, 2_000);
}

#[tokio::test]
async fn callers_reach_nothing_below_the_prefix() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    with_messages(&nats, 1).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;
    let request = PublishRequest {
        subject: format!("hub.js.STREAM.DELETE.{STREAM}"),
        ..PublishRequest::default()
    };
    let answer = gateway.publisher().publish(request).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "subject");

    let config = StreamConfig {
        name: "REQUESTS".to_owned(),
        subjects: vec!["hub.js.>".to_owned()],
        ..StreamConfig::default()
    };
    let request = CreateStreamRequest {
        config: Some(config),
    };
    let answer = gateway.streams().create_stream(request).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "config.subjects[0]");
}
