//! Messages that the NATS library cannot receive: they are delivered like any other, and nobody else
//! notices.

use std::time::{Duration, Instant};

use jetgate::proto::{Header, OrderedConsumer, ReceivedMessage, SubscribeRequest};
use serde_json::json;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, fetch, fetched, nanoseconds, payload, start_with_consumer,
    subscribe, subscribe_ordered,
};
use crate::support::{Clients, Gateway, NatsServer, SOON, Wire, eventually};

/// A value with a bare CR panics the library's task.
const BARE_CR: &[u8] = b"A: x\ry\r\nB: fine\r\n";

/// A line without a colon makes the library give the connection up.
const NO_COLON: &[u8] = b"A: fine\r\nnothing\r\n";

/// The consumer with an ack wait of three seconds, and three messages, the second of which has these
/// header lines.
async fn start(headers: &[u8]) -> (NatsServer, Gateway, Wire) {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (nats, gateway, mut wire) = start_with_consumer(settings).await;
    store(&mut wire, headers).await;
    (nats, gateway, wire)
}

async fn store(wire: &mut Wire, headers: &[u8]) {
    wire.store("orders.x", b"m1").await;
    wire.publish_raw("orders.x", headers, b"m2").await;
    wire.store("orders.x", b"m3").await;
    assert_eq!(wire.count(STREAM).await, 3);
}

#[track_caller]
fn assert_is_the_one_with_a_bare_cr(message: &ReceivedMessage) {
    assert_eq!((message.stream_sequence, payload(message)), (2, &b"m2"[..]));
    assert_eq!(message.subject, "orders.x");
    assert!(message.publish_time.is_some_and(|time| time.seconds > 0));
    let header = |name: &str, value: &str, binary_value: &'static [u8]| Header {
        name: name.to_owned(),
        value: value.to_owned(),
        binary_value: binary_value.to_vec().into(),
    };
    let mut headers = message.headers.clone();
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        headers,
        [header("A", "", b"x\ry"), header("B", "fine", b"")]
    );
}

/// Acks all that comes until the consumer is done with three messages, and returns each once.
async fn consume_three(
    session: &mut Session,
    clients: &Clients,
    wire: &mut Wire,
) -> Vec<ReceivedMessage> {
    let mut messages = session.consume(clients, 3).await;
    messages.sort_by_key(|message| message.stream_sequence);
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == 3).then_some(())
    })
    .await;
    messages
}

#[tokio::test]
async fn a_session_delivers_a_bare_cr_and_its_ack_counts() {
    let (_nats, gateway, mut wire) = start(BARE_CR).await;

    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = consume_three(&mut session, &gateway, &mut wire).await;

    assert_is_the_one_with_a_bare_cr(&messages[1]);
    assert_eq!(payload(&messages[2]), b"m3");
    // The session goes on as before.
    wire.store("orders.x", b"m4").await;
    assert_eq!(payload(&session.messages(1).await[0]), b"m4");
}

#[tokio::test]
async fn a_session_delivers_a_line_without_a_colon_and_its_ack_counts() {
    let (_nats, gateway, mut wire) = start(NO_COLON).await;

    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = consume_three(&mut session, &gateway, &mut wire).await;

    assert_eq!(payload(&messages[1]), b"m2");
    let header = messages[1].headers.iter().find(|header| header.name == "A");
    assert_eq!(header.map(|header| header.value.as_str()), Some("fine"));
}

#[tokio::test]
async fn a_session_delivers_one_that_comes_later() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    session.heartbeat().await;

    store(&mut wire, BARE_CR).await;
    let messages = consume_three(&mut session, &gateway, &mut wire).await;

    assert_is_the_one_with_a_bare_cr(&messages[1]);
}

#[tokio::test]
async fn a_fetch_returns_it() {
    let (_nats, gateway, mut wire) = start(BARE_CR).await;

    let mut messages: Vec<ReceivedMessage> = Vec::new();
    let started = Instant::now();
    while messages.len() < 3 {
        assert!(started.elapsed() < 3 * SOON, "only {messages:?}");
        for message in fetched(&gateway, fetch(1)).await {
            ack(&gateway, std::slice::from_ref(&message)).await;
            let is_new = |known: &ReceivedMessage| known.stream_sequence != message.stream_sequence;
            if messages.iter().all(is_new) {
                messages.push(message);
            }
        }
    }

    messages.sort_by_key(|message| message.stream_sequence);
    assert_is_the_one_with_a_bare_cr(&messages[1]);
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 3);
}

#[tokio::test]
async fn an_ordered_session_delivers_it_in_its_place() {
    for headers in [BARE_CR, NO_COLON] {
        let (_nats, gateway, mut wire) = start(headers).await;

        let request = subscribe_ordered(OrderedConsumer::default());
        let mut session = Session::open(&gateway, request).await;
        let messages = session.messages(3).await;
        wire.store("orders.x", b"m4").await;

        let payloads: Vec<_> = messages.iter().map(payload).collect();
        assert_eq!(payloads, [b"m1", b"m2", b"m3"]);
        if headers == BARE_CR {
            assert_is_the_one_with_a_bare_cr(&messages[1]);
        }
        assert_eq!(payload(&session.messages(1).await[0]), b"m4");
    }
}

#[tokio::test]
async fn an_ordered_session_delivers_one_that_is_first_and_last() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    wire.publish_raw("orders.x", BARE_CR, b"m1").await;
    wire.publish_raw("orders.x", BARE_CR, b"m2").await;

    let request = subscribe_ordered(OrderedConsumer::default());
    let mut session = Session::open(&gateway, request).await;
    let messages = session.messages(2).await;

    let payloads: Vec<_> = messages.iter().map(payload).collect();
    assert_eq!(payloads, [b"m1", b"m2"]);
}

#[tokio::test]
async fn other_consumers_notice_nothing() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (nats, gateway, mut wire) = start_with_consumer(settings).await;
    wire.create_stream(json!({ "name": "OTHER", "subjects": ["other.>"] }))
        .await;
    let config = json!({ "durable_name": CONSUMER, "ack_policy": "explicit" });
    wire.create_consumer("OTHER", config).await;
    let request = SubscribeRequest {
        stream: "OTHER".to_owned(),
        ..subscribe()
    };
    let mut other = Session::open(&gateway, request).await;
    let mut session = Session::open(&gateway, subscribe()).await;

    // One message every 50 ms, until the other session has seen enough of them.
    let address = nats.address();
    let publisher = tokio::spawn(async move {
        let mut wire = Wire::connect(address).await;
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        loop {
            interval.tick().await;
            wire.publish("other.x", b"").await;
        }
    });
    other.messages(5).await;
    store(&mut wire, BARE_CR).await;
    let (longest, messages) = tokio::join!(
        longest_pause(&mut other, &gateway, 200),
        consume_three(&mut session, &gateway, &mut wire),
    );
    publisher.abort();

    assert_is_the_one_with_a_bare_cr(&messages[1]);
    // Its connection may have to be made anew, which takes a busy machine its time; a pull that went with it unnoticed
    // would be missed after 12.5 s.
    assert!(longest < Duration::from_secs(10), "{longest:?}");
}

/// The longest time without a message until so many have come, each of which is acked.
async fn longest_pause(session: &mut Session, clients: &Clients, count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    let mut seen = 0;
    while seen < count {
        let started = Instant::now();
        let batch = session.batch().await;
        longest = longest.max(started.elapsed());
        seen += batch.len();
        ack(clients, &batch).await;
    }
    longest
}
