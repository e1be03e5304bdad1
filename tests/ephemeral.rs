//! Consumers of one session, which the gateway makes as the caller describes them.

use std::time::Duration;

use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{
    AckPolicy, DeleteConsumerRequest, DeliverPolicy, EphemeralConsumer, ReplayPolicy, Resumption,
    SubscribeRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consuming::{
    STREAM, Session, ack, payload, sequences, store_many, subscribe, time,
};
use crate::support::{
    Gateway, NatsServer, SOON, Toxic, Wire, eventually, refused, start_with_stream, violated_field,
};

async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": STREAM, "subjects": ["orders.>"] })).await
}

fn subscribe_ephemeral(ephemeral: EphemeralConsumer) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ephemeral(ephemeral)),
        ..subscribe()
    }
}

async fn open(gateway: &Gateway, ephemeral: EphemeralConsumer) -> Session {
    Session::open(gateway, subscribe_ephemeral(ephemeral)).await
}

#[tokio::test]
async fn is_made_as_described() {
    let (_nats, gateway, mut wire) = start().await;
    let metadata = [("team".to_owned(), "blue".to_owned())];
    let session = open(
        &gateway,
        EphemeralConsumer {
            filter_subjects: vec!["orders.a".to_owned(), "orders.b".to_owned()],
            deliver_policy: DeliverPolicy::ByStartSequence as i32,
            opt_start_seq: 7,
            replay_policy: ReplayPolicy::Original as i32,
            headers_only: true,
            ack_policy: AckPolicy::All as i32,
            ack_wait: time(Duration::from_secs(9)),
            max_deliver: Some(5),
            backoff: vec![],
            max_ack_pending: Some(77),
            inactive_threshold: time(Duration::from_secs(99)),
            num_replicas: 1,
            mem_storage: true,
            metadata: metadata.into(),
            ..EphemeralConsumer::default()
        },
    )
    .await;

    let name = &session.opened.consumer;
    assert!(name.starts_with("jetgate-"), "{name}");
    assert_eq!(session.opened.ack_policy(), AckPolicy::All);
    assert_eq!(session.opened.ack_wait, time(Duration::from_secs(9)));
    assert_eq!(session.opened.resumed(), Resumption::Unspecified);
    let config = wire.consumer_info(STREAM, name).await["config"].take();
    for (key, expected) in [
        ("filter_subjects", json!(["orders.a", "orders.b"])),
        ("deliver_policy", json!("by_start_sequence")),
        ("opt_start_seq", json!(7)),
        ("replay_policy", json!("original")),
        ("headers_only", json!(true)),
        ("ack_policy", json!("all")),
        ("ack_wait", json!(9_000_000_000_u64)),
        ("max_deliver", json!(5)),
        ("max_ack_pending", json!(77)),
        ("inactive_threshold", json!(99_000_000_000_u64)),
        ("num_replicas", json!(1)),
        ("mem_storage", json!(true)),
        ("durable_name", Value::Null),
    ] {
        assert_eq!(config[key], expected, "{key}");
    }
    assert_eq!(config["metadata"]["team"], "blue");
}

#[tokio::test]
async fn delivers_and_redelivers_with_acks() {
    let (_nats, gateway, mut wire) = start().await;
    store_many(&mut wire, 3).await;
    let ephemeral = EphemeralConsumer {
        ack_wait: time(Duration::from_secs(3)),
        ..EphemeralConsumer::default()
    };
    let mut session = open(&gateway, ephemeral).await;
    let messages = session.messages(3).await;
    ack(&gateway, &messages[..2]).await;

    let again = session.messages(1).await;
    assert_eq!(payload(&again[0]), b"3");
    assert_eq!(again[0].delivery_attempt, 2);
    ack(&gateway, &again).await;
}

#[tokio::test]
async fn starts_where_each_policy_says() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["orders.a", "orders.b", "orders.a"] {
        wire.store(subject, b"").await;
    }
    for (policy, expected) in [
        (DeliverPolicy::All, vec![1, 2, 3]),
        (DeliverPolicy::Last, vec![3]),
        (DeliverPolicy::LastPerSubject, vec![2, 3]),
    ] {
        let ephemeral = EphemeralConsumer {
            deliver_policy: policy as i32,
            ..EphemeralConsumer::default()
        };
        let mut session = open(&gateway, ephemeral).await;
        let messages = session.messages(expected.len()).await;
        assert_eq!(sequences(&messages), expected, "{policy:?}");
    }
}

#[tokio::test]
async fn stays_for_inactive_threshold_when_its_caller_vanishes() {
    let (_nats, gateway, mut wire) = start().await;
    let ephemeral = EphemeralConsumer {
        inactive_threshold: time(Duration::from_secs(3)),
        ..EphemeralConsumer::default()
    };
    let session = open(&gateway, ephemeral).await;
    let name = session.opened.consumer.clone();
    let subject = format!("CONSUMER.INFO.{STREAM}.{name}");
    drop(session);

    // The session has ended, and the consumer has not.
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, &name).await;
        (info["num_waiting"] == 0).then_some(())
    })
    .await;
    eventually(SOON, async || {
        let answer = wire.try_api(&subject, Value::Null).await?;
        (answer["error"]["err_code"] == 10014).then_some(())
    })
    .await;
}

#[tokio::test]
async fn ends_when_somebody_deletes_it() {
    let (_nats, gateway, _wire) = start().await;
    let mut session = open(&gateway, EphemeralConsumer::default()).await;

    let request = DeleteConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: session.opened.consumer.clone(),
    };
    gateway.consumers().delete_consumer(request).await.unwrap();

    let end = session.end().await;
    refused::<()>(Err(end), Code::NotFound, "CONSUMER_NOT_FOUND");
}

#[tokio::test]
async fn is_made_anew_behind_its_ack_floor_where_jetstream_lost_it() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    store_many(&mut wire, 4).await;
    let mut session = open(&gateway, EphemeralConsumer::default()).await;
    let messages = session.messages(4).await;
    ack(&gateway, &messages[..2]).await;

    // It goes while the gateway cannot see it.
    toxic.cut();
    let subject = format!("CONSUMER.DELETE.{STREAM}.{}", session.opened.consumer);
    wire.api(&subject, Value::Null).await;
    store_many(&mut wire, 1).await;
    toxic.restore();

    let again = session.messages(3).await;
    assert_eq!(sequences(&again), [3, 4, 5]);
    assert_ne!(again[0].consumer, session.opened.consumer);
    ack(&gateway, &again).await;
}

#[tokio::test]
async fn keeps_to_what_its_stream_allows() {
    let limits = json!({ "inactive_threshold": 20_000_000_000_u64, "max_ack_pending": 5 });
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"], "consumer_limits": limits });
    let (_nats, gateway, mut wire) = start_with_stream(stream).await;

    let session = open(&gateway, EphemeralConsumer::default()).await;
    let config = wire.consumer_info(STREAM, &session.opened.consumer).await["config"].take();
    assert_eq!(config["inactive_threshold"], 20_000_000_000_u64);
    assert_eq!(config["max_ack_pending"], 5);
}

#[tokio::test]
async fn says_that_the_stream_has_as_many_consumers_as_it_may_have() {
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"], "max_consumers": 1 });
    let (_nats, gateway, _wire) = start_with_stream(stream).await;
    let _session = open(&gateway, EphemeralConsumer::default()).await;

    let request = subscribe_ephemeral(EphemeralConsumer::default());
    let answer = gateway.subscriber().subscribe(request).await;
    refused(
        answer.map(|_| ()),
        Code::ResourceExhausted,
        "TOO_MANY_CONSUMERS",
    );
}

#[tokio::test]
async fn refuses_what_cannot_be_asked_for() {
    let (_nats, gateway, _wire) = start().await;
    let start = EphemeralConsumer {
        opt_start_seq: 3,
        ..EphemeralConsumer::default()
    };
    let filter = EphemeralConsumer {
        filter_subjects: vec!["a b".to_owned()],
        ..EphemeralConsumer::default()
    };
    let wait = EphemeralConsumer {
        ack_wait: time(Duration::ZERO),
        ..EphemeralConsumer::default()
    };
    for (ephemeral, field) in [
        (start, "ephemeral.opt_start_seq"),
        (filter, "ephemeral.filter_subjects[0]"),
        (wait, "ephemeral.ack_wait"),
    ] {
        let answer = gateway
            .subscriber()
            .subscribe(subscribe_ephemeral(ephemeral))
            .await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
}
