//! Ordered subscriptions that lose their consumer, their server or their stream.

use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{DeliverPolicy, Gap, OrderedConsumer, StallReason};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consuming::{STREAM, Session, sequences, store_many, subscribe_ordered};
use crate::support::{
    Gateway, NatsServer, SOON, Toxic, Wire, eventually, refused, start_with_stream,
};

fn stream() -> Value {
    json!({ "name": STREAM, "subjects": ["orders.>"] })
}

/// A server whose every message is on disk before it is acknowledged, so that a crash loses none.
async fn start_durable() -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start_with("jetstream: { sync_interval: always }").await;
    let gateway = Gateway::start(&nats.url()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(stream()).await;
    (nats, gateway, wire)
}

async fn open(gateway: &Gateway) -> Session {
    Session::open(gateway, subscribe_ordered(OrderedConsumer::default())).await
}

/// Deletes the consumer that reads for the session now.
async fn delete_consumer(wire: &mut Wire) {
    let names = wire
        .api(&format!("CONSUMER.NAMES.{STREAM}"), json!({}))
        .await;
    let name = names["consumers"][0].as_str().unwrap().to_owned();
    wire.api(&format!("CONSUMER.DELETE.{STREAM}.{name}"), Value::Null)
        .await;
}

/// The next event that is no heartbeat.
async fn next_gap(session: &mut Session) -> Gap {
    loop {
        match session.event().await {
            Event::Heartbeat(_) => {}
            Event::Gap(gap) => return gap,
            other => panic!("{other:?} instead of a gap"),
        }
    }
}

#[tokio::test]
async fn goes_on_behind_the_last_message_after_a_crash_of_the_server() {
    let (mut nats, gateway, mut wire) = start_durable().await;
    store_many(&mut wire, 50).await;
    let mut session = open(&gateway).await;
    let mut messages = session.messages(50).await;

    // R12: the session stays.
    nats.restart().await;
    store_many(&mut nats.wire().await, 50).await;
    messages.extend(session.messages(50).await);
    session.heartbeat().await;

    assert_eq!(sequences(&messages), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_crash_in_the_middle_loses_and_repeats_nothing() {
    let (mut nats, gateway, mut wire) = start_durable().await;
    for _ in 0..3_000 {
        wire.publish("orders.x", &[b'x'; 1_000]).await;
    }
    let mut session = open(&gateway).await;
    let mut messages = session.messages(10).await;

    nats.restart().await;
    let last = nats.wire().await.count(STREAM).await;
    messages.extend(session.messages(usize::try_from(last).unwrap() - 10).await);

    assert_eq!(sequences(&messages), (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn goes_on_after_its_consumer_was_deleted() {
    let (_nats, gateway, mut wire) = start_with_stream(stream()).await;
    store_many(&mut wire, 3).await;
    let mut session = open(&gateway).await;
    let mut messages = session.messages(3).await;

    for _ in 0..3 {
        delete_consumer(&mut wire).await;
        store_many(&mut wire, 2).await;
        messages.extend(session.messages(2).await);
    }

    assert_eq!(sequences(&messages), (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn misses_nothing_new_while_its_consumer_is_made_anew() {
    let (_nats, gateway, mut wire) = start_with_stream(stream()).await;
    store_many(&mut wire, 3).await;
    let ordered = OrderedConsumer {
        deliver_policy: DeliverPolicy::New as i32,
        ..OrderedConsumer::default()
    };
    let mut session = Session::open(&gateway, subscribe_ordered(ordered)).await;

    // Before its first message: the next consumer must not start anew behind what came meanwhile.
    delete_consumer(&mut wire).await;
    store_many(&mut wire, 2).await;

    assert_eq!(sequences(&session.messages(2).await), [4, 5]);
}

#[tokio::test]
async fn ends_when_the_stream_is_deleted() {
    let (_nats, gateway, mut wire) = start_with_stream(stream()).await;
    store_many(&mut wire, 1).await;
    let mut session = open(&gateway).await;
    session.messages(1).await;

    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;

    let end = session.end().await;
    refused::<()>(Err(end), Code::NotFound, "STREAM_NOT_FOUND");
}

#[tokio::test]
async fn says_that_the_stream_was_made_anew_and_reads_all_of_it() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(stream()).await;
    store_many(&mut wire, 5).await;
    let mut session = open(&gateway).await;
    session.messages(5).await;

    // The gateway must not see the time without a stream.
    toxic.cut();
    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;
    wire.create_stream(stream()).await;
    store_many(&mut wire, 2).await;
    toxic.restore();

    let gap = next_gap(&mut session).await;
    assert!(gap.stream_recreated);
    assert_eq!((gap.last_sequence, gap.first_available_sequence), (5, 1));
    assert_eq!(sequences(&session.messages(2).await), [1, 2]);
    let heartbeat = session.stalled_by(StallReason::NoMessages).await;
    assert_eq!(heartbeat.stream_sequence, 2);
}

#[tokio::test]
async fn says_which_messages_are_gone() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(stream()).await;
    store_many(&mut wire, 5).await;
    let mut session = open(&gateway).await;
    session.messages(5).await;

    toxic.cut();
    store_many(&mut wire, 5).await;
    let subject = format!("STREAM.PURGE.{STREAM}");
    wire.api(&subject, json!({ "seq": 9 })).await;
    toxic.restore();

    let gap = next_gap(&mut session).await;
    assert!(!gap.stream_recreated);
    assert_eq!((gap.last_sequence, gap.first_available_sequence), (5, 9));
    assert_eq!(sequences(&session.messages(2).await), [9, 10]);
}

#[tokio::test]
async fn a_snapshot_goes_on_after_its_consumer_was_deleted() {
    let (_nats, gateway, mut wire) = start_with_stream(stream()).await;
    for subject in ["orders.a", "orders.b", "orders.a"] {
        wire.store(subject, b"").await;
    }
    let ordered = OrderedConsumer {
        deliver_policy: DeliverPolicy::LastPerSubject as i32,
        ..OrderedConsumer::default()
    };
    let mut session = Session::open(&gateway, subscribe_ordered(ordered)).await;
    let mut messages = session.messages(2).await;

    delete_consumer(&mut wire).await;
    wire.store("orders.b", b"").await;
    wire.store("orders.b", b"").await;
    messages.extend(session.messages(2).await);

    // Behind the snapshot every message counts, not only the last of its subject.
    assert_eq!(sequences(&messages), [2, 3, 4, 5]);
}

#[tokio::test]
async fn leaves_no_consumer_behind_when_the_stream_outlives_many() {
    let (_nats, gateway, mut wire) = start_with_stream(stream()).await;
    let mut session = open(&gateway).await;
    for _ in 0..3 {
        delete_consumer(&mut wire).await;
        store_many(&mut wire, 1).await;
        session.messages(1).await;
    }
    drop(session);

    eventually(SOON, async || {
        let info = wire.stream_info(STREAM).await;
        (info["state"]["consumer_count"] == 0).then_some(())
    })
    .await;
}
