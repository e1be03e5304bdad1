//! Changing a consumer: which settings change, which cannot, and what is kept.

use jetgate::proto::{AckPolicy, Consumer, ConsumerConfig, UpdateConsumerRequest};
use prost_types::FieldMask;
use serde_json::json;
use tonic::{Code, Status};

use super::{create, durable, get, seconds, start};
use crate::support::{Gateway, refused, violated_field};

async fn update(gateway: &Gateway, request: UpdateConsumerRequest) -> Result<Consumer, Status> {
    let answer = gateway.consumers().update_consumer(request).await?;
    Ok(answer.into_inner().consumer.unwrap())
}

fn changing(config: ConsumerConfig, fields: &[&str]) -> UpdateConsumerRequest {
    let paths = fields.iter().map(|field| (*field).to_owned()).collect();
    UpdateConsumerRequest {
        update_mask: Some(FieldMask { paths }),
        ..replacing(config)
    }
}

fn replacing(config: ConsumerConfig) -> UpdateConsumerRequest {
    let stream = "ORDERS".to_owned();
    UpdateConsumerRequest {
        stream,
        config: Some(config),
        ..UpdateConsumerRequest::default()
    }
}

#[tokio::test]
async fn changes_only_the_fields_of_the_mask() {
    let (_nats, gateway, _wire) = start().await;
    let config = ConsumerConfig {
        ack_wait: seconds(5),
        max_deliver: Some(3),
        ..durable("c")
    };
    create(&gateway, config).await.unwrap();

    let changes = ConsumerConfig {
        ack_wait: seconds(10),
        description: "not in the mask".to_owned(),
        ..durable("c")
    };
    let consumer = update(&gateway, changing(changes, &["ack_wait"]))
        .await
        .unwrap();

    let config = consumer.config.unwrap();
    assert_eq!(
        (config.ack_wait, config.max_deliver),
        (seconds(10), Some(3))
    );
    assert_eq!(config.description, "");
}

#[tokio::test]
async fn without_a_mask_every_field_changes() {
    let (_nats, gateway, _wire) = start().await;
    let config = ConsumerConfig {
        ack_wait: seconds(5),
        max_deliver: Some(3),
        ..durable("c")
    };
    create(&gateway, config).await.unwrap();

    let config = ConsumerConfig {
        description: "new".to_owned(),
        ..durable("c")
    };
    let config = update(&gateway, replacing(config))
        .await
        .unwrap()
        .config
        .unwrap();

    assert_eq!(config.description, "new");
    assert_eq!(config.ack_wait, seconds(30));
    assert!(config.max_deliver.is_none_or(|limit| limit == -1));
}

#[tokio::test]
async fn a_mask_keeps_the_other_settings_and_no_mask_resets_them() {
    let (_nats, gateway, mut wire) = start().await;
    let settings = json!({
        "durable_name": "c", "ack_policy": "explicit", "sample_freq": "50%",
        "priority_groups": ["jobs"], "priority_policy": "overflow",
    });
    let before = wire.create_consumer("ORDERS", settings).await;

    let config = ConsumerConfig {
        ack_wait: seconds(5),
        ..durable("c")
    };
    update(&gateway, changing(config.clone(), &["ack_wait"]))
        .await
        .unwrap();
    let keys = ["sample_freq", "priority_groups", "priority_policy"];
    let after = wire.consumer_info("ORDERS", "c").await["config"].take();
    assert_eq!(after["ack_wait"], 5_000_000_000_u64);
    for key in keys {
        assert_eq!(after[key], before[key], "{key}");
    }

    update(&gateway, replacing(config)).await.unwrap();
    let after = wire.consumer_info("ORDERS", "c").await["config"].take();
    for key in keys {
        assert_eq!(after.get(key), None, "{key}");
    }
}

#[tokio::test]
async fn changes_the_filters() {
    let (_nats, gateway, mut wire) = start().await;
    let filter_subject = "orders.a".to_owned();
    create(
        &gateway,
        ConsumerConfig {
            filter_subject,
            ..durable("c")
        },
    )
    .await
    .unwrap();

    let filter_subjects = vec!["orders.b".to_owned(), "orders.c".to_owned()];
    let config = ConsumerConfig {
        filter_subjects,
        ..durable("c")
    };
    let changes = changing(config, &["filter_subjects", "filter_subject"]);
    update(&gateway, changes).await.unwrap();

    let stored = wire.consumer_info("ORDERS", "c").await["config"].take();
    assert_eq!(stored["filter_subjects"], json!(["orders.b", "orders.c"]));
    assert!(stored["filter_subject"].as_str().is_none_or(str::is_empty));
}

#[tokio::test]
async fn does_not_create_a_consumer_that_is_not_there() {
    let (_nats, gateway, _wire) = start().await;

    let answer = update(&gateway, replacing(durable("c"))).await;
    refused(answer, Code::NotFound, "CONSUMER_NOT_FOUND");
    refused(
        get(&gateway, "ORDERS", "c").await,
        Code::NotFound,
        "CONSUMER_NOT_FOUND",
    );

    let stream = "NONE".to_owned();
    let elsewhere = UpdateConsumerRequest {
        stream,
        ..replacing(durable("c"))
    };
    refused(
        update(&gateway, elsewhere).await,
        Code::NotFound,
        "STREAM_NOT_FOUND",
    );
}

#[tokio::test]
async fn refuses_to_change_what_cannot_change() {
    let (_nats, gateway, _wire) = start().await;
    create(&gateway, durable("c")).await.unwrap();

    let config = ConsumerConfig {
        ack_policy: AckPolicy::All as i32,
        ..durable("c")
    };
    let answer = update(&gateway, changing(config, &["ack_policy"])).await;

    refused(answer, Code::FailedPrecondition, "IMMUTABLE_FIELD");
}

#[tokio::test]
async fn refuses_a_field_that_it_does_not_know() {
    let (_nats, gateway, _wire) = start().await;
    create(&gateway, durable("c")).await.unwrap();

    for field in ["ack_timeout", "config.ack_wait", ""] {
        let answer = update(&gateway, changing(durable("c"), &[field])).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert!(
            violated_field(&status).starts_with("update_mask"),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn changes_a_consumer_only_when_its_etag_is_current() {
    let (_nats, gateway, mut wire) = start().await;
    let first = create(&gateway, durable("c")).await.unwrap().etag;
    let with_wait = |wait, etag: &str| {
        let config = ConsumerConfig {
            ack_wait: seconds(wait),
            ..durable("c")
        };
        UpdateConsumerRequest {
            etag: etag.to_owned(),
            ..changing(config, &["ack_wait"])
        }
    };

    let second = update(&gateway, with_wait(5, &first)).await.unwrap().etag;
    let stale = update(&gateway, with_wait(6, &first)).await;

    assert_ne!(first, second);
    refused(stale, Code::Aborted, "STALE_ETAG");
    // Messages change the state, not the configuration.
    wire.store("orders.x", b"").await;
    let current = get(&gateway, "ORDERS", "c").await.unwrap();
    assert_eq!(
        (current.etag, current.config.unwrap().ack_wait),
        (second, seconds(5))
    );
}
