//! What `/metrics` says of calls, messages and connections that really were.

use std::time::Duration;

use jetgate::config::Config;
use jetgate::proto::publish_request::Payload;
use jetgate::proto::{AckKind, PublishOpen, PublishRequest, StallReason};
use serde_json::json;
use tonic::Code;

use crate::support::consume::{Consume, open};
use crate::support::consuming::{
    STREAM, Session, ack, fetch, fetched, nanoseconds, settle, start_with_consumer,
    subscribe_window,
};
use crate::support::publishing::Publishing;
use crate::support::{Gateway, NatsServer, SOON, eventually, http_get, raw_call, refused};

async fn metrics(gateway: &Gateway) -> String {
    http_get(&gateway.admin_url("/metrics")).await.unwrap().1
}

/// The value of the series that has all of these labels; 0 where there is none.
fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    };
    let line = text.lines().find(is_it);
    line.map_or(0.0, |line| {
        line.rsplit(' ').next().unwrap().parse().unwrap()
    })
}

/// Waits until the series has this value.
async fn until(gateway: &Gateway, name: &str, labels: &[&str], wanted: f64) {
    eventually(SOON, async || {
        (value(&metrics(gateway).await, name, labels) == wanted).then_some(())
    })
    .await;
}

fn order(subject: &str) -> PublishRequest {
    PublishRequest {
        subject: subject.to_owned(),
        payload: Some(Payload::Text("text".to_owned())),
        ..PublishRequest::default()
    }
}

#[tokio::test]
async fn calls_are_counted_with_their_messages_and_reasons() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let publish = [
        "\"unary\"",
        "\"jetgate.v1.PublisherService\"",
        "\"Publish\"",
    ];
    let stream = ["\"bidi_stream\"", "\"PublishStream\""];

    gateway
        .publisher()
        .publish(order("orders.x"))
        .await
        .unwrap();
    let nobody = gateway.publisher().publish(order("nobody.x")).await;
    refused(nobody, Code::NotFound, "NO_STREAM_FOR_SUBJECT");
    let mut open = Publishing::open(&gateway, PublishOpen::default()).await;
    open.publish(1, vec![order("orders.x"), order("orders.y")])
        .await;
    open.settled(2).await;
    raw_call(gateway.public(), "/made.up/Path", &[], &[]).await;

    let text = metrics(&gateway).await;
    let started = "grpc_server_started_total";
    assert_eq!(value(&text, started, &publish), 2.0, "{text}");
    assert_eq!(value(&text, started, &stream), 1.0, "{text}");
    assert_eq!(value(&text, started, &["grpc_service=\"other\""]), 1.0);
    let handled = "grpc_server_handled_total";
    let with = |code| [publish[0], publish[1], publish[2], code];
    assert_eq!(value(&text, handled, &with("grpc_code=\"OK\"")), 1.0);
    assert_eq!(value(&text, handled, &with("grpc_code=\"NotFound\"")), 1.0);
    let name = "grpc_server_handling_seconds_count";
    assert_eq!(value(&text, name, &publish), 2.0);
    let (received, sent) = (
        "grpc_server_msg_received_total",
        "grpc_server_msg_sent_total",
    );
    assert_eq!(value(&text, received, &publish), 2.0);
    assert_eq!(value(&text, sent, &publish), 1.0);
    // Two frames, and at least opened and an answer.
    assert_eq!(value(&text, received, &stream), 2.0);
    assert!(value(&text, sent, &stream) >= 2.0);
    let errors = "jetgate_call_errors_total";
    assert_eq!(value(&text, errors, &["\"NO_STREAM_FOR_SUBJECT\""]), 1.0);

    // Published messages, those of the stream included, and what is open.
    let published = "jetgate_published_messages_total";
    assert_eq!(value(&text, published, &["\"stored\""]), 3.0);
    assert_eq!(value(&text, "jetgate_publish_ack_seconds_count", &[]), 3.0);
    assert_eq!(value(&text, "jetgate_publish_streams", &[]), 1.0);
    until(&gateway, "jetgate_publish_in_flight_messages", &[], 0.0).await;
    open.half_close();
    open.end().await.unwrap();
    until(&gateway, "jetgate_publish_streams", &[], 0.0).await;
}

#[tokio::test]
async fn messages_on_their_way_are_shown_until_their_outcome_is_known() {
    let nats = NatsServer::start().await;
    let change = |config: &mut Config| config.nats.ping_interval = Duration::from_secs(1);
    let gateway = Gateway::start_with(&nats.url(), change).await;
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    nats.wire().await.create_stream(stream).await;
    gateway
        .publisher()
        .publish(order("orders.x"))
        .await
        .unwrap();
    let name = "jetgate_publish_in_flight_messages";
    nats.pause();
    let mut request = tonic::Request::new(order("orders.x"));
    request.set_timeout(Duration::from_secs(2));

    let mut publisher = gateway.publisher();
    let (outcome, ()) = tokio::join!(publisher.publish(request), until(&gateway, name, &[], 1.0));

    assert!(outcome.is_err());
    until(&gateway, name, &[], 0.0).await;
    let unknown = ["outcome=\"unknown\""];
    until(&gateway, "jetgate_published_messages_total", &unknown, 1.0).await;
    // Nobody answers any more: the connections are given up.
    let role = ["role=\"requests\""];
    until(&gateway, "jetgate_nats_connected", &role, 0.0).await;
    nats.resume();
    until(&gateway, "jetgate_nats_connected", &role, 1.0).await;
    let text = metrics(&gateway).await;
    assert!(value(&text, "jetgate_nats_reconnects_total", &role) >= 1.0);
    until(&gateway, "jetgate_ready", &[], 1.0).await;
}

#[tokio::test]
async fn deliveries_are_counted_with_what_comes_again_and_why_nothing_comes() {
    let settings = json!({ "ack_wait": nanoseconds(60) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    for _ in 0..3 {
        wire.store("orders.x", b"1").await;
    }

    let mut session = Session::open(&gateway, subscribe_window(2)).await;
    let messages = session.messages(2).await;
    until(&gateway, "jetgate_sessions", &[], 1.0).await;
    session.stalled_by(StallReason::WindowFull).await;
    let reason = ["reason=\"WINDOW_FULL\""];
    until(&gateway, "jetgate_stalled_sessions", &reason, 1.0).await;
    let settled = "jetgate_delivery_settle_seconds_count";
    assert_eq!(value(&metrics(&gateway).await, settled, &[]), 0.0);
    settle(&gateway, AckKind::Nak, &messages[..1]).await;
    until(&gateway, settled, &[], 1.0).await;
    let again = session.messages(1).await;
    until(&gateway, "jetgate_outstanding_messages", &[], 2.0).await;
    drop(session);
    until(&gateway, "jetgate_sessions", &[], 0.0).await;
    until(&gateway, "jetgate_stalled_sessions", &reason, 0.0).await;

    let delivered = value(
        &metrics(&gateway).await,
        "jetgate_delivered_messages_total",
        &[],
    );
    assert_eq!(delivered, 3.0);
    drop(again);
    let rest = fetched(&gateway, fetch(3)).await;
    ack(&gateway, &rest).await;

    let text = metrics(&gateway).await;
    let again = rest.iter().filter(|message| message.delivery_attempt > 1);
    let again = again.count() as f64;
    let redelivered = value(&text, "jetgate_redelivered_messages_total", &[]);
    assert!(redelivered >= again, "{redelivered} of {again}");
    let settled = ["kind=\"ack\"", "outcome=\"confirmed\""];
    let acks = value(&text, "jetgate_settlements_total", &settled);
    assert_eq!(acks, rest.len() as f64);
    let name = "jetgate_settlement_confirm_seconds_count";
    assert_eq!(value(&text, name, &[]), acks + 1.0);
    let stalls = value(&text, "jetgate_session_stalls_total", &reason);
    assert!(stalls >= 1.0);
}

#[tokio::test]
async fn the_time_that_callers_take_is_measured_once_for_each_delivery() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for _ in 0..3 {
        wire.store("orders.x", b"1").await;
    }
    let mut consume = Consume::open(&gateway, open()).await;
    let messages = consume.messages(3).await;

    for _ in 0..2 {
        consume.ack(&messages).await;
    }

    let text = metrics(&gateway).await;
    let name = "jetgate_delivery_settle_seconds";
    assert_eq!(value(&text, &format!("{name}_count"), &[]), 3.0);
    assert!(value(&text, &format!("{name}_sum"), &[]) > 0.0);
}

#[tokio::test]
async fn a_drain_is_shown_while_it_lasts() {
    let (_nats, mut gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.store("orders.x", b"1").await;
    let mut session = Session::open(&gateway, subscribe_window(2)).await;
    let messages = session.messages(1).await;
    assert_eq!(
        value(&metrics(&gateway).await, "jetgate_draining", &[]),
        0.0
    );

    gateway.request_shutdown();

    until(&gateway, "jetgate_draining", &[], 1.0).await;
    until(&gateway, "jetgate_ready", &[], 0.0).await;
    ack(&gateway, &messages).await;
    gateway.until_ended(SOON).await;
}
