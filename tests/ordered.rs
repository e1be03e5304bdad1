//! Ordered subscriptions: where they start, and what they deliver.

use std::time::SystemTime;

use jetgate::proto::{
    AckPolicy, DeliverPolicy, FlowLimits, OrderedConsumer, StallReason, SubscribeRequest,
};
use serde_json::json;
use tonic::Code;

use crate::support::consuming::{
    STREAM, Session, payload, sequences, store_many, subscribe_ordered,
};
use crate::support::{
    Gateway, NatsServer, SOON, Wire, eventually, refused, start_with_stream, violated_field,
};

async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": STREAM, "subjects": ["orders.>"] })).await
}

/// An ordered read from there.
fn from(policy: DeliverPolicy) -> OrderedConsumer {
    OrderedConsumer {
        deliver_policy: policy as i32,
        ..OrderedConsumer::default()
    }
}

async fn open(gateway: &Gateway, ordered: OrderedConsumer) -> Session {
    Session::open(gateway, subscribe_ordered(ordered)).await
}

/// How many consumers the stream has.
async fn consumers(wire: &mut Wire) -> u64 {
    wire.stream_info(STREAM).await["state"]["consumer_count"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn reads_the_whole_stream_without_acks() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 500).await;

    // More than a window, as nothing is outstanding.
    let mut session = open(&gateway, OrderedConsumer::default()).await;
    let messages = session.messages(500).await;

    assert_eq!(sequences(&messages), (1..=500).collect::<Vec<_>>());
    for message in &messages {
        assert_eq!(
            (message.ack_token.as_str(), message.ack_deadline),
            ("", None)
        );
        assert_eq!(message.delivery_attempt, 1);
    }
    assert_eq!(session.opened.ack_policy(), AckPolicy::None);
    assert_eq!(session.opened.ack_wait, None);
    assert!(!session.opened.consumer.is_empty());
    store_many(&mut wire, 1).await;
    assert_eq!(sequences(&session.messages(1).await), [501]);
    let heartbeat = session.stalled_by(StallReason::NoMessages).await;
    assert_eq!(
        (heartbeat.stream_sequence, heartbeat.outstanding_messages),
        (501, 0)
    );
}

#[tokio::test]
async fn starts_at_a_sequence() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 5).await;

    let ordered = OrderedConsumer {
        opt_start_seq: 3,
        ..from(DeliverPolicy::ByStartSequence)
    };
    let messages = open(&gateway, ordered).await.messages(3).await;

    assert_eq!(sequences(&messages), [3, 4, 5]);
}

#[tokio::test]
async fn starts_at_a_time() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;
    let time = SystemTime::now();
    store_many(&mut wire, 2).await;

    let ordered = OrderedConsumer {
        opt_start_time: Some(time.into()),
        ..from(DeliverPolicy::ByStartTime)
    };
    let messages = open(&gateway, ordered).await.messages(2).await;

    assert_eq!(sequences(&messages), [4, 5]);
}

#[tokio::test]
async fn starts_behind_the_last_message() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;

    let mut session = open(&gateway, from(DeliverPolicy::New)).await;
    session.heartbeat().await;
    store_many(&mut wire, 2).await;

    assert_eq!(sequences(&session.messages(2).await), [4, 5]);
}

#[tokio::test]
async fn starts_at_the_last_message() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;

    let mut session = open(&gateway, from(DeliverPolicy::Last)).await;
    assert_eq!(sequences(&session.messages(1).await), [3]);
    store_many(&mut wire, 1).await;

    assert_eq!(sequences(&session.messages(1).await), [4]);
}

#[tokio::test]
async fn starts_at_the_last_message_of_each_subject() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["orders.a", "orders.b", "orders.a", "orders.c", "orders.b"] {
        wire.store(subject, b"").await;
    }

    let mut session = open(&gateway, from(DeliverPolicy::LastPerSubject)).await;
    assert_eq!(sequences(&session.messages(3).await), [3, 4, 5]);
    wire.store("orders.a", b"").await;

    assert_eq!(sequences(&session.messages(1).await), [6]);
}

#[tokio::test]
async fn reads_what_matches_its_filters() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["orders.a", "orders.b", "orders.c", "orders.a.x"] {
        wire.store(subject, b"").await;
    }

    let ordered = OrderedConsumer {
        filter_subjects: vec!["orders.a".to_owned(), "orders.c".to_owned()],
        ..OrderedConsumer::default()
    };
    let mut session = open(&gateway, ordered).await;
    assert_eq!(sequences(&session.messages(2).await), [1, 3]);
    wire.store("orders.b", b"").await;
    wire.store("orders.c", b"").await;

    assert_eq!(sequences(&session.messages(1).await), [6]);
}

#[tokio::test]
async fn reads_headers_only() {
    let (_nats, gateway, mut wire) = start().await;
    wire.request("orders.x", Some(b"A: 1\r\n"), b"payload")
        .await;

    let ordered = OrderedConsumer {
        headers_only: true,
        ..OrderedConsumer::default()
    };
    let message = open(&gateway, ordered).await.messages(1).await.remove(0);

    assert_eq!(payload(&message), b"");
    let header = |name: &str| {
        let header = message.headers.iter().find(|header| header.name == name);
        header.map(|header| header.value.as_str())
    };
    assert_eq!(
        (header("A"), header("Nats-Msg-Size")),
        (Some("1"), Some("7"))
    );
}

#[tokio::test]
async fn passes_over_what_was_deleted_inside_the_stream() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 5).await;
    wire.api(&format!("STREAM.MSG.DELETE.{STREAM}"), json!({ "seq": 3 }))
        .await;

    let mut session = open(&gateway, OrderedConsumer::default()).await;

    assert_eq!(sequences(&session.messages(4).await), [1, 2, 4, 5]);
}

#[tokio::test]
async fn sessions_read_independently_and_leave_no_consumer() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;
    let mut first = open(&gateway, OrderedConsumer::default()).await;
    let mut second = open(&gateway, OrderedConsumer::default()).await;

    assert_eq!(sequences(&first.messages(3).await), [1, 2, 3]);
    assert_eq!(sequences(&second.messages(3).await), [1, 2, 3]);
    assert_eq!(consumers(&mut wire).await, 2);
    drop((first, second));

    // Well before the consumers would go by themselves, which takes 30 s.
    eventually(SOON, async || {
        (consumers(&mut wire).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reads_messages_larger_than_the_window() {
    let (_nats, gateway, mut wire) = start().await;
    for size in [10, 50_000, 10, 50_000, 50_000, 10] {
        wire.store("orders.x", &vec![b'x'; size]).await;
    }

    let flow = FlowLimits {
        max_outstanding_messages: None,
        max_outstanding_bytes: Some(2_000),
    };
    let request = SubscribeRequest {
        flow: Some(flow),
        ..subscribe_ordered(OrderedConsumer::default())
    };
    let messages = Session::open(&gateway, request).await.messages(6).await;

    assert_eq!(sequences(&messages), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn refuses_what_cannot_be_asked_for() {
    let (_nats, gateway, _wire) = start().await;
    let sequence = OrderedConsumer {
        opt_start_seq: 3,
        ..OrderedConsumer::default()
    };
    let filter = OrderedConsumer {
        filter_subjects: vec!["a b".to_owned()],
        ..OrderedConsumer::default()
    };
    for (ordered, field) in [
        (
            from(DeliverPolicy::ByStartSequence),
            "ordered.opt_start_seq",
        ),
        (from(DeliverPolicy::ByStartTime), "ordered.opt_start_time"),
        (sequence, "ordered.opt_start_seq"),
        (filter, "ordered.filter_subjects[0]"),
    ] {
        let request = subscribe_ordered(ordered);
        let answer = gateway.subscriber().subscribe(request).await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
}

#[tokio::test]
async fn says_that_the_stream_does_not_exist() {
    let (_nats, gateway, mut wire) = start().await;
    wire.api(&format!("STREAM.DELETE.{STREAM}"), json!(null))
        .await;

    let request = subscribe_ordered(OrderedConsumer::default());
    let answer = gateway.subscriber().subscribe(request).await;

    refused(answer.map(|_| ()), Code::NotFound, "STREAM_NOT_FOUND");
}
