//! CUMULATIVE streams that go by fast ingest.

use jetgate::proto::{
    Expectation, PublishAckMode, PublishOnError, PublishOpen, PublishOrdering, PublishPath,
    PublishRequest,
};
use serde_json::{Value, json};

use super::{into_orders, message, numbered, payloads, with_id};
use crate::support::publishing::Publishing;
use crate::support::{NatsCluster, start_with_stream};

/// A stream that takes fast batches.
fn orders() -> Value {
    json!({ "name": "ORDERS", "subjects": ["orders.>"], "allow_batched": true })
}

fn cumulative() -> PublishOpen {
    PublishOpen {
        ack_mode: PublishAckMode::Cumulative as i32,
        ..into_orders()
    }
}

fn strict(on_error: PublishOnError) -> PublishOpen {
    PublishOpen {
        ordering: PublishOrdering::Strict as i32,
        on_error: on_error as i32,
        ..cumulative()
    }
}

/// A message that JetStream refuses.
fn refused(text: &str) -> PublishRequest {
    let expect = Expectation {
        last_subject_sequence: Some(1_000_000),
        ..Expectation::default()
    };
    PublishRequest {
        expect: Some(expect.into()),
        ..message("orders.x", text)
    }
}

fn failures(publishing: &Publishing) -> Vec<(u64, String)> {
    let failed = publishing.outcomes.iter();
    failed
        .map(|(number, outcome)| (*number, outcome.reason()))
        .collect()
}

fn texts(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|it| it.to_string()).collect()
}

#[tokio::test]
async fn a_stream_that_takes_batches_gets_them_and_the_caller_is_told() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, cumulative()).await;
    assert_eq!(publishing.opened.path(), PublishPath::FastIngest);

    for frame in 0..20 {
        let first = frame * 100 + 1;
        publishing
            .publish(first, numbered(first..first + 100))
            .await;
        // What was sent is settled without more to follow.
        if frame % 5 == 4 {
            publishing.settled(first + 99).await;
        }
    }

    assert_eq!(failures(&publishing), []);
    assert!(publishing.last_acks.stored.is_empty());
    assert_eq!(payloads(&mut wire, "ORDERS").await, texts(1..=2_000));
}

#[tokio::test]
async fn frames_of_one_message_are_settled_as_they_come() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, cumulative()).await;

    for number in 1..=300 {
        publishing.publish(number, numbered([number])).await;
        if number % 30 == 0 {
            publishing.settled(number).await;
        }
    }

    assert_eq!(publishing.last_acks.last_sequence, 300);
    assert_eq!(payloads(&mut wire, "ORDERS").await, texts(1..=300));
}

#[tokio::test]
async fn failures_are_listed_and_the_rest_is_settled() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.create_stream(json!({ "name": "OTHER", "subjects": ["other.>"], "allow_batched": true }))
        .await;
    let mut publishing = Publishing::open(&gateway, cumulative()).await;

    let mut messages = numbered(1..=500);
    messages[99] = refused("100");
    messages[199] = message("other.x", "200");
    messages[299] = message("nowhere", "300");
    messages[399] = message("a b", "400");
    publishing.publish(1, messages).await;
    publishing.settled(500).await;

    let expected = [
        (100, "WRONG_LAST_SEQUENCE"),
        (200, "WRONG_STREAM"),
        (300, "NO_STREAM_FOR_SUBJECT"),
        (400, "INVALID_REQUEST"),
    ];
    let expected: Vec<_> = expected.map(|(it, reason)| (it, reason.to_owned())).into();
    assert_eq!(failures(&publishing), expected);
    let stored = texts((1..=500).filter(|it| it % 100 != 0 || *it == 500));
    assert_eq!(payloads(&mut wire, "ORDERS").await, stored);
    assert_eq!(wire.count("OTHER").await, 0);
}

#[tokio::test]
async fn a_strict_stream_stores_nothing_behind_a_failure_until_the_caller_resumes() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = strict(PublishOnError::Halt);
    let mut publishing = Publishing::open(&gateway, open).await;
    assert_eq!(publishing.opened.path(), PublishPath::FastIngest);

    let mut messages = numbered(1..=400);
    messages[299] = refused("300");
    publishing.publish(1, messages).await;
    publishing.publish(401, numbered(401..=450)).await;
    publishing.settled(450).await;
    publishing.resume(300).await;
    publishing.publish(451, numbered(451..=500)).await;
    publishing.settled(500).await;

    let failed = failures(&publishing);
    assert_eq!(failed[0], (300, "WRONG_LAST_SEQUENCE".to_owned()));
    let withheld = (301..=450).map(|number| (number, "PRECEDING_FAILED".to_owned()));
    assert_eq!(failed[1..], withheld.collect::<Vec<_>>());
    let expected = texts((1..300).chain(451..=500));
    assert_eq!(payloads(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_strict_stream_goes_on_behind_a_failure_where_it_shall() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = strict(PublishOnError::Continue);
    let mut publishing = Publishing::open(&gateway, open).await;

    let mut messages = numbered(1..=400);
    messages[299] = refused("300");
    publishing.publish(1, messages).await;
    publishing.settled(400).await;

    let expected = [(300, "WRONG_LAST_SEQUENCE".to_owned())];
    assert_eq!(failures(&publishing), expected);
    let expected = texts((1..=400).filter(|it| *it != 300));
    assert_eq!(payloads(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_stream_that_is_made_anew_takes_what_comes_next() {
    // In memory: nats-server 2.15.1 can find messages of the stream before in the files of the new one.
    let mut orders = orders();
    orders["storage"] = json!("memory");
    let (_nats, gateway, mut wire) = start_with_stream(orders.clone()).await;
    let mut old = Publishing::open(&gateway, cumulative()).await;
    old.publish(1, numbered(1..=1_024)).await;
    old.settled(1_024).await;

    for round in 1..=10_u64 {
        wire.api("STREAM.DELETE.ORDERS", Value::Null).await;
        wire.create_stream(orders.clone()).await;
        let (first, last) = (round * 1_024 + 1, (round + 1) * 1_024);
        let mut new = Publishing::open(&gateway, cumulative()).await;
        for first in (first..=last).step_by(128) {
            new.publish(first, numbered(first..first + 128)).await;
            old.publish(first, numbered(first..first + 128)).await;
        }
        new.settled(last).await;
        old.settled(last).await;
        assert_eq!(failures(&new), []);
        assert_eq!(failures(&old), []);
        assert_eq!(wire.count("ORDERS").await, 2 * 1_024);
    }
}

#[tokio::test]
async fn a_numbering_that_is_gone_on_with_is_stored_once() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        producer_id: "p".to_owned(),
        ..cumulative()
    };
    let mut publishing = Publishing::open(&gateway, open.clone()).await;
    let producer_id = publishing.opened.producer_id.clone();
    publishing.publish(1, numbered(1..=300)).await;
    publishing.settled(300).await;

    let resumed = PublishOpen {
        producer_id,
        resume: true,
        ..open
    };
    let mut publishing = Publishing::open(&gateway, resumed).await;
    assert_eq!(publishing.opened.path(), PublishPath::FastIngest);
    publishing.publish(201, numbered(201..=400)).await;
    publishing.settled(400).await;

    assert_eq!(payloads(&mut wire, "ORDERS").await, texts(1..=400));
}

#[tokio::test]
async fn where_an_acknowledgement_would_not_be_proof_messages_are_published_one_by_one() {
    let cluster = NatsCluster::start().await;
    let mut wire = cluster.wire().await;
    let mut config = orders();
    config["num_replicas"] = json!(3);
    wire.create_stream(config).await;
    let gateway = crate::support::Gateway::start(&cluster.url()).await;

    let mut first = Publishing::open(&gateway, cumulative()).await;
    assert_eq!(first.opened.path(), PublishPath::FastIngest);
    // Some have ids that the stream may know, so that they cannot go in a batch.
    let message = |number: u64| match number % 10 {
        0 => with_id(&number.to_string(), &number.to_string()),
        _ => message("orders.x", &number.to_string()),
    };
    first.publish(1, (1..=200).map(message).collect()).await;
    first.settled(200).await;
    assert_eq!(failures(&first), []);
    assert_eq!(payloads(&mut wire, "ORDERS").await, texts(1..=200));

    let resumed = PublishOpen {
        producer_id: "p".to_owned(),
        resume: true,
        ..cumulative()
    };
    let second = Publishing::open(&gateway, resumed).await;
    assert_eq!(second.opened.path(), PublishPath::Pipelined);
}
