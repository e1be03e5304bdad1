//! Consumers of one session, bounded reads, resumption and priority groups in a `Consume`.

use jetgate::proto::consume_open::Source;
use jetgate::proto::stop_at::Position;
use jetgate::proto::{
    AckKind, ConsumeOpen, EphemeralConsumer, OrderedConsumer, PriorityOptions, Resumption,
    StallReason, StopAt,
};
use serde_json::{Value, json};

use crate::support::consume::{Consume, open, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, nanoseconds, sequences, start_with_consumer, store_many, subscribe,
};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, start_with_stream};

async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": STREAM, "subjects": ["orders.>"] })).await
}

fn ephemeral() -> ConsumeOpen {
    ConsumeOpen {
        source: Some(Source::Ephemeral(EphemeralConsumer::default())),
        ..open()
    }
}

fn until(position: Position, open: ConsumeOpen) -> ConsumeOpen {
    let stop_at = StopAt {
        position: Some(position),
    };
    ConsumeOpen {
        stop_at: Some(stop_at),
        ..open
    }
}

async fn exists(wire: &mut Wire, consumer: &str) -> bool {
    let subject = format!("CONSUMER.INFO.{STREAM}.{consumer}");
    let answer = wire.try_api(&subject, Value::Null).await.unwrap();
    answer["error"].is_null()
}

async fn until_gone(wire: &mut Wire, consumer: &str) {
    eventually(SOON, async || (!exists(wire, consumer).await).then_some(())).await;
}

#[tokio::test]
async fn half_close_and_drain_delete_an_ephemeral_consumer() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 2).await;
    let mut consume = Consume::open(&gateway, ephemeral()).await;
    let messages = consume.messages(2).await;
    consume.ack(&messages).await;
    consume.half_close();
    assert!(consume.end().await.is_ok());
    until_gone(&mut wire, &consume.opened.consumer).await;

    let mut consume = Consume::open(&gateway, ephemeral()).await;
    let messages = consume.messages(2).await;
    consume.drain();
    consume.ack(&messages).await;
    assert!(consume.end().await.is_ok());
    until_gone(&mut wire, &consume.opened.consumer).await;
}

#[tokio::test]
async fn an_ephemeral_consumer_goes_on_for_a_caller_that_vanished() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 4).await;
    let mut consume = Consume::open(&gateway, ephemeral()).await;
    let messages = consume.messages(4).await;
    consume.ack(&messages[1..3]).await;
    let (token, consumer) = (
        consume.opened.resume_token.clone(),
        consume.opened.consumer.clone(),
    );
    drop(consume);

    // R7, R13: what was held comes again after about a second, and nothing else does.
    let request = ConsumeOpen {
        resume_token: token,
        ..ephemeral()
    };
    let mut consume = Consume::open(&gateway, request).await;
    assert_eq!(consume.opened.resumed(), Resumption::Consumer);
    assert_eq!(consume.opened.consumer, consumer);
    let messages = consume.consume(2).await;
    let mut again = sequences(&messages);
    again.sort_unstable();
    assert_eq!(again, [1, 4]);
    assert!(exists(&mut wire, &consumer).await);
}

#[tokio::test]
async fn a_bounded_read_ends_once_all_of_it_is_settled_in_the_stream() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 6).await;
    let mut consume = Consume::open(&gateway, until(Position::Sequence(4), ephemeral())).await;
    let messages = consume.messages(4).await;
    assert_eq!(sequences(&messages), [1, 2, 3, 4]);
    let items = vec![
        range(AckKind::Ack, 1, 2),
        range(AckKind::Nak, 3, 0),
        range(AckKind::Term, 4, 0),
    ];
    consume.settle(items, false).await;
    let again = consume.messages(1).await;
    assert_eq!(sequences(&again), [3]);
    consume.say(vec![range(AckKind::Ack, again[0].delivery_id, 0)]);

    assert!(consume.end().await.is_ok());
    until_gone(&mut wire, &consume.opened.consumer).await;
}

#[tokio::test]
async fn an_ordered_read_ends_and_goes_on() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;
    let ordered = || ConsumeOpen {
        source: Some(Source::Ordered(OrderedConsumer::default())),
        ..open()
    };
    let mut consume = Consume::open(&gateway, until(Position::Last(true), ordered())).await;
    let token = consume.opened.resume_token.clone();
    assert_eq!(sequences(&consume.messages(3).await), [1, 2, 3]);
    assert!(consume.end().await.is_ok());

    let request = ConsumeOpen {
        resume_token: token,
        ..ordered()
    };
    let mut consume = Consume::open(&gateway, request).await;
    assert_eq!(consume.opened.resumed(), Resumption::Position);
    assert_eq!(sequences(&consume.messages(3).await), [1, 2, 3]);
}

#[tokio::test]
async fn takes_its_place_in_a_priority_group() {
    let settings = json!({
        "priority_policy": "pinned_client", "priority_groups": ["jobs"],
        "priority_timeout": nanoseconds(100),
    });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let mut first = Session::open(&gateway, subscribe()).await;
    first.messages(1).await;
    let options = PriorityOptions {
        group: "jobs".to_owned(),
        ..PriorityOptions::default()
    };
    let request = ConsumeOpen {
        source: Some(Source::Consumer(CONSUMER.to_owned())),
        priority: Some(options),
        ..open()
    };
    let mut consume = Consume::open(&gateway, request).await;
    assert!(consume.opened.priority.clone().unwrap().pinned_elsewhere);
    consume.stalled_by(StallReason::NotPinned).await;

    // Its pin is free at once, and what it held comes after about a second.
    drop(first);
    assert_eq!(sequences(&consume.consume(1).await), [1]);
}
