//! Changes of one stream through one replica follow each other.

use std::collections::HashMap;

use jetgate::proto::{
    ConsumerConfig, GetConsumerRequest, GetStreamRequest, StreamConfig, UpdateConsumerRequest,
    UpdateStreamRequest,
};
use prost_types::{Duration, FieldMask};
use serde_json::json;

use crate::support::start_with_stream;

fn mask(field: &str) -> Option<FieldMask> {
    Some(FieldMask {
        paths: vec![field.to_owned()],
    })
}

#[tokio::test]
async fn no_change_of_a_stream_undoes_another() {
    let stream = json!({ "name": "S", "subjects": ["s"] });
    let (_nats, gateway, _wire) = start_with_stream(stream).await;
    let minute = Some(Duration {
        seconds: 60,
        nanos: 0,
    });
    let config = StreamConfig {
        name: "S".to_owned(),
        subjects: vec!["s".to_owned(), "t".to_owned()],
        description: "d".to_owned(),
        max_msgs: Some(9),
        max_bytes: Some(1_000_000),
        max_age: Some(Duration {
            seconds: 600,
            nanos: 0,
        }),
        max_msgs_per_subject: Some(3),
        max_msg_size: Some(1_000),
        max_consumers: Some(4),
        duplicate_window: minute,
        allow_direct: true,
        allow_rollup_hdrs: true,
        metadata: HashMap::from([("team".to_owned(), "a".to_owned())]),
        ..StreamConfig::default()
    };
    let fields = [
        "subjects",
        "description",
        "max_msgs",
        "max_bytes",
        "max_age",
        "max_msgs_per_subject",
        "max_msg_size",
        "max_consumers",
        "duplicate_window",
        "allow_direct",
        "allow_rollup_hdrs",
        "metadata",
    ];
    let updates = fields.map(|field| {
        let request = UpdateStreamRequest {
            config: Some(config.clone()),
            update_mask: mask(field),
            ..UpdateStreamRequest::default()
        };
        let mut streams = gateway.streams();
        tokio::spawn(async move { streams.update_stream(request).await.map(|_| ()) })
    });
    for update in updates {
        update.await.unwrap().unwrap();
    }

    let stream = "S".to_owned();
    let request = GetStreamRequest { stream };
    let read = gateway.streams().get_stream(request).await.unwrap();
    let read = read.into_inner().stream.unwrap().config.unwrap();
    let expected = StreamConfig {
        storage: read.storage,
        retention: read.retention,
        discard: read.discard,
        compression: read.compression,
        persist_mode: read.persist_mode,
        num_replicas: 1,
        ..config
    };
    assert_eq!(read, expected);
}

#[tokio::test]
async fn no_change_of_a_consumer_undoes_another() {
    let stream = json!({ "name": "S", "subjects": ["s"] });
    let (_nats, gateway, mut wire) = start_with_stream(stream).await;
    wire.create_consumer(
        "S",
        json!({ "durable_name": "c", "ack_policy": "explicit" }),
    )
    .await;
    let minute = Some(Duration {
        seconds: 60,
        nanos: 0,
    });
    let config = ConsumerConfig {
        durable_name: "c".to_owned(),
        description: "d".to_owned(),
        ack_wait: minute,
        max_deliver: Some(5),
        max_ack_pending: Some(7),
        max_batch: 8,
        max_expires: minute,
        max_bytes: 9_000,
        headers_only: true,
        ..ConsumerConfig::default()
    };
    let fields = [
        "description",
        "ack_wait",
        "max_deliver",
        "max_ack_pending",
        "max_batch",
        "max_expires",
        "max_bytes",
        "headers_only",
    ];
    let updates = fields.map(|field| {
        let request = UpdateConsumerRequest {
            stream: "S".to_owned(),
            config: Some(config.clone()),
            update_mask: mask(field),
            ..UpdateConsumerRequest::default()
        };
        let mut consumers = gateway.consumers();
        tokio::spawn(async move { consumers.update_consumer(request).await.map(|_| ()) })
    });
    for update in updates {
        update.await.unwrap().unwrap();
    }

    let (stream, consumer) = ("S".to_owned(), "c".to_owned());
    let request = GetConsumerRequest { stream, consumer };
    let read = gateway.consumers().get_consumer(request).await.unwrap();
    let read = read.into_inner().consumer.unwrap().config.unwrap();
    let shown = |config: &ConsumerConfig| {
        (
            config.description.clone(),
            config.ack_wait,
            config.max_deliver,
            config.max_ack_pending,
            (config.max_batch, config.max_bytes),
            config.max_expires,
            config.headers_only,
        )
    };
    assert_eq!(shown(&read), shown(&config));
}
