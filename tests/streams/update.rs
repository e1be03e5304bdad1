//! Changing a stream: which fields change, which cannot, and what is kept.

use jetgate::proto::{RetentionPolicy, StorageType, Stream, StreamConfig, UpdateStreamRequest};
use prost_types::FieldMask;
use serde_json::json;
use tonic::{Code, Status};

use super::{create, get, named, seconds};
use crate::support::{Gateway, refused, start, violated_field};

async fn update(gateway: &Gateway, request: UpdateStreamRequest) -> Result<Stream, Status> {
    let answer = gateway.streams().update_stream(request).await?;
    Ok(answer.into_inner().stream.unwrap())
}

fn changing(config: StreamConfig, fields: &[&str]) -> UpdateStreamRequest {
    let paths = fields.iter().map(|field| (*field).to_owned()).collect();
    let update_mask = Some(FieldMask { paths });
    UpdateStreamRequest {
        config: Some(config),
        update_mask,
        etag: String::new(),
    }
}

fn replacing(config: StreamConfig) -> UpdateStreamRequest {
    UpdateStreamRequest {
        config: Some(config),
        ..UpdateStreamRequest::default()
    }
}

#[tokio::test]
async fn changes_only_the_fields_of_the_mask() {
    let (_nats, gateway) = start().await;
    let config = StreamConfig {
        max_msgs: Some(10),
        max_age: seconds(60),
        ..named("ORDERS")
    };
    create(&gateway, config).await.unwrap();

    let changes = StreamConfig {
        name: "ORDERS".to_owned(),
        max_msgs: Some(20),
        description: "not in the mask".to_owned(),
        ..StreamConfig::default()
    };
    let stream = update(&gateway, changing(changes, &["max_msgs"]))
        .await
        .unwrap();

    let config = stream.config.unwrap();
    assert_eq!(config.max_msgs, Some(20));
    assert_eq!(config.max_age, seconds(60));
    assert_eq!(config.description, "");
    assert_eq!(config.subjects, ["orders.>"]);
}

#[tokio::test]
async fn a_field_of_the_mask_that_is_not_set_gets_its_default() {
    let (_nats, gateway) = start().await;
    let config = StreamConfig {
        max_msgs: Some(10),
        max_age: seconds(60),
        ..named("ORDERS")
    };
    create(&gateway, config).await.unwrap();

    let changes = changing(named("ORDERS"), &["max_age"]);
    let config = update(&gateway, changes).await.unwrap().config.unwrap();

    assert!(config.max_age.is_none_or(|age| age.seconds == 0));
    assert_eq!(config.max_msgs, Some(10));
}

#[tokio::test]
async fn without_a_mask_every_field_changes() {
    let (_nats, gateway) = start().await;
    let config = StreamConfig {
        max_msgs: Some(10),
        max_age: seconds(60),
        ..named("ORDERS")
    };
    create(&gateway, config).await.unwrap();

    let config = StreamConfig {
        description: "new".to_owned(),
        ..named("ORDERS")
    };
    let config = update(&gateway, replacing(config))
        .await
        .unwrap()
        .config
        .unwrap();

    assert_eq!(config.description, "new");
    assert!(config.max_age.is_none_or(|age| age.seconds == 0));
    assert!(config.max_msgs.is_none_or(|limit| limit == -1));
}

#[tokio::test]
async fn a_mask_keeps_the_other_settings_and_no_mask_resets_them() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    let before = wire
        .create_stream(json!({
            "name": "ORDERS", "subjects": ["orders.>"], "max_msgs": 10,
            "republish": { "src": "orders.>", "dest": "copies.>" },
            "subject_transform": { "src": "orders.*", "dest": "orders.plain.{{wildcard(1)}}" },
        }))
        .await;

    let config = StreamConfig {
        max_msgs: Some(20),
        ..named("ORDERS")
    };
    update(&gateway, changing(config.clone(), &["max_msgs"]))
        .await
        .unwrap();
    let after = wire.stream_info("ORDERS").await["config"].take();
    assert_eq!(after["max_msgs"], 20);
    assert_eq!(after["republish"], before["republish"]);
    assert_eq!(after["subject_transform"], before["subject_transform"]);

    update(&gateway, replacing(config)).await.unwrap();
    let after = wire.stream_info("ORDERS").await["config"].take();
    assert_eq!(
        (after.get("republish"), after.get("subject_transform")),
        (None, None)
    );
}

#[tokio::test]
async fn refuses_a_field_that_it_does_not_know() {
    let (_nats, gateway) = start().await;
    create(&gateway, named("ORDERS")).await.unwrap();

    for field in ["max_messages", "config.max_msgs", ""] {
        let answer = update(&gateway, changing(named("ORDERS"), &[field])).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert!(
            violated_field(&status).starts_with("update_mask"),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn does_not_create_a_stream_that_is_not_there() {
    let (_nats, gateway) = start().await;

    let answer = update(&gateway, replacing(named("ORDERS"))).await;

    refused(answer, Code::NotFound, "STREAM_NOT_FOUND");
    refused(
        get(&gateway, "ORDERS").await,
        Code::NotFound,
        "STREAM_NOT_FOUND",
    );
}

#[tokio::test]
async fn refuses_to_change_what_cannot_change() {
    let (_nats, gateway) = start().await;
    create(&gateway, named("ORDERS")).await.unwrap();

    let storage = StreamConfig {
        storage: StorageType::Memory as i32,
        ..named("ORDERS")
    };
    let answer = update(&gateway, changing(storage, &["storage"])).await;
    refused(answer, Code::FailedPrecondition, "IMMUTABLE_FIELD");

    let retention = RetentionPolicy::WorkQueue as i32;
    let retention = StreamConfig {
        retention,
        ..named("ORDERS")
    };
    let answer = update(&gateway, changing(retention, &["retention"])).await;
    refused(answer, Code::FailedPrecondition, "IMMUTABLE_FIELD");
}

#[tokio::test]
async fn changes_a_stream_only_when_its_etag_is_current() {
    let (_nats, gateway) = start().await;
    let first = create(&gateway, named("ORDERS")).await.unwrap().etag;
    let with_limit = |limit, etag: &str| {
        let config = StreamConfig {
            max_msgs: Some(limit),
            ..named("ORDERS")
        };
        UpdateStreamRequest {
            etag: etag.to_owned(),
            ..changing(config, &["max_msgs"])
        }
    };

    let second = update(&gateway, with_limit(1, &first)).await.unwrap().etag;
    let stale = update(&gateway, with_limit(2, &first)).await;

    assert_ne!(first, second);
    refused(stale, Code::Aborted, "STALE_ETAG");
    let current = get(&gateway, "ORDERS").await.unwrap();
    assert_eq!(
        (current.etag, current.config.unwrap().max_msgs),
        (second, Some(1))
    );
}

#[tokio::test]
async fn an_etag_does_not_change_with_the_messages() {
    let (nats, gateway) = start().await;
    let before = create(&gateway, named("ORDERS")).await.unwrap().etag;

    nats.wire().await.store("orders.x", b"").await;

    assert_eq!(get(&gateway, "ORDERS").await.unwrap().etag, before);
}

#[tokio::test]
async fn seals_a_stream() {
    let (_nats, gateway) = start().await;
    create(&gateway, named("ORDERS")).await.unwrap();

    let config = StreamConfig {
        sealed: true,
        ..named("ORDERS")
    };
    let stream = update(&gateway, changing(config, &["sealed"]))
        .await
        .unwrap();

    assert!(stream.config.unwrap().sealed);
}

#[tokio::test]
async fn describes_and_changes_a_mirror_that_was_made_elsewhere() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    create(&gateway, named("ORDERS")).await.unwrap();
    wire.create_stream(json!({ "name": "COPY", "mirror": { "name": "ORDERS" } }))
        .await;

    let found = get(&gateway, "COPY").await.unwrap().config.unwrap();
    let config = StreamConfig {
        subjects: Vec::new(),
        max_msgs: Some(5),
        ..named("COPY")
    };
    update(&gateway, changing(config, &["max_msgs"]))
        .await
        .unwrap();

    assert_eq!(found.subjects, Vec::<String>::new());
    let after = wire.stream_info("COPY").await["config"].take();
    assert_eq!(
        (&after["max_msgs"], &after["mirror"]["name"]),
        (&json!(5), &json!("ORDERS"))
    );
}

#[tokio::test]
async fn refuses_to_take_all_subjects_away() {
    let (_nats, gateway) = start().await;
    create(&gateway, named("ORDERS")).await.unwrap();
    let config = StreamConfig {
        subjects: Vec::new(),
        ..named("ORDERS")
    };

    let answer = update(&gateway, changing(config, &["subjects"])).await;

    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "config.subjects");
}
