//! Fetching a batch: what comes, when, and what a caller that vanishes leaves behind.

use std::time::{Duration, Instant};

use jetgate::proto::received_message::Payload;
use jetgate::proto::{FetchRequest, PayloadFormat};
use serde_json::json;
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, ack, fetch, fetched, nanoseconds, payload, sequences, start_with_consumer,
    store_many, time,
};
use crate::support::{SOON, Wire, answered, eventually, refused, violated_field};

/// A fetch that returns what there is.
fn at_once(batch: u32) -> FetchRequest {
    FetchRequest {
        max_wait: None,
        no_wait: true,
        ..fetch(batch)
    }
}

#[tokio::test]
async fn returns_messages_with_all_that_is_known_of_them() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let headers = b"Nats-Msg-Id: id-1\r\nTrace: a\r\nTrace: b\r\n";
    wire.request("orders.new", Some(headers), b"payload").await;
    wire.store("orders.old", b"").await;

    let messages = fetched(&gateway, fetch(2)).await;

    let [first, second] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(
        (first.subject.as_str(), payload(first)),
        ("orders.new", &b"payload"[..])
    );
    assert_eq!(
        (first.stream.as_str(), first.consumer.as_str()),
        (STREAM, CONSUMER)
    );
    assert_eq!((first.stream_sequence, first.consumer_sequence), (1, 1));
    assert_eq!((second.stream_sequence, second.consumer_sequence), (2, 2));
    assert_eq!((first.delivery_id, first.delivery_attempt), (0, 1));
    assert_eq!((first.pending, second.pending), (1, 0));
    assert_eq!(
        (first.message_id.as_str(), second.message_id.as_str()),
        ("id-1", "")
    );
    let traces = first
        .headers
        .iter()
        .filter(|header| header.name == "Trace")
        .map(|header| header.value.as_str());
    assert_eq!(traces.collect::<Vec<_>>(), ["a", "b"]);
    let (published, deadline) = (first.publish_time.unwrap(), first.ack_deadline.unwrap());
    assert!(deadline.seconds > published.seconds && deadline.seconds <= published.seconds + 60);
    assert!(!first.ack_token.is_empty() && first.ack_token != second.ack_token);
}

#[tokio::test]
async fn returns_as_soon_as_the_batch_is_full() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;
    let request = FetchRequest {
        max_wait: time(Duration::from_secs(60)),
        ..fetch(3)
    };

    let messages = fetched(&gateway, request).await;

    assert_eq!(sequences(&messages), [1, 2, 3]);
}

#[tokio::test]
async fn waits_for_messages_that_come_later() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut subscriber = gateway.subscriber();

    let call = tokio::spawn(async move { subscriber.fetch(fetch(2)).await });
    eventually(SOON, async || {
        (wire.consumer_info(STREAM, CONSUMER).await["num_waiting"] == 1).then_some(())
    })
    .await;
    store_many(&mut wire, 2).await;

    let messages = call.await.unwrap().unwrap().into_inner().messages;
    assert_eq!(sequences(&messages), [1, 2]);
}

#[tokio::test]
async fn returns_what_there_is_when_max_wait_is_over() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let wait = Duration::from_secs(1);
    let request = FetchRequest {
        max_wait: time(wait),
        ..fetch(3)
    };

    let started = Instant::now();
    let messages = fetched(&gateway, request.clone()).await;

    assert_eq!(sequences(&messages), [1, 2]);
    assert!(started.elapsed() >= wait);
    assert_eq!(fetched(&gateway, request).await, []);
}

#[tokio::test]
async fn takes_one_message_unless_told_otherwise() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;

    assert_eq!(fetched(&gateway, fetch(0)).await.len(), 1);
}

#[tokio::test]
async fn does_not_wait_when_told_so() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;

    let started = Instant::now();
    assert_eq!(fetched(&gateway, at_once(10)).await, []);
    store_many(&mut wire, 3).await;
    assert_eq!(fetched(&gateway, at_once(10)).await.len(), 3);

    // The default wait is five seconds.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_deadline_bounds_the_wait() {
    let settings = json!({ "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let deadline = Duration::from_secs(2);

    let mut stored = 0_u64;
    let answer = answered(deadline, fetch(2), async |request| {
        // An answer that came too late may have taken the message of its call with it: each has one of its own.
        wire.api(&format!("STREAM.PURGE.{STREAM}"), json!({})).await;
        store_many(&mut wire, 1).await;
        stored += 1;
        gateway.subscriber().fetch(request).await
    })
    .await;
    assert_eq!(sequences(&answer.unwrap().into_inner().messages), [stored]);

    let answer = answered(deadline, fetch(2), async |request| {
        gateway.subscriber().fetch(request).await
    });
    match answer.await {
        Ok(answer) => assert_eq!(answer.into_inner().messages, []),
        Err(status) => assert_eq!(status.code(), Code::DeadlineExceeded),
    }
}

#[tokio::test]
async fn messages_of_a_caller_that_vanishes_come_again_at_once() {
    // Far longer than the test may take: R7, what was pulled and never sent is given back without delay.
    let settings = json!({ "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 3).await;
    let mut subscriber = gateway.subscriber();
    let request = FetchRequest {
        max_wait: time(Duration::from_secs(60)),
        ..fetch(10)
    };

    let call = tokio::spawn(async move { subscriber.fetch(request).await });
    eventually(SOON, async || {
        (wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"] == 3).then_some(())
    })
    .await;
    call.abort();

    // In whatever order they were given back.
    let mut messages = fetched(&gateway, fetch(3)).await;
    messages.sort_by_key(|message| message.stream_sequence);
    assert_eq!(sequences(&messages), [1, 2, 3]);
    let attempts = messages.iter().map(|message| message.delivery_attempt);
    assert_eq!(attempts.collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(messages[0].delivery_id, 0);
}

#[tokio::test]
async fn a_pull_of_a_caller_that_vanishes_takes_nothing_away() {
    let settings = json!({ "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let mut subscriber = gateway.subscriber();

    let call = tokio::spawn(async move { subscriber.fetch(fetch(10)).await });
    let waiting =
        async |wire: &mut Wire| wire.consumer_info(STREAM, CONSUMER).await["num_waiting"].as_u64();
    eventually(SOON, async || {
        (waiting(&mut wire).await == Some(1)).then_some(())
    })
    .await;
    call.abort();
    store_many(&mut wire, 1).await;

    let messages = fetched(&gateway, fetch(1)).await;
    assert_eq!(sequences(&messages), [1]);
    eventually(SOON, async || {
        (waiting(&mut wire).await == Some(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_consumer_without_acks_has_no_tokens() {
    let settings = json!({ "ack_policy": "none" });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 2).await;

    let messages = fetched(&gateway, fetch(2)).await;

    // R16: there is nothing to acknowledge.
    assert_eq!(sequences(&messages), [1, 2]);
    for message in messages {
        assert_eq!(
            (message.ack_token.as_str(), message.ack_deadline),
            ("", None)
        );
    }
}

#[tokio::test]
async fn returns_payloads_in_the_field_asked_for() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for bytes in [&b"text"[..], b"\xff", b"text"] {
        wire.store("orders.x", bytes).await;
    }
    let text = |batch| FetchRequest {
        payload_format: PayloadFormat::Text as i32,
        ..fetch(batch)
    };

    let texts = fetched(&gateway, text(2)).await;
    let bytes = fetched(&gateway, fetch(1)).await;

    assert_eq!(texts[0].payload, Some(Payload::Text("text".to_owned())));
    assert_eq!(
        texts[1].payload,
        Some(Payload::Data(b"\xff".to_vec().into()))
    );
    assert_eq!(
        bytes[0].payload,
        Some(Payload::Data(b"text".to_vec().into()))
    );
}

#[tokio::test]
async fn what_is_fetched_is_settled_by_its_tokens() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;

    let messages = fetched(&gateway, fetch(3)).await;
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    // R2: fetching acks nothing.
    assert_eq!(info["ack_floor"]["stream_seq"], 0);
    assert_eq!(info["num_ack_pending"], 3);
    ack(&gateway, &messages).await;

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 3);
}

#[tokio::test]
async fn refuses_what_cannot_be_asked_for() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let both = FetchRequest {
        no_wait: true,
        ..fetch(1)
    };
    let long = FetchRequest {
        max_wait: time(Duration::from_secs(301)),
        ..fetch(1)
    };
    let negative = FetchRequest {
        max_wait: Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        }),
        ..fetch(1)
    };
    let format = FetchRequest {
        payload_format: 99,
        ..fetch(1)
    };
    let no_stream = FetchRequest {
        stream: String::new(),
        ..fetch(1)
    };
    let wildcard = FetchRequest {
        consumer: "*".to_owned(),
        ..fetch(1)
    };
    for (request, field) in [
        (both, "no_wait"),
        (long, "max_wait"),
        (negative, "max_wait"),
        (fetch(10_001), "batch"),
        (format, "payload_format"),
        (no_stream, "stream"),
        (wildcard, "consumer"),
    ] {
        let answer = gateway.subscriber().fetch(request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field, "{status:?}");
    }
}

#[tokio::test]
async fn says_what_does_not_exist() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let push = json!({ "durable_name": "push", "ack_policy": "explicit", "deliver_subject": "d" });
    wire.create_consumer(STREAM, push).await;
    let (no_stream, no_consumer) = ("STREAM_NOT_FOUND", "CONSUMER_NOT_FOUND");
    for (stream, consumer, code, reason) in [
        ("OTHER", CONSUMER, Code::NotFound, no_stream),
        (STREAM, "other", Code::NotFound, no_consumer),
        (STREAM, "push", Code::FailedPrecondition, "CONSUMER_IS_PUSH"),
    ] {
        let request = FetchRequest {
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            ..fetch(1)
        };
        refused(gateway.subscriber().fetch(request).await, code, reason);
    }
    // R14: asking for a consumer does not make one.
    let names = wire
        .api(&format!("CONSUMER.NAMES.{STREAM}"), json!({}))
        .await;
    assert_eq!(names["total"], 2);
}
