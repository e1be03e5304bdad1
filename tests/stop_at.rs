//! Bounded reads: they end with OK where they were asked to, whatever lies there.

use std::time::{Duration, SystemTime};

use jetgate::proto::stop_at::Position;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{
    AckKind, AckPolicy, DeliverPolicy, EphemeralConsumer, GapPolicy, OrderedConsumer, StopAt,
    SubscribeRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consuming::{
    STREAM, Session, ack, sequences, settle, store_many, subscribe, subscribe_ordered,
};
use crate::support::{
    Gateway, NatsServer, SOON, Wire, eventually, refused, start_with_stream, violated_field,
};

const NOTHING: [u64; 0] = [];

async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": STREAM, "subjects": ["orders.>"] })).await
}

/// The request, to end there.
fn until(position: Position, request: SubscribeRequest) -> SubscribeRequest {
    let stop_at = StopAt {
        position: Some(position),
    };
    SubscribeRequest {
        stop_at: Some(stop_at),
        ..request
    }
}

fn ordered() -> SubscribeRequest {
    subscribe_ordered(OrderedConsumer::default())
}

fn ordered_of(filter: &str) -> SubscribeRequest {
    subscribe_ordered(OrderedConsumer {
        filter_subjects: vec![filter.to_owned()],
        ..OrderedConsumer::default()
    })
}

fn ephemeral(ephemeral: EphemeralConsumer) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ephemeral(ephemeral)),
        ..subscribe()
    }
}

async fn read(gateway: &Gateway, request: SubscribeRequest) -> Vec<u64> {
    sequences(&Session::open(gateway, request).await.rest().await)
}

async fn delete(wire: &mut Wire, sequence: u64) {
    let subject = format!("STREAM.MSG.DELETE.{STREAM}");
    wire.api(&subject, json!({ "seq": sequence })).await;
}

async fn until_no_consumer_is_left(wire: &mut Wire) {
    eventually(SOON, async || {
        let info = wire.stream_info(STREAM).await;
        (info["state"]["consumer_count"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reads_to_the_last_message_and_leaves_no_consumer() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 700).await;

    let all: Vec<u64> = (1..=700).collect();
    assert_eq!(
        read(&gateway, until(Position::Last(true), ordered())).await,
        all
    );
    until_no_consumer_is_left(&mut wire).await;
}

#[tokio::test]
async fn an_empty_stream_ends_the_read_at_once() {
    let (_nats, gateway, mut wire) = start().await;
    let last = Position::Last(true);
    assert_eq!(read(&gateway, until(last, ordered())).await, NOTHING);
    let request = ephemeral(EphemeralConsumer::default());
    assert_eq!(read(&gateway, until(last, request)).await, NOTHING);
    let snapshot = subscribe_ordered(OrderedConsumer {
        deliver_policy: DeliverPolicy::LastPerSubject as i32,
        ..OrderedConsumer::default()
    });
    assert_eq!(read(&gateway, until(last, snapshot)).await, NOTHING);

    // Also where it has had messages.
    store_many(&mut wire, 3).await;
    wire.api(&format!("STREAM.PURGE.{STREAM}"), Value::Null)
        .await;
    assert_eq!(read(&gateway, until(last, ordered())).await, NOTHING);
    until_no_consumer_is_left(&mut wire).await;
}

#[tokio::test]
async fn what_does_not_match_at_the_end_holds_nothing_up() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["orders.a", "orders.b", "orders.a", "orders.b", "orders.b"] {
        wire.store(subject, b"").await;
    }
    let last = Position::Last(true);
    let some = read(&gateway, until(last, ordered_of("orders.a"))).await;
    assert_eq!(some, [1, 3]);
    let none = read(&gateway, until(last, ordered_of("orders.c"))).await;
    assert!(none.is_empty(), "{none:?}");
    let to_4 = until(Position::Sequence(4), ordered_of("orders.a"));
    assert_eq!(read(&gateway, to_4).await, [1, 3]);
    let to_1 = until(Position::Sequence(1), ordered_of("orders.b"));
    assert_eq!(read(&gateway, to_1).await, NOTHING);
}

#[tokio::test]
async fn a_deleted_message_is_an_end_as_well() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 6).await;
    delete(&mut wire, 4).await;
    let to_4 = until(Position::Sequence(4), ordered());
    assert_eq!(read(&gateway, to_4).await, [1, 2, 3]);

    // At the end of the stream, too: the sequence stays taken.
    delete(&mut wire, 6).await;
    let to_6 = until(Position::Sequence(6), ordered());
    assert_eq!(read(&gateway, to_6).await, [1, 2, 3, 5]);
}

#[tokio::test]
async fn a_sequence_that_the_stream_has_not_come_to_is_waited_for() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 2).await;
    let mut session = Session::open(&gateway, until(Position::Sequence(4), ordered())).await;
    assert_eq!(sequences(&session.messages(2).await), [1, 2]);
    session.heartbeat().await;

    store_many(&mut wire, 4).await;
    assert_eq!(sequences(&session.rest().await), [3, 4]);

    // Also where it does not match: the consumer's own heartbeat tells that it is passed.
    let request = until(Position::Sequence(7), ordered_of("orders.a"));
    let mut session = Session::open(&gateway, request).await;
    store_many(&mut wire, 1).await;
    assert_eq!(session.rest().await, []);
}

#[tokio::test]
async fn ends_at_a_time_that_is_over() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;
    let time = SystemTime::now();
    store_many(&mut wire, 3).await;

    let request = until(Position::Time(time.into()), ordered());
    assert_eq!(read(&gateway, request).await, [1, 2, 3]);
    let before = until(
        Position::Time((time - Duration::from_secs(3_600)).into()),
        ordered(),
    );
    assert_eq!(read(&gateway, before).await, NOTHING);
}

#[tokio::test]
async fn ends_at_a_time_to_come() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 2).await;
    let time = SystemTime::now() + Duration::from_secs(2);
    let request = until(Position::Time(time.into()), ordered());
    let mut session = Session::open(&gateway, request).await;
    assert_eq!(sequences(&session.messages(2).await), [1, 2]);
    wire.store("orders.x", b"").await;

    // Nothing comes at its time: the clock ends it.
    assert_eq!(sequences(&session.rest().await), [3]);
    assert!(SystemTime::now() > time);
}

#[tokio::test]
async fn a_snapshot_ends_with_its_last_message() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["orders.a", "orders.b", "orders.a", "orders.c"] {
        wire.store(subject, b"").await;
    }
    let snapshot = subscribe_ordered(OrderedConsumer {
        deliver_policy: DeliverPolicy::LastPerSubject as i32,
        ..OrderedConsumer::default()
    });
    let messages = read(&gateway, until(Position::Last(true), snapshot)).await;
    assert_eq!(messages, [2, 3, 4]);
}

#[tokio::test]
async fn an_ephemeral_read_ends_once_all_of_it_is_settled() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 5).await;
    let request = until(
        Position::Sequence(3),
        ephemeral(EphemeralConsumer::default()),
    );
    let mut session = Session::open(&gateway, request).await;
    let messages = session.messages(3).await;
    assert_eq!(sequences(&messages), [1, 2, 3]);
    session.heartbeat().await;

    // What is given back comes again, and nothing from behind the end does.
    settle(&gateway, AckKind::Nak, &messages[1..2]).await;
    let again = session.messages(1).await;
    assert_eq!(
        (again[0].stream_sequence, again[0].delivery_attempt),
        (2, 2)
    );
    ack(&gateway, &again).await;
    ack(&gateway, &messages[..1]).await;
    session.heartbeat().await;
    settle(&gateway, AckKind::Term, &messages[2..]).await;

    assert_eq!(session.rest().await, []);
    until_no_consumer_is_left(&mut wire).await;
}

#[tokio::test]
async fn an_ephemeral_read_ends_where_messages_are_given_up() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 2).await;
    let request = ephemeral(EphemeralConsumer {
        max_deliver: Some(1),
        ack_wait: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..EphemeralConsumer::default()
    });
    let mut session = Session::open(&gateway, until(Position::Last(true), request)).await;
    let messages = session.messages(2).await;
    ack(&gateway, &messages[..1]).await;

    // The other is never settled, and never comes again.
    assert_eq!(session.rest().await, []);
}

#[tokio::test]
async fn an_ephemeral_read_without_acks_ends_as_an_ordered_one() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;
    let request = ephemeral(EphemeralConsumer {
        ack_policy: AckPolicy::None as i32,
        ..EphemeralConsumer::default()
    });
    assert_eq!(
        read(&gateway, until(Position::Last(true), request)).await,
        [1, 2, 3]
    );
}

#[tokio::test]
async fn refuses_what_cannot_be_asked_for() {
    let (_nats, gateway, mut wire) = start().await;
    wire.create_consumer(
        STREAM,
        json!({ "durable_name": "c", "ack_policy": "explicit" }),
    )
    .await;
    let nothing = SubscribeRequest {
        stop_at: Some(StopAt { position: None }),
        ..ordered()
    };
    let on_gap = SubscribeRequest {
        on_gap: GapPolicy::Fail as i32,
        ..subscribe()
    };
    let token = SubscribeRequest {
        resume_token: "x".to_owned(),
        ..subscribe()
    };
    for (request, field) in [
        (nothing, "stop_at"),
        (until(Position::Last(false), ordered()), "stop_at.last"),
        (until(Position::Sequence(0), ordered()), "stop_at.sequence"),
        // Others read from the same consumer: there is no end of what this session gets.
        (until(Position::Last(true), subscribe()), "stop_at"),
        (on_gap, "on_gap"),
        (token, "resume_token"),
    ] {
        let answer = gateway.subscriber().subscribe(request).await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
}
