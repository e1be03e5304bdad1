//! A gateway that shuts down: its sessions say so, and nothing that they hold is lost or repeated.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{Draining, DrainingReason, FetchRequest, OrderedConsumer, StallReason};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, create_consumer, fetch, fetched, nanoseconds, sequences,
    start_with_consumer, store_many, subscribe, subscribe_ordered, subscribe_window, time,
};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, refused};

/// The announcement, before which only heartbeats may come.
async fn draining(session: &mut Session) -> Draining {
    loop {
        match session.event().await {
            Event::Heartbeat(_) => {}
            Event::Draining(draining) => return draining,
            other => panic!("{other:?} instead of draining"),
        }
    }
}

/// How a drained session ends.
#[track_caller]
fn assert_drained(end: Status) {
    let status = refused::<()>(Err(end), Code::Unavailable, "DRAINING");
    let retry = status.get_details_retry_info();
    assert!(retry.is_some_and(|info| info.retry_delay.is_some()));
}

async fn info(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await
}

/// A gateway that drains for this long.
async fn start_draining_for(drain: Duration) -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| config.shutdown.drain = drain).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({ "ack_wait": nanoseconds(600) })).await;
    (nats, gateway, wire)
}

#[tokio::test]
async fn an_idle_session_is_told_and_ends() {
    let (_nats, mut gateway, _wire) = start_with_consumer(json!({})).await;
    let mut session = Session::open(&gateway, subscribe()).await;

    gateway.request_shutdown();
    let draining = draining(&mut session).await;

    // R9.
    assert_eq!(draining.reason(), DrainingReason::Shutdown);
    let deadline = SystemTime::try_from(draining.deadline.unwrap()).unwrap();
    assert!(deadline > SystemTime::now());
    assert_drained(session.end().await);
    drop(session);
    gateway.until_ended(SOON).await;
}

#[tokio::test]
async fn acks_are_taken_until_all_is_settled() {
    let (_nats, mut gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 10).await;
    let mut session = Session::open(&gateway, subscribe_window(5)).await;
    let messages = session.messages(5).await;

    gateway.request_shutdown();
    draining(&mut session).await;
    ack(&gateway, &messages).await;

    // R9: all is settled, long before the deadline of 30 s, and nothing more was delivered.
    assert_drained(session.end().await);
    let info = info(&mut wire).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 5);
    assert_eq!(info["delivered"]["stream_seq"], 5);
    drop(session);
    gateway.until_ended(SOON).await;
}

#[tokio::test]
async fn what_is_not_settled_by_the_deadline_stays_the_callers() {
    let (nats, mut gateway, mut wire) = start_draining_for(Duration::from_secs(3)).await;
    store_many(&mut wire, 5).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(5).await;

    gateway.request_shutdown();
    draining(&mut session).await;
    assert_drained(session.end().await);
    gateway.until_ended(SOON).await;

    // R9: a drain costs no attempt, the tokens are good elsewhere.
    let other = Gateway::start(&nats.url()).await;
    let state = info(&mut wire).await;
    assert_eq!(
        (&state["num_ack_pending"], &state["num_redelivered"]),
        (&json!(5), &json!(0))
    );
    ack(&other, &messages).await;
    let state = info(&mut wire).await;
    assert_eq!(state["ack_floor"]["stream_seq"], 5);
    assert_eq!(state["delivered"]["consumer_seq"], 5);
}

#[tokio::test]
async fn a_caller_that_leaves_while_draining_keeps_its_tokens() {
    let (nats, mut gateway, mut wire) = start_draining_for(Duration::from_secs(20)).await;
    store_many(&mut wire, 2).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(2).await;

    gateway.request_shutdown();
    draining(&mut session).await;
    drop(session);
    gateway.until_ended(SOON).await;

    // It goes on at another gateway, as it was told to.
    let other = Gateway::start(&nats.url()).await;
    ack(&other, &messages).await;
    let state = info(&mut wire).await;
    assert_eq!(
        (&state["ack_floor"]["stream_seq"], &state["num_redelivered"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn what_was_never_sent_is_given_back_and_the_rest_left_alone() {
    let (nats, mut gateway, mut wire) = start_draining_for(Duration::from_secs(2)).await;
    // More than a connection holds that nobody reads, and less than the window.
    for _ in 0..70 {
        wire.store("orders.x", &[b'x'; 100_000]).await;
    }
    let mut session = Session::open(&gateway, subscribe()).await;
    eventually(SOON, async || {
        (info(&mut wire).await["num_ack_pending"] == 70).then_some(())
    })
    .await;

    gateway.request_shutdown();
    gateway.until_ended(SOON).await;

    // What was sent is the caller's, although it reads only now.
    let mut sent = HashSet::new();
    loop {
        match session.try_event().await {
            Ok(Event::Messages(batch)) => sent.extend(sequences(&batch.messages)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    // R9: nothing waits for its first delivery and no ack wait is over, so what comes was given back.
    let other = Gateway::start(&nats.url()).await;
    let request = FetchRequest {
        max_wait: time(Duration::from_secs(1)),
        ..fetch(70)
    };
    loop {
        let messages = fetched(&other, request.clone()).await;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            assert_eq!(message.delivery_attempt, 2);
            assert!(!sent.contains(&message.stream_sequence), "{message:?}");
        }
    }
    let state = info(&mut wire).await;
    assert_eq!(state["ack_floor"]["stream_seq"], 0);
    assert_eq!(state["num_ack_pending"], 70);
}

#[tokio::test]
async fn a_fetch_returns_what_it_has() {
    let (_nats, mut gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let mut subscriber = gateway.subscriber();
    let request = FetchRequest {
        max_wait: time(Duration::from_secs(60)),
        ..fetch(10)
    };
    let call = tokio::spawn(async move { subscriber.fetch(request).await });
    eventually(SOON, async || {
        (info(&mut wire).await["num_ack_pending"] == 2).then_some(())
    })
    .await;

    gateway.request_shutdown();

    let messages = call.await.unwrap().unwrap().into_inner().messages;
    assert_eq!(sequences(&messages), [1, 2]);
    gateway.until_ended(SOON).await;
}

#[tokio::test]
async fn an_ordered_session_ends_and_leaves_no_consumer() {
    let (_nats, mut gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let request = subscribe_ordered(OrderedConsumer::default());
    let mut session = Session::open(&gateway, request).await;
    session.messages(2).await;

    gateway.request_shutdown();
    draining(&mut session).await;
    assert_drained(session.end().await);
    gateway.until_ended(SOON).await;

    let stream = wire.stream_info(STREAM).await;
    assert_eq!(stream["state"]["consumer_count"], 1);
}

#[tokio::test]
async fn nothing_new_is_opened_while_draining() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let mut session = Session::open(&gateway, subscribe_window(1)).await;
    let messages = session.messages(1).await;
    gateway.request_shutdown();
    draining(&mut session).await;

    // On the connection that there is.
    let answer = gateway.subscriber().subscribe(subscribe()).await;
    refused(answer.map(|_| ()), Code::Unavailable, "DRAINING");
    let answer = gateway.subscriber().fetch(fetch(1)).await;
    refused(answer, Code::Unavailable, "DRAINING");

    ack(&gateway, &messages).await;
    assert_drained(session.end().await);
}

#[tokio::test]
async fn a_nats_that_is_away_does_not_hold_up_the_end() {
    let (mut nats, mut gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 20).await;
    let mut gone = Session::open(&gateway, subscribe()).await;
    gone.messages(20).await;
    let mut stays = Session::open(&gateway, subscribe()).await;
    nats.kill();
    stays.stalled_by(StallReason::NatsDisconnected).await;

    // Nothing of this session can be given back now; its ack wait decides.
    drop(gone);
    for _ in 0..2 {
        stays.heartbeat().await;
    }
    gateway.request_shutdown();
    draining(&mut stays).await;
    assert_drained(stays.end().await);
    drop(stays);

    // The drain's own 30 s are for callers that settle.
    gateway.until_ended(SOON).await;
}
