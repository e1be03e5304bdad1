//! Batches that are stored as a whole or not at all.

use futures_util::future::join_all;
use jetgate::proto::publish_request::{Expiry, Payload};
use jetgate::proto::{Expectation, PublishBatchMode, PublishBatchRequest, PublishRequest, Rollup};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{batch, message, orders, publish, publish_within, sequences, with_id};
use crate::support::{Gateway, SOON, Wire, metadata, refused, start_with_stream, violated_field};

pub(super) fn atomic(messages: Vec<PublishRequest>) -> PublishBatchRequest {
    batch(PublishBatchMode::Atomic, messages)
}

fn orders_with(settings: Value) -> Value {
    let mut config = orders();
    config["allow_atomic"] = json!(true);
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

async fn start(settings: Value) -> (crate::support::NatsServer, Gateway, Wire) {
    start_with_stream(orders_with(settings)).await
}

fn expecting(expect: Expectation) -> PublishRequest {
    PublishRequest {
        expect: Some(expect.into()),
        ..message("orders.x")
    }
}

/// Asserts that a batch fails and that the stream is as it was.
async fn fails(
    gateway: &Gateway,
    wire: &mut Wire,
    messages: Vec<PublishRequest>,
    code: Code,
    reason: &str,
) -> Status {
    let before = wire.count("ORDERS").await;
    let status = refused(publish(gateway, atomic(messages)).await, code, reason);
    assert_eq!(wire.count("ORDERS").await, before);
    status
}

#[tokio::test]
async fn stores_all_and_tells_each_sequence() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    wire.store("orders.old", b"").await;
    let messages = ["a", "b", "c"].map(|text| PublishRequest {
        payload: Some(Payload::Text(text.to_owned())),
        ..message(&format!("orders.{text}"))
    });

    let answer = publish(&gateway, atomic(messages.to_vec())).await.unwrap();

    assert_eq!(sequences(&answer), [2, 3, 4]);
    for (sequence, text) in [(2, "a"), (3, "b"), (4, "c")] {
        let stored = wire.stored("ORDERS", sequence).await;
        assert_eq!(stored.subject, format!("orders.{text}"));
        assert_eq!(stored.payload, text.as_bytes());
    }
    let published = answer.results[0].published.as_ref().unwrap();
    assert_eq!(
        (published.stream.as_str(), published.message_id.as_str()),
        ("ORDERS", "")
    );
}

#[tokio::test]
async fn stores_one_message_and_a_thousand() {
    let (_nats, gateway, mut wire) = start(json!({})).await;

    let one = publish(&gateway, atomic(vec![with_id("1")])).await.unwrap();
    assert_eq!(sequences(&one), [1]);
    assert_eq!(one.results[0].published.as_ref().unwrap().message_id, "1");

    let messages = (0..1_000).map(|number| message(&format!("orders.{number}")));
    let many = publish(&gateway, atomic(messages.collect())).await.unwrap();
    assert_eq!(sequences(&many), (2..=1_001).collect::<Vec<_>>());
    assert_eq!(wire.count("ORDERS").await, 1_001);
}

#[tokio::test]
async fn batches_at_the_same_time_do_not_mix() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    // More than twice as many as a stream has open at a time.
    let batches = (0..120).map(|number| {
        let messages = (0..5).map(move |_| message(&format!("orders.{number}")));
        publish_within(&gateway, atomic(messages.collect()), 3 * SOON)
    });

    for (number, answer) in join_all(batches).await.into_iter().enumerate() {
        let sequences = sequences(&answer.unwrap());
        let first = sequences[0];
        assert_eq!(sequences, (first..first + 5).collect::<Vec<_>>());
        for sequence in [first, first + 4] {
            let stored = wire.stored("ORDERS", sequence).await;
            assert_eq!(stored.subject, format!("orders.{number}"));
        }
    }
    assert_eq!(wire.count("ORDERS").await, 600);
}

#[tokio::test]
async fn a_stream_without_the_setting_says_so() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    for count in [1, 3] {
        let messages = vec![message("orders.x"); count];
        let code = Code::FailedPrecondition;
        let status = fails(&gateway, &mut wire, messages, code, "NOT_ENABLED_ON_STREAM").await;
        assert_eq!(
            metadata(&status, "setting").as_deref(),
            Some("allow_atomic")
        );
    }
}

#[tokio::test]
async fn a_stream_without_acknowledgements_is_refused() {
    let (_nats, gateway, mut wire) = start(json!({ "no_ack": true })).await;
    let messages = vec![message("orders.x"); 2];
    let code = Code::FailedPrecondition;
    fails(&gateway, &mut wire, messages, code, "STREAM_WITHOUT_ACKS").await;
}

#[tokio::test]
async fn two_streams_are_one_too_many() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    let other = json!({ "name": "OTHER", "subjects": ["other"], "allow_atomic": true });
    wire.create_stream(other).await;
    let messages = vec![message("orders.x"), message("orders.y"), message("other")];

    let code = Code::FailedPrecondition;
    let status = fails(&gateway, &mut wire, messages, code, "BATCH_SPANS_STREAMS").await;

    assert_eq!(metadata(&status, "item").as_deref(), Some("2"));
    assert_eq!(violated_field(&status), "messages[2].subject");
    assert_eq!(wire.count("OTHER").await, 0);
}

#[tokio::test]
async fn a_subject_that_no_stream_takes_fails_the_batch() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    for place in 0..3 {
        let mut messages = vec![message("orders.x"); 3];
        messages[place] = message("nowhere");
        let status = fails(
            &gateway,
            &mut wire,
            messages,
            Code::NotFound,
            "NO_STREAM_FOR_SUBJECT",
        )
        .await;
        assert_eq!(metadata(&status, "item"), Some(place.to_string()));
    }
}

#[tokio::test]
async fn an_id_that_the_stream_knows_fails_the_batch() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    let all = || vec![with_id("1"), with_id("2"), with_id("3")];
    publish(&gateway, atomic(all())).await.unwrap();

    let code = Code::AlreadyExists;
    for messages in [all(), vec![with_id("new"), with_id("3")]] {
        fails(&gateway, &mut wire, messages, code, "DUPLICATE_MESSAGE_ID").await;
    }
    // What failed left no id behind.
    let answer = publish(&gateway, atomic(vec![with_id("new")]))
        .await
        .unwrap();
    assert_eq!(sequences(&answer), [4]);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_fails_the_batch() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    wire.store("orders.x", b"").await;
    let last = |sequence| {
        expecting(Expectation {
            last_sequence: Some(sequence),
            ..Expectation::default()
        })
    };
    let last_of_subject = |sequence| {
        expecting(Expectation {
            last_subject_sequence: Some(sequence),
            ..Expectation::default()
        })
    };
    for messages in [
        vec![last(0), message("orders.y")],
        vec![message("orders.y"), last_of_subject(0)],
        // The batch itself has written the subject.
        vec![message("orders.x"), last_of_subject(1)],
    ] {
        fails(
            &gateway,
            &mut wire,
            messages,
            Code::Aborted,
            "WRONG_LAST_SEQUENCE",
        )
        .await;
    }

    let held = vec![
        PublishRequest {
            subject: "orders.y".to_owned(),
            ..last(1)
        },
        last_of_subject(1),
    ];
    let answer = publish(&gateway, atomic(held)).await.unwrap();
    assert_eq!(sequences(&answer), [2, 3]);
}

#[tokio::test]
async fn a_wrong_message_makes_the_batch_wrong() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    let last = expecting(Expectation {
        last_sequence: Some(0),
        ..Expectation::default()
    });
    let last_id = expecting(Expectation {
        last_message_id: "before".to_owned(),
        ..Expectation::default()
    });
    for (wrong, field) in [
        (message("*"), "messages[1].subject"),
        (with_id("1"), "messages[1].message_id"),
        (last, "messages[1].expect.last_sequence"),
        (last_id, "messages[1].expect.last_message_id"),
    ] {
        let messages = vec![with_id("1"), wrong];
        let code = Code::InvalidArgument;
        let status = fails(&gateway, &mut wire, messages, code, "INVALID_REQUEST").await;
        assert_eq!(violated_field(&status), field);
        assert_eq!(metadata(&status, "item").as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn what_the_stream_does_not_allow_fails_the_batch() {
    let settings = json!({ "max_msgs": 2, "discard": "new", "max_msg_size": 4096 });
    let (_nats, gateway, mut wire) = start(settings).await;
    let lasting = PublishRequest {
        expiry: Some(Expiry::NeverExpires(true)),
        ..message("orders.x")
    };
    let large = PublishRequest {
        payload: Some(Payload::Data(vec![0; 8192].into())),
        ..message("orders.x")
    };
    let some = || message("orders.x");

    let code = Code::FailedPrecondition;
    let messages = vec![some(), lasting, some()];
    fails(&gateway, &mut wire, messages, code, "NOT_ENABLED_ON_STREAM").await;

    let code = Code::InvalidArgument;
    let messages = vec![some(), large, some()];
    let status = fails(&gateway, &mut wire, messages, code, "MESSAGE_TOO_LARGE").await;
    assert_eq!(metadata(&status, "item").as_deref(), Some("1"));

    let code = Code::ResourceExhausted;
    let messages = vec![some(), some(), some()];
    fails(&gateway, &mut wire, messages, code, "STREAM_FULL").await;
}

#[tokio::test]
async fn a_rollup_of_what_the_batch_has_written_is_refused() {
    let (_nats, gateway, mut wire) = start(json!({ "allow_rollup_hdrs": true })).await;
    wire.store("orders.x", b"").await;
    let rollup = PublishRequest {
        rollup: Rollup::Subject as i32,
        ..message("orders.x")
    };

    let messages = vec![message("orders.x"), rollup.clone()];
    let code = Code::InvalidArgument;
    fails(&gateway, &mut wire, messages, code, "REJECTED_BY_JETSTREAM").await;

    let messages = vec![rollup, message("orders.x")];
    let answer = publish(&gateway, atomic(messages)).await.unwrap();
    assert_eq!(sequences(&answer), [2, 3]);
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn counters_count_together() {
    let (_nats, gateway, _wire) = start(json!({ "allow_msg_counter": true })).await;
    let counting = |subject: &str, increment: &str| PublishRequest {
        counter_increment: increment.to_owned(),
        ..message(subject)
    };

    let messages = vec![
        counting("orders.a", "1"),
        counting("orders.b", "10"),
        counting("orders.a", "5"),
    ];
    let answer = publish(&gateway, atomic(messages)).await.unwrap();
    assert_eq!(sequences(&answer), [1, 2, 3]);

    let read = vec![counting("orders.a", "0"), counting("orders.b", "0")];
    let read = publish(&gateway, super::ordered(read)).await.unwrap();
    let value = |place: usize| read.results[place].published.clone().unwrap().counter_value;
    assert_eq!((value(0), value(1)), ("6".to_owned(), "10".to_owned()));
}
