//! Applying only to what was read: etags of streams and consumers.

use jetgate::proto::{
    ApplyConsumerRequest, ApplyOutcome, ApplyStreamRequest, ConsumerConfig, StreamConfig,
};
use tonic::Code;

use super::orders;
use crate::support::{metadata, refused, start, violated_field};

fn apply_stream(config: StreamConfig, etag: &str, validate_only: bool) -> ApplyStreamRequest {
    ApplyStreamRequest {
        config: Some(config),
        validate_only,
        etag: etag.to_owned(),
    }
}

#[tokio::test]
async fn a_stream_is_changed_only_as_it_was_read() {
    let (_nats, gateway) = start().await;
    let mut streams = gateway.streams();
    let missing = streams
        .apply_stream(apply_stream(orders(), "x", false))
        .await;
    refused(missing, Code::Aborted, "STALE_ETAG");

    let created = streams
        .apply_stream(apply_stream(orders(), "", false))
        .await;
    let first = created.unwrap().into_inner().stream.unwrap().etag;
    let limited = |max_msgs| StreamConfig {
        max_msgs: Some(max_msgs),
        ..orders()
    };
    let updated = streams
        .apply_stream(apply_stream(limited(5), &first, false))
        .await;
    let updated = updated.unwrap().into_inner();
    assert_eq!(updated.outcome(), ApplyOutcome::Updated);
    let second = updated.stream.unwrap().etag;

    for validate_only in [true, false] {
        let stale = streams
            .apply_stream(apply_stream(limited(6), &first, validate_only))
            .await;
        let status = refused(stale, Code::Aborted, "STALE_ETAG");
        assert_eq!(violated_field(&status), "etag");
        assert_eq!(metadata(&status, "etag").as_ref(), Some(&second));
    }
    let unchanged = streams
        .apply_stream(apply_stream(limited(5), &second, false))
        .await;
    assert_eq!(
        unchanged.unwrap().into_inner().outcome(),
        ApplyOutcome::Unchanged
    );
}

#[tokio::test]
async fn a_consumer_is_changed_only_as_it_was_read() {
    let (_nats, gateway) = start().await;
    let created = gateway
        .streams()
        .apply_stream(apply_stream(orders(), "", false))
        .await;
    created.unwrap();
    let mut consumers = gateway.consumers();
    let apply = |max_deliver, etag: &str| ApplyConsumerRequest {
        stream: "ORDERS".to_owned(),
        config: Some(ConsumerConfig {
            durable_name: "c".to_owned(),
            max_deliver,
            ..ConsumerConfig::default()
        }),
        etag: etag.to_owned(),
        ..ApplyConsumerRequest::default()
    };
    let missing = consumers.apply_consumer(apply(None, "x")).await;
    refused(missing, Code::Aborted, "STALE_ETAG");

    let created = consumers.apply_consumer(apply(None, "")).await.unwrap();
    let first = created.into_inner().consumer.unwrap().etag;
    let updated = consumers
        .apply_consumer(apply(Some(5), &first))
        .await
        .unwrap();
    assert_eq!(updated.into_inner().outcome(), ApplyOutcome::Updated);
    let stale = consumers.apply_consumer(apply(Some(6), &first)).await;
    refused(stale, Code::Aborted, "STALE_ETAG");
}
