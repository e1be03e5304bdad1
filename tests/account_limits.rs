//! Limits of the account, the server and JetStream: what `GetInfo` shows, and what reaching them is
//! called.

use std::collections::BTreeSet;

use jetgate::proto::publish_request::Payload;
use jetgate::proto::{
    AccountUsage, CreateStreamRequest, GetInfoRequest, NatsInfo, PublishBatchRequest,
    PublishRequest, StreamConfig,
};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Gateway, NatsServer, SOON, eventually, metadata, refused, start_with_stream};

/// A gateway whose account has these limits.
async fn start_with_limits(limits: &str) -> (NatsServer, Gateway) {
    let config = format!(
        "accounts {{ A {{ jetstream {{ {limits} }}, users [{{ user: a, password: a }}] }} }}"
    );
    let nats = NatsServer::start_with(&config).await;
    let url = nats.url().replace("nats://", "nats://a:a@");
    let gateway = Gateway::start(&url).await;
    (nats, gateway)
}

fn stream(name: &str) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        max_bytes: Some(100_000),
        ..StreamConfig::default()
    }
}

async fn create(gateway: &Gateway, config: StreamConfig) -> Result<(), Status> {
    let config = Some(config);
    let mut streams = gateway.streams();
    let created = streams.create_stream(CreateStreamRequest { config });
    created.await.map(|_| ())
}

async fn nats_info(gateway: &Gateway) -> NatsInfo {
    let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
    info.into_inner().nats.unwrap()
}

async fn usage(gateway: &Gateway) -> AccountUsage {
    nats_info(gateway).await.usage.unwrap()
}

#[tokio::test]
async fn the_account_s_limits_and_use_are_shown() {
    let limits = "max_mem: 1M, max_file: 2M, max_streams: 3, max_consumers: 4, max_ack_pending: 5";
    let (_nats, gateway) = start_with_limits(limits).await;
    create(&gateway, stream("S")).await.unwrap();
    let payload = Some(Payload::Data(vec![0; 1_000].into()));
    let message = PublishRequest {
        subject: "S.x".to_owned(),
        payload,
        ..PublishRequest::default()
    };
    gateway.publisher().publish(message).await.unwrap();

    let usage = eventually(SOON, async || {
        let usage = usage(&gateway).await;
        (usage.storage_bytes >= 1_000).then_some(usage)
    })
    .await;

    assert_eq!(
        (usage.streams, usage.consumers, usage.memory_bytes),
        (1, 0, 0)
    );
    assert_eq!(usage.reserved_storage_bytes, 100_000);
    let limits = usage.limits.unwrap();
    // The server counts these in powers of ten or two, by its version.
    assert!(
        (1_000_000..=1 << 20).contains(&limits.max_memory_bytes),
        "{limits:?}"
    );
    assert!(
        (2_000_000..=2 << 20).contains(&limits.max_storage_bytes),
        "{limits:?}"
    );
    assert_eq!((limits.max_streams, limits.max_consumers), (3, 4));
    assert_eq!(limits.max_ack_pending, 5);
}

#[tokio::test]
async fn the_features_are_those_of_the_server() {
    let (_nats, gateway, _wire) =
        start_with_stream(json!({ "name": "S", "subjects": ["s"] })).await;

    let info = nats_info(&gateway).await;

    assert_eq!(info.api_level, 5);
    let available = info.features.iter().filter(|it| it.available);
    let available: BTreeSet<_> = available.map(|it| it.name.as_str()).collect();
    for feature in [
        "allow_msg_ttl",
        "allow_atomic",
        "allow_batched",
        "reset_consumer",
    ] {
        assert!(available.contains(feature), "{feature}");
    }
    let unlimited = info.usage.unwrap().limits.unwrap();
    assert_eq!(
        (unlimited.max_streams, unlimited.max_storage_bytes),
        (-1, -1)
    );
}

#[tokio::test]
async fn one_stream_too_many_is_a_limit() {
    let (_nats, gateway) = start_with_limits("max_streams: 1").await;
    create(&gateway, stream("A")).await.unwrap();

    let status = refused(
        create(&gateway, stream("B")).await,
        Code::ResourceExhausted,
        "JETSTREAM_LIMIT",
    );

    assert_eq!(metadata(&status, "err_code").as_deref(), Some("10027"));
}

#[tokio::test]
async fn a_message_that_the_account_has_no_room_for_is_a_limit() {
    let (_nats, gateway) = start_with_limits("max_file: 4096").await;
    let config = StreamConfig {
        max_bytes: None,
        ..stream("S")
    };
    create(&gateway, config).await.unwrap();
    let payload = Some(Payload::Data(vec![0; 8_192].into()));
    let message = PublishRequest {
        subject: "S.x".to_owned(),
        payload,
        ..PublishRequest::default()
    };

    // JetStream looks at what is stored, and not at what comes on top of it.
    let status = eventually(SOON, async || {
        let answer = gateway.publisher().publish(message.clone()).await;
        answer.err()
    })
    .await;

    refused::<()>(Err(status), Code::ResourceExhausted, "JETSTREAM_LIMIT");
}

#[tokio::test]
async fn more_messages_than_a_stream_can_queue_are_refused_one_by_one() {
    let nats = NatsServer::start_with("jetstream { max_buffered_msgs: 1 }").await;
    let gateway = Gateway::start(&nats.url()).await;
    create(
        &gateway,
        StreamConfig {
            max_bytes: None,
            ..stream("S")
        },
    )
    .await
    .unwrap();
    let message = || PublishRequest {
        subject: "S.x".to_owned(),
        payload: Some(Payload::Data(vec![0; 1_000].into())),
        ..PublishRequest::default()
    };

    // How many the server takes before it is behind is its own affair.
    let results = eventually(SOON, async || {
        let request = PublishBatchRequest {
            messages: (0..1_000).map(|_| message()).collect(),
            ..PublishBatchRequest::default()
        };
        let answer = gateway.publisher().publish_batch(request).await.unwrap();
        let results = answer.into_inner().results;
        let failed: Vec<_> = results
            .into_iter()
            .filter_map(|it| it.status)
            .filter(|it| it.code != 0)
            .collect();
        (!failed.is_empty()).then_some(failed)
    })
    .await;

    for status in results {
        assert_eq!(status.code, Code::ResourceExhausted as i32, "{status:?}");
        assert_eq!(
            status.reason().as_str_name(),
            "ERROR_REASON_TOO_MANY_REQUESTS"
        );
    }
}
