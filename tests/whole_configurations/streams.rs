//! Streams: every setting of a real server is in the contract, and comes back as it was.

use jetgate::proto::{GetStreamRequest, UpdateStreamRequest};
use serde_json::{Value, json};

use super::{Contract, Seen};
use crate::support::start;

/// Streams that together have every setting; not all can be set on one.
fn configs() -> Vec<Value> {
    vec![
        json!({ "name": "ORIGIN", "subjects": ["origin.>"], "allow_direct": true }),
        json!({
            "name": "MOST", "description": "d", "subjects": ["most.*"], "retention": "limits",
            "storage": "file", "num_replicas": 1, "max_msgs": 9, "max_bytes": 1_000_000,
            "max_age": 60_000_000_000_u64, "max_msgs_per_subject": 3, "max_msg_size": 1000,
            "max_consumers": 4, "discard": "new", "discard_new_per_subject": true,
            "duplicate_window": 1_000_000_000_u64, "compression": "s2", "first_seq": 5,
            "metadata": { "team": "a" }, "allow_msg_ttl": true, "deny_delete": true,
            "deny_purge": true, "allow_direct": true, "no_ack": true, "allow_atomic": true,
            "allow_batched": true, "placement": { "cluster": "C", "tags": ["ssd"] },
            "consumer_limits": { "inactive_threshold": 5_000_000_000_u64, "max_ack_pending": 7 },
            "subject_transform": { "src": "most.*", "dest": "in.{{wildcard(1)}}" },
            "republish": { "src": "in.>", "dest": "copy.>", "headers_only": true },
        }),
        json!({
            "name": "MARKERS", "subjects": ["markers.>"], "allow_msg_schedules": true,
            "subject_delete_marker_ttl": 2_000_000_000_u64, "allow_rollup_hdrs": true,
        }),
        json!({
            "name": "COUNTER", "subjects": ["counter.>"], "allow_msg_counter": true,
            "persist_mode": "async",
        }),
        json!({
            "name": "MIRROR", "mirror_direct": true,
            "mirror": {
                "name": "ORIGIN", "opt_start_seq": 2,
                "subject_transforms": [{ "src": "origin.a", "dest": "m.a" }, { "src": "origin.b", "dest": "" }],
            },
        }),
        json!({
            "name": "SOURCES", "subjects": ["sources.>"],
            "sources": [
                { "name": "ORIGIN", "opt_start_time": "2020-01-02T03:04:05.123456789Z", "filter_subject": "origin.a" },
                { "name": "FAR", "external": { "api": "$JS.hub.API", "deliver": "from.hub" } },
                { "name": "MOST", "consumer": { "name": "copy", "deliver_subject": "copies.most" } },
            ],
        }),
    ]
}

#[tokio::test]
async fn the_contract_has_every_setting() {
    let (nats, _gateway) = start().await;
    let mut wire = nats.wire().await;
    let contract = Contract::read();
    let mut seen = Seen::new();
    for config in configs() {
        let answer = wire.create_stream(config).await;
        contract.compare("StreamConfig", &answer, &mut seen);
    }
    // Otherwise a setting that this test does not know would go unnoticed.
    let parts = [
        "StreamConfig",
        "StreamSource",
        "ExternalStream",
        "StreamSourceConsumer",
        "SubjectTransform",
        "Republish",
        "Placement",
        "ConsumerLimits",
    ];
    assert_eq!(seen, contract.all(&parts));
}

#[tokio::test]
async fn what_is_read_can_be_written_back() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    for config in configs() {
        let before = wire.create_stream(config).await;
        let name = before["name"].as_str().unwrap().to_owned();
        let request = GetStreamRequest {
            stream: name.clone(),
        };
        let read = gateway.streams().get_stream(request).await.unwrap();

        let request = UpdateStreamRequest {
            config: read.into_inner().stream.unwrap().config,
            ..UpdateStreamRequest::default()
        };
        gateway.streams().update_stream(request).await.unwrap();

        let after = wire.stream_info(&name).await["config"].take();
        assert_eq!(after, before);
    }
}
