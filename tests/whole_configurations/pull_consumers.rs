//! Pull consumers: every setting of a real server is in the contract, and comes back as it was.

use jetgate::proto::{GetConsumerRequest, UpdateConsumerRequest};
use serde_json::{Value, json};

use super::{Contract, Seen};
use crate::support::start_with_stream;

/// Consumers that together have every setting; not all can be set on one.
fn configs() -> Vec<Value> {
    vec![
        json!({
            "durable_name": "A", "name": "A", "description": "d", "deliver_policy": "by_start_sequence",
            "opt_start_seq": 2, "ack_policy": "explicit", "ack_wait": 5_000_000_000_u64,
            "max_deliver": 5, "backoff": [5_000_000_000_u64, 6_000_000_000_u64],
            "filter_subjects": ["s.a", "s.b"], "replay_policy": "original", "sample_freq": "50%",
            "max_waiting": 9, "max_ack_pending": 8, "headers_only": true, "max_batch": 7,
            "max_expires": 1_000_000_000, "max_bytes": 6000, "inactive_threshold": 60_000_000_000_u64,
            "num_replicas": 1, "mem_storage": true, "metadata": { "team": "a" },
            "pause_until": "2050-01-02T03:04:05.123456789Z", "priority_groups": ["g"],
            "priority_policy": "pinned_client", "priority_timeout": 3_000_000_000_u64,
        }),
        json!({
            "durable_name": "B", "deliver_policy": "by_start_time", "ack_policy": "all",
            "opt_start_time": "2020-01-02T03:04:05.123456789Z", "filter_subject": "s.*",
            "priority_groups": ["g"], "priority_policy": "overflow",
        }),
        json!({
            "name": "C", "deliver_policy": "last_per_subject", "ack_policy": "none",
            "filter_subject": "s.*", "inactive_threshold": 60_000_000_000_u64,
            "priority_groups": ["g", "h"], "priority_policy": "prioritized",
        }),
    ]
}

#[tokio::test]
async fn the_contract_has_every_setting() {
    let stream = json!({ "name": "S", "subjects": ["s.>"] });
    let (_nats, _gateway, mut wire) = start_with_stream(stream).await;
    let contract = Contract::read();
    let mut seen = Seen::new();
    for config in configs() {
        let answer = wire.create_consumer("S", config).await;
        contract.compare("ConsumerConfig", &answer, &mut seen);
    }
    // Otherwise a setting that this test does not know would go unnoticed.
    assert_eq!(seen, contract.all(&["ConsumerConfig"]));
}

#[tokio::test]
async fn what_is_read_can_be_written_back() {
    let stream = json!({ "name": "S", "subjects": ["s.>"] });
    let (_nats, gateway, mut wire) = start_with_stream(stream).await;
    for config in configs() {
        let before = wire.create_consumer("S", config).await;
        let name = before["name"].as_str().unwrap().to_owned();
        let request = GetConsumerRequest {
            stream: "S".to_owned(),
            consumer: name.clone(),
        };
        let read = gateway.consumers().get_consumer(request).await.unwrap();

        let request = UpdateConsumerRequest {
            stream: "S".to_owned(),
            config: read.into_inner().consumer.unwrap().config,
            ..UpdateConsumerRequest::default()
        };
        gateway.consumers().update_consumer(request).await.unwrap();

        let mut after = wire.consumer_info("S", &name).await["config"].take();
        // "50%" and "50" are the same.
        if before["sample_freq"] == "50%" {
            after["sample_freq"] = "50%".into();
        }
        assert_eq!(after, before);
    }
}
