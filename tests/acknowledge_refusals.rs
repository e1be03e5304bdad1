//! Acknowledgements that cannot be taken: items fail one by one, and say why.

use std::sync::Arc;
use std::time::Duration;

use jetgate::nats::api::ConsumerInfo;
use jetgate::proto::{
    AckKind, AcknowledgeRequest, Acknowledgement, ErrorReason, ItemStatus, ReceivedMessage,
};
use jetgate::subscription::terms::Terms;
use jetgate::token::{AckToken, Origin};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, acknowledge, create_consumer, fetch, fetched, item_reason,
    nanoseconds, say, start_with_consumer, store_many, subscribe, time, until_expired,
};
use crate::support::{
    Clients, Gateway, NatsServer, SOON, Toxic, answered, eventually, refused, violated_field,
};

async fn one(clients: &Clients, item: Acknowledgement) -> ItemStatus {
    acknowledge(clients, vec![item]).await.remove(0)
}

async fn fetch_one(clients: &Clients) -> ReceivedMessage {
    fetched(clients, fetch(1)).await.remove(0)
}

#[tokio::test]
async fn a_bad_item_fails_alone() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;
    let messages = fetched(&gateway, fetch(3)).await;
    let token = |number: usize| messages[number].ack_token.as_str();
    let negative = prost_types::Duration {
        seconds: -1,
        nanos: 0,
    };
    let ack = |number| say(AckKind::Ack, token(number));
    let items = vec![
        ack(0),
        say(AckKind::Unspecified, token(1)),
        Acknowledgement { kind: 99, ..ack(1) },
        Acknowledgement {
            delay: Some(negative),
            ..say(AckKind::Nak, token(1))
        },
        Acknowledgement {
            delay: time(Duration::from_secs(1)),
            ..ack(1)
        },
        Acknowledgement {
            reason: "done".to_owned(),
            ..ack(1)
        },
        Acknowledgement {
            reason: "x".repeat(1_025),
            ..say(AckKind::Term, token(1))
        },
        Acknowledgement {
            reason: "a\r\nb".to_owned(),
            ..say(AckKind::Nak, token(1))
        },
        Acknowledgement {
            target: None,
            ..ack(1)
        },
        ack(2),
    ];

    let results = acknowledge(&gateway, items).await;

    let (good, bad) = ([&results[0], &results[9]], &results[1..9]);
    for result in bad {
        let reason = item_reason(result, Code::InvalidArgument);
        assert_eq!(reason, "INVALID_REQUEST", "{result:?}");
        assert!(!result.message.is_empty());
    }
    for result in good {
        assert_eq!(result, &ItemStatus::default());
    }
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 1);
    assert_eq!(info["num_ack_pending"], 1);
}

#[tokio::test]
async fn a_token_that_the_gateway_did_not_make_is_refused() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let token = fetch_one(&gateway).await.ack_token;
    let other = if token.ends_with("AAAA") {
        "BBBB"
    } else {
        "AAAA"
    };
    let subject = format!("$JS.ACK.{STREAM}.{CONSUMER}.1.1.1.1.0");

    for bad in [
        "",
        "garbage",
        &subject,
        &token[..token.len() - 4],
        &token[4..],
        &format!("{token}AAAA"),
        &format!("{}{other}", &token[..token.len() - 4]),
        &"A".repeat(100_000),
    ] {
        let result = one(&gateway, say(AckKind::Ack, bad)).await;
        let reason = item_reason(&result, Code::InvalidArgument);
        assert_eq!(reason, "INVALID_TOKEN", "{bad}");
    }

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["num_ack_pending"], 1);
}

#[tokio::test]
async fn a_token_of_a_deleted_consumer_finds_none() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let message = fetch_one(&gateway).await;

    let subject = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    wire.api(&subject, Value::Null).await;

    let result = one(&gateway, say(AckKind::Ack, &message.ack_token)).await;
    let reason = item_reason(&result, Code::NotFound);
    assert_eq!(reason, "CONSUMER_NOT_FOUND");
}

#[tokio::test]
async fn a_token_is_of_one_incarnation_of_its_consumer() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let old = fetch_one(&gateway).await;
    let subject = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    wire.api(&subject, Value::Null).await;
    create_consumer(&mut wire, json!({})).await;
    let new = fetch_one(&gateway).await;

    for kind in [
        AckKind::Ack,
        AckKind::Nak,
        AckKind::InProgress,
        AckKind::Term,
    ] {
        let result = one(&gateway, say(kind, &old.ack_token)).await;
        let reason = item_reason(&result, Code::FailedPrecondition);
        assert_eq!(reason, "STALE_TOKEN");
    }

    // JetStream finds messages by their stream sequence alone and would have taken the old ack.
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["num_ack_pending"], 1);
    assert_eq!(
        one(&gateway, say(AckKind::Ack, &new.ack_token)).await.code,
        0
    );
}

#[tokio::test]
async fn only_an_ack_is_taken_after_the_deadline() {
    let settings = json!({ "ack_wait": nanoseconds(1) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let first = fetch_one(&gateway).await;
    let second = fetch_one(&gateway).await;
    assert_eq!(second.delivery_attempt, 2);
    until_expired(&first).await;

    for kind in [AckKind::Nak, AckKind::InProgress, AckKind::Term] {
        let result = one(&gateway, say(kind, &first.ack_token)).await;
        let reason = item_reason(&result, Code::FailedPrecondition);
        assert_eq!(reason, "LEASE_EXPIRED", "{kind:?}");
    }
}

#[tokio::test]
async fn tokens_of_a_consumer_made_anew_stay_good() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    fetch_one(&gateway).await;
    let subject = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    wire.api(&subject, Value::Null).await;
    create_consumer(&mut wire, json!({})).await;

    // A session that opens right after that must not label with what was known of the old one.
    let mut session = Session::open(&gateway, subscribe()).await;
    let message = session.messages(1).await.remove(0);

    // By the seventh second's heartbeat nothing old is remembered any more.
    for _ in 0..7 {
        session.heartbeat().await;
    }
    let result = one(&gateway, say(AckKind::Ack, &message.ack_token)).await;
    assert_eq!(result.code, 0, "{result:?}");
}

#[tokio::test]
async fn an_empty_or_too_long_list_fails_as_a_whole() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    for acknowledgements in [vec![], vec![say(AckKind::Ack, ""); 10_001]] {
        let request = AcknowledgeRequest {
            acknowledgements,
            confirm: None,
        };
        let answer = gateway.subscriber().acknowledge(request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "acknowledgements");
    }
    let most = acknowledge(&gateway, vec![say(AckKind::Ack, ""); 10_000]).await;
    assert_eq!(most.len(), 10_000);
}

/// Acks with a deadline of two seconds, which must hold; the reason of the item's failure.
async fn ack_in_time(gateway: &Gateway, token: &str) -> &'static str {
    let message = AcknowledgeRequest {
        acknowledgements: vec![say(AckKind::Ack, token)],
        confirm: None,
    };
    let answer = answered(Duration::from_secs(2), message, async |request| {
        gateway.subscriber().acknowledge(request).await
    })
    .await;
    item_reason(&answer.unwrap().into_inner().results[0], Code::Unavailable)
}

#[tokio::test]
async fn says_that_nats_is_away_within_the_deadline() {
    let (mut nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let message = fetch_one(&gateway).await;
    nats.kill();

    let reason = ack_in_time(&gateway, &message.ack_token).await;

    let expected = ["NATS_DISCONNECTED", "ACK_OUTCOME_UNKNOWN"];
    assert!(expected.contains(&reason), "{reason}");
    nats.restart().await;
    // A crash may take a consumer's last moments with it: then the message comes again.
    eventually(SOON, async || {
        let result = one(&gateway, say(AckKind::Ack, &message.ack_token)).await;
        let is_lost = result.reason() == ErrorReason::StaleToken;
        (result.code == 0 || is_lost).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_ack_whose_answer_is_lost_has_an_unknown_outcome() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 2).await;
    let messages = fetched(&gateway, fetch(2)).await;
    // The gateway now knows the consumer, so that it need not ask before it sends.
    let first = one(&gateway, say(AckKind::Ack, &messages[0].ack_token)).await;
    assert_eq!(first.code, 0);

    toxic.stall_answers();
    let reason = ack_in_time(&gateway, &messages[1].ack_token).await;

    assert_eq!(reason, "ACK_OUTCOME_UNKNOWN");
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_consumer_without_acks_takes_none() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let config = json!({ "durable_name": "none", "ack_policy": "none" });
    wire.create_consumer(STREAM, config).await;
    store_many(&mut wire, 1).await;
    // Its deliveries come without tokens, so this one is made from another consumer's.
    let mut token = AckToken::decode(&fetch_one(&gateway).await.ack_token).unwrap();
    let info = wire.consumer_info(STREAM, "none").await;
    let info: ConsumerInfo = serde_json::from_value(info).unwrap();
    let stream = token.subject.origin.stream();
    token.subject.origin = Arc::new(Origin::new(stream, "none"));
    token.incarnation = Terms::of(&info).incarnation;

    let result = one(&gateway, say(AckKind::Ack, &token.encode())).await;

    let reason = item_reason(&result, Code::FailedPrecondition);
    assert_eq!(reason, "CONSUMER_WITHOUT_ACKS");
}
