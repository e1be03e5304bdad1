//! What a read that goes on misses is reported as the gap it is.

use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{Gap, GapPolicy, OrderedConsumer, SubscribeRequest};
use serde_json::{Value, json};
use tonic::Code;

use super::{go_on, ordered, read, resumed, start, store};
use crate::support::consuming::{STREAM, Session, sequences};
use crate::support::{Gateway, NatsServer, Wire, metadata, refused};

/// A stream of which a session has read five messages, and the token of that.
async fn started() -> (NatsServer, Wire, Gateway, SubscribeRequest, String) {
    let (nats, mut wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    store(&mut wire, 5).await;
    let request = ordered(OrderedConsumer::default());
    let mut session = Session::open(&gateway, request.clone()).await;
    let messages = read(&mut session, 5).await;
    assert_eq!(sequences(&messages), [1, 2, 3, 4, 5]);
    let token = session.token.clone();
    (nats, wire, gateway, request, token)
}

async fn next_gap(session: &mut Session) -> Gap {
    match session.event().await {
        Event::Gap(gap) => gap,
        other => panic!("{other:?} instead of a gap"),
    }
}

async fn purge(wire: &mut Wire, body: Value) {
    wire.api(&format!("STREAM.PURGE.{STREAM}"), body).await;
}

async fn make_anew(wire: &mut Wire) {
    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
}

#[tokio::test]
async fn a_purge_of_the_whole_stream_is_a_gap() {
    let (_nats, mut wire, gateway, request, token) = started().await;
    store(&mut wire, 5).await;
    purge(&mut wire, Value::Null).await;

    let mut session = go_on(&gateway, &request, &token).await;
    let gap = next_gap(&mut session).await;
    assert!(!gap.stream_recreated);
    assert_eq!((gap.last_sequence, gap.first_available_sequence), (5, 11));
    store(&mut wire, 1).await;
    assert_eq!(sequences(&session.messages(1).await), [11]);
}

#[tokio::test]
async fn a_purge_of_what_was_read_is_none() {
    let (_nats, mut wire, gateway, request, token) = started().await;
    purge(&mut wire, Value::Null).await;
    store(&mut wire, 2).await;

    let mut session = go_on(&gateway, &request, &token).await;
    assert_eq!(sequences(&session.messages(2).await), [6, 7]);
}

#[tokio::test]
async fn a_stream_made_anew_is_a_gap() {
    let (_nats, mut wire, gateway, request, token) = started().await;
    make_anew(&mut wire).await;
    store(&mut wire, 2).await;

    let mut session = go_on(&gateway, &request, &token).await;
    let gap = next_gap(&mut session).await;
    assert!(gap.stream_recreated);
    assert_eq!((gap.last_sequence, gap.first_available_sequence), (5, 1));
    assert_eq!(sequences(&session.messages(2).await), [1, 2]);

    // The next token is of the new stream.
    let token = session.token.clone();
    store(&mut wire, 1).await;
    let mut session = go_on(&gateway, &request, &token).await;
    assert_eq!(sequences(&session.messages(1).await), [3]);
}

#[tokio::test]
async fn a_trimmed_position_is_a_gap_and_a_deletion_inside_is_none() {
    let (_nats, mut wire, gateway, request, token) = started().await;
    store(&mut wire, 10).await;
    let subject = format!("STREAM.MSG.DELETE.{STREAM}");
    wire.api(&subject, json!({ "seq": 7 })).await;
    let mut session = go_on(&gateway, &request, &token).await;
    let messages = session.messages(3).await;
    assert_eq!(sequences(&messages), [6, 8, 9]);

    purge(&mut wire, json!({ "seq": 12 })).await;
    let mut session = go_on(&gateway, &request, &token).await;
    let gap = next_gap(&mut session).await;
    assert_eq!((gap.last_sequence, gap.first_available_sequence), (5, 12));
    assert_eq!(sequences(&session.messages(4).await), [12, 13, 14, 15]);
}

#[tokio::test]
async fn a_gap_is_an_error_where_that_is_asked_for() {
    let (_nats, mut wire, gateway, request, token) = started().await;
    store(&mut wire, 5).await;
    let request = SubscribeRequest {
        on_gap: GapPolicy::Fail as i32,
        ..request
    };
    // Without a gap there is no error.
    let mut session = go_on(&gateway, &request, &token).await;
    session.messages(1).await;

    purge(&mut wire, json!({ "seq": 9 })).await;
    let answer = gateway
        .subscriber()
        .subscribe(resumed(&request, &token))
        .await;
    let status = refused(answer.map(|_| ()), Code::Aborted, "POSITION_LOST");
    let fact = |key: &str| metadata(&status, key).unwrap();
    assert_eq!(fact("last_sequence"), "5");
    assert_eq!(fact("first_available_sequence"), "9");
    assert_eq!(fact("stream_recreated"), "false");

    make_anew(&mut wire).await;
    let answer = gateway
        .subscriber()
        .subscribe(resumed(&request, &token))
        .await;
    let status = refused(answer.map(|_| ()), Code::Aborted, "POSITION_LOST");
    assert_eq!(metadata(&status, "stream_recreated").unwrap(), "true");
}
