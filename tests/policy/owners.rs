//! Consumers that the gateway makes belong to the caller that they were made for.

use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{AckKind, EphemeralConsumer, FetchRequest, Resumption, SubscribeRequest};
use jetgate::token::{Reached, ResumeToken};
use tonic::Code;

use super::{House, denied, may_consume, rule};
use crate::support::consuming::{STREAM, Session, acknowledge, fetch, item_reason, say, subscribe};
use crate::support::refused;

fn ephemeral() -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ephemeral(EphemeralConsumer::default())),
        ..subscribe()
    }
}

fn resumed(token: &str) -> SubscribeRequest {
    SubscribeRequest {
        resume_token: token.to_owned(),
        ..ephemeral()
    }
}

fn both_may_consume() -> String {
    format!(
        "{}{}",
        rule("ada", &may_consume()),
        rule("bob", &may_consume())
    )
}

#[tokio::test]
async fn nobody_goes_on_with_the_consumer_of_another() {
    let mut house = House::with(&both_may_consume()).await;
    house.wire.store("orders.x", b"1").await;
    let (ada, bob) = (house.of("ada"), house.of("bob"));
    let mut session = Session::open(&ada, ephemeral()).await;
    let message = session.messages(1).await.remove(0);
    let consumer = session.opened.consumer.clone();

    // By its resume token, by a token that is made up, by its name, and by an ack token.
    let refused = Session::try_open(&bob, resumed(&session.token)).await;
    denied(refused.map(|_| ()), "consume");
    let made_up = Session::open(&bob, ephemeral()).await;
    let mut forged = ResumeToken::decode(&made_up.token).unwrap();
    forged.reached = match ResumeToken::decode(&session.token).unwrap().reached {
        Reached::Ephemeral { incarnation, .. } => Reached::Ephemeral {
            consumer: consumer.clone(),
            incarnation,
            ack_floor: 0,
        },
        other => other,
    };
    let refused = Session::try_open(&bob, resumed(&forged.encode())).await;
    denied(refused.map(|_| ()), "consume");
    let by_name = SubscribeRequest {
        source: Some(Source::Consumer(consumer.clone())),
        ..subscribe()
    };
    denied(
        Session::try_open(&bob, by_name.clone()).await.map(|_| ()),
        "consume",
    );
    let fetching = FetchRequest {
        consumer: consumer.clone(),
        ..fetch(1)
    };
    denied(bob.subscriber().fetch(fetching).await, "consume");
    let results = acknowledge(&bob, vec![say(AckKind::Ack, &message.ack_token)]).await;
    assert_eq!(
        item_reason(&results[0], Code::PermissionDenied),
        "PERMISSION_DENIED"
    );

    // It is as it was, and its owner's.
    let info = house.wire.consumer_info(STREAM, &consumer).await;
    assert_eq!(info["num_ack_pending"], 1);
    let token = session.token.clone();
    drop(session);
    let session = Session::open(&ada, resumed(&token)).await;
    assert_eq!(session.opened.resumed(), Resumption::Consumer);
    assert_eq!(session.opened.consumer, consumer);
}

#[tokio::test]
async fn owners_need_no_rules() {
    let rules = "[[rule]]\nname = \"all\"\ncallers = [\"*\"]\npublish = [\">\"]\n";
    let house = House::configured(rules, |config| config.auth.policy_file = None).await;
    let session = Session::open(&house.of("ada"), ephemeral()).await;
    let refused = Session::try_open(&house.of("bob"), resumed(&session.token)).await;
    denied(refused.map(|_| ()), "consume");
}

#[tokio::test]
async fn a_token_that_names_a_consumer_of_somebody_else_is_none() {
    let mut house = House::with(&rule("ada", &may_consume())).await;
    house.consumer("worker", "orders.>").await;
    let ada = house.of("ada");
    let session = Session::open(&ada, ephemeral()).await;
    let mut forged = ResumeToken::decode(&session.token).unwrap();
    if let Reached::Ephemeral { consumer, .. } = &mut forged.reached {
        *consumer = "worker".to_owned();
    }
    let result = Session::try_open(&ada, resumed(&forged.encode())).await;
    refused(result.map(|_| ()), Code::InvalidArgument, "INVALID_TOKEN");
    house.wire.consumer_info(STREAM, "worker").await;
}
