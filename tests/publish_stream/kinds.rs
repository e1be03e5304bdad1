//! Messages that ask more of their stream than to be kept: schedules, counters and rollups.

use std::time::{Duration, SystemTime};

use jetgate::proto::schedule::When;
use jetgate::proto::{PublishAckMode, PublishOpen, PublishRequest, Rollup, Schedule};
use serde_json::{Value, json};

use super::{into_orders, message, payloads};
use crate::support::publishing::Publishing;
use crate::support::{SOON, eventually, start_with_stream};

/// Both ways that messages take to one stream.
fn ways() -> [PublishOpen; 2] {
    let cumulative = PublishOpen {
        ack_mode: PublishAckMode::Cumulative as i32,
        ..into_orders()
    };
    [into_orders(), cumulative]
}

fn orders_with(more: Value) -> Value {
    let mut config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "allow_batched": true });
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    config
}

fn reasons(publishing: &Publishing) -> Vec<(u64, String)> {
    let outcomes = publishing.outcomes.iter();
    let failed = outcomes.filter(|(_, outcome)| !outcome.reason().is_empty());
    failed
        .map(|(number, outcome)| (*number, outcome.reason()))
        .collect()
}

fn plan() -> PublishRequest {
    let at = SystemTime::now() + Duration::from_secs(1);
    PublishRequest {
        schedule: Some(Box::new(Schedule {
            when: Some(When::At(at.into())),
            target: "orders.due".to_owned(),
            ..Schedule::default()
        })),
        ..message("orders.plan", "work")
    }
}

fn counting(increment: &str) -> PublishRequest {
    PublishRequest {
        subject: "orders.count".to_owned(),
        counter_increment: increment.to_owned(),
        ..PublishRequest::default()
    }
}

fn replacing(text: &str) -> PublishRequest {
    PublishRequest {
        rollup: Rollup::Subject as i32,
        ..message("orders.x", text)
    }
}

#[tokio::test]
async fn a_schedule_produces_its_message() {
    for open in ways() {
        let config = orders_with(json!({ "allow_msg_schedules": true }));
        let (_nats, gateway, mut wire) = start_with_stream(config).await;
        let mut publishing = Publishing::open(&gateway, open).await;

        let messages = vec![message("orders.x", "1"), plan(), message("orders.x", "3")];
        publishing.publish(1, messages).await;
        publishing.settled(3).await;

        assert_eq!(reasons(&publishing), []);
        // The schedule has gone with what it produced.
        eventually(SOON, async || {
            let state = wire.stream_info("ORDERS").await["state"].take();
            (state["last_seq"] == 4 && state["messages"] == 3).then_some(())
        })
        .await;
        let produced = wire.stored("ORDERS", 4).await;
        assert_eq!(produced.subject, "orders.due");
        assert_eq!(produced.payload, b"work");
    }
}

#[tokio::test]
async fn counters_add_up() {
    for open in ways() {
        let config = orders_with(json!({ "allow_msg_counter": true, "allow_direct": true }));
        let (_nats, gateway, mut wire) = start_with_stream(config).await;
        let mut publishing = Publishing::open(&gateway, open).await;

        let messages = ["5", "-2", "10"].map(counting).to_vec();
        publishing.publish(1, messages).await;
        publishing.settled(3).await;

        assert_eq!(reasons(&publishing), []);
        let last = wire.count("ORDERS").await;
        let total = wire.stored("ORDERS", last).await.payload;
        assert_eq!(String::from_utf8(total).unwrap(), r#"{"val":"13"}"#);
    }
}

#[tokio::test]
async fn a_rollup_replaces_what_came_before_it() {
    for open in ways() {
        let config = orders_with(json!({ "allow_rollup_hdrs": true }));
        let (_nats, gateway, mut wire) = start_with_stream(config).await;
        let mut publishing = Publishing::open(&gateway, open).await;

        let messages = vec![message("orders.x", "1"), replacing("2")];
        publishing.publish(1, messages).await;
        publishing.settled(2).await;

        assert_eq!(reasons(&publishing), []);
        assert_eq!(wire.count("ORDERS").await, 1);
        assert_eq!(wire.stored("ORDERS", 2).await.payload, b"2");
    }
}

#[tokio::test]
async fn what_the_stream_does_not_allow_fails_by_itself() {
    for open in ways() {
        let (_nats, gateway, mut wire) = start_with_stream(orders_with(json!({}))).await;
        let mut publishing = Publishing::open(&gateway, open).await;

        let wrong = [plan(), counting("1"), replacing("3")];
        publishing.publish(1, wrong.to_vec()).await;
        publishing.publish(4, vec![message("orders.x", "4")]).await;
        publishing.settled(4).await;

        let not_enabled = (1..=3).map(|number| (number, "NOT_ENABLED_ON_STREAM".to_owned()));
        assert_eq!(reasons(&publishing), not_enabled.collect::<Vec<_>>());
        assert_eq!(payloads(&mut wire, "ORDERS").await, ["4"]);
    }
}
