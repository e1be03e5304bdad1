//! What the stream, the server or the account does not take, and what that is called.

use jetgate::proto::publish_request::Payload;
use jetgate::proto::{GetInfoRequest, PublishRequest};
use serde_json::json;
use tonic::{Code, Request};

use super::{message, orders, orders_with};
use crate::support::{Gateway, NatsServer, SOON, raw_call, refused, start_with_stream};

/// The default largest payload of a nats-server is 1 MiB; the tests need not move that much.
const SMALL_PAYLOAD: &str = "max_payload: 65536";

fn of_size(bytes: usize) -> PublishRequest {
    let payload = Some(Payload::Data(vec![b'x'; bytes].into()));
    PublishRequest {
        payload,
        ..message("orders.x")
    }
}

#[tokio::test]
async fn refuses_a_subject_that_no_stream_takes() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;

    for validate_only in [true, false] {
        let request = PublishRequest {
            validate_only,
            ..message("unknown.subject")
        };
        let answer = gateway.publisher().publish(request).await;
        refused(answer, Code::NotFound, "NO_STREAM_FOR_SUBJECT");
    }
}

#[tokio::test]
async fn stores_as_soon_as_a_stream_takes_the_subject() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let before = gateway.publisher().publish(message("late.x")).await;
    refused(before, Code::NotFound, "NO_STREAM_FOR_SUBJECT");

    wire.create_stream(json!({ "name": "LATE", "subjects": ["late.>"] }))
        .await;
    let answer = gateway
        .publisher()
        .publish(message("late.x"))
        .await
        .unwrap()
        .into_inner();

    assert_eq!((answer.stream.as_str(), answer.sequence), ("LATE", 1));
}

#[tokio::test]
async fn says_that_no_stream_takes_the_subject_after_the_stream_is_deleted() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();
    wire.api("STREAM.DELETE.ORDERS", json!({})).await;

    let after = gateway.publisher().publish(message("orders.x")).await;

    refused(after, Code::NotFound, "NO_STREAM_FOR_SUBJECT");
}

#[tokio::test]
async fn refuses_a_message_larger_than_the_server_takes() {
    let nats = NatsServer::start_with(SMALL_PAYLOAD).await;
    let gateway = Gateway::start(&nats.url()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;

    for validate_only in [true, false] {
        let request = PublishRequest {
            validate_only,
            ..of_size(65_537)
        };
        let answer = gateway.publisher().publish(request).await;
        refused(answer, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    }

    // The connection is still good, and what fits with its headers is stored.
    gateway
        .publisher()
        .publish(of_size(65_536 - 200))
        .await
        .unwrap();
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn takes_exactly_what_the_server_takes() {
    let nats = NatsServer::start_with(SMALL_PAYLOAD).await;
    let gateway = Gateway::start(&nats.url()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    // The server counts the header block, with its status line and the empty line at its end.
    let limit = 65_536 - "NATS/1.0\r\nNats-Msg-Id: id-0\r\n\r\n".len();

    for (number, size) in [limit, limit + 1, limit + 2].into_iter().enumerate() {
        let message_id = format!("id-{number}");
        let mut request = Request::new(PublishRequest {
            message_id,
            ..of_size(size)
        });
        request.set_timeout(SOON);
        let answer = gateway.publisher().publish(request).await;
        if size <= limit {
            answer.unwrap();
        } else {
            refused(answer, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
        }
    }

    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn refuses_a_request_larger_than_the_gateway_decodes() {
    let nats = NatsServer::start_with(SMALL_PAYLOAD).await;
    let gateway = Gateway::start(&nats.url()).await;
    let info = gateway
        .gateway()
        .get_info(GetInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    let limit = usize::try_from(info.limits.unwrap().max_request_bytes).unwrap();
    assert!(limit >= 65_536);

    let answer = gateway.publisher().publish(of_size(limit + 1)).await;

    refused(answer, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn refuses_a_message_larger_than_the_stream_takes() {
    let config = orders_with(json!({ "max_msg_size": 1024 }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    for validate_only in [true, false] {
        let request = PublishRequest {
            validate_only,
            ..of_size(2048)
        };
        let answer = gateway.publisher().publish(request).await;
        refused(answer, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    }

    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn refuses_what_a_full_stream_does_not_take() {
    let config = orders_with(json!({ "max_msgs": 1, "discard": "new" }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();
    let second = gateway.publisher().publish(message("orders.x")).await;

    refused(second, Code::ResourceExhausted, "STREAM_FULL");
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn refuses_what_a_full_subject_does_not_take() {
    let config = orders_with(json!({
        "max_msgs_per_subject": 1, "discard": "new", "discard_new_per_subject": true,
    }));
    let (_nats, gateway, _wire) = start_with_stream(config).await;

    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();
    let second = gateway.publisher().publish(message("orders.x")).await;

    refused(second, Code::ResourceExhausted, "STREAM_FULL");
    gateway
        .publisher()
        .publish(message("orders.y"))
        .await
        .unwrap();
}

#[tokio::test]
async fn refuses_a_stream_that_never_confirms() {
    let config = orders_with(json!({ "no_ack": true }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    for validate_only in [true, false] {
        let request = PublishRequest {
            validate_only,
            ..message("orders.x")
        };
        let answer = gateway.publisher().publish(request).await;
        refused(answer, Code::FailedPrecondition, "STREAM_WITHOUT_ACKS");
    }

    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn refuses_a_plain_message_for_a_stream_of_counters() {
    let config = orders_with(json!({ "allow_msg_counter": true }));
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    let answer = gateway.publisher().publish(message("orders.x")).await;

    refused(answer, Code::InvalidArgument, "REJECTED_BY_JETSTREAM");
    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn refuses_a_sealed_stream() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.api(
        "STREAM.UPDATE.ORDERS",
        orders_with(json!({ "sealed": true })),
    )
    .await;

    let answer = gateway.publisher().publish(message("orders.x")).await;

    refused(answer, Code::FailedPrecondition, "FAILED_PRECONDITION");
}

#[tokio::test]
async fn says_at_once_that_the_nats_user_may_not_publish_there() {
    let nats = NatsServer::start_with(
        "authorization { users: [ { user: g, password: g, permissions: {
            publish: { deny: [\"orders.secret.>\"] } } } ] }
         no_auth_user: g",
    )
    .await;
    let gateway = Gateway::start(&nats.url()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;

    let mut request = Request::new(message("orders.secret.x"));
    request.set_timeout(SOON);
    let answer = tokio::time::timeout(SOON / 4, gateway.publisher().publish(request)).await;

    let answer = answer.expect("it waits for its deadline");
    refused(answer, Code::PermissionDenied, "NATS_PERMISSION_DENIED");
    gateway
        .publisher()
        .publish(message("orders.open"))
        .await
        .unwrap();
}

#[tokio::test]
async fn says_that_the_server_has_no_jetstream() {
    let nats = NatsServer::start_without_jetstream().await;
    let gateway = Gateway::start_unready(&nats.url(), |_| ()).await;

    let answer = gateway.publisher().publish(message("orders.x")).await;

    refused(answer, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
}

#[tokio::test]
async fn says_that_the_account_has_no_jetstream() {
    let accounts = "accounts { A { users: [ { user: a, password: a } ] } }\nno_auth_user: a";
    let nats = NatsServer::start_with(accounts).await;
    let gateway = Gateway::start_unready(&nats.url(), |_| ()).await;

    let answer = gateway.publisher().publish(message("orders.x")).await;

    refused(answer, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
}

#[tokio::test]
async fn refuses_a_call_whose_deadline_has_passed() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let request = prost::Message::encode_to_vec(&message("orders.x"));

    let path = "/jetgate.v1.PublisherService/Publish";
    let status = raw_call(gateway.public(), path, &[("grpc-timeout", "1n")], &request).await;

    refused(
        Err::<(), _>(status),
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
    );
    assert_eq!(wire.count("ORDERS").await, 0);
}
