//! Publish streams among the sessions: listed and ended like those that consume.

use std::time::Duration;

use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{DrainingReason, PublishOpen, PublishRequest, SessionKind};
use serde_json::json;
use tonic::Code;

use super::{terminate, the_session};
use crate::support::publishing::Publishing;
use crate::support::{refused, start_with_stream, violated_field};

fn orders() -> serde_json::Value {
    json!({ "name": "ORDERS", "subjects": ["orders.>"] })
}

fn open() -> PublishOpen {
    PublishOpen {
        stream: "ORDERS".to_owned(),
        max_in_flight: 7,
        client_name: "importer".to_owned(),
        ..PublishOpen::default()
    }
}

fn message() -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    }
}

#[tokio::test]
async fn a_stream_shows_who_opened_it_and_what_it_has_stored() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let mut stream = Publishing::open(&gateway, open()).await;
    stream
        .publish(1, vec![message(), message(), message()])
        .await;
    stream.settled(3).await;

    let shown = the_session(&gateway, |it| it.message_count == 3).await;

    assert_eq!(shown.kind(), SessionKind::PublishStream);
    assert_eq!(shown.session_id, stream.opened.session_id);
    assert_eq!(shown.client_name, "importer");
    assert_eq!((&*shown.stream, &*shown.consumer), ("ORDERS", ""));
    assert_eq!((shown.max_outstanding_messages, shown.pending), (7, None));
}

#[tokio::test]
async fn a_terminated_stream_answers_what_it_has_read_and_ends() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut stream = Publishing::open(&gateway, open()).await;
    stream.publish(1, vec![message()]).await;
    stream.settled(1).await;

    let request = terminate(&stream.opened.session_id, Some(Duration::from_secs(60)));
    gateway.gateway().terminate_session(request).await.unwrap();

    let draining = stream.until(|frame| match frame {
        Frame::Draining(draining) => Some(draining.reason()),
        _ => None,
    });
    assert_eq!(draining.await, DrainingReason::Terminated);
    let end = stream.end().await.unwrap_err();
    assert_eq!(end.message(), "the session was terminated: maintenance");
    refused::<()>(Err(end), Code::Unavailable, "DRAINING");
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_by_its_field() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        client_name: "a\u{7}".to_owned(),
        ..open()
    };
    let status = Publishing::try_open(&gateway, open).await.map(|_| ());
    let status = refused(status, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "open.client_name");
}
