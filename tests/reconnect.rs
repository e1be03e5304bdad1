//! Sessions while NATS is away: they stay, say so, and go on.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{FetchRequest, StallReason};
use serde_json::json;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, create_consumer, fetch, sequences, start_with_consumer,
    store_many, subscribe, subscribe_window,
};
use crate::support::{
    Clients, Gateway, NatsServer, SOON, Toxic, Wire, answered, eventually, refused,
};

/// A server whose every message is on disk before it is acknowledged, so that a crash loses none.
async fn start_durable() -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start_with("jetstream: { sync_interval: always }").await;
    let gateway = Gateway::start(&nats.url()).await;
    let wire = with_consumer(&nats).await;
    (nats, gateway, wire)
}

/// A server behind a proxy that the tests can stall.
async fn start_behind_toxic() -> (NatsServer, Toxic, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let url = format!("nats://{}", toxic.address());
    let gateway = Gateway::start_with(&url, |config| {
        config.nats.ping_interval = Duration::from_secs(1);
    })
    .await;
    let wire = with_consumer(&nats).await;
    (nats, toxic, gateway, wire)
}

async fn with_consumer(nats: &NatsServer) -> Wire {
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    wire
}

/// Acks until it is confirmed, as callers do when NATS was away.
async fn ack_in_the_end(clients: &Clients, session: &mut Session, until: u64, wire: &mut Wire) {
    let mut done = 0;
    while done < until {
        let batch = session.batch().await;
        ack(clients, &batch).await;
        done = wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"]
            .as_u64()
            .unwrap();
    }
}

#[tokio::test]
async fn a_session_outlives_a_crash_of_the_server() {
    let (mut nats, gateway, mut wire) = start_durable().await;
    store_many(&mut wire, 2).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(2).await;
    ack(&gateway, &messages).await;

    // R12.
    nats.kill();
    session.stalled_by(StallReason::NatsDisconnected).await;
    nats.restart().await;
    let mut wire = nats.wire().await;
    store_many(&mut wire, 3).await;

    // A crash costs JetStream the acks of its last moments, so that their messages may come again.
    let restored = Instant::now();
    let mut seen = HashSet::new();
    while !(3..=5).all(|sequence| seen.contains(&sequence)) {
        let batch = session.batch().await;
        seen.extend(sequences(&batch));
        ack(&gateway, &batch).await;
    }
    assert!(restored.elapsed() < SOON);
    let heartbeat = session.stalled_by(StallReason::NoMessages).await;
    assert_eq!(heartbeat.outstanding_messages, 0);
}

#[tokio::test]
async fn what_was_held_during_a_crash_can_be_settled_afterwards() {
    let (mut nats, gateway, mut wire) = start_durable().await;
    store_many(&mut wire, 20).await;
    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let messages = session.messages(10).await;
    // By then JetStream has written down that they are delivered.
    session.stalled_by(StallReason::WindowFull).await;

    nats.kill();
    let heartbeat = session.stalled_by(StallReason::NatsDisconnected).await;
    assert_eq!(heartbeat.outstanding_messages, 10);
    nats.restart().await;
    let mut wire = nats.wire().await;
    eventually(SOON, async || {
        wire.try_api(&format!("CONSUMER.INFO.{STREAM}.{CONSUMER}"), json!(null))
            .await
            .filter(|info| info.get("error").is_none())
    })
    .await;
    ack(&gateway, &messages).await;

    // The crash may have cost JetStream the knowledge of some deliveries, never the messages.
    ack_in_the_end(&gateway, &mut session, 20, &mut wire).await;
}

#[tokio::test]
async fn a_session_outlives_several_crashes() {
    let (mut nats, gateway, _wire) = start_durable().await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let mut seen = HashSet::new();

    // A crash costs JetStream the acks of its last moments, so that their messages may come again.
    for round in 1..=3 {
        nats.restart().await;
        store_many(&mut nats.wire().await, 5).await;
        while seen.len() < round * 5 {
            let batch = session.batch().await;
            seen.extend(sequences(&batch));
            ack(&gateway, &batch).await;
        }
    }

    assert_eq!(seen, (1..=15).collect());
}

#[tokio::test]
async fn a_session_outlives_a_stalled_connection() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let mut session = Session::open(&gateway, subscribe()).await;
    session.heartbeat().await;

    // Nothing breaks: only a round trip tells that nobody answers any more.
    toxic.stall();
    session.stalled_by(StallReason::NatsDisconnected).await;
    store_many(&mut wire, 3).await;
    toxic.restore();

    assert_eq!(session.consume(&gateway, 3).await.len(), 3);
}

#[tokio::test]
async fn heartbeats_come_in_time_while_nats_does_not_answer() {
    let (nats, _, _wire) = start_with_consumer(json!({})).await;
    let toxic = Toxic::start(nats.address()).await;
    // It finds out only after many heartbeats that nobody answers.
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    session.heartbeat().await;

    // R10: a second was asked for; almost another one is for a slow machine.
    toxic.stall();
    let mut longest = Duration::ZERO;
    for _ in 0..9 {
        let started = Instant::now();
        assert!(matches!(session.event().await, Event::Heartbeat(_)));
        longest = longest.max(started.elapsed());
    }

    assert!(longest < Duration::from_millis(1_900), "{longest:?}");
}

#[tokio::test]
async fn a_session_outlives_connections_that_are_cut_again_and_again() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    store_many(&mut wire, 200).await;
    let mut session = Session::open(&gateway, subscribe_window(20)).await;

    for _ in 0..5 {
        let batch = session.batch().await;
        toxic.cut();
        toxic.restore();
        ack(&gateway, &batch).await;
    }

    // Duplicates may come, nothing is lost: every message is acked in the end.
    ack_in_the_end(&gateway, &mut session, 200, &mut wire).await;
}

#[tokio::test]
async fn a_fetch_goes_on_after_its_connection_was_cut() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let mut subscriber = gateway.subscriber();
    // Time enough to connect again on a busy machine; it returns as soon as the message is there.
    let request = FetchRequest {
        max_wait: Some(prost_types::Duration::try_from(3 * SOON).unwrap()),
        ..fetch(1)
    };
    let call = tokio::spawn(async move { subscriber.fetch(request).await });
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 1).then_some(())
    })
    .await;

    toxic.cut();
    toxic.restore();
    store_many(&mut wire, 1).await;

    let messages = call.await.unwrap().unwrap().into_inner().messages;
    assert_eq!(sequences(&messages), [1]);
}

#[tokio::test]
async fn opening_while_nats_is_away_fails_in_time() {
    let (mut nats, gateway, _wire) = start_with_consumer(json!({})).await;
    nats.kill();

    let answer = answered(Duration::from_secs(2), subscribe(), async |request| {
        gateway.subscriber().subscribe(request).await
    })
    .await;

    refused(
        answer.map(|_| ()),
        tonic::Code::Unavailable,
        "NATS_DISCONNECTED",
    );
}
