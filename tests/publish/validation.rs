//! What the gateway refuses before anything is sent, and which field it blames.

use std::time::Duration;

use jetgate::proto::publish_request::{Expiry, Payload};
use jetgate::proto::{Expectation, Header, PublishRequest};
use tonic::Code;

use super::{message, orders, orders_with};
use crate::support::{Gateway, refused, start_with_stream, violated_field};

/// Publishes and returns the field that is blamed, with and without `validate_only`.
async fn blamed(gateway: &Gateway, request: &PublishRequest) -> String {
    let mut fields = Vec::new();
    for validate_only in [true, false] {
        let request = PublishRequest {
            validate_only,
            ..request.clone()
        };
        let answer = gateway.publisher().publish(request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        fields.push(violated_field(&status));
    }
    assert_eq!(fields[0], fields[1]);
    fields.remove(0)
}

#[tokio::test]
async fn refuses_subjects_that_are_none() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let long = format!("orders.{}", "x".repeat(1024));
    let bad = [
        "",
        ".",
        ".orders.x",
        "orders.x.",
        "orders..x",
        "orders.*",
        "orders.>",
        "orders x",
        "orders.x\t",
        "orders.x\r\nPUB orders.y 0",
        "orders.\u{0}",
        "orders.\u{7f}",
        &long,
    ];

    for subject in bad {
        assert_eq!(
            blamed(&gateway, &message(subject)).await,
            "subject",
            "{subject:?}"
        );
    }

    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn refuses_subjects_of_the_server() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.store("orders.kept", b"").await;
    let inbox = wire.subscribe("_INBOX.x").await;
    let bad = [
        "$JS.API.STREAM.PURGE.ORDERS",
        "$JS.ACK.ORDERS.c.1.1.1.1.0",
        "$SYS.REQ.SERVER.PING",
        "$KV.bucket.key",
        "_INBOX.x",
        "_R_.x",
        "_GR_.x",
    ];

    for subject in bad {
        assert_eq!(
            blamed(&gateway, &message(subject)).await,
            "subject",
            "{subject}"
        );
    }

    assert_eq!(wire.count("ORDERS").await, 1);
    assert!(wire.next(inbox, Duration::from_millis(50)).await.is_none());
}

#[tokio::test]
async fn refuses_headers_that_would_break_the_message() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let header = |name: &str, value: &str, bytes: &[u8]| Header {
        name: name.to_owned(),
        value: value.to_owned(),
        binary_value: bytes.to_vec().into(),
    };
    let bad = [
        header("", "x", b""),
        header("two words", "x", b""),
        header("colon:", "x", b""),
        header("grün", "x", b""),
        header("line\r\nbreak", "x", b""),
        header("A", "line\nbreak", b""),
        header("A", "line\rbreak", b""),
        header("A", "x\r\n\r\npayload", b""),
        header("A", "", b"line\rbreak"),
        header("A", "", b"line\nbreak"),
        header("A", "", b"not \xff UTF-8"),
        header("A", "both", b"set"),
        header("Nats-Msg-Id", "x", b""),
        header("Nats-Rollup", "all", b""),
        header("Nats-Anything", "x", b""),
    ];

    for header in bad {
        let headers = vec![
            Header {
                name: "Good".to_owned(),
                ..Header::default()
            },
            header,
        ];
        let request = PublishRequest {
            headers,
            ..message("orders.x")
        };
        let field = blamed(&gateway, &request).await;
        assert!(field.starts_with("headers[1]"), "{field}: {request:?}");
    }

    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn refuses_more_than_64_kib_of_headers() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let value = "x".repeat(33 * 1024);
    let header = Header {
        name: "A".to_owned(),
        value,
        ..Header::default()
    };

    let headers = vec![header.clone(), header];
    let field = blamed(
        &gateway,
        &PublishRequest {
            headers,
            ..message("orders.x")
        },
    )
    .await;

    assert!(field.starts_with("headers"), "{field}");
}

#[tokio::test]
async fn refuses_ids_that_a_header_cannot_hold() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;

    for id in ["two\r\nlines", "tab\t", "grün", &"x".repeat(256)] {
        let request = PublishRequest {
            message_id: id.to_owned(),
            ..message("orders.x")
        };
        assert_eq!(blamed(&gateway, &request).await, "message_id", "{id:?}");
    }

    let longest = PublishRequest {
        message_id: "x".repeat(255),
        ..message("orders.x")
    };
    gateway.publisher().publish(longest).await.unwrap();
}

#[tokio::test]
async fn refuses_a_ttl_that_is_not_whole_seconds() {
    let config = orders_with(serde_json::json!({ "allow_msg_ttl": true }));
    let (_nats, gateway, _wire) = start_with_stream(config).await;
    let duration = |seconds, nanos| prost_types::Duration { seconds, nanos };

    for ttl in [
        duration(0, 500_000_000),
        duration(0, 0),
        duration(1, 1),
        duration(-1, 0),
    ] {
        let request = PublishRequest {
            expiry: Some(Expiry::Ttl(ttl)),
            ..message("orders.x")
        };
        assert_eq!(blamed(&gateway, &request).await, "ttl", "{ttl:?}");
    }
}

#[tokio::test]
async fn refuses_a_rollup_that_it_does_not_know() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;

    let request = PublishRequest {
        rollup: 99,
        ..message("orders.x")
    };

    assert_eq!(blamed(&gateway, &request).await, "rollup");
}

#[tokio::test]
async fn refuses_a_counter_increment_that_is_no_number() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;

    for increment in ["one", "1.5", "1\r\n", "--1", "+"] {
        let counter_increment = increment.to_owned();
        let request = PublishRequest {
            payload: None,
            counter_increment,
            ..message("orders.x")
        };
        assert_eq!(
            blamed(&gateway, &request).await,
            "counter_increment",
            "{increment:?}"
        );
    }
}

#[tokio::test]
async fn refuses_a_counter_increment_with_a_payload() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let payload = Some(Payload::Text("1".to_owned()));
    let counter_increment = "1".to_owned();

    let request = PublishRequest {
        payload,
        counter_increment,
        ..message("orders.x")
    };

    let field = blamed(&gateway, &request).await;
    assert!(
        ["counter_increment", "payload"].contains(&field.as_str()),
        "{field}"
    );
}

#[tokio::test]
async fn refuses_an_expectation_of_another_subject_without_its_sequence() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let last_subject_sequence_subject = "orders.*".to_owned();
    let expect = Expectation {
        last_subject_sequence_subject,
        ..Expectation::default()
    };

    let request = PublishRequest {
        expect: Some(expect.into()),
        ..message("orders.x")
    };

    assert_eq!(
        blamed(&gateway, &request).await,
        "expect.last_subject_sequence_subject"
    );
}

#[tokio::test]
async fn refuses_expectations_that_a_header_cannot_hold() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let bad = "x\r\nNats-Rollup: all".to_owned();

    let stream = Expectation {
        stream: bad.clone(),
        ..Expectation::default()
    };
    let id = Expectation {
        last_message_id: bad.clone(),
        ..Expectation::default()
    };
    let subject = Expectation {
        last_subject_sequence: Some(0),
        last_subject_sequence_subject: bad,
        ..Expectation::default()
    };

    for (expect, field) in [
        (stream, "expect.stream"),
        (id, "expect.last_message_id"),
        (subject, "expect.last_subject_sequence_subject"),
    ] {
        let request = PublishRequest {
            expect: Some(expect.into()),
            ..message("orders.x")
        };
        assert_eq!(blamed(&gateway, &request).await, field);
    }
}

#[tokio::test]
async fn refuses_json_numbers_that_json_does_not_have() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;

    for number in [f64::NAN, f64::INFINITY] {
        let kind = Some(prost_types::value::Kind::NumberValue(number));
        let payload = Some(Payload::Json(prost_types::Value { kind }.into()));
        let request = PublishRequest {
            payload,
            ..message("orders.x")
        };
        assert!(blamed(&gateway, &request).await.starts_with("json"));
    }
}
