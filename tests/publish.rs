//! Publishing one message: what is stored and what is answered.

mod conditions;
mod deposed;
mod faults;
mod refusals;
mod validation;

use jetgate::proto::publish_request::Payload;
use jetgate::proto::{Header, PublishRequest};
use jetgate::publishing::MintMessageId;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as JsonValue};
use serde_json::{Value, json};
use tonic::{Code, Request};

use crate::support::{Gateway, NatsServer, refused, start_with_stream, violated_field};

/// A stream that takes everything below `orders.`.
fn orders() -> Value {
    json!({ "name": "ORDERS", "subjects": ["orders.>"] })
}

/// The same with more settings.
fn orders_with(settings: Value) -> Value {
    let mut config = orders();
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// A message that is fine.
fn message(subject: &str) -> PublishRequest {
    let payload = Some(Payload::Text("payload".to_owned()));
    PublishRequest {
        subject: subject.to_owned(),
        payload,
        ..PublishRequest::default()
    }
}

#[tokio::test]
async fn stores_the_message_and_answers_stream_and_sequence() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.store("orders.old", b"").await;

    let answer = gateway
        .publisher()
        .publish(message("orders.new"))
        .await
        .unwrap()
        .into_inner();

    assert_eq!((answer.stream.as_str(), answer.sequence), ("ORDERS", 2));
    assert!(!answer.duplicate);
    let stored = wire.stored("ORDERS", 2).await;
    assert_eq!(
        (stored.subject.as_str(), &stored.payload[..]),
        ("orders.new", &b"payload"[..])
    );
}

#[tokio::test]
async fn stores_bytes_as_they_are() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let payload = Some(Payload::Data(bytes.clone().into()));

    let request = PublishRequest {
        payload,
        ..message("orders.new")
    };
    gateway.publisher().publish(request).await.unwrap();

    assert_eq!(wire.stored("ORDERS", 1).await.payload, bytes);
}

#[tokio::test]
async fn stores_an_empty_payload_when_none_is_set() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;

    let request = PublishRequest {
        payload: None,
        ..message("orders.new")
    };
    gateway.publisher().publish(request).await.unwrap();

    assert_eq!(wire.stored("ORDERS", 1).await.payload, b"");
}

#[tokio::test]
async fn stores_json_compactly_with_whole_numbers_without_a_fraction() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let value = |kind| JsonValue { kind: Some(kind) };
    let numbers = [1.0, -2.0, 2.5, 1e15].map(|number| value(Kind::NumberValue(number)));
    let list = value(Kind::ListValue(ListValue {
        values: numbers.to_vec(),
    }));
    let object = value(Kind::StructValue(Struct {
        fields: [("n".to_owned(), list)].into(),
    }));

    let request = PublishRequest {
        payload: Some(Payload::Json(object.into())),
        ..message("orders.new")
    };
    gateway.publisher().publish(request).await.unwrap();

    let stored = wire.stored("ORDERS", 1).await;
    assert_eq!(stored.payload, br#"{"n":[1,-2,2.5,1000000000000000]}"#);
}

#[tokio::test]
async fn stores_headers_in_their_order() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let header = |name: &str, value: &str| Header {
        name: name.to_owned(),
        value: value.to_owned(),
        ..Header::default()
    };
    let bytes = Header {
        name: "Bytes".to_owned(),
        binary_value: "grün".as_bytes().to_vec().into(),
        ..Header::default()
    };
    let headers = vec![
        header("Way", "one"),
        bytes,
        header("Way", "two"),
        header("Empty", ""),
    ];

    let request = PublishRequest {
        headers,
        ..message("orders.new")
    };
    gateway.publisher().publish(request).await.unwrap();

    let stored = wire.stored("ORDERS", 1).await;
    assert_eq!(stored.header("Way"), ["one", "two"]);
    assert_eq!(stored.header("Bytes"), ["grün"]);
    assert_eq!(stored.header("Empty"), [""]);
}

#[tokio::test]
async fn makes_an_id_where_there_is_none() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;

    let answer = gateway
        .publisher()
        .publish(message("orders.new"))
        .await
        .unwrap()
        .into_inner();

    let id: uuid::Uuid = answer.message_id.parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let stored = wire.stored("ORDERS", 1).await;
    assert_eq!(stored.header("Nats-Msg-Id"), [answer.message_id]);
}

#[tokio::test]
async fn makes_no_id_where_it_is_told_not_to() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.publish.mint_message_id = MintMessageId::Never;
    })
    .await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;

    let answer = gateway
        .publisher()
        .publish(message("orders.new"))
        .await
        .unwrap()
        .into_inner();

    assert_eq!(answer.message_id, "");
    assert!(wire.stored("ORDERS", 1).await.headers.is_empty());
}

#[tokio::test]
async fn stores_one_message_per_id() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let request = PublishRequest {
        message_id: "id-1".to_owned(),
        ..message("orders.new")
    };
    let mut publisher = gateway.publisher();

    let first = publisher
        .publish(request.clone())
        .await
        .unwrap()
        .into_inner();
    publisher.publish(message("orders.other")).await.unwrap();
    let again = publisher.publish(request).await.unwrap().into_inner();

    assert_eq!((first.sequence, first.duplicate), (1, false));
    assert_eq!((again.sequence, again.duplicate), (1, true));
    assert_eq!(again.message_id, "id-1");
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn takes_the_idempotency_key_as_the_id() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let request = || {
        let mut request = Request::new(message("orders.new"));
        request
            .metadata_mut()
            .insert("idempotency-key", "key-1".parse().unwrap());
        request
    };

    let first = gateway
        .publisher()
        .publish(request())
        .await
        .unwrap()
        .into_inner();
    let again = gateway
        .publisher()
        .publish(request())
        .await
        .unwrap()
        .into_inner();

    assert_eq!(
        (first.message_id.as_str(), first.duplicate),
        ("key-1", false)
    );
    assert_eq!(
        (again.message_id.as_str(), again.duplicate),
        ("key-1", true)
    );
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn refuses_an_idempotency_key_that_contradicts_the_id() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let with_key = |key: &str| {
        let id = "id-1".to_owned();
        let mut request = Request::new(PublishRequest {
            message_id: id,
            ..message("orders.new")
        });
        request
            .metadata_mut()
            .insert("idempotency-key", key.parse().unwrap());
        request
    };

    let other = gateway.publisher().publish(with_key("key-1")).await;
    let status = refused(other, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "message_id");
    assert_eq!(wire.count("ORDERS").await, 0);

    let same = gateway
        .publisher()
        .publish(with_key("id-1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(same.message_id, "id-1");
}

#[tokio::test]
async fn validate_only_names_the_stream_and_stores_nothing() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;

    let request = PublishRequest {
        validate_only: true,
        ..message("orders.new")
    };
    let answer = gateway
        .publisher()
        .publish(request)
        .await
        .unwrap()
        .into_inner();

    assert_eq!((answer.stream.as_str(), answer.sequence), ("ORDERS", 0));
    assert_eq!(wire.count("ORDERS").await, 0);
}
