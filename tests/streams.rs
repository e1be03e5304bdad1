//! Streams: creating, describing and deleting them.

mod list;
mod reach;
mod turns;
mod update;
mod validation;

use jetgate::proto::{
    Compression, ConsumerLimits, CreateStreamRequest, DeleteStreamRequest, DiscardPolicy,
    GetStreamRequest, PersistMode, RetentionPolicy, StorageType, Stream, StreamConfig,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{Gateway, metadata, refused, start, start_with_stream};

/// A configuration with a name and one subject of the same name.
fn named(name: &str) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: vec![format!("{}.>", name.to_lowercase())],
        ..StreamConfig::default()
    }
}

async fn create(gateway: &Gateway, config: StreamConfig) -> Result<Stream, Status> {
    let request = CreateStreamRequest {
        config: Some(config),
    };
    let answer = gateway.streams().create_stream(request).await?;
    Ok(answer.into_inner().stream.unwrap())
}

async fn get(gateway: &Gateway, name: &str) -> Result<Stream, Status> {
    let request = GetStreamRequest {
        stream: name.to_owned(),
    };
    let answer = gateway.streams().get_stream(request).await?;
    Ok(answer.into_inner().stream.unwrap())
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test]
async fn creates_a_stream_with_jetstreams_defaults() {
    let (nats, gateway) = start().await;

    let stream = create(&gateway, named("ORDERS")).await.unwrap();

    let config = stream.config.unwrap();
    assert_eq!(config.subjects, ["orders.>"]);
    assert_eq!(config.retention(), RetentionPolicy::Limits);
    assert_eq!(config.storage(), StorageType::File);
    assert_eq!(config.discard(), DiscardPolicy::Old);
    assert_eq!(config.compression(), Compression::None);
    assert_eq!(config.num_replicas, 1);
    assert_eq!(config.duplicate_window, seconds(120));
    assert!(stream.create_time.is_some() && !stream.etag.is_empty());
    let stored = nats.wire().await.stream_info("ORDERS").await["config"].take();
    assert_eq!(stored["retention"], "limits");
    assert_eq!(stored["subjects"], json!(["orders.>"]));
}

#[tokio::test]
async fn creates_a_stream_with_every_setting() {
    let (nats, gateway) = start().await;
    let config = StreamConfig {
        description: "what is ordered".to_owned(),
        retention: RetentionPolicy::WorkQueue as i32,
        storage: StorageType::Memory as i32,
        num_replicas: 1,
        max_msgs: Some(1000),
        max_bytes: Some(1_000_000),
        max_age: seconds(3600),
        max_msgs_per_subject: Some(10),
        max_msg_size: Some(4096),
        max_consumers: Some(5),
        discard: DiscardPolicy::New as i32,
        discard_new_per_subject: true,
        duplicate_window: seconds(60),
        first_seq: 100,
        metadata: [("team".to_owned(), "orders".to_owned())].into(),
        allow_msg_ttl: true,
        allow_rollup_hdrs: true,
        deny_delete: true,
        allow_direct: true,
        ..named("ORDERS")
    };

    let created = create(&gateway, config.clone()).await.unwrap();

    let answered = created.config.unwrap();
    assert_eq!(answered.metadata["team"], "orders");
    assert_eq!(
        StreamConfig {
            metadata: config.metadata.clone(),
            ..answered
        },
        {
            let compression = Compression::None as i32;
            let persist_mode = PersistMode::Default as i32;
            StreamConfig {
                compression,
                persist_mode,
                ..config
            }
        }
    );
    let stored = nats.wire().await.stream_info("ORDERS").await["config"].take();
    assert_eq!(stored["max_age"], 3_600_000_000_000_u64);
    assert_eq!(stored["discard"], "new");
    assert_eq!(stored["first_seq"], 100);
    assert_eq!(stored["storage"], "memory");
}

#[tokio::test]
async fn creates_a_compressed_stream_with_bounds_for_its_consumers() {
    let (nats, gateway) = start().await;
    let limits = ConsumerLimits {
        inactive_threshold: seconds(3600),
        max_ack_pending: 100,
    };
    let config = StreamConfig {
        compression: Compression::S2 as i32,
        consumer_limits: Some(limits),
        ..named("ORDERS")
    };

    let created = create(&gateway, config).await.unwrap().config.unwrap();

    assert_eq!(created.compression(), Compression::S2);
    assert_eq!(created.consumer_limits, Some(limits));
    let stored = nats.wire().await.stream_info("ORDERS").await["config"].take();
    assert_eq!(stored["compression"], "s2");
    assert_eq!(stored["consumer_limits"]["max_ack_pending"], 100);
}

#[tokio::test]
async fn creating_the_same_stream_again_returns_it() {
    let (nats, gateway) = start().await;
    let first = create(&gateway, named("ORDERS")).await.unwrap();
    nats.wire().await.store("orders.x", b"").await;

    let again = create(&gateway, named("ORDERS")).await.unwrap();

    assert_eq!(again.config, first.config);
    assert_eq!(again.etag, first.etag);
    assert_eq!(again.state.unwrap().messages, 1);
    // What JetStream fills in counts as the same.
    let spelled_out = StreamConfig {
        num_replicas: 1,
        max_msgs: Some(-1),
        storage: StorageType::File as i32,
        duplicate_window: seconds(120),
        ..named("ORDERS")
    };
    assert_eq!(
        create(&gateway, spelled_out).await.unwrap().etag,
        first.etag
    );
}

#[tokio::test]
async fn creating_a_stream_that_differs_names_the_differences() {
    let (_nats, gateway) = start().await;
    create(&gateway, named("ORDERS")).await.unwrap();

    let other = StreamConfig {
        max_msgs: Some(5),
        max_age: seconds(60),
        ..named("ORDERS")
    };
    let status = refused(
        create(&gateway, other).await,
        Code::AlreadyExists,
        "STREAM_EXISTS",
    );

    let differs = metadata(&status, "differs").unwrap();
    assert!(
        differs.contains("max_msgs") && differs.contains("max_age"),
        "{differs}"
    );
    assert!(
        !differs.contains("subjects") && !differs.contains("storage"),
        "{differs}"
    );
    assert_eq!(
        get(&gateway, "ORDERS")
            .await
            .unwrap()
            .config
            .unwrap()
            .max_age,
        None
    );
}

#[tokio::test]
async fn refuses_subjects_that_another_stream_takes() {
    let (_nats, gateway) = start().await;
    create(&gateway, named("ORDERS")).await.unwrap();

    let subjects = vec!["orders.new".to_owned()];
    let other = create(
        &gateway,
        StreamConfig {
            subjects,
            ..named("OTHER")
        },
    )
    .await;

    refused(other, Code::FailedPrecondition, "SUBJECTS_OVERLAP");
}

#[tokio::test]
async fn refuses_more_replicas_than_there_are_servers() {
    let (_nats, gateway) = start().await;

    let result = create(
        &gateway,
        StreamConfig {
            num_replicas: 3,
            ..named("ORDERS")
        },
    )
    .await;

    refused(result, Code::FailedPrecondition, "FAILED_PRECONDITION");
}

#[tokio::test]
async fn describes_what_a_stream_holds() {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"] });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    for subject in ["orders.x", "orders.y", "orders.x"] {
        wire.store(subject, b"payload").await;
    }
    wire.api("STREAM.MSG.DELETE.ORDERS", json!({ "seq": 2 }))
        .await;
    wire.create_consumer(
        "ORDERS",
        json!({ "durable_name": "c", "ack_policy": "explicit" }),
    )
    .await;

    let state = get(&gateway, "ORDERS").await.unwrap().state.unwrap();

    assert_eq!(
        (state.messages, state.first_sequence, state.last_sequence),
        (2, 1, 3)
    );
    assert_eq!(
        (
            state.subject_count,
            state.deleted_count,
            state.consumer_count
        ),
        (1, 1, 1)
    );
    assert!(state.bytes > 0 && state.first_time.is_some() && state.last_time.is_some());
}

#[tokio::test]
async fn an_empty_stream_has_no_times() {
    let (_nats, gateway) = start().await;

    let state = create(&gateway, named("ORDERS"))
        .await
        .unwrap()
        .state
        .unwrap();

    assert_eq!(
        (state.messages, state.first_sequence, state.last_sequence),
        (0, 1, 0)
    );
    assert_eq!((state.first_time, state.last_time), (None, None));
}

#[tokio::test]
async fn does_not_find_a_stream_that_is_not_there() {
    let (_nats, gateway) = start().await;

    refused(
        get(&gateway, "NONE").await,
        Code::NotFound,
        "STREAM_NOT_FOUND",
    );
    let request = DeleteStreamRequest {
        stream: "NONE".to_owned(),
    };
    let deleted = gateway.streams().delete_stream(request).await;
    refused(deleted, Code::NotFound, "STREAM_NOT_FOUND");
}

#[tokio::test]
async fn deletes_a_stream_with_what_it_holds() {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"] });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    wire.store("orders.x", b"").await;

    let request = DeleteStreamRequest {
        stream: "ORDERS".to_owned(),
    };
    gateway.streams().delete_stream(request).await.unwrap();

    refused(
        get(&gateway, "ORDERS").await,
        Code::NotFound,
        "STREAM_NOT_FOUND",
    );
    let answer = wire
        .try_api("STREAM.INFO.ORDERS", Value::Null)
        .await
        .unwrap();
    assert_eq!(answer["error"]["err_code"], 10059);
}
