//! Publish streams whose callers break the rules: each ends with the reason.

use std::time::Duration;

use jetgate::proto::publish_stream_request::Frame as Request;
use jetgate::proto::{
    PublishFrame, PublishOpen, PublishOrdering, PublishRequest, PublishResume, PublishStreamRequest,
};
use serde_json::json;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{into_orders, numbered, orders};
use crate::support::publishing::Publishing;
use crate::support::{Clients, Gateway, SOON, reason, refused, start_with_stream, violated_field};

/// The status that a stream of these frames ends with.
async fn status_of(clients: &Clients, frames: Vec<Option<Request>>) -> Status {
    let (requests, outgoing) = tokio::sync::mpsc::channel(frames.len() + 1);
    for frame in frames {
        requests.send(PublishStreamRequest { frame }).await.unwrap();
    }
    let mut publisher = clients.publisher();
    let answer = publisher.publish_stream(ReceiverStream::new(outgoing));
    let mut answers = answer.await.unwrap().into_inner();
    loop {
        match timeout(SOON, answers.message()).await.expect("no end") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended with OK"),
            Err(status) => return status,
        }
    }
}

fn open(change: impl FnOnce(&mut PublishOpen)) -> Option<Request> {
    let mut open = into_orders();
    change(&mut open);
    Some(Request::Open(open))
}

fn messages(first_number: u64, count: u64) -> Option<Request> {
    Some(Request::Messages(PublishFrame {
        first_number,
        messages: numbered(0..count),
    }))
}

#[tokio::test]
async fn the_first_frame_opens_and_no_other_does() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    for frames in [
        vec![messages(1, 1)],
        vec![None],
        vec![open(|_| ()), open(|_| ())],
        vec![open(|_| ()), None],
    ] {
        let status = status_of(&gateway, frames).await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason(&status), "UNEXPECTED_FRAME");
    }
}

#[tokio::test]
async fn a_frame_that_is_large_only_once_it_is_decoded_is_refused() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let frame = PublishFrame {
        first_number: 1,
        messages: vec![PublishRequest::default(); 1_000_000],
    };

    let frames = vec![open(|_| ()), Some(Request::Messages(frame))];
    let status = status_of(&gateway, frames).await;

    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason(&status), "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn wrong_terms_are_named() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let strict_without_stream = |open: &mut PublishOpen| {
        open.stream.clear();
        open.ordering = PublishOrdering::Strict as i32;
    };
    for (field, frame) in [
        ("open.stream", open(strict_without_stream)),
        (
            "open.max_in_flight",
            open(|open| open.max_in_flight = 1 << 30),
        ),
        ("open.ack_mode", open(|open| open.ack_mode = 17)),
    ] {
        let status = status_of(&gateway, vec![frame]).await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(violated_field(&status), field);
    }
}

#[tokio::test]
async fn the_named_stream_must_exist_and_confirm() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mute = json!({ "name": "MUTE", "subjects": ["mute.>"], "no_ack": true });
    wire.create_stream(mute).await;
    for (stream, code, expected) in [
        ("NONE", Code::NotFound, "STREAM_NOT_FOUND"),
        ("MUTE", Code::FailedPrecondition, "STREAM_WITHOUT_ACKS"),
    ] {
        let open = PublishOpen {
            stream: stream.to_owned(),
            ..PublishOpen::default()
        };
        let answer = Publishing::try_open(&gateway, open).await;
        refused(answer.map(|_| ()), code, expected);
    }
}

#[tokio::test]
async fn numbers_must_rise() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    for (frames, field) in [
        (vec![messages(0, 1)], "messages.first_number"),
        (
            vec![messages(5, 2), messages(6, 1)],
            "messages.first_number",
        ),
        (vec![messages(u64::MAX, 2)], "messages.first_number"),
        (vec![messages(7, 0)], "messages.messages"),
        (
            vec![
                messages(1, 1),
                Some(Request::Resume(PublishResume { through: 2 })),
            ],
            "resume.through",
        ),
    ] {
        let frames = [vec![open(|_| ())], frames].concat();
        let status = status_of(&gateway, frames).await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(violated_field(&status), field);
    }
    assert_eq!(
        wire.count("ORDERS").await,
        3,
        "what was right before is stored"
    );
}

#[tokio::test]
async fn what_was_read_before_a_wrong_frame_is_answered() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;
    publishing.publish(1, numbered(1..=100)).await;
    publishing.publish(100, numbered(100..=100)).await;

    let status = publishing.end().await.unwrap_err();

    assert_eq!(violated_field(&status), "messages.first_number");
    assert_eq!(publishing.outcomes.len(), 100);
}

#[tokio::test]
async fn a_caller_that_sends_nothing_is_taken_for_gone() {
    let nats = crate::support::NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.publish.ping_within = Duration::from_secs(1);
    })
    .await;
    let mut publishing = Publishing::open(&gateway, PublishOpen::default()).await;

    let status = publishing.end().await.unwrap_err();

    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "PINGS_MISSED")
    );
}

#[tokio::test]
async fn an_idle_stream_lives_as_long_as_pings_flow() {
    let nats = crate::support::NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.publish.ping_within = Duration::from_secs(1);
    })
    .await;
    let mut publishing = Publishing::open(&gateway, PublishOpen::default()).await;

    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        publishing.ping().await;
        let frame = publishing.frame().await.unwrap();
        assert!(frame.is_some());
    }
    publishing.half_close();
    publishing.end().await.unwrap();
}
