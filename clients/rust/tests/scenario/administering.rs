//! What scenarios say of streams and consumers: configurations, and the states that they wait for.

use std::time::{Duration, Instant};

use jetgate_client::{Client, Error, duration, v1};
use serde_json::{Value, json};

use crate::step::Step;

pub(super) fn stream_config(config: &Step) -> v1::StreamConfig {
    let mut stream = v1::StreamConfig {
        name: config.text("name").unwrap().to_owned(),
        subjects: config.names("subjects"),
        num_replicas: config.number("num_replicas").unwrap_or_default() as u32,
        allow_atomic: config.flag("allow_atomic"),
        allow_batched: config.flag("allow_batched"),
        duplicate_window: config.time("duplicate_window").map(duration),
        ..Default::default()
    };
    stream.max_msgs = config.number("max_msgs").map(|most| most as i64);
    if let Some(discard) = config.text("discard") {
        assert_eq!(discard, "new");
        stream.set_discard(v1::DiscardPolicy::New);
    }
    config.all_read();
    stream
}

pub(super) fn consumer_config(config: &Step) -> v1::ConsumerConfig {
    let consumer = v1::ConsumerConfig {
        durable_name: config.text("durable_name").unwrap().to_owned(),
        ack_wait: config.time("ack_wait").map(duration),
        max_deliver: config.number("max_deliver").map(|most| most as i64),
        ..Default::default()
    };
    config.all_read();
    consumer
}

/// Asks until all that is expected is so.
pub(super) async fn poll(step: &Step, client: &Client, within: Duration) -> Result<(), Error> {
    let end = Instant::now() + within;
    let (expect, at_least) = (step.part("expect").fields, step.part("at_least").fields);
    let stream = step.text("stream").unwrap();
    loop {
        let state = match step.text("consumer") {
            Some(consumer) => {
                let state = client.consumer_info(stream, consumer).await?.state.unwrap();
                json!({
                    "num_pending": state.num_pending,
                    "num_ack_pending": state.num_ack_pending,
                    "ack_floor": state.ack_floor.unwrap_or_default().stream_sequence,
                })
            }
            None => {
                let state = client.stream(stream).await?.state.unwrap();
                json!({"messages": state.messages, "last_sequence": state.last_sequence})
            }
        };
        let number = |name: &str| {
            state[name]
                .as_u64()
                .unwrap_or_else(|| panic!("unknown {name}"))
        };
        let all = |fields: &Value, holds: fn(u64, u64) -> bool| {
            fields
                .as_object()
                .unwrap()
                .iter()
                .all(|(name, value)| holds(number(name), value.as_u64().unwrap()))
        };
        if all(&expect, |is, should| is == should) && all(&at_least, |is, least| is >= least) {
            return Ok(());
        }
        assert!(Instant::now() < end, "it stays {state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
