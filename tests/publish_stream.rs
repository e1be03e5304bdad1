//! Publish streams: what is stored, and how it is answered.

mod ending;
mod fast_ingest;
mod faults;
mod frames;
mod killed;
mod kinds;
mod ordering;
mod pressure;
mod producers;
mod small_frames;

use std::time::Duration;

use jetgate::proto::publish_request::Payload;
use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{
    Expectation, PublishAckMode, PublishOpen, PublishPath, PublishRequest, PublishStall,
};
use serde_json::{Value, json};

use crate::support::consuming::time;
use crate::support::publishing::{Outcome, Publishing};
use crate::support::{Gateway, NatsServer, SOON, Toxic, Wire, eventually, start_with_stream};

fn orders() -> Value {
    json!({ "name": "ORDERS", "subjects": ["orders.>"] })
}

/// A stream of publishes into ORDERS.
fn into_orders() -> PublishOpen {
    PublishOpen {
        stream: "ORDERS".to_owned(),
        ..PublishOpen::default()
    }
}

fn message(subject: &str, text: &str) -> PublishRequest {
    PublishRequest {
        subject: subject.to_owned(),
        payload: Some(Payload::Text(text.to_owned())),
        ..PublishRequest::default()
    }
}

/// Messages whose payloads are their numbers.
fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<PublishRequest> {
    let numbers = numbers.into_iter();
    numbers
        .map(|number| message("orders.x", &number.to_string()))
        .collect()
}

fn with_id(id: &str, text: &str) -> PublishRequest {
    PublishRequest {
        message_id: id.to_owned(),
        ..message("orders.x", text)
    }
}

/// The same with message ids of the gateway's and plenty of time.
fn minting() -> PublishOpen {
    PublishOpen {
        mint_message_ids: true,
        publish_timeout: time(SOON),
        ..into_orders()
    }
}

/// A gateway whose connection to NATS can be cut and stalled, and the stream.
async fn start_behind_toxic() -> (NatsServer, Toxic, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    (nats, toxic, gateway, wire)
}

/// Breaks the connection once so many messages are stored whose answers have not come through.
async fn lose_answers(toxic: &Toxic, wire: &mut Wire, stored: u64) {
    eventually(SOON, async || {
        (wire.count("ORDERS").await == stored).then_some(())
    })
    .await;
    toxic.cut();
    toxic.restore();
}

/// The payloads of a stream whose messages have not been removed, in order.
async fn payloads(wire: &mut Wire, stream: &str) -> Vec<String> {
    let mut payloads = Vec::new();
    for sequence in 1..=wire.count(stream).await {
        let stored = wire.stored(stream, sequence).await;
        payloads.push(String::from_utf8(stored.payload.to_vec()).unwrap());
    }
    payloads
}

#[tokio::test]
async fn stores_messages_in_order_and_answers_with_ranges() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;
    assert_eq!(publishing.opened.path(), PublishPath::Pipelined);

    for frame in 0..8 {
        let first = frame * 50 + 1;
        publishing.publish(first, numbered(first..first + 50)).await;
    }
    publishing.half_close();
    publishing.end().await.unwrap();

    assert_eq!(publishing.outcomes.len(), 400);
    for (number, outcome) in &publishing.outcomes {
        let expected = Outcome::Stored {
            stream: String::new(),
            sequence: *number,
            duplicate: false,
        };
        assert_eq!(*outcome, expected);
    }
    assert_eq!(publishing.settled_through, 400);
    let expected: Vec<String> = (1..=400).map(|number: u64| number.to_string()).collect();
    assert_eq!(payloads(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn messages_go_to_the_streams_that_take_them() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let users = json!({ "name": "USERS", "subjects": ["users.*"] });
    wire.create_stream(users).await;
    let mut publishing = Publishing::open(&gateway, PublishOpen::default()).await;

    let mixed = ["orders.x", "users.ada", "orders.x", "users.bob"];
    let messages = mixed.map(|subject| message(subject, "m")).to_vec();
    publishing.publish(10, messages).await;
    publishing.publish(20, vec![message("nobody.x", "m")]).await;

    let outcomes = publishing.answered(5).await;
    for (number, stream, sequence) in [
        (10, "ORDERS", 1),
        (11, "USERS", 1),
        (12, "ORDERS", 2),
        (13, "USERS", 2),
    ] {
        let expected = Outcome::Stored {
            stream: stream.to_owned(),
            sequence,
            duplicate: false,
        };
        assert_eq!(outcomes[&number], expected);
    }
    assert_eq!(outcomes[&20].reason(), "NO_STREAM_FOR_SUBJECT");
    assert_eq!(publishing.settled_through, 20);
}

#[tokio::test]
async fn a_message_that_fails_says_why_and_the_others_go_on() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let users = json!({ "name": "USERS", "subjects": ["users.*"] });
    wire.create_stream(users).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;

    let expect = Expectation {
        last_sequence: Some(77),
        ..Expectation::default()
    };
    let conditional = PublishRequest {
        expect: Some(expect.into()),
        ..message("orders.x", "conditional")
    };
    let unreal = PublishRequest {
        validate_only: true,
        ..message("orders.x", "unreal")
    };
    let messages = vec![
        message("orders.x", "first"),
        message("orders.*", "wildcard"),
        conditional,
        message("users.ada", "elsewhere"),
        message("nobody.x", "nowhere"),
        unreal,
        message("orders.x", "last"),
    ];
    publishing.publish(1, messages).await;

    let outcomes = publishing.answered(7).await;
    let reasons: Vec<String> = outcomes.values().map(Outcome::reason).collect();
    assert_eq!(
        reasons,
        [
            "",
            "INVALID_REQUEST",
            "WRONG_LAST_SEQUENCE",
            "WRONG_STREAM",
            "NO_STREAM_FOR_SUBJECT",
            "INVALID_REQUEST",
            ""
        ]
    );
    assert_eq!(payloads(&mut wire, "ORDERS").await, ["first", "last"]);
    assert_eq!(wire.count("USERS").await, 0);
}

#[tokio::test]
async fn a_message_that_was_stored_before_is_a_duplicate_of_the_first() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;

    publishing
        .publish(1, vec![with_id("a", "1"), with_id("b", "2")])
        .await;
    publishing.answered(2).await;
    publishing.publish(3, vec![with_id("a", "3")]).await;

    let expected = Outcome::Stored {
        stream: String::new(),
        sequence: 1,
        duplicate: true,
    };
    assert_eq!(publishing.answered(3).await[&3], expected);
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn cumulative_answers_say_up_to_where_everything_is_settled() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        ack_mode: PublishAckMode::Cumulative as i32,
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    let mut messages = numbered(1..=100);
    messages[49].subject = "orders.*".to_owned();
    publishing.publish(1, messages).await;
    publishing.settled(100).await;

    let failed: Vec<u64> = publishing.outcomes.keys().copied().collect();
    assert_eq!(failed, [50], "only what failed is named");
    assert_eq!(wire.count("ORDERS").await, 99);
    assert_eq!(publishing.last_acks.last_sequence, 99);
}

#[tokio::test]
async fn heartbeats_come_while_nothing_else_does() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        heartbeat_interval: time(Duration::from_secs(1)),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;
    publishing.publish(1, numbered(1..=3)).await;
    publishing.answered(3).await;

    let heartbeat = publishing
        .until(|frame| match frame {
            Frame::Heartbeat(heartbeat) => Some(*heartbeat),
            _ => None,
        })
        .await;

    assert_eq!(heartbeat.stall(), PublishStall::Unspecified);
    assert_eq!(
        (heartbeat.in_flight_messages, heartbeat.settled_through),
        (0, 3)
    );
}

#[tokio::test]
async fn pings_are_answered() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;
    for _ in 0..3 {
        publishing.ping().await;
    }
    for _ in 0..3 {
        publishing
            .until(|frame| matches!(frame, Frame::Pong(_)).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn a_stream_that_loses_a_subject_does_not_take_its_messages() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;
    publishing.publish(1, vec![message("orders.x", "1")]).await;
    publishing.answered(1).await;

    // The subject moves to another stream; JetStream tells the gateway.
    let fewer = json!({ "name": "ORDERS", "subjects": ["orders.y"] });
    wire.api("STREAM.UPDATE.ORDERS", fewer).await;
    let other = json!({ "name": "OTHER", "subjects": ["orders.x"] });
    wire.create_stream(other).await;
    let mut next = 1;
    eventually(SOON, async || {
        next += 1;
        publishing
            .publish(next, vec![message("orders.x", "moved")])
            .await;
        let outcomes = publishing.answered(next as usize).await;
        match &outcomes[&next] {
            Outcome::Stored { stream, .. } => assert_eq!(stream, "OTHER", "it says where"),
            Outcome::Failed(_) => assert_eq!(outcomes[&next].reason(), "WRONG_STREAM"),
        }
        (outcomes[&next].reason() == "WRONG_STREAM").then_some(())
    })
    .await;
    publishing
        .publish(next + 1, vec![message("orders.y", "2")])
        .await;
    assert_eq!(
        publishing.answered(next as usize + 1).await[&(next + 1)].sequence(),
        2
    );
}
