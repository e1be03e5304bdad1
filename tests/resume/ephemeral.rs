//! Ephemeral consumers that go on in another session.

use std::time::Duration;

use jetgate::proto::consume_open::Source as Consumed;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    AckPolicy, ConsumeOpen, DeliverPolicy, EphemeralConsumer, ReceivedMessage, Resumption,
    SubscribeRequest,
};
use serde_json::{Value, json};

use super::{resumed, start, store};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{
    STREAM, Session, ack, sequences, subscribe, subscribe_window, time,
};
use crate::support::{Gateway, Replica, SOON, Wire, eventually};

fn ephemeral(ephemeral: EphemeralConsumer) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ephemeral(ephemeral)),
        ..subscribe()
    }
}

async fn delete_consumer(wire: &mut Wire, name: &str) {
    wire.api(&format!("CONSUMER.DELETE.{STREAM}.{name}"), Value::Null)
        .await;
}

/// Acks these deliveries, the first ones, and waits for the token that knows of it.
async fn token_behind(
    gateway: &Gateway,
    session: &mut Session,
    messages: &[ReceivedMessage],
) -> String {
    let old = session.token.clone();
    ack(gateway, messages).await;
    eventually(SOON, async || {
        session.heartbeat().await;
        (session.token != old).then_some(())
    })
    .await;
    session.token.clone()
}

#[tokio::test]
async fn after_a_kill_only_what_was_not_settled_comes_again() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 20).await;
    let replica = Replica::start(&nats.url()).await;
    let request = SubscribeRequest {
        source: Some(Source::Ephemeral(EphemeralConsumer {
            ack_wait: time(Duration::from_secs(2)),
            ..EphemeralConsumer::default()
        })),
        ..subscribe_window(10)
    };
    let mut session = Session::open(&replica.clients, request.clone()).await;
    let messages = session.messages(10).await;
    let settled = [0, 1, 4, 5, 9].map(|place| messages[place].clone());
    ack(&replica.clients, &settled).await;
    let (token, consumer) = (session.token.clone(), session.opened.consumer.clone());
    replica.kill().await;
    store(&mut wire, 5).await;

    let replica = Replica::start(&nats.url()).await;
    let mut session = Session::open(&replica.clients, resumed(&request, &token)).await;
    assert_eq!(session.opened.resumed(), Resumption::Consumer);
    assert_eq!(session.opened.consumer, consumer);
    // R13: 20 are left of 25. Some of the first window may have been on their way to the gateway.
    let mut came = sequences(&session.consume(&replica.clients, 20).await);
    came.sort_unstable();
    let settled = sequences(&settled);
    let expected: Vec<u64> = (1..=25).filter(|it| !settled.contains(it)).collect();
    assert_eq!(came, expected);

    // And never again.
    for _ in 0..3 {
        session.heartbeat().await;
    }
}

#[tokio::test]
async fn one_that_is_gone_is_made_anew_behind_its_ack_floor() {
    let (nats, mut wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    store(&mut wire, 6).await;
    let request = ephemeral(EphemeralConsumer::default());
    let mut session = Session::open(&gateway, request.clone()).await;
    let messages = session.messages(6).await;
    ack(&gateway, &messages[4..5]).await;
    let token = token_behind(&gateway, &mut session, &messages[..3]).await;
    delete_consumer(&mut wire, &session.opened.consumer).await;
    drop(session);
    store(&mut wire, 1).await;

    let mut session = Session::open(&gateway, resumed(&request, &token)).await;
    assert_eq!(session.opened.resumed(), Resumption::AckFloor);
    let messages = session.messages(4).await;
    assert_eq!(sequences(&messages), [4, 5, 6, 7]);
    ack(&gateway, &messages).await;
}

#[tokio::test]
async fn new_misses_nothing_when_it_is_gone_before_its_first_message() {
    let (nats, mut wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    store(&mut wire, 3).await;
    let request = ephemeral(EphemeralConsumer {
        deliver_policy: DeliverPolicy::New as i32,
        ..EphemeralConsumer::default()
    });
    let session = Session::open(&gateway, request.clone()).await;
    let token = session.token.clone();
    delete_consumer(&mut wire, &session.opened.consumer).await;
    drop(session);
    store(&mut wire, 2).await;

    let mut session = Session::open(&gateway, resumed(&request, &token)).await;
    assert_eq!(session.opened.resumed(), Resumption::AckFloor);
    assert_eq!(sequences(&session.messages(2).await), [4, 5]);
}

#[tokio::test]
async fn without_acks_it_goes_on_behind_its_last_message() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 30).await;
    let replica = Replica::start(&nats.url()).await;
    let request = SubscribeRequest {
        source: Some(Source::Ephemeral(EphemeralConsumer {
            ack_policy: AckPolicy::None as i32,
            ..EphemeralConsumer::default()
        })),
        max_response_bytes: 2_000,
        ..subscribe_window(4)
    };
    let mut session = Session::open(&replica.clients, request.clone()).await;
    let mut messages = session.batch().await;
    let token = session.token.clone();
    replica.kill().await;

    let replica = Replica::start(&nats.url()).await;
    let mut session = Session::open(&replica.clients, resumed(&request, &token)).await;
    assert_eq!(session.opened.resumed(), Resumption::AckFloor);
    messages.extend(session.messages(30 - messages.len()).await);

    assert_eq!(sequences(&messages), (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_gone_behind_the_ack_floor_is_a_gap() {
    let (nats, mut wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    store(&mut wire, 4).await;
    let request = ephemeral(EphemeralConsumer::default());
    let mut session = Session::open(&gateway, request.clone()).await;
    let messages = session.messages(4).await;
    let token = token_behind(&gateway, &mut session, &messages[..2]).await;
    delete_consumer(&mut wire, &session.opened.consumer).await;
    drop(session);
    store(&mut wire, 4).await;
    let subject = format!("STREAM.PURGE.{STREAM}");
    wire.api(&subject, json!({ "seq": 6 })).await;

    let mut session = Session::open(&gateway, resumed(&request, &token)).await;
    match session.event().await {
        Event::Gap(gap) => {
            assert!(!gap.stream_recreated);
            assert_eq!((gap.last_sequence, gap.first_available_sequence), (2, 6));
        }
        other => panic!("{other:?} instead of a gap"),
    }
    assert_eq!(sequences(&session.messages(3).await), [6, 7, 8]);
}

#[tokio::test]
async fn the_consumer_of_a_session_that_is_drained_stays_whoever_ends_that() {
    let (nats, mut wire) = start().await;
    store(&mut wire, 2).await;
    let old = Gateway::start_with(&nats.url(), |config| {
        config.subscribe.max_stream_age = Duration::from_secs(1);
    })
    .await;
    let new = Gateway::start(&nats.url()).await;
    let request = || ConsumeOpen {
        source: Some(Consumed::Ephemeral(EphemeralConsumer::default())),
        ..open()
    };
    let mut first = Consume::open(&old, request()).await;
    let held = first.messages(2).await;
    let draining = first.draining().await;

    let again = ConsumeOpen {
        held: held.iter().map(|it| it.ack_token.clone()).collect(),
        resume_token: draining.resume_token,
        ..request()
    };
    let mut second = Consume::open(&new, again).await;
    assert_eq!(second.opened.consumer, first.opened.consumer);
    first.half_close();
    first.end().await.unwrap();

    store(&mut wire, 1).await;
    let messages = second.messages(1).await;
    assert_eq!(messages[0].stream_sequence, 3);
    second.ack(&messages).await;
    // A session that is not drained takes its consumer along.
    second.half_close();
    eventually(SOON, async || {
        let subject = format!("CONSUMER.INFO.{STREAM}.{}", second.opened.consumer);
        wire.try_api(&subject, Value::Null).await?["error"]
            .is_object()
            .then_some(())
    })
    .await;
}
