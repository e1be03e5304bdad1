//! Consumers: creating, describing, listing and deleting them.

mod update;
mod validation;

use jetgate::proto::{
    AckPolicy, Consumer, ConsumerConfig, CreateConsumerRequest, DeleteConsumerRequest,
    DeliverPolicy, FetchRequest, GetConsumerRequest, ListConsumersRequest, PriorityPolicy,
    ReplayPolicy,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{
    Gateway, NatsServer, Wire, metadata, refused, start_with_stream, violated_field,
};

/// A server, a gateway and a stream to consume from.
async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": "ORDERS", "subjects": ["orders.>"] })).await
}

fn durable(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        durable_name: name.to_owned(),
        ..ConsumerConfig::default()
    }
}

async fn create(gateway: &Gateway, config: ConsumerConfig) -> Result<Consumer, Status> {
    let stream = "ORDERS".to_owned();
    let request = CreateConsumerRequest {
        stream,
        config: Some(config),
    };
    let answer = gateway.consumers().create_consumer(request).await?;
    Ok(answer.into_inner().consumer.unwrap())
}

async fn get(gateway: &Gateway, stream: &str, consumer: &str) -> Result<Consumer, Status> {
    let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
    let answer = gateway
        .consumers()
        .get_consumer(GetConsumerRequest { stream, consumer })
        .await?;
    Ok(answer.into_inner().consumer.unwrap())
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test]
async fn creates_a_durable_consumer_with_explicit_acks() {
    let (_nats, gateway, mut wire) = start().await;

    let consumer = create(&gateway, durable("c")).await.unwrap();

    assert_eq!(
        (consumer.stream.as_str(), consumer.name.as_str()),
        ("ORDERS", "c")
    );
    assert!(consumer.create_time.is_some() && !consumer.etag.is_empty());
    let config = consumer.config.unwrap();
    assert_eq!(config.ack_policy(), AckPolicy::Explicit);
    assert_eq!(config.deliver_policy(), DeliverPolicy::All);
    assert_eq!(config.replay_policy(), ReplayPolicy::Instant);
    assert_eq!(config.ack_wait, seconds(30));
    assert_eq!(config.max_ack_pending, Some(1000));
    let stored = wire.consumer_info("ORDERS", "c").await["config"].take();
    assert_eq!(stored["ack_policy"], "explicit");
    assert_eq!(stored["durable_name"], "c");
}

#[tokio::test]
async fn creates_a_consumer_with_every_setting() {
    let (_nats, gateway, mut wire) = start().await;
    let config = ConsumerConfig {
        name: "c".to_owned(),
        description: "reads orders".to_owned(),
        filter_subjects: vec!["orders.a".to_owned(), "orders.b".to_owned()],
        deliver_policy: DeliverPolicy::ByStartSequence as i32,
        opt_start_seq: 7,
        ack_policy: AckPolicy::All as i32,
        ack_wait: seconds(1),
        max_deliver: Some(5),
        backoff: vec![seconds(1).unwrap(), seconds(10).unwrap()],
        max_ack_pending: Some(50),
        replay_policy: ReplayPolicy::Original as i32,
        headers_only: true,
        max_waiting: 20,
        max_batch: 30,
        max_expires: seconds(40),
        max_bytes: 4096,
        inactive_threshold: seconds(60),
        num_replicas: 1,
        mem_storage: true,
        metadata: [("team".to_owned(), "orders".to_owned())].into(),
        priority_policy: PriorityPolicy::None as i32,
        ..durable("c")
    };

    let created = create(&gateway, config.clone())
        .await
        .unwrap()
        .config
        .unwrap();

    assert_eq!(created.metadata["team"], "orders");
    assert_eq!(
        ConsumerConfig {
            metadata: config.metadata.clone(),
            ..created
        },
        config
    );
    let stored = wire.consumer_info("ORDERS", "c").await["config"].take();
    assert_eq!(stored["opt_start_seq"], 7);
    assert_eq!(
        stored["backoff"],
        json!([1_000_000_000_u64, 10_000_000_000_u64])
    );
    assert_eq!(stored["max_expires"], 40_000_000_000_u64);
}

#[tokio::test]
async fn creates_a_consumer_that_starts_at_a_time() {
    let (_nats, gateway, mut wire) = start().await;
    let time = "2026-01-02T03:04:05.678Z".parse().unwrap();

    let config = ConsumerConfig {
        deliver_policy: DeliverPolicy::ByStartTime as i32,
        opt_start_time: Some(time),
        ..durable("c")
    };
    let created = create(&gateway, config).await.unwrap().config.unwrap();

    assert_eq!(created.opt_start_time, Some(time));
    let stored = wire.consumer_info("ORDERS", "c").await["config"].take();
    assert_eq!(stored["opt_start_time"], "2026-01-02T03:04:05.678Z");
}

#[tokio::test]
async fn creates_an_ephemeral_consumer_by_its_name() {
    let (_nats, gateway, mut wire) = start().await;

    let config = ConsumerConfig {
        name: "e".to_owned(),
        ..ConsumerConfig::default()
    };
    let consumer = create(&gateway, config).await.unwrap();

    assert_eq!(consumer.name, "e");
    assert_eq!(consumer.config.unwrap().durable_name, "");
    let stored = wire.consumer_info("ORDERS", "e").await["config"].take();
    assert!(stored["durable_name"].as_str().is_none_or(str::is_empty));
}

#[tokio::test]
async fn creating_the_same_consumer_again_returns_it() {
    let (_nats, gateway, _wire) = start().await;
    let first = create(&gateway, durable("c")).await.unwrap();

    let again = create(&gateway, durable("c")).await.unwrap();

    assert_eq!(
        (again.etag, again.create_time),
        (first.etag.clone(), first.create_time)
    );
    // What JetStream fills in counts as the same.
    let spelled_out = ConsumerConfig {
        name: "c".to_owned(),
        ack_policy: AckPolicy::Explicit as i32,
        ack_wait: seconds(30),
        max_deliver: Some(-1),
        max_ack_pending: Some(1000),
        max_waiting: 512,
        ..durable("c")
    };
    assert_eq!(
        create(&gateway, spelled_out).await.unwrap().etag,
        first.etag
    );
}

#[tokio::test]
async fn creating_a_consumer_that_differs_names_the_differences() {
    let (_nats, gateway, _wire) = start().await;
    create(&gateway, durable("c")).await.unwrap();

    let other = ConsumerConfig {
        ack_wait: seconds(5),
        max_deliver: Some(3),
        ..durable("c")
    };
    let status = refused(
        create(&gateway, other).await,
        Code::AlreadyExists,
        "CONSUMER_EXISTS",
    );

    let differs = metadata(&status, "differs").unwrap();
    assert!(
        differs.contains("ack_wait") && differs.contains("max_deliver"),
        "{differs}"
    );
    assert!(!differs.contains("ack_policy"), "{differs}");
    let current = get(&gateway, "ORDERS", "c").await.unwrap().config.unwrap();
    assert_eq!(current.ack_wait, seconds(30));
}

#[tokio::test]
async fn does_not_find_what_is_not_there() {
    let (_nats, gateway, _wire) = start().await;
    let names = |stream: &str, consumer: &str| (stream.to_owned(), consumer.to_owned());

    for ((stream, consumer), reason) in [
        (names("NONE", "c"), "STREAM_NOT_FOUND"),
        (names("ORDERS", "none"), "CONSUMER_NOT_FOUND"),
    ] {
        refused(
            get(&gateway, &stream, &consumer).await,
            Code::NotFound,
            reason,
        );
        let request = DeleteConsumerRequest { stream, consumer };
        let deleted = gateway.consumers().delete_consumer(request).await;
        refused(deleted, Code::NotFound, reason);
    }

    let stream = "NONE".to_owned();
    let request = CreateConsumerRequest {
        stream: stream.clone(),
        config: Some(durable("c")),
    };
    let created = gateway.consumers().create_consumer(request).await;
    refused(created, Code::NotFound, "STREAM_NOT_FOUND");
    let request = ListConsumersRequest {
        stream,
        ..ListConsumersRequest::default()
    };
    let listed = gateway.consumers().list_consumers(request).await;
    refused(listed, Code::NotFound, "STREAM_NOT_FOUND");
}

#[tokio::test]
async fn describes_how_far_a_consumer_has_read() {
    let (_nats, gateway, mut wire) = start().await;
    for _ in 0..3 {
        wire.store("orders.x", b"").await;
    }
    create(&gateway, durable("c")).await.unwrap();
    let next = "$JS.API.CONSUMER.MSG.NEXT.ORDERS.c";
    let first = wire.request(next, None, b"").await.unwrap();
    wire.request(&first.reply, None, b"+ACK").await.unwrap();
    wire.request(next, None, b"").await.unwrap();

    let state = get(&gateway, "ORDERS", "c").await.unwrap().state.unwrap();

    assert_eq!(state.delivered.unwrap().stream_sequence, 2);
    assert_eq!(state.ack_floor.unwrap().stream_sequence, 1);
    assert_eq!(
        (state.num_ack_pending, state.num_pending, state.num_waiting),
        (1, 1, 0)
    );
    assert!(!state.paused);
}

#[tokio::test]
async fn says_that_a_consumer_is_paused() {
    let (_nats, gateway, mut wire) = start().await;
    create(&gateway, durable("c")).await.unwrap();
    wire.api(
        "CONSUMER.PAUSE.ORDERS.c",
        json!({ "pause_until": "2999-01-01T00:00:00Z" }),
    )
    .await;

    let state = get(&gateway, "ORDERS", "c").await.unwrap().state.unwrap();

    assert!(state.paused && state.pause_remaining.unwrap().seconds > 0);
}

#[tokio::test]
async fn deletes_a_consumer() {
    let (_nats, gateway, mut wire) = start().await;
    create(&gateway, durable("c")).await.unwrap();

    let (stream, consumer) = ("ORDERS".to_owned(), "c".to_owned());
    let request = DeleteConsumerRequest { stream, consumer };
    gateway.consumers().delete_consumer(request).await.unwrap();

    let answer = wire
        .try_api("CONSUMER.INFO.ORDERS.c", Value::Null)
        .await
        .unwrap();
    assert_eq!(answer["error"]["err_code"], 10014);
}

#[tokio::test]
async fn lists_every_consumer_page_by_page() {
    let (_nats, gateway, mut wire) = start().await;
    for name in ["a", "b", "c", "d", "e"] {
        let config = json!({ "durable_name": name, "ack_policy": "explicit" });
        wire.create_consumer("ORDERS", config).await;
    }

    let (mut names, mut sizes) = (Vec::new(), Vec::new());
    let stream = "ORDERS".to_owned();
    let mut request = ListConsumersRequest {
        stream,
        page_size: 2,
        ..ListConsumersRequest::default()
    };
    loop {
        let page = gateway
            .consumers()
            .list_consumers(request.clone())
            .await
            .unwrap()
            .into_inner();
        sizes.push(page.consumers.len());
        names.extend(page.consumers.into_iter().map(|consumer| consumer.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }

    names.sort();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(sizes, [2, 2, 1]);
    request.page_token = "page two".to_owned();
    let answer = gateway.consumers().list_consumers(request).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "page_token");
}

#[tokio::test]
async fn lists_a_push_consumer_and_does_not_serve_it() {
    let (_nats, gateway, mut wire) = start().await;
    let config =
        json!({ "durable_name": "push", "deliver_subject": "to.me", "ack_policy": "explicit" });
    wire.create_consumer("ORDERS", config).await;

    let (stream, consumer) = ("ORDERS".to_owned(), "push".to_owned());
    let request = ListConsumersRequest {
        stream: stream.clone(),
        ..Default::default()
    };
    let page = gateway
        .consumers()
        .list_consumers(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.consumers[0].name, "push");

    let request = FetchRequest {
        stream,
        consumer,
        no_wait: true,
        ..FetchRequest::default()
    };
    let fetched = gateway.subscriber().fetch(request).await;
    refused(fetched, Code::FailedPrecondition, "CONSUMER_IS_PUSH");

    let created = create(&gateway, durable("push")).await;
    refused(created, Code::AlreadyExists, "CONSUMER_EXISTS");
}

#[tokio::test]
async fn refuses_more_consumers_than_the_stream_may_have() {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "max_consumers": 1 });
    let (_nats, gateway, _wire) = start_with_stream(config).await;
    create(&gateway, durable("first")).await.unwrap();

    let second = create(&gateway, durable("second")).await;

    refused(second, Code::ResourceExhausted, "TOO_MANY_CONSUMERS");
}

#[tokio::test]
async fn refuses_a_second_reader_of_a_work_queue() {
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "retention": "workqueue" });
    let (_nats, gateway, _wire) = start_with_stream(config).await;
    create(&gateway, durable("first")).await.unwrap();

    let second = create(&gateway, durable("second")).await;

    refused(second, Code::FailedPrecondition, "FAILED_PRECONDITION");
}

#[tokio::test]
async fn lists_only_consumers_that_are_asked_for() {
    let (_nats, gateway, mut wire) = start().await;
    for (name, filter) in [
        ("all", ""),
        ("billing", "orders.new"),
        ("billing-eu", "orders.*.eu"),
        ("audit", "orders.>"),
    ] {
        let config =
            json!({ "durable_name": name, "ack_policy": "explicit", "filter_subject": filter });
        wire.create_consumer("ORDERS", config).await;
    }
    let list = async |name: &str, subject: &str| {
        let request = ListConsumersRequest {
            stream: "ORDERS".to_owned(),
            name: name.to_owned(),
            subject: subject.to_owned(),
            ..ListConsumersRequest::default()
        };
        let page = gateway.consumers().list_consumers(request).await;
        let consumers = page.unwrap().into_inner().consumers.into_iter();
        let mut names: Vec<_> = consumers.map(|it| it.name).collect();
        names.sort();
        names
    };

    assert_eq!(list("billing*", "").await, ["billing", "billing-eu"]);
    assert_eq!(list("", "orders.new").await, ["all", "audit", "billing"]);
    assert_eq!(list("billing*", "orders.new.eu").await, ["billing-eu"]);
    assert_eq!(list("x", "").await, [""; 0]);
    let request = ListConsumersRequest {
        stream: "ORDERS".to_owned(),
        subject: "orders..x".to_owned(),
        ..ListConsumersRequest::default()
    };
    let answer = gateway.consumers().list_consumers(request).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "subject");
}
