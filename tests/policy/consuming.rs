//! Consuming: by the stream, the consumer, and what the consumer filters by.

use jetgate::proto::consume_open::Source;
use jetgate::proto::{
    AckKind, ConsumeOpen, EphemeralConsumer, ErrorReason, FetchRequest, OrderedConsumer,
};
use serde_json::json;
use tonic::{Code, Status};

use super::{House, denied, may_consume, rule};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, acknowledge, fetch, fetched, item_reason, say, sequences, subscribe,
    subscribe_ordered,
};
use crate::support::metadata;

const OF_EU: &str = "consume = [{ streams = [\"ORDERS\"], consumers = [\"c*\", \"jetgate-*\"], filters = [\"orders.eu.>\"] }]";

async fn opened(house: &House, caller: &str, open: ConsumeOpen) -> Result<(), Status> {
    Consume::try_open(&house.of(caller), open).await.map(|_| ())
}

fn with(source: Source) -> ConsumeOpen {
    ConsumeOpen {
        source: Some(source),
        ..open()
    }
}

fn filters(filters: &[&str]) -> Vec<String> {
    filters.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_durable_consumer_is_judged_by_its_name_and_its_filter() {
    let mut house = House::with(&rule("ada", OF_EU)).await;
    house.consumer("c-eu", "orders.eu.*").await;
    house.consumer("c-all", "orders.>").await;
    house.consumer("other", "orders.eu.*").await;
    let by_name = |name: &str| with(Source::Consumer(name.to_owned()));

    opened(&house, "ada", by_name("c-eu")).await.unwrap();
    let status = denied(opened(&house, "ada", by_name("c-all")).await, "consume");
    assert_eq!(metadata(&status, "subjects").unwrap(), "orders.>");
    denied(opened(&house, "ada", by_name("other")).await, "consume");
    // Whether a consumer exists is not told to those who may not read by it.
    denied(opened(&house, "ada", by_name("nothing")).await, "consume");
    denied(opened(&house, "bob", by_name("c-eu")).await, "consume");
    let of_other = ConsumeOpen {
        stream: "USERS".to_owned(),
        ..by_name("c-eu")
    };
    denied(opened(&house, "ada", of_other).await, "consume");
}

#[tokio::test]
async fn a_fetch_and_a_subscription_are_judged_likewise() {
    let mut house = House::with(&rule("ada", OF_EU)).await;
    house.consumer("c-eu", "orders.eu.*").await;
    house.consumer("c-all", "orders.>").await;
    house.wire.store("orders.eu.1", b"1").await;
    let ada = house.of("ada");
    let by = |consumer: &str| FetchRequest {
        consumer: consumer.to_owned(),
        ..fetch(1)
    };

    assert_eq!(sequences(&fetched(&ada, by("c-eu")).await), [1]);
    denied(ada.subscriber().fetch(by("c-all")).await, "consume");
    let mut request = subscribe();
    request.source = Some(jetgate::proto::subscribe_request::Source::Consumer(
        "c-all".to_owned(),
    ));
    let refused = Session::try_open(&ada, request).await;
    denied(refused.map(|_| ()), "consume");
}

#[tokio::test]
async fn consumers_of_the_gateways_own_read_what_is_allowed() {
    let mut house = House::with(&rule("ada", OF_EU)).await;
    house.wire.store("orders.us.1", b"1").await;
    house.wire.store("orders.eu.1", b"2").await;
    let ada = house.of("ada");

    let read = OrderedConsumer {
        filter_subjects: filters(&["orders.eu.>"]),
        ..OrderedConsumer::default()
    };
    let mut session = Session::open(&ada, subscribe_ordered(read)).await;
    assert_eq!(sequences(&session.messages(1).await), [2]);
    let all = subscribe_ordered(OrderedConsumer::default());
    denied(Session::try_open(&ada, all).await.map(|_| ()), "consume");
    let ephemeral = |subjects: &[&str]| {
        with(Source::Ephemeral(EphemeralConsumer {
            filter_subjects: filters(subjects),
            ..EphemeralConsumer::default()
        }))
    };
    opened(&house, "ada", ephemeral(&["orders.eu.1", "orders.eu.2"]))
        .await
        .unwrap();
    let both = ephemeral(&["orders.eu.1", "orders.us.1"]);
    denied(opened(&house, "ada", both).await, "consume");
}

#[tokio::test]
async fn a_token_is_worth_what_its_bearer_may_do() {
    let bob = "consume = [{ streams = [\"ORDERS\"], consumers = [\"d\"] }]";
    let rules = format!("{}{}", rule("ada", &may_consume()), rule("bob", bob));
    let mut house = House::with(&rules).await;
    house.consumer(CONSUMER, "orders.>").await;
    house.wire.store("orders.eu.1", b"1").await;
    let message = fetched(&house.of("ada"), fetch(1)).await.remove(0);
    let token = &message.ack_token;

    let results = acknowledge(&house.of("bob"), vec![say(AckKind::Ack, token)]).await;
    assert_eq!(
        item_reason(&results[0], Code::PermissionDenied),
        "PERMISSION_DENIED"
    );
    assert_eq!(results[0].metadata["permission"], "consume");
    // A changed bit makes it no token at all, for whomever.
    let middle = token.len() / 2;
    let other = if &token[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    let mut flipped = token.clone();
    flipped.replace_range(middle..=middle, other);
    let results = acknowledge(&house.of("ada"), vec![say(AckKind::Ack, &flipped)]).await;
    assert_eq!(
        item_reason(&results[0], Code::InvalidArgument),
        "INVALID_TOKEN"
    );

    let pending = house.wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"].take();
    assert_eq!(pending, 1);
    let results = acknowledge(&house.of("ada"), vec![say(AckKind::Ack, token)]).await;
    assert_eq!(results[0].reason(), ErrorReason::Unspecified);
}

#[tokio::test]
async fn a_token_of_a_consumer_that_was_made_anew_or_reset_settles_nothing() {
    let mut house = House::with(&rule("ada", &may_consume())).await;
    house.consumer(CONSUMER, "orders.>").await;
    house.wire.store("orders.eu.1", b"1").await;
    let ada = house.of("ada");
    let before = fetched(&ada, fetch(1)).await.remove(0);

    house
        .wire
        .api("CONSUMER.RESET.ORDERS.c", json!({ "seq": 1 }))
        .await;
    // Whatever is said of the delivery before, the message comes again.
    acknowledge(&ada, vec![say(AckKind::Term, &before.ack_token)]).await;
    let after = fetched(&ada, fetch(1)).await.remove(0);
    assert_eq!(after.stream_sequence, 1);

    house
        .wire
        .api("CONSUMER.DELETE.ORDERS.c", serde_json::Value::Null)
        .await;
    house.consumer(CONSUMER, "orders.>").await;
    let again = fetched(&ada, fetch(1)).await.remove(0);
    assert_eq!(again.stream_sequence, 1);
    let results = acknowledge(&ada, vec![say(AckKind::Ack, &before.ack_token)]).await;
    assert_eq!(
        item_reason(&results[0], Code::FailedPrecondition),
        "STALE_TOKEN"
    );
    let pending = house.wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"].take();
    assert_eq!(pending, 1);
}

#[tokio::test]
async fn tokens_inside_of_a_session_are_judged_as_well() {
    let bob = "consume = [{ streams = [\"ORDERS\"], consumers = [\"d\"] }]";
    let rules = format!("{}{}", rule("ada", &may_consume()), rule("bob", bob));
    let mut house = House::with(&rules).await;
    house.consumer(CONSUMER, "orders.>").await;
    house.consumer("d", "orders.us.>").await;
    house.wire.store("orders.eu.1", b"1").await;
    let message = fetched(&house.of("ada"), fetch(1)).await.remove(0);

    let by_name = with(Source::Consumer("d".to_owned()));
    let mut session = Consume::open(&house.of("bob"), by_name).await;
    let result = session
        .settle(vec![say(AckKind::Ack, &message.ack_token)], true)
        .await;
    let reasons: Vec<_> = result.results.iter().map(|it| it.reason()).collect();
    assert_eq!(reasons, [ErrorReason::PermissionDenied]);
}
