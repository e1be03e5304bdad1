//! Subscribing to a durable consumer: what a session says and delivers.

use std::collections::HashMap;
use std::time::Duration;

use jetgate::proto::received_message::Payload;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{AckPolicy, FlowLimits, PayloadFormat, StallReason, SubscribeRequest};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, nanoseconds, payload, sequences, start_with_consumer,
    store_many, subscribe, subscribe_window, time,
};
use crate::support::{Gateway, NatsServer, SOON, eventually, refused, violated_field};

#[tokio::test]
async fn opens_with_the_values_in_force() {
    let settings = json!({ "ack_wait": nanoseconds(7) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;

    // R1: opened comes before every delivery, and says what the defaults are.
    let request = SubscribeRequest {
        heartbeat_interval: None,
        ..subscribe()
    };
    let mut first = Session::open(&gateway, request).await;
    let second = Session::open(&gateway, subscribe_window(5)).await;

    let opened = first.opened.clone();
    assert_eq!(
        (opened.stream.as_str(), opened.consumer.as_str()),
        (STREAM, CONSUMER)
    );
    let flow = FlowLimits {
        max_outstanding_messages: Some(256),
        max_outstanding_bytes: Some(8 * 1024 * 1024),
    };
    assert_eq!(opened.flow, Some(flow));
    assert_eq!(opened.heartbeat_interval, time(Duration::from_secs(15)));
    assert_eq!(opened.ack_wait, time(Duration::from_secs(7)));
    assert_eq!(opened.ack_policy(), AckPolicy::Explicit);
    let flow = second.opened.flow.unwrap();
    assert_eq!(flow.max_outstanding_messages, Some(5));
    assert_eq!(
        second.opened.heartbeat_interval,
        time(Duration::from_secs(1))
    );
    assert!(!opened.session_id.is_empty() && opened.session_id != second.opened.session_id);
    assert_eq!(sequences(&first.messages(1).await), [1]);
}

#[tokio::test]
async fn delivers_what_is_there_and_what_comes() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;

    let mut session = Session::open(&gateway, subscribe()).await;
    let mut messages = session.messages(2).await;
    wire.store("orders.y", b"later").await;
    messages.extend(session.messages(1).await);

    assert_eq!(sequences(&messages), [1, 2, 3]);
    let ids = messages.iter().map(|message| message.delivery_id);
    assert_eq!(ids.collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(payload(&messages[2]), b"later");
    assert_eq!(messages[2].subject, "orders.y");
    assert_eq!(messages[2].delivery_attempt, 1);
}

#[tokio::test]
async fn delivers_text_when_asked_for() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.store("orders.x", b"text").await;

    let request = SubscribeRequest {
        payload_format: PayloadFormat::Text as i32,
        ..subscribe()
    };
    let message = Session::open(&gateway, request).await.messages(1).await;

    let text = Payload::Text("text".to_owned());
    assert_eq!(message[0].payload, Some(text));
}

#[tokio::test]
async fn acks_nothing_by_itself() {
    let settings = json!({ "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 5).await;

    let mut session = Session::open(&gateway, subscribe()).await;
    session.messages(5).await;
    session.heartbeat().await;
    drop(session);

    // R2: all of them come again once their caller is gone.
    let mut other = Session::open(&gateway, subscribe()).await;
    let messages = other.messages(5).await;
    assert!(messages.iter().all(|message| message.delivery_attempt == 2));
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 0);
}

#[tokio::test]
async fn frames_stay_below_what_clients_take() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for _ in 0..12 {
        wire.store("orders.x", &[b'x'; 700 * 1024]).await;
    }

    // More than 8 MiB, so that the window matters as well. A frame of more than 4 MiB fails the client.
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.consume(&gateway, 12).await;

    assert_eq!(sequences(&messages), (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_consumer_without_acks_is_delivered_without_tokens() {
    let settings = json!({ "ack_policy": "none" });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 30).await;

    // R16: the window counts only what is not written yet.
    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let messages = session.messages(30).await;

    assert_eq!(sequences(&messages), (1..=30).collect::<Vec<_>>());
    assert!(messages.iter().all(|message| message.ack_token.is_empty()));
    assert_eq!(session.opened.ack_wait, None);
    assert_eq!(session.opened.ack_policy(), AckPolicy::None);
    assert_eq!(session.heartbeat().await.outstanding_messages, 0);
}

#[tokio::test]
async fn with_ack_policy_all_an_ack_frees_what_was_delivered_before() {
    let settings = json!({ "ack_policy": "all" });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 20).await;

    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let messages = session.messages(10).await;
    session.stalled_by(StallReason::WindowFull).await;
    // R16.
    ack(&gateway, &messages[7..8]).await;

    assert_eq!(
        sequences(&session.messages(8).await),
        (11..=18).collect::<Vec<_>>()
    );
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 10);
}

#[tokio::test]
async fn each_message_goes_to_one_of_the_sessions() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(Session::open(&gateway, subscribe_window(10)).await);
    }
    store_many(&mut wire, 30).await;

    let mut times = HashMap::new();
    let mut shares = Vec::new();
    for session in &mut sessions {
        let messages = session.messages(10).await;
        shares.push(messages.len());
        for sequence in sequences(&messages) {
            *times.entry(sequence).or_insert(0) += 1;
        }
    }

    assert_eq!(times.len(), 30, "{shares:?}");
}

#[tokio::test]
async fn a_hundred_sessions_take_turns_at_four_pulls() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| config.nats.pull_slots = 4).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    let config = json!({ "durable_name": CONSUMER, "ack_policy": "explicit" });
    wire.create_consumer(STREAM, config).await;
    let mut sessions = JoinSet::new();
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(Session::open(&gateway, subscribe_window(1)).await);
    }

    // No session has room for a second message, so each must have had a turn.
    store_many(&mut wire, 100).await;
    for mut session in open {
        sessions.spawn(async move {
            let message = session.messages(1).await.remove(0);
            (session, message)
        });
    }
    let all = tokio::time::timeout(3 * SOON, sessions.join_all()).await;

    let all = all.expect("some sessions get no turn");
    let mut sequences: Vec<_> = all
        .iter()
        .map(|(_, message)| message.stream_sequence)
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=100).collect::<Vec<_>>());
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert!(info["num_waiting"].as_u64().unwrap() <= 4, "{info}");
}

#[tokio::test]
async fn no_more_sessions_open_than_configured() {
    let (nats, _, _wire) = start_with_consumer(json!({})).await;
    let gateway =
        Gateway::start_with(&nats.url(), |config| config.subscribe.max_sessions = 1).await;
    let session = Session::open(&gateway, subscribe()).await;

    let answer = gateway.subscriber().subscribe(subscribe()).await;
    let (code, reason) = (Code::ResourceExhausted, "TOO_MANY_SESSIONS");
    refused(answer.map(|_| ()), code, reason);
    drop(session);

    eventually(SOON, async || {
        Session::try_open(&gateway, subscribe()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn refuses_what_cannot_be_asked_for() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let messages = |most| {
        Some(FlowLimits {
            max_outstanding_messages: Some(most),
            max_outstanding_bytes: None,
        })
    };
    let bytes = |most| {
        Some(FlowLimits {
            max_outstanding_messages: None,
            max_outstanding_bytes: Some(most),
        })
    };
    let with_flow = |flow| SubscribeRequest {
        flow,
        ..subscribe()
    };
    let every = |interval| SubscribeRequest {
        heartbeat_interval: time(interval),
        ..subscribe()
    };
    let format = SubscribeRequest {
        payload_format: 99,
        ..subscribe()
    };
    let end = SubscribeRequest {
        on_session_end: 99,
        ..subscribe()
    };
    let no_source = SubscribeRequest {
        source: None,
        ..subscribe()
    };
    let no_stream = SubscribeRequest {
        stream: String::new(),
        ..subscribe()
    };
    for (request, field) in [
        (every(Duration::from_millis(100)), "heartbeat_interval"),
        (every(Duration::from_secs(301)), "heartbeat_interval"),
        (with_flow(messages(0)), "flow.max_outstanding_messages"),
        (
            with_flow(messages(u32::MAX)),
            "flow.max_outstanding_messages",
        ),
        (with_flow(bytes(0)), "flow.max_outstanding_bytes"),
        (with_flow(bytes(u64::MAX)), "flow.max_outstanding_bytes"),
        (format, "payload_format"),
        (end, "on_session_end"),
        (no_source, "source"),
        (no_stream, "stream"),
    ] {
        let answer = gateway.subscriber().subscribe(request).await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
}

#[tokio::test]
async fn says_what_does_not_exist_and_makes_nothing() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let push = json!({ "durable_name": "push", "ack_policy": "explicit", "deliver_subject": "d" });
    wire.create_consumer(STREAM, push).await;
    let before = wire.consumer_info(STREAM, CONSUMER).await["config"].take();
    let (no_stream, no_consumer) = ("STREAM_NOT_FOUND", "CONSUMER_NOT_FOUND");
    for (stream, consumer, code, reason) in [
        ("OTHER", CONSUMER, Code::NotFound, no_stream),
        (STREAM, "other", Code::NotFound, no_consumer),
        (STREAM, "push", Code::FailedPrecondition, "CONSUMER_IS_PUSH"),
    ] {
        let request = SubscribeRequest {
            stream: stream.to_owned(),
            source: Some(Source::Consumer(consumer.to_owned())),
            ..subscribe()
        };
        let answer = gateway.subscriber().subscribe(request).await;
        refused(answer.map(|_| ()), code, reason);
    }
    let _session = Session::open(&gateway, subscribe_window(3)).await;

    // R14: a durable consumer is neither made nor changed.
    let names = wire
        .api(&format!("CONSUMER.NAMES.{STREAM}"), json!({}))
        .await;
    assert_eq!(names["total"], 2);
    let after: Value = wire.consumer_info(STREAM, CONSUMER).await["config"].take();
    assert_eq!(after, before);
}
