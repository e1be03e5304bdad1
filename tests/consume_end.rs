//! How a `Consume` ends: half-close, drain, a caller that vanishes, a gateway that ends, old age.

use std::time::{Duration, Instant, SystemTime};

use jetgate::config::Config;
use jetgate::proto::{
    AckKind, ConsumeOpen, DrainingReason, OnSessionEnd, StallReason, SubscribeRequest,
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, create_consumer, nanoseconds, say, sequences,
    start_with_consumer, store_many, subscribe,
};
use crate::support::{Gateway, NatsServer, SOON, Wire, refused, start_with_stream};

async fn info(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await
}

/// How a drained session ends.
#[track_caller]
fn assert_drained(end: Result<(), Status>) {
    let status = refused(end, Code::Unavailable, "DRAINING");
    let retry = status.get_details_retry_info();
    assert!(retry.is_some_and(|info| info.retry_delay.is_some()));
}

/// A gateway with another configuration, and a consumer with a long ack wait.
async fn start_configured(change: impl FnOnce(&mut Config)) -> (NatsServer, Gateway, Wire) {
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    let (nats, _, mut wire) = start_with_stream(stream).await;
    create_consumer(&mut wire, json!({ "ack_wait": nanoseconds(600) })).await;
    let gateway = Gateway::start_with(&nats.url(), change).await;
    (nats, gateway, wire)
}

#[tokio::test]
async fn a_half_close_ends_the_session_like_a_vanished_caller() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 6).await;
    let mut gone = Consume::open(&gateway, open()).await;
    gone.messages(6).await;
    let mut other = Consume::open(&gateway, open()).await;
    other.heartbeat().await;

    // R8: what was said before still counts and is answered; R7: the rest goes to another, soon.
    gone.say(vec![range(AckKind::Ack, 1, 0), range(AckKind::Ack, 99, 0)]);
    gone.half_close();
    let left = Instant::now();
    let settled = gone.settled().await;
    assert_eq!(
        (settled.results[0].code, settled.results[1].code),
        (0, Code::InvalidArgument as i32)
    );
    gone.end().await.unwrap();

    let mut messages = sequences(&other.messages(5).await);
    messages.sort_unstable();
    assert_eq!(messages, [2, 3, 4, 5, 6]);
    assert!(
        left.elapsed() < Duration::from_secs(5),
        "{:?}",
        left.elapsed()
    );
}

#[tokio::test]
async fn a_vanished_callers_messages_come_as_on_session_end_says() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 2).await;
    for (attempt, ending) in [
        (1, OnSessionEnd::Nak),
        (2, OnSessionEnd::NakDelayed),
        (3, OnSessionEnd::Leave),
    ] {
        let request = ConsumeOpen {
            on_session_end: ending as i32,
            ..open()
        };
        let mut session = Consume::open(&gateway, request).await;
        let messages = session.messages(2).await;
        assert!(
            messages
                .iter()
                .all(|message| message.delivery_attempt == attempt)
        );
        drop(session);
    }

    // R7: left alone, for the rest of their ack wait.
    let mut other = Consume::open(&gateway, open()).await;
    for _ in 0..3 {
        other.heartbeat().await;
    }
    assert_eq!(info(&mut wire).await["num_ack_pending"], 2);
}

#[tokio::test]
async fn a_drain_ends_when_all_is_settled() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 20).await;
    let mut session = Consume::open(&gateway, open_window(5)).await;
    session.messages(5).await;

    // R8: no more deliveries, acknowledgements still taken; pings, too.
    session.drain();
    session.ping(7);
    assert_eq!(session.pong().await, 7);
    let settled = session.settle(vec![range(AckKind::Ack, 1, 3)], true).await;
    assert_eq!(settled.results[0].code, 0);
    assert_eq!(session.heartbeat().await.outstanding_messages, 2);
    session.drain();
    session.say(vec![range(AckKind::Ack, 4, 5)]);
    session.end().await.unwrap();

    let info = info(&mut wire).await;
    assert_eq!(
        (&info["delivered"]["consumer_seq"], &info["num_waiting"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(info["num_redelivered"], 0);
}

#[tokio::test]
async fn a_drain_of_an_idle_session_ends_at_once() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Consume::open(&gateway, open()).await;

    session.drain();
    session.end().await.unwrap();

    assert_eq!(info(&mut wire).await["num_waiting"], 0);
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_drains_hands_over_what_it_held() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 2).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(2).await;

    // R8, R7: it is its own drain, not the gateway's.
    session.drain();
    session.ping(1);
    session.pong().await;
    session.half_close();
    session.end().await.unwrap();

    let mut other = Consume::open(&gateway, open()).await;
    assert!(
        other
            .messages(2)
            .await
            .iter()
            .all(|message| message.delivery_attempt == 2)
    );
}

#[tokio::test]
async fn a_gateway_that_ends_takes_settlements_until_all_is_settled() {
    let (_nats, mut gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 20).await;
    let mut session = Consume::open(&gateway, open_window(5)).await;
    session.messages(5).await;

    // R9.
    gateway.request_shutdown();
    let draining = session.draining().await;
    assert_eq!(draining.reason(), DrainingReason::Shutdown);
    assert!(SystemTime::try_from(draining.deadline.unwrap()).unwrap() > SystemTime::now());
    session.ping(1);
    session.resize(100);
    assert_eq!(session.pong().await, 1);
    let settled = session.settle(vec![range(AckKind::Ack, 1, 5)], true).await;
    assert_eq!(settled.results[0].code, 0);

    assert_drained(session.end().await);
    drop(session);
    gateway.until_ended(SOON).await;
    let info = info(&mut wire).await;
    assert_eq!(
        (&info["delivered"]["consumer_seq"], &info["num_ack_pending"]),
        (&json!(5), &json!(0))
    );
}

#[tokio::test]
async fn a_gateway_that_ends_costs_no_delivery_attempt() {
    let drain = Duration::from_secs(2);
    let (nats, mut gateway, mut wire) =
        start_configured(|config| config.shutdown.drain = drain).await;
    store_many(&mut wire, 5).await;
    let mut session = Consume::open(&gateway, open()).await;
    let messages = session.messages(5).await;

    // R9: nothing is settled, so it lasts until the deadline; then nothing is naked.
    gateway.request_shutdown();
    session.draining().await;
    assert_drained(session.end().await);
    drop(session);
    gateway.until_ended(SOON).await;

    let state = info(&mut wire).await;
    assert_eq!(
        (&state["num_ack_pending"], &state["num_redelivered"]),
        (&json!(5), &json!(0))
    );
    let other = Gateway::start(&nats.url()).await;
    ack(&other, &messages).await;
    let state = info(&mut wire).await;
    assert_eq!(
        (
            &state["ack_floor"]["stream_seq"],
            &state["delivered"]["consumer_seq"]
        ),
        (&json!(5), &json!(5))
    );
}

#[tokio::test]
async fn a_caller_that_half_closes_a_draining_session_keeps_its_tokens() {
    let (nats, mut gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 3).await;
    let mut session = Consume::open(&gateway, open()).await;
    let messages = session.messages(3).await;

    gateway.request_shutdown();
    session.draining().await;
    session.half_close();
    session.end().await.unwrap();
    drop(session);
    gateway.until_ended(SOON).await;

    // R9.
    let other = Gateway::start(&nats.url()).await;
    ack(&other, &messages).await;
    let state = info(&mut wire).await;
    assert_eq!(
        (&state["ack_floor"]["stream_seq"], &state["num_redelivered"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn a_gateway_that_ends_opens_nothing_any_more() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let mut waiting = Consume::begin(&gateway).await;
    let mut session = Consume::open(&gateway, open()).await;
    let messages = session.messages(1).await;
    gateway.request_shutdown();
    session.draining().await;

    refused(waiting.end().await, Code::Unavailable, "DRAINING");
    let late = Consume::try_open(&gateway, open()).await;
    refused(late.map(|_| ()), Code::Unavailable, "DRAINING");

    session.say(vec![say(AckKind::Ack, &messages[0].ack_token)]);
    assert_drained(session.end().await);
}

#[tokio::test]
async fn an_old_session_ends_in_order() {
    let age = Duration::from_secs(3);
    let (_nats, gateway, mut wire) =
        start_configured(|config| config.subscribe.max_stream_age = age).await;
    store_many(&mut wire, 4).await;
    let opened = Instant::now();
    let mut consume = Consume::open(&gateway, open_window(2)).await;
    consume.messages(2).await;
    let mut subscribed = Session::open(
        &gateway,
        SubscribeRequest {
            flow: open_window(2).flow,
            ..subscribe()
        },
    )
    .await;
    let held = subscribed.messages(2).await;

    // R11: give or take a tenth, through R9.
    let draining = consume.draining().await;
    assert_eq!(draining.reason(), DrainingReason::MaxAge);
    assert!(
        opened.elapsed() >= age.mul_f64(0.9),
        "{:?}",
        opened.elapsed()
    );
    store_many(&mut wire, 2).await;
    consume.say(vec![range(AckKind::Ack, 1, 2)]);
    assert_drained(consume.end().await);

    let draining = loop {
        match subscribed.event().await {
            jetgate::proto::subscribe_response::Event::Heartbeat(_) => {}
            jetgate::proto::subscribe_response::Event::Draining(draining) => break draining,
            other => panic!("{other:?} instead of draining"),
        }
    };
    assert_eq!(draining.reason(), DrainingReason::MaxAge);
    ack(&gateway, &held).await;
    assert_drained(Err(subscribed.end().await));

    // The same replica takes the next.
    let mut next = Consume::open(&gateway, open()).await;
    assert_eq!(sequences(&next.messages(2).await), [5, 6]);
}

#[tokio::test]
async fn a_deleted_consumer_or_stream_ends_the_session_at_once() {
    for (subject, reason) in [
        (
            format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"),
            "CONSUMER_NOT_FOUND",
        ),
        (format!("STREAM.DELETE.{STREAM}"), "STREAM_NOT_FOUND"),
    ] {
        let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
        store_many(&mut wire, 4).await;
        let mut session = Consume::open(&gateway, open_window(2)).await;
        session.messages(2).await;
        session.stalled_by(StallReason::WindowFull).await;

        wire.api(&subject, Value::Null).await;

        // R9.
        let deleted = Instant::now();
        refused(session.end().await, Code::NotFound, reason);
        assert!(deleted.elapsed() < Duration::from_secs(5));
        let answer = Consume::try_open(&gateway, open()).await;
        refused(answer.map(|_| ()), Code::NotFound, reason);
    }
}
