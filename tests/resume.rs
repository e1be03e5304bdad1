//! Reads that go on in another session, on another replica, after the gateway was killed.

use std::collections::BTreeMap;

use jetgate::proto::subscribe_request::Source;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    DeliverPolicy, OrderedConsumer, ReceivedMessage, Resumption, SubscribeRequest,
};
use serde_json::json;

use crate::support::consuming::{STREAM, Session, sequences, subscribe, subscribe_window};
use crate::support::{Clients, Gateway, NatsServer, Replica, Wire};

// What the stream no longer has.
mod gaps;
// Consumers of one session.
mod ephemeral;
// Tokens that do not fit.
mod refusals;

/// Subjects of the tests, which are published to in turn.
const SUBJECTS: [&str; 5] = ["orders.a", "orders.b", "orders.c", "orders.d", "orders.e"];

/// A server with the stream.
async fn start() -> (NatsServer, Wire) {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    (nats, wire)
}

/// Publishes this many messages, on the subjects in turn.
async fn store(wire: &mut Wire, count: usize) {
    for subject in SUBJECTS.iter().cycle().take(count) {
        wire.store(subject, &[b'x'; 200]).await;
    }
}

/// An ordered read with a small window, so that it is in the middle when it is killed.
fn ordered(ordered: OrderedConsumer) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ordered(ordered)),
        max_response_bytes: 2_000,
        ..subscribe_window(4)
    }
}

/// The same from where a token stands.
fn resumed(request: &SubscribeRequest, token: &str) -> SubscribeRequest {
    SubscribeRequest {
        resume_token: token.to_owned(),
        ..request.clone()
    }
}

/// Goes on at another gateway; what the caller has not read of the last session is lost with it.
async fn go_on(clients: &Clients, request: &SubscribeRequest, token: &str) -> Session {
    let session = Session::open(clients, resumed(request, token)).await;
    assert_eq!(session.opened.resumed(), Resumption::Position);
    session
}

/// Reads batches until at least this many messages have come: exactly what the latest token is behind.
async fn read(session: &mut Session, least: usize) -> Vec<ReceivedMessage> {
    let mut messages = Vec::new();
    while messages.len() < least {
        messages.extend(session.batch().await);
    }
    messages
}

/// Reads some of the stream at each of several gateways in turn, killing each, and then the rest.
async fn read_across_kills(
    nats: &NatsServer,
    wire: &mut Wire,
    request: &SubscribeRequest,
    count: usize,
) -> Vec<u64> {
    let mut messages = Vec::new();
    let mut token = String::new();
    for _ in 0..2 {
        let replica = Replica::start(&nats.url()).await;
        let mut session = Session::open(&replica.clients, resumed(request, &token)).await;
        messages.extend(read(&mut session, count / 4).await);
        token.clone_from(&session.token);
        replica.kill().await;
        store(wire, 5).await;
    }
    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, request, &token).await;
    messages.extend(session.messages(count - messages.len()).await);
    sequences(&messages)
}

#[tokio::test]
async fn a_read_across_kills_equals_the_stream() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 90).await;

    let request = ordered(OrderedConsumer::default());
    let read = read_across_kills(&nats, &mut wire, &request, 100).await;

    // R13.
    assert_eq!(read, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_read_with_filters_across_kills_equals_what_matches() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 90).await;

    let request = ordered(OrderedConsumer {
        filter_subjects: vec!["orders.b".to_owned(), "orders.d".to_owned()],
        ..OrderedConsumer::default()
    });
    let read = read_across_kills(&nats, &mut wire, &request, 40).await;

    let matching = (1..=100).filter(|sequence| [2, 4].contains(&(sequence % 5)));
    assert_eq!(read, matching.collect::<Vec<u64>>());
}

#[tokio::test]
async fn new_goes_on_where_it_began_when_killed_before_the_first_message() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 3).await;
    let replica = Replica::start(&nats.url()).await;
    let request = ordered(OrderedConsumer {
        deliver_policy: DeliverPolicy::New as i32,
        ..OrderedConsumer::default()
    });
    let session = Session::open(&replica.clients, request.clone()).await;
    let token = session.token.clone();
    replica.kill().await;
    store(&mut wire, 2).await;

    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, &request, &token).await;
    store(&mut wire, 1).await;

    assert_eq!(sequences(&session.messages(3).await), [4, 5, 6]);
}

#[tokio::test]
async fn last_goes_on_where_it_began_when_killed_before_the_first_message() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 3).await;
    let replica = Replica::start(&nats.url()).await;
    let request = ordered(OrderedConsumer {
        deliver_policy: DeliverPolicy::Last as i32,
        filter_subjects: vec!["orders.a".to_owned(), "orders.b".to_owned()],
        ..OrderedConsumer::default()
    });
    let token = Session::open(&replica.clients, request.clone()).await.token;
    replica.kill().await;
    store(&mut wire, 2).await;

    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, &request, &token).await;

    assert_eq!(sequences(&session.messages(3).await), [2, 4, 5]);
}

#[tokio::test]
async fn a_drained_read_goes_on_elsewhere() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 20).await;
    let (one, other) = (
        Gateway::start(&nats.url()).await,
        Gateway::start(&nats.url()).await,
    );
    let request = ordered(OrderedConsumer::default());
    let mut session = Session::open(&one, request.clone()).await;
    let mut messages = read(&mut session, 5).await;

    // R9, R13: the announcement has the token of all that came before it.
    one.request_shutdown();
    let token = loop {
        match session.event().await {
            Event::Messages(batch) => messages.extend(batch.messages),
            Event::Draining(draining) => break draining.resume_token,
            Event::Heartbeat(_) => {}
            unexpected => panic!("{unexpected:?}"),
        }
    };
    let mut session = go_on(&other, &request, &token).await;
    messages.extend(session.messages(20 - messages.len()).await);

    assert_eq!(sequences(&messages), (1..=20).collect::<Vec<_>>());
}

/// The last message of each of many subjects.
fn snapshot() -> SubscribeRequest {
    ordered(OrderedConsumer {
        deliver_policy: DeliverPolicy::LastPerSubject as i32,
        ..OrderedConsumer::default()
    })
}

/// One message on each of these subjects.
async fn update(wire: &mut Wire, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        wire.store(&format!("orders.{number}"), b"").await;
    }
}

#[tokio::test]
async fn a_snapshot_killed_inside_goes_on_and_collapses_nothing_behind_it() {
    let (nats, mut wire) = start().await;
    // Of each subject the second message counts: 41 to 80.
    update(&mut wire, (1..=40).chain(1..=40)).await;
    let replica = Replica::start(&nats.url()).await;
    let mut session = Session::open(&replica.clients, snapshot()).await;
    let mut messages = read(&mut session, 10).await;
    let (token, passed) = (session.token.clone(), messages.len() as u64);
    assert!(passed < 40);
    replica.kill().await;

    // Subjects that the caller has had and that it has not, several times each: 81 to 88.
    update(&mut wire, [1, 40, 1, 40, 2, 39, 2, 39]).await;
    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, &snapshot(), &token).await;
    let superseded = 2;
    let rest = 40 - usize::try_from(passed).unwrap() - superseded + 8;
    messages.extend(session.messages(rest).await);
    update(&mut wire, [1]).await;
    messages.extend(session.messages(1).await);

    // All of the snapshot but the two that were updated meanwhile, and every update.
    let expected: Vec<u64> = (41..=78).chain(81..=89).collect();
    assert_eq!(sequences(&messages), expected);
    assert_eq!(last_by_subject(&messages).len(), 40);
}

#[tokio::test]
async fn a_snapshot_killed_behind_its_end_goes_on_with_every_message() {
    let (nats, mut wire) = start().await;
    update(&mut wire, [1, 2, 3, 1]).await;
    let replica = Replica::start(&nats.url()).await;
    let mut session = Session::open(&replica.clients, snapshot()).await;
    let mut messages = session.messages(3).await;
    let token = session.token.clone();
    replica.kill().await;
    update(&mut wire, [1, 1, 2]).await;

    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, &snapshot(), &token).await;
    messages.extend(session.messages(3).await);
    update(&mut wire, [1]).await;
    messages.extend(session.messages(1).await);

    assert_eq!(sequences(&messages), [2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_snapshot_of_an_empty_stream_goes_on_with_every_message() {
    let (nats, mut wire) = start().await;
    let replica = Replica::start(&nats.url()).await;
    let token = Session::open(&replica.clients, snapshot()).await.token;
    replica.kill().await;
    update(&mut wire, [1, 1, 2, 1]).await;

    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, &snapshot(), &token).await;

    assert_eq!(sequences(&session.messages(4).await), [1, 2, 3, 4]);
}

#[tokio::test]
async fn goes_on_behind_what_was_passed_without_a_match() {
    let (nats, mut wire) = start().await;
    let replica = Replica::start(&nats.url()).await;
    let request = SubscribeRequest {
        source: Some(Source::Ordered(OrderedConsumer {
            filter_subjects: vec!["orders.rare".to_owned()],
            ..OrderedConsumer::default()
        })),
        ..subscribe()
    };
    // All are stored before the consumer looks: it passes the five at once.
    store(&mut wire, 5).await;
    let mut session = Session::open(&replica.clients, request.clone()).await;
    let opened = session.token.clone();
    // The consumer's own heartbeat tells how far it is.
    while session.token == opened {
        session.heartbeat().await;
    }
    let token = session.token.clone();
    replica.kill().await;
    wire.api(&format!("STREAM.PURGE.{STREAM}"), json!({ "seq": 4 }))
        .await;
    wire.store("orders.rare", b"").await;

    // What is gone was passed: there is no gap.
    let replica = Replica::start(&nats.url()).await;
    let mut session = go_on(&replica.clients, &request, &token).await;
    assert_eq!(sequences(&session.messages(1).await), [6]);
}

/// The last sequence of each subject.
fn last_by_subject(messages: &[ReceivedMessage]) -> BTreeMap<&str, u64> {
    let pairs = messages.iter();
    pairs
        .map(|message| (message.subject.as_str(), message.stream_sequence))
        .collect()
}
