//! Applying configurations of consumers.

use jetgate::proto::pause_consumer_request::End;
use jetgate::proto::{
    AckPolicy, ApplyConsumerRequest, ApplyConsumerResponse, ApplyOutcome, ConsumerConfig,
    PauseConsumerRequest,
};
use serde_json::json;
use tonic::{Code, Status};

use super::names;
use crate::support::{Gateway, NatsServer, Wire, metadata, refused, start_with_stream};

async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": "S", "subjects": ["s.>"] })).await
}

fn durable() -> ConsumerConfig {
    ConsumerConfig {
        durable_name: "c".to_owned(),
        ..ConsumerConfig::default()
    }
}

async fn apply(
    gateway: &Gateway,
    stream: &str,
    config: ConsumerConfig,
    validate_only: bool,
) -> Result<ApplyConsumerResponse, Status> {
    let request = ApplyConsumerRequest {
        stream: stream.to_owned(),
        config: Some(config),
        validate_only,
        ..ApplyConsumerRequest::default()
    };
    let answer = gateway.consumers().apply_consumer(request).await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn creates_then_changes_then_leaves_a_consumer() {
    let (_nats, gateway, mut wire) = start().await;

    let planned = apply(&gateway, "S", durable(), true).await.unwrap();
    assert_eq!(planned.outcome(), ApplyOutcome::Created);
    assert_eq!(planned.consumer, None);
    let created = apply(&gateway, "S", durable(), false).await.unwrap();
    assert_eq!(created.outcome(), ApplyOutcome::Created);

    let limited = ConsumerConfig {
        max_deliver: Some(5),
        sample_freq: 20,
        ..durable()
    };
    let planned = apply(&gateway, "S", limited.clone(), true).await.unwrap();
    assert_eq!(
        wire.consumer_info("S", "c").await["config"]["max_deliver"],
        -1
    );
    let updated = apply(&gateway, "S", limited.clone(), false).await.unwrap();
    assert_eq!(updated.outcome(), ApplyOutcome::Updated);
    assert_eq!(names(&updated.changes), ["max_deliver", "sample_freq"]);
    assert_eq!(planned.changes, updated.changes);
    let change = &updated.changes[0];
    assert_eq!(
        (change.old_value.as_str(), change.new_value.as_str()),
        ("-1", "5")
    );

    let unchanged = apply(&gateway, "S", limited, false).await.unwrap();
    assert_eq!(unchanged.outcome(), ApplyOutcome::Unchanged);
    let config = unchanged.consumer.unwrap().config.unwrap();
    assert_eq!((config.max_deliver, config.sample_freq), (Some(5), 20));
}

#[tokio::test]
async fn applying_does_not_end_a_pause() {
    let (_nats, gateway, _wire) = start().await;
    apply(&gateway, "S", durable(), false).await.unwrap();
    let pause = PauseConsumerRequest {
        stream: "S".to_owned(),
        consumer: "c".to_owned(),
        end: Some(End::PauseFor(prost_types::Duration {
            seconds: 600,
            nanos: 0,
        })),
    };
    gateway.consumers().pause_consumer(pause).await.unwrap();

    let unchanged = apply(&gateway, "S", durable(), false).await.unwrap();
    assert_eq!(unchanged.outcome(), ApplyOutcome::Unchanged);
    let limited = ConsumerConfig {
        max_deliver: Some(5),
        ..durable()
    };
    let updated = apply(&gateway, "S", limited, false).await.unwrap();

    assert!(updated.consumer.unwrap().state.unwrap().paused);
}

#[tokio::test]
async fn names_all_that_is_impossible() {
    let (_nats, gateway, mut wire) = start().await;
    apply(&gateway, "S", durable(), false).await.unwrap();

    let other = ConsumerConfig {
        durable_name: String::new(),
        name: "c".to_owned(),
        ack_policy: AckPolicy::All.into(),
        max_waiting: 3,
        max_deliver: Some(5),
        ..ConsumerConfig::default()
    };
    let result = apply(&gateway, "S", other, false).await;

    let status = refused(result, Code::FailedPrecondition, "IMMUTABLE_FIELD");
    let fields = metadata(&status, "fields").unwrap();
    assert_eq!(fields, "ack_policy,durable_name,max_waiting");
    assert_eq!(
        wire.consumer_info("S", "c").await["config"]["max_deliver"],
        -1
    );
}

#[tokio::test]
async fn says_what_it_cannot_apply_to() {
    let (_nats, gateway, mut wire) = start().await;
    let push = json!({ "durable_name": "c", "deliver_subject": "d", "ack_policy": "explicit" });
    wire.create_consumer("S", push).await;

    let to_push = apply(&gateway, "S", durable(), true).await;
    refused(to_push, Code::FailedPrecondition, "CONSUMER_IS_PUSH");
    let nowhere = apply(&gateway, "NONE", durable(), true).await;
    refused(nowhere, Code::NotFound, "STREAM_NOT_FOUND");
}
