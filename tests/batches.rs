//! Publishing several messages in one call, each by itself or one after the other.

mod atomic;
mod faults;

use std::collections::BTreeSet;
use std::time::Duration;

use jetgate::proto::publish_request::Payload;
use jetgate::proto::{
    ErrorReason, Expectation, PublishBatchMode, PublishBatchRequest, PublishBatchResponse,
    PublishRequest, PublishResult,
};
use jetgate::publishing::MintMessageId;
use serde_json::{Value, json};
use tonic::{Code, Request, Status};

use crate::support::{
    Gateway, NatsServer, SOON, eventually, refused, start_with_stream, violated_field,
};

/// A stream that takes everything below `orders.`.
fn orders() -> Value {
    json!({ "name": "ORDERS", "subjects": ["orders.>"] })
}

fn message(subject: &str) -> PublishRequest {
    PublishRequest {
        subject: subject.to_owned(),
        ..PublishRequest::default()
    }
}

fn with_id(id: &str) -> PublishRequest {
    PublishRequest {
        message_id: id.to_owned(),
        ..message("orders.x")
    }
}

fn batch(mode: PublishBatchMode, messages: Vec<PublishRequest>) -> PublishBatchRequest {
    PublishBatchRequest {
        messages,
        mode: mode as i32,
        ..PublishBatchRequest::default()
    }
}

fn independent(messages: Vec<PublishRequest>) -> PublishBatchRequest {
    batch(PublishBatchMode::Independent, messages)
}

fn ordered(messages: Vec<PublishRequest>) -> PublishBatchRequest {
    batch(PublishBatchMode::OrderedStopOnError, messages)
}

/// Publishes a batch within a time that is long for a busy machine.
async fn publish(
    gateway: &Gateway,
    batch: PublishBatchRequest,
) -> Result<PublishBatchResponse, Status> {
    publish_within(gateway, batch, SOON).await
}

async fn publish_within(
    gateway: &Gateway,
    batch: PublishBatchRequest,
    timeout: Duration,
) -> Result<PublishBatchResponse, Status> {
    let mut request = Request::new(batch);
    request.set_timeout(timeout);
    let answer = gateway.publisher().publish_batch(request).await;
    answer.map(tonic::Response::into_inner)
}

/// A gateway that gives calls without a deadline this long.
async fn start_giving(nats_url: &str, timeout: Duration) -> Gateway {
    Gateway::start_with(nats_url, |config| config.publish.timeout = timeout).await
}

/// Publishes a batch without a deadline: its caller has no timer that could run out before the gateway's answer has come.
async fn publish_patiently(
    gateway: &Gateway,
    batch: PublishBatchRequest,
) -> Result<PublishBatchResponse, Status> {
    let answer = gateway.publisher().publish_batch(batch).await;
    answer.map(tonic::Response::into_inner)
}

/// The reasons of all results; success is `Unspecified`.
fn reasons(answer: &PublishBatchResponse) -> Vec<ErrorReason> {
    let reason = |result: &PublishResult| {
        let status = result.status.as_ref().unwrap();
        assert_eq!(status.code == 0, result.published.is_some(), "{result:?}");
        status.reason()
    };
    answer.results.iter().map(reason).collect()
}

/// The sequences of a batch that is stored as a whole.
#[track_caller]
fn sequences(answer: &PublishBatchResponse) -> Vec<u64> {
    assert_eq!(answer.failed_count, 0, "{answer:?}");
    let published = answer
        .results
        .iter()
        .map(|result| result.published.as_ref());
    published
        .map(|published| published.unwrap().sequence)
        .collect()
}

#[tokio::test]
async fn every_message_has_its_own_result_in_its_place() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let elsewhere = Expectation {
        stream: "OTHER".to_owned(),
        ..Expectation::default()
    };
    let only_checked = PublishRequest {
        validate_only: true,
        ..message("orders.x")
    };

    let messages = vec![
        with_id("1"),
        message("no wildcards.*"),
        message("nowhere"),
        PublishRequest {
            expect: Some(elsewhere.into()),
            ..message("orders.x")
        },
        only_checked,
        message("orders.y"),
    ];
    let answer = publish(&gateway, independent(messages)).await.unwrap();

    let expected = [
        ErrorReason::Unspecified,
        ErrorReason::InvalidRequest,
        ErrorReason::NoStreamForSubject,
        ErrorReason::WrongStream,
        ErrorReason::InvalidRequest,
        ErrorReason::Unspecified,
    ];
    assert_eq!(reasons(&answer), expected);
    assert_eq!(answer.failed_count, 4);
    let codes = answer
        .results
        .iter()
        .map(|it| it.status.as_ref().unwrap().code);
    assert_eq!(codes.collect::<Vec<_>>(), [0, 3, 5, 9, 3, 0]);
    let first = answer.results[0].published.as_ref().unwrap();
    assert_eq!(
        (first.stream.as_str(), first.message_id.as_str()),
        ("ORDERS", "1")
    );
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn a_repeated_message_is_a_duplicate_of_the_first() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let first = publish(&gateway, independent(vec![with_id("1")]))
        .await
        .unwrap();

    let again = ordered(vec![with_id("2"), with_id("1")]);
    let again = publish(&gateway, again).await.unwrap();

    assert_eq!(sequences(&first), [1]);
    assert_eq!(sequences(&again), [2, 1]);
    let duplicates = again
        .results
        .iter()
        .map(|it| it.published.as_ref().unwrap().duplicate);
    assert_eq!(duplicates.collect::<Vec<_>>(), [false, true]);
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn a_thousand_messages_are_stored_once_each() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let messages = (0..1_000).map(|number| message(&format!("orders.{number}")));

    let answer = publish(&gateway, independent(messages.collect()))
        .await
        .unwrap();

    let sequences: BTreeSet<u64> = sequences(&answer).into_iter().collect();
    assert_eq!(sequences, (1..=1_000).collect());
    assert_eq!(wire.count("ORDERS").await, 1_000);
}

#[tokio::test]
async fn a_message_too_large_fails_alone() {
    let nats = NatsServer::start_with("max_payload: 65536").await;
    let gateway = Gateway::start(&nats.url()).await;
    nats.wire().await.create_stream(orders()).await;
    let large = PublishRequest {
        payload: Some(Payload::Data(vec![0; 65_537].into())),
        ..message("orders.large")
    };

    let messages = vec![message("orders.x"), large, message("orders.y")];
    let answer = publish(&gateway, independent(messages)).await.unwrap();

    let expected = [
        ErrorReason::Unspecified,
        ErrorReason::MessageTooLarge,
        ErrorReason::Unspecified,
    ];
    assert_eq!(reasons(&answer), expected);
}

#[tokio::test]
async fn ordered_messages_are_stored_in_order() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let messages = (0..100).map(|_| message("orders.x")).collect();

    let answer = publish(&gateway, ordered(messages)).await.unwrap();

    assert_eq!(sequences(&answer), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_sent_behind_the_first_that_fails() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let stale = PublishRequest {
        expect: Some(Box::new(Expectation {
            last_sequence: Some(0),
            ..Expectation::default()
        })),
        ..message("orders.x")
    };
    for (wrong, reason) in [
        (stale, ErrorReason::WrongLastSequence),
        (message(""), ErrorReason::InvalidRequest),
        (message("nowhere"), ErrorReason::NoStreamForSubject),
    ] {
        let before = wire.count("ORDERS").await;
        let messages = vec![message("orders.a"), wrong, message("orders.b"), message("")];
        let answer = publish(&gateway, ordered(messages)).await.unwrap();

        let preceding = ErrorReason::PrecedingFailed;
        let expected = [ErrorReason::Unspecified, reason, preceding, preceding];
        assert_eq!(reasons(&answer), expected);
        let last = answer.results[3].status.as_ref().unwrap();
        assert_eq!(last.code, Code::Aborted as i32);
        assert_eq!(last.metadata["failed_item"], "1");
        assert_eq!(wire.count("ORDERS").await, before + 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_behind_an_unknown_outcome() {
    let nats = NatsServer::start().await;
    let gateway = start_giving(&nats.url(), Duration::from_secs(2)).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    // Someone takes the message and never says what became of it.
    wire.subscribe("silent").await;

    let messages = vec![message("orders.a"), message("silent"), message("orders.b")];
    let answer = publish_patiently(&gateway, ordered(messages)).await;

    let answer = answer.unwrap();
    let expected = [
        ErrorReason::Unspecified,
        ErrorReason::PublishOutcomeUnknown,
        ErrorReason::PrecedingFailed,
    ];
    assert_eq!(reasons(&answer), expected);
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn whoever_does_not_answer_holds_up_only_its_own() {
    let (nats, gateway, mut wire) = start_with_stream(orders()).await;
    wire.subscribe("silent").await;
    let silent = (0..600).map(|_| message("silent"));
    let messages = silent.chain((0..400).map(|_| message("orders.x")));
    let request = independent(messages.collect());

    let call = publish_within(&gateway, request, Duration::from_secs(5));
    let stored = eventually(SOON, async || {
        (nats.wire().await.count("ORDERS").await == 400).then_some(())
    });
    let answer = tokio::select! {
        biased;
        answer = call => panic!("the call ended before the others were stored: {answer:?}"),
        () = stored => publish(&gateway, independent(vec![message("orders.y")])).await,
    };

    assert_eq!(sequences(&answer.unwrap()), [401]);
}

#[tokio::test]
async fn what_did_not_get_its_turn_was_not_sent() {
    let nats = NatsServer::start().await;
    let gateway = start_giving(&nats.url(), Duration::from_secs(2)).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    let inbox = wire.subscribe("silent").await;
    let messages = (0..300).map(|_| message("silent")).collect();

    let answer = publish_patiently(&gateway, independent(messages)).await;

    let answer = answer.unwrap();
    let unknown = reasons(&answer)
        .into_iter()
        .filter(|reason| *reason == ErrorReason::PublishOutcomeUnknown)
        .count();
    let mut received = 0;
    while wire.next(inbox, Duration::from_millis(300)).await.is_some() {
        received += 1;
    }
    assert_eq!((answer.failed_count, received), (300, unknown));
    assert!(unknown < 300);
}

#[tokio::test]
async fn makes_ids_only_when_asked_or_configured() {
    let nats = NatsServer::start().await;
    nats.wire().await.create_stream(orders()).await;
    let configured = async |mint| {
        Gateway::start_with(&nats.url(), |config| config.publish.mint_message_id = mint).await
    };
    let unary = configured(MintMessageId::Unary).await;
    let always = configured(MintMessageId::Always).await;
    let never = configured(MintMessageId::Never).await;

    for (gateway, asked, minted) in [
        (&unary, false, false),
        (&unary, true, true),
        (&always, false, true),
        (&never, false, false),
    ] {
        let request = PublishBatchRequest {
            mint_message_ids: asked,
            ..independent(vec![message("orders.x"), with_id("")])
        };
        let answer = publish(gateway, request).await.unwrap();
        for result in answer.results {
            assert_eq!(!result.published.unwrap().message_id.is_empty(), minted);
        }
    }

    let asked = PublishBatchRequest {
        mint_message_ids: true,
        ..independent(vec![message("orders.x")])
    };
    let status = refused(
        publish(&never, asked).await,
        Code::InvalidArgument,
        "INVALID_REQUEST",
    );
    assert_eq!(violated_field(&status), "mint_message_ids");
}

#[tokio::test]
async fn refuses_requests_that_are_no_batch() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let unknown_mode = PublishBatchRequest {
        mode: 99,
        ..independent(vec![message("orders.x")])
    };
    for (request, field) in [
        (independent(vec![]), "messages"),
        (independent(vec![message("orders.x"); 1_001]), "messages"),
        (unknown_mode, "mode"),
    ] {
        let answer = publish(&gateway, request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }

    let mut request = Request::new(independent(vec![message("orders.x")]));
    let key = "key-1".parse().unwrap();
    request.metadata_mut().insert("idempotency-key", key);
    let answer = gateway.publisher().publish_batch(request).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "idempotency-key");

    let large = PublishRequest {
        payload: Some(Payload::Data(vec![0; 1_000_000].into())),
        ..message("orders.x")
    };
    let answer = publish(&gateway, independent(vec![large; 9])).await;
    refused(answer, Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    assert_eq!(wire.count("ORDERS").await, 0);
}
