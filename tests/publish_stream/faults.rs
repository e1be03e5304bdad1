//! Publish streams whose stream refuses, whose NATS goes away, or whose gateway ends.

use std::time::Duration;

use jetgate::proto::{PublishOpen, PublishOrdering};
use serde_json::json;

use super::{
    into_orders, lose_answers, message, minting, numbered, orders, start_behind_toxic, with_id,
};
use crate::support::consuming::time;
use crate::support::publishing::{Outcome, Publishing, assert_truthful, stored_numbers};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, start_with_stream};

fn reasons(publishing: &Publishing) -> Vec<String> {
    publishing.outcomes.values().map(Outcome::reason).collect()
}

#[tokio::test]
async fn a_full_stream_refuses_what_it_has_no_room_for() {
    let config = json!({
        "name": "ORDERS", "subjects": ["orders.>"], "max_msgs": 5, "discard": "new",
    });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;

    publishing.publish(1, numbered(1..=10)).await;
    publishing.answered(10).await;

    let full = "STREAM_FULL".to_owned();
    assert_eq!(
        reasons(&publishing)
            .iter()
            .filter(|it| **it == full)
            .count(),
        5
    );
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
}

#[tokio::test]
async fn messages_that_are_too_large_fail_alone() {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "max_msg_size": 100 });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;

    let messages = vec![
        message("orders.x", "1"),
        message("orders.x", &"2".repeat(200)),
        message("orders.x", &"3".repeat(2_000_000)),
        message("orders.x", "4"),
    ];
    publishing.publish(1, messages).await;
    publishing.answered(4).await;

    let too_large = "MESSAGE_TOO_LARGE";
    assert_eq!(reasons(&publishing), ["", too_large, too_large, ""]);
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
}

#[tokio::test]
async fn a_subject_that_the_gateway_may_not_publish_to_fails_at_once() {
    let config = "authorization { users: [\n\
         { user: admin, password: admin }\n\
         { user: gateway, password: gateway, permissions: { publish: { deny: [\"orders.no\"] } } }\n\
         ] }";
    let nats = NatsServer::start_with(config).await;
    let url = nats.url().replace("nats://", "nats://gateway:gateway@");
    let gateway = Gateway::start(&url).await;
    let mut wire = Wire::connect_as(nats.address(), "admin", "admin").await;
    wire.create_stream(orders()).await;
    let open = PublishOpen {
        publish_timeout: time(SOON * 10),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    let messages = vec![
        message("orders.x", "1"),
        message("orders.no", "2"),
        message("orders.x", "3"),
    ];
    publishing.publish(1, messages).await;
    publishing.answered(3).await;

    assert_eq!(reasons(&publishing), ["", "NATS_PERMISSION_DENIED", ""]);
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
}

/// Publishes frames of ten while `fault` is done, and waits for all answers.
async fn publish_through(publishing: &mut Publishing, frames: u64, fault: impl AsyncFnOnce()) {
    for frame in 0..frames / 2 {
        publishing
            .publish(frame * 10 + 1, numbered(frame * 10 + 1..=frame * 10 + 10))
            .await;
    }
    publishing.answered(10).await;
    fault().await;
    for frame in frames / 2..frames {
        publishing
            .publish(frame * 10 + 1, numbered(frame * 10 + 1..=frame * 10 + 10))
            .await;
    }
    publishing.half_close();
    publishing.end().await.unwrap();
    assert_eq!(publishing.outcomes.len() as u64, frames * 10);
}

#[tokio::test]
async fn with_ids_every_message_is_stored_once_across_a_crash_of_nats() {
    let (mut nats, gateway, _wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, minting()).await;

    publish_through(&mut publishing, 40, async || nats.restart().await).await;

    // What was acknowledged just before a crash need not be on the disk; here nothing else is lost.
    let mut wire = nats.wire().await;
    let unknown = reasons(&publishing)
        .iter()
        .filter(|it| !it.is_empty())
        .count();
    assert_eq!(unknown, 0, "{:?}", reasons(&publishing));
    let stored = stored_numbers(&mut wire, "ORDERS").await;
    assert!(stored.values().all(|places| places.len() == 1));
}

#[tokio::test]
async fn without_ids_nothing_is_stored_twice_and_every_answer_is_true() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let open = PublishOpen {
        publish_timeout: time(SOON),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    // The messages arrive, their answers do not; then the connection breaks.
    publishing.publish(1, numbered(1..=5)).await;
    publishing.answered(5).await;
    toxic.stall_answers();
    publishing.publish(6, numbered(6..=20)).await;
    lose_answers(&toxic, &mut wire, 20).await;
    publishing.publish(21, numbered(21..=30)).await;
    publishing.answered(30).await;

    let reasons = reasons(&publishing);
    assert!(
        reasons[5..20]
            .iter()
            .all(|it| it == "PUBLISH_OUTCOME_UNKNOWN"),
        "{reasons:?}"
    );
    assert!(reasons[20..].iter().all(String::is_empty), "{reasons:?}");
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
}

#[tokio::test]
async fn lost_answers_are_found_again_by_the_ids() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let mut publishing = Publishing::open(&gateway, minting()).await;
    publishing.publish(1, numbered(1..=5)).await;
    publishing.answered(5).await;

    toxic.stall_answers();
    publishing.publish(6, numbered(6..=300)).await;
    lose_answers(&toxic, &mut wire, 300).await;
    publishing.answered(300).await;

    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
    let stored = publishing
        .outcomes
        .values()
        .filter(|it| it.reason().is_empty());
    assert_eq!(stored.count(), 300);
}

#[tokio::test]
async fn nothing_is_repeated_once_its_id_is_forgotten() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let mut config = orders();
    config["duplicate_window"] = json!(2_000_000_000_u64);
    wire.api("STREAM.UPDATE.ORDERS", config).await;
    let mut publishing = Publishing::open(&gateway, minting()).await;
    assert_eq!(publishing.opened.duplicate_window.unwrap().seconds, 2);

    toxic.stall_answers();
    publishing.publish(1, vec![with_id("once", "1")]).await;
    eventually(SOON, async || {
        (wire.count("ORDERS").await == 1).then_some(())
    })
    .await;
    // Longer than the window: only then does the gateway look for the answer again.
    publishing.answered(1).await;
    toxic.cut();
    toxic.restore();

    assert_eq!(reasons(&publishing), ["PUBLISH_OUTCOME_UNKNOWN"]);
    let Outcome::Failed(status) = &publishing.outcomes[&1] else {
        panic!("answered");
    };
    assert_eq!(status.metadata["message_id"], "once");
    assert!(status.metadata.contains_key("dedup_expires_at"));
    assert_eq!(wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn doubt_halts_a_strict_stream_until_the_caller_gives_the_message_up() {
    let (_nats, toxic, gateway, mut wire) = start_behind_toxic().await;
    let open = PublishOpen {
        ordering: PublishOrdering::Strict as i32,
        publish_timeout: time(SOON),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    toxic.stall_answers();
    publishing.publish(1, numbered(1..=3)).await;
    lose_answers(&toxic, &mut wire, 1).await;
    publishing.answered(3).await;
    publishing.resume(1).await;
    publishing.publish(4, numbered(4..=5)).await;
    publishing.answered(5).await;

    let aborted = "PRECEDING_FAILED";
    assert_eq!(
        reasons(&publishing),
        ["PUBLISH_OUTCOME_UNKNOWN", aborted, aborted, "", ""]
    );
    assert_truthful(&mut wire, "ORDERS", &publishing.outcomes).await;
}

#[tokio::test]
async fn a_stream_goes_on_at_another_gateway_when_its_own_is_killed() {
    let (nats, first, mut wire) = start_with_stream(orders()).await;
    let second = Gateway::start(&nats.url()).await;
    let mut publishing = Publishing::open(&first, minting()).await;
    let producer_id = publishing.opened.producer_id.clone();
    for frame in 0..20 {
        publishing
            .publish(frame * 10 + 1, numbered(frame * 10 + 1..=frame * 10 + 10))
            .await;
    }
    publishing.answered(30).await;
    drop(first);
    assert!(publishing.end().await.is_err());
    let answered = publishing.outcomes.clone();

    let open = PublishOpen {
        producer_id,
        resume: true,
        ..into_orders()
    };
    let mut resumed = Publishing::open(&second, open).await;
    let unanswered: Vec<u64> = (1..=200)
        .filter(|number| !answered.contains_key(number))
        .collect();
    for number in &unanswered {
        resumed.publish(*number, numbered(*number..=*number)).await;
    }
    resumed.answered(unanswered.len()).await;

    let mut outcomes = answered;
    outcomes.extend(resumed.outcomes);
    assert_eq!(outcomes.len(), 200);
    assert_truthful(&mut wire, "ORDERS", &outcomes).await;
    assert_eq!(wire.count("ORDERS").await, 200);
}

#[tokio::test]
async fn a_nats_that_is_away_for_too_long_fails_what_was_not_sent() {
    let (mut nats, gateway, _wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        publish_timeout: time(Duration::from_secs(1)),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;
    publishing.publish(1, numbered(1..=1)).await;
    publishing.answered(1).await;

    nats.kill();
    eventually(SOON, async || {
        (gateway.status_of("").await
            != Some(tonic_health::pb::health_check_response::ServingStatus::Serving))
        .then_some(())
    })
    .await;
    publishing.publish(2, numbered(2..=3)).await;
    publishing.answered(3).await;

    let away = "NATS_DISCONNECTED";
    assert_eq!(reasons(&publishing), ["", away, away]);
    nats.restart().await;
    assert_truthful(&mut nats.wire().await, "ORDERS", &publishing.outcomes).await;
}
