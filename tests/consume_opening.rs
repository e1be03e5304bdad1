//! The first frame of a `Consume`: what it must be, and how a wrong one ends the call.

use std::time::{Duration, Instant};

use jetgate::proto::consume_open::Source;
use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::{ConsumeOpen, FlowUpdate, OrderedConsumer};
use serde_json::json;
use tonic::Code;

use crate::support::consume::{Consume, open, open_window};
use crate::support::consuming::{STREAM, start_with_consumer, store_many};
use crate::support::{refused, violated_field};

#[tokio::test]
async fn an_open_that_does_not_come_ends_the_call() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let mut silent = Consume::begin(&gateway).await;

    // R1: 10 s.
    let begun = Instant::now();
    let end = silent.end().await;

    refused(end, Code::InvalidArgument, "UNEXPECTED_FRAME");
    assert!(begun.elapsed() > Duration::from_secs(9));
}

#[tokio::test]
async fn only_open_may_come_first() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;

    // R1.
    for frame in [
        Request::Ping(jetgate::proto::Ping::default()),
        Request::Drain(jetgate::proto::Drain {}),
        Request::Flow(FlowUpdate::default()),
        Request::Settle(jetgate::proto::SettleFrame::default()),
    ] {
        let mut session = Consume::begin(&gateway).await;
        session.send(frame);
        refused(
            session.end().await,
            Code::InvalidArgument,
            "UNEXPECTED_FRAME",
        );
    }
    let mut session = Consume::begin(&gateway).await;
    session.send_nothing();
    refused(
        session.end().await,
        Code::InvalidArgument,
        "UNEXPECTED_FRAME",
    );

    let mut session = Consume::begin(&gateway).await;
    session.half_close();
    refused(
        session.end().await,
        Code::InvalidArgument,
        "UNEXPECTED_FRAME",
    );
}

#[tokio::test]
async fn open_comes_only_once() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;

    for second in [Some(Request::Open(open())), None] {
        let mut session = Consume::open(&gateway, open()).await;
        session.messages(1).await;

        // R1; what it held goes to the next session, as after any caller's end (R7).
        match second {
            Some(frame) => session.send(frame),
            None => session.send_nothing(),
        }
        refused(
            session.end().await,
            Code::InvalidArgument,
            "UNEXPECTED_FRAME",
        );
    }
    let mut other = Consume::open(&gateway, open()).await;
    assert_eq!(other.messages(1).await[0].delivery_attempt, 3);
}

#[tokio::test]
async fn a_wrong_open_is_refused_with_the_field_that_is_wrong() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let lease = |auto_extend, max| Some(jetgate::proto::Lease { auto_extend, max });
    let ordered = Some(Source::Ordered(OrderedConsumer::default()));
    for (wrong, field) in [
        (
            ConsumeOpen {
                source: None,
                ..open()
            },
            "open.source",
        ),
        (
            ConsumeOpen {
                stream: String::new(),
                ..open()
            },
            "open.stream",
        ),
        (open_window(0), "open.flow.max_outstanding_messages"),
        (
            ConsumeOpen {
                heartbeat_interval: seconds(0),
                ..open()
            },
            "open.heartbeat_interval",
        ),
        (
            ConsumeOpen {
                payload_format: 99,
                ..open()
            },
            "open.payload_format",
        ),
        (
            ConsumeOpen {
                on_session_end: 99,
                ..open()
            },
            "open.on_session_end",
        ),
        (
            ConsumeOpen {
                lease: lease(true, None),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(true, seconds(0)),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(true, seconds(86_401)),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(false, seconds(60)),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(true, seconds(60)),
                source: ordered.clone(),
                ..open()
            },
            "open.lease.auto_extend",
        ),
        (
            ConsumeOpen {
                held: vec!["x".to_owned()],
                source: ordered,
                ..open()
            },
            "open.held",
        ),
    ] {
        let answer = Consume::try_open(&gateway, wrong.clone()).await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_does_not_exist_or_is_pushed_cannot_be_opened() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let missing = ConsumeOpen {
        stream: "NOSUCH".to_owned(),
        ..open()
    };
    let answer = Consume::try_open(&gateway, missing).await;
    refused(answer.map(|_| ()), Code::NotFound, "STREAM_NOT_FOUND");

    let source = |name: &str| ConsumeOpen {
        source: Some(Source::Consumer(name.to_owned())),
        ..open()
    };
    let answer = Consume::try_open(&gateway, source("nosuch")).await;
    refused(answer.map(|_| ()), Code::NotFound, "CONSUMER_NOT_FOUND");

    // R16.
    let push =
        json!({ "durable_name": "push", "deliver_subject": "pushed", "ack_policy": "explicit" });
    wire.create_consumer(STREAM, push).await;
    let answer = Consume::try_open(&gateway, source("push")).await;
    refused(
        answer.map(|_| ()),
        Code::FailedPrecondition,
        "CONSUMER_IS_PUSH",
    );
}
