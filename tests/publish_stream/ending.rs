//! How publish streams end: by their callers, without them, and with the gateway.

use std::time::Duration;

use jetgate::proto::publish_stream_request::Frame as Request;
use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{DrainingReason, PublishFrame, PublishOpen};
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    into_orders, lose_answers, message, minting, numbered, orders, payloads, start_behind_toxic,
};
use crate::support::consuming::time;
use crate::support::publishing::{Outcome, Publishing};
use crate::support::{Gateway, SOON, eventually, http_get, reason, refused, start_with_stream};

#[tokio::test]
async fn what_is_in_flight_is_answered_behind_the_callers_end() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let mut publishing = Publishing::open(&gateway, minting()).await;

    toxic.stall_answers();
    publishing.publish(1, numbered(1..=50)).await;
    publishing.half_close();
    lose_answers(&toxic, &mut wire, 50).await;
    publishing.end().await.unwrap();

    let stored = publishing
        .outcomes
        .values()
        .filter(|it| it.reason().is_empty());
    assert_eq!(stored.count(), 50);
}

#[tokio::test]
async fn what_a_vanished_caller_has_sent_is_followed_up() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let publishing = Publishing::open(&gateway, minting()).await;

    toxic.stall_answers();
    publishing.publish(1, numbered(1..=3)).await;
    eventually(SOON, async || {
        (wire.count("ORDERS").await == 3).then_some(())
    })
    .await;
    drop(publishing);
    toxic.cut();
    toxic.restore();

    // The gateway asks again, for nobody but its own books.
    let expected = r#"jetgate_published_messages_total{outcome="duplicate"} 3"#;
    eventually(SOON, async || {
        let (_, metrics) = http_get(&gateway.admin_url("/metrics")).await?;
        metrics.contains(expected).then_some(())
    })
    .await;
    assert_eq!(wire.count("ORDERS").await, 3);
}

#[tokio::test]
async fn a_drain_answers_what_was_read_and_sends_callers_elsewhere() {
    let (_nats, mut gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;
    publishing.publish(1, numbered(1..=100)).await;
    publishing.answered(1).await;

    gateway.request_shutdown();
    let draining = publishing
        .until(|frame| match frame {
            Frame::Draining(draining) => Some(draining.clone()),
            _ => None,
        })
        .await;
    let status = publishing.end().await.unwrap_err();

    assert_eq!(draining.reason(), DrainingReason::Shutdown);
    assert!(draining.deadline.is_some());
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "DRAINING")
    );
    assert!(status.get_details_retry_info().is_some());
    assert_eq!(publishing.outcomes.len(), 100);
    gateway.until_ended(SOON).await;
    assert_eq!(wire.count("ORDERS").await, 100);
}

#[tokio::test]
async fn a_drain_waits_no_longer_than_its_time() {
    let (nats, _, mut wire) = start_with_stream(orders()).await;
    let mut gateway = Gateway::start_with(&nats.url(), |config| {
        config.shutdown.drain = Duration::from_secs(2);
    })
    .await;
    // Somebody listens, and nobody answers.
    wire.subscribe("mute.x").await;
    let open = PublishOpen {
        publish_timeout: time(Duration::from_secs(600)),
        ..PublishOpen::default()
    };
    let mut publishing = Publishing::open(&gateway, open).await;
    publishing
        .publish(1, vec![message("mute.x", "1"), message("orders.x", "2")])
        .await;
    let outcome = publishing.answered(1).await[&2].clone();
    assert!(matches!(outcome, Outcome::Stored { .. }));

    gateway.request_shutdown();

    let end = publishing.end().await;
    refused(end, Code::Unavailable, "DRAINING");
    gateway.until_ended(SOON).await;
}

#[tokio::test]
async fn a_stream_that_is_old_ends_in_order_and_goes_on_in_another() {
    let (nats, _, mut wire) = start_with_stream(orders()).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.publish.max_stream_age = Duration::from_secs(1);
    })
    .await;
    let mut open = PublishOpen {
        producer_id: "shop".to_owned(),
        ..into_orders()
    };
    let mut next = 1;
    for _ in 0..2 {
        let mut publishing = Publishing::open(&gateway, open.clone()).await;
        open.producer_id = publishing.opened.producer_id.clone();
        open.resume = true;

        let (before, mut reasons) = (next - 1, Vec::new());
        let status = loop {
            if publishing.settled_through.max(before) + 1 >= next {
                let messages = PublishFrame {
                    first_number: next,
                    messages: numbered(next..next + 10),
                };
                // Nobody reads it where the end has begun.
                publishing.send_whenever(Request::Messages(messages)).await;
                next += 10;
            }
            match publishing.frame().await {
                Ok(Some(Frame::Draining(draining))) => reasons.push(draining.reason()),
                Ok(frame) => assert!(frame.is_some(), "ended with OK"),
                Err(status) => break status,
            }
        };
        assert_eq!(reasons, [DrainingReason::MaxAge]);
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unavailable, "DRAINING")
        );
        next = publishing.settled_through.max(before) + 1;
    }

    let expected: Vec<String> = (1..next).map(|number| number.to_string()).collect();
    assert!(expected.len() >= 20, "{next}");
    assert_eq!(payloads(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_gateway_that_drains_opens_no_stream() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let mut holding = Publishing::open(&gateway, into_orders()).await;
    holding.publish(1, numbered(1..=1)).await;
    holding.answered(1).await;

    gateway.request_shutdown();

    // On the connection that there is, where it is not closed yet.
    let answer = Publishing::try_open(&gateway, into_orders()).await;
    let status = answer.map(|_| ()).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
