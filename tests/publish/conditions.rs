//! What a message may ask of its stream: expectations, expiry, rollup and counters.

use jetgate::proto::publish_request::Expiry;
use jetgate::proto::{Expectation, PublishRequest, Rollup};
use serde_json::json;
use tonic::Code;

use super::{message, orders, orders_with};
use crate::support::{metadata, refused, start_with_stream};

fn expecting(expect: Expectation) -> PublishRequest {
    PublishRequest {
        expect: Some(expect.into()),
        ..message("orders.x")
    }
}

fn living_for(seconds: i64) -> PublishRequest {
    let ttl = prost_types::Duration { seconds, nanos: 0 };
    PublishRequest {
        expiry: Some(Expiry::Ttl(ttl)),
        ..message("orders.x")
    }
}

fn counting(increment: &str) -> PublishRequest {
    let counter_increment = increment.to_owned();
    PublishRequest {
        payload: None,
        counter_increment,
        ..message("orders.x")
    }
}

#[tokio::test]
async fn stores_only_into_the_expected_stream() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let expect = |stream: &str| {
        expecting(Expectation {
            stream: stream.to_owned(),
            ..Expectation::default()
        })
    };

    for validate_only in [true, false] {
        let request = PublishRequest {
            validate_only,
            ..expect("OTHER")
        };
        let answer = gateway.publisher().publish(request).await;
        let status = refused(answer, Code::FailedPrecondition, "WRONG_STREAM");
        assert_eq!(metadata(&status, "stream").as_deref(), Some("ORDERS"));
    }
    assert_eq!(wire.count("ORDERS").await, 0);

    gateway.publisher().publish(expect("ORDERS")).await.unwrap();
}

#[tokio::test]
async fn stores_only_behind_the_expected_sequence() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let expect = |last| {
        expecting(Expectation {
            last_sequence: Some(last),
            ..Expectation::default()
        })
    };

    gateway.publisher().publish(expect(0)).await.unwrap();
    let again = gateway.publisher().publish(expect(0)).await;
    let status = refused(again, Code::Aborted, "WRONG_LAST_SEQUENCE");

    assert_eq!(metadata(&status, "actual_sequence").as_deref(), Some("1"));
    assert_eq!(wire.count("ORDERS").await, 1);
    gateway.publisher().publish(expect(1)).await.unwrap();
}

#[tokio::test]
async fn stores_only_behind_the_expected_sequence_of_the_subject() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.store("orders.other", b"").await;
    let expect = |last| {
        expecting(Expectation {
            last_subject_sequence: Some(last),
            ..Expectation::default()
        })
    };

    gateway.publisher().publish(expect(0)).await.unwrap();
    let again = gateway.publisher().publish(expect(0)).await;
    let status = refused(again, Code::Aborted, "WRONG_LAST_SEQUENCE");

    assert_eq!(metadata(&status, "actual_sequence").as_deref(), Some("2"));
    gateway.publisher().publish(expect(2)).await.unwrap();
    assert_eq!(wire.count("ORDERS").await, 3);
}

#[tokio::test]
async fn stores_only_behind_the_expected_sequence_of_another_subject() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.store("orders.region.eu", b"").await;
    let expect = |last| {
        expecting(Expectation {
            last_subject_sequence: Some(last),
            last_subject_sequence_subject: "orders.region.*".to_owned(),
            ..Expectation::default()
        })
    };
    let within = |last| PublishRequest {
        subject: "orders.region.us".to_owned(),
        ..expect(last)
    };

    let wrong = gateway.publisher().publish(within(0)).await;
    refused(wrong, Code::Aborted, "WRONG_LAST_SEQUENCE");
    gateway.publisher().publish(within(1)).await.unwrap();

    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn stores_only_behind_the_expected_id() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let first = PublishRequest {
        message_id: "first".to_owned(),
        ..message("orders.x")
    };
    gateway.publisher().publish(first).await.unwrap();
    let expect = |id: &str| {
        expecting(Expectation {
            last_message_id: id.to_owned(),
            ..Expectation::default()
        })
    };

    let wrong = gateway.publisher().publish(expect("second")).await;
    refused(wrong, Code::Aborted, "WRONG_LAST_MESSAGE_ID");
    gateway.publisher().publish(expect("first")).await.unwrap();

    assert_eq!(wire.count("ORDERS").await, 2);
}

/// The one replica looks at sequences before it looks for a duplicate; what has three does not
/// (`publish_cluster`).
#[tokio::test]
async fn a_repeated_message_stands_in_its_own_way_where_it_expects_a_sequence() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let named = |id: &str, expect| PublishRequest {
        message_id: id.to_owned(),
        ..expecting(expect)
    };
    let none_before = Expectation {
        last_sequence: Some(0),
        last_subject_sequence: Some(0),
        ..Expectation::default()
    };
    let first = || named("first", none_before.clone());
    gateway.publisher().publish(first()).await.unwrap();
    let again = gateway.publisher().publish(first()).await;
    let status = refused(again, Code::Aborted, "WRONG_LAST_SEQUENCE");
    assert_eq!(metadata(&status, "actual_sequence").as_deref(), Some("1"));

    let behind_first = Expectation {
        last_message_id: "first".to_owned(),
        ..Expectation::default()
    };
    let second = || named("second", behind_first.clone());
    gateway.publisher().publish(second()).await.unwrap();
    let again = gateway.publisher().publish(second()).await.unwrap();
    assert!(again.get_ref().duplicate);
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn a_ttl_goes_with_the_message() {
    let config = orders_with(json!({ "allow_msg_ttl": true }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    gateway.publisher().publish(living_for(3600)).await.unwrap();

    let stored = wire.stored("ORDERS", 1).await;
    let ttl = stored.header("Nats-TTL");
    assert!(["3600", "3600s", "1h0m0s"].contains(&ttl[0]), "{ttl:?}");
}

#[tokio::test]
async fn a_message_that_never_expires_says_so() {
    let config = orders_with(json!({ "allow_msg_ttl": true }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    let expiry = Some(Expiry::NeverExpires(true));
    let request = PublishRequest {
        expiry,
        ..message("orders.x")
    };
    gateway.publisher().publish(request).await.unwrap();

    assert_eq!(wire.stored("ORDERS", 1).await.header("Nats-TTL"), ["never"]);
}

#[tokio::test]
async fn refuses_what_the_stream_does_not_allow() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let never = Some(Expiry::NeverExpires(true));
    let rollup = Rollup::Subject as i32;
    let requests = [
        living_for(5),
        PublishRequest {
            expiry: never,
            ..message("orders.x")
        },
        PublishRequest {
            rollup,
            ..message("orders.x")
        },
        counting("1"),
    ];

    for request in requests {
        for validate_only in [true, false] {
            let request = PublishRequest {
                validate_only,
                ..request.clone()
            };
            let answer = gateway.publisher().publish(request).await;
            refused(answer, Code::FailedPrecondition, "NOT_ENABLED_ON_STREAM");
        }
    }

    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn a_rollup_replaces_the_subject_or_the_stream() {
    let config = orders_with(json!({ "allow_rollup_hdrs": true }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    for subject in ["orders.x", "orders.x", "orders.y"] {
        wire.store(subject, b"").await;
    }
    let rollup = |rollup: Rollup| PublishRequest {
        rollup: rollup as i32,
        ..message("orders.x")
    };

    gateway
        .publisher()
        .publish(rollup(Rollup::Subject))
        .await
        .unwrap();
    assert_eq!(wire.count("ORDERS").await, 2);

    gateway
        .publisher()
        .publish(rollup(Rollup::All))
        .await
        .unwrap();
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn a_counter_answers_with_its_value() {
    let config = orders_with(json!({ "allow_msg_counter": true, "allow_direct": true }));
    let (_nats, gateway, _wire) = start_with_stream(config).await;

    let mut values = Vec::new();
    for increment in ["5", "-2", "+1", "100000000000000000000"] {
        let answer = gateway
            .publisher()
            .publish(counting(increment))
            .await
            .unwrap();
        values.push(answer.into_inner().counter_value);
    }

    assert_eq!(values, ["5", "3", "4", "100000000000000000004"]);
}

#[tokio::test]
async fn a_repeated_increment_counts_once() {
    let config = orders_with(json!({ "allow_msg_counter": true, "allow_direct": true }));
    let (_nats, gateway, _wire) = start_with_stream(config).await;
    let request = PublishRequest {
        message_id: "once".to_owned(),
        ..counting("5")
    };

    gateway.publisher().publish(request.clone()).await.unwrap();
    let again = gateway
        .publisher()
        .publish(request)
        .await
        .unwrap()
        .into_inner();
    let next = gateway
        .publisher()
        .publish(counting("1"))
        .await
        .unwrap()
        .into_inner();

    assert_eq!((again.duplicate, again.counter_value.as_str()), (true, ""));
    assert_eq!(next.counter_value, "6");
}
