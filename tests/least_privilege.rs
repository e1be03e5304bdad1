//! The NATS user that `deploy/nats/gateway-user.conf` shows may do all that a gateway does, and nothing is tried
//! that it may not.

use jetgate::config::{Config, Secret};
use jetgate::proto::consume_request::Frame as Consumed;
use jetgate::proto::get_message_request::Target;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{
    AckKind, AckPolicy, ApplyConsumerRequest, ApplyStreamRequest, ConsumerConfig,
    CreateConsumerRequest, CreateStreamRequest, DeleteConsumerRequest, DeleteMessageRequest,
    DeleteStreamRequest, EphemeralConsumer, GetConsumerRequest, GetInfoRequest, GetMessageRequest,
    GetStreamRequest, ListConsumersRequest, ListSessionsRequest, ListStreamsRequest,
    ListSubjectsRequest, OrderedConsumer, PauseConsumerRequest, PriorityPolicy, PublishAckMode,
    PublishBatchMode, PublishBatchRequest, PublishOpen, PublishRequest, PurgeStreamRequest,
    ResetConsumerRequest, ResumeConsumerRequest, StreamConfig, SubscribeRequest,
    UnpinConsumerRequest, UpdateStreamRequest,
};

use crate::support::consume::{Consume, open};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, fetch, fetched, settle, subscribe, subscribe_ordered,
};
use crate::support::dead_letters::{configured, letters, replay, replay_all, until_collecting};
use crate::support::publishing::Publishing;
use crate::support::{Clients, Gateway, NatsServer, SOON, eventually};

const USER: &str = include_str!("../deploy/nats/gateway-user.conf");

fn as_documented(config: &mut Config) {
    config.nats.user = Some("jetgate".to_owned());
    config.nats.password = Some(Secret::new("change-me"));
    config.nats.inbox_prefix = "_INBOX_jetgate".to_owned();
    configured(config);
}

fn message() -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    }
}

fn config() -> StreamConfig {
    StreamConfig {
        name: STREAM.to_owned(),
        subjects: vec!["orders.>".to_owned()],
        allow_atomic: true,
        allow_batched: true,
        ..StreamConfig::default()
    }
}

#[tokio::test]
async fn the_documented_user_is_enough_for_all_that_a_gateway_does() {
    let nats = NatsServer::start_with(USER).await;
    let gateways = [
        Gateway::start_with(&nats.url(), as_documented).await,
        Gateway::start_with(&nats.url(), as_documented).await,
    ];
    do_everything(&gateways).await;

    for gateway in gateways {
        gateway.shutdown().await;
    }
    assert!(!nats.log().contains("Violation"), "{}", nats.log());
}

/// All that a gateway does with JetStream, which is empty: two that collect dead letters, as documented.
pub(crate) async fn do_everything(gateways: &[Gateway; 2]) {
    let gateway = &gateways[0];
    until_collecting(gateway).await;

    make(gateway).await;
    publish(gateway).await;
    read(gateway).await;
    read_by_turns(gateway).await;
    bury(gateway).await;
    // Of every replica.
    let _session = Session::open(&gateways[1], subscribe()).await;
    eventually(SOON, async || {
        let request = ListSessionsRequest::default();
        let listed = gateway.gateway().list_sessions(request).await.unwrap();
        (!listed.into_inner().sessions.is_empty()).then_some(())
    })
    .await;
    let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
    assert_eq!(info.into_inner().nats.unwrap().streams, 3);
    administer(gateway).await;
}

async fn make(gateway: &Clients) {
    let create = CreateStreamRequest {
        config: Some(config()),
    };
    gateway.streams().create_stream(create).await.unwrap();
    let create = CreateConsumerRequest {
        stream: STREAM.to_owned(),
        config: Some(ConsumerConfig {
            durable_name: CONSUMER.to_owned(),
            ack_policy: AckPolicy::Explicit as i32,
            ..ConsumerConfig::default()
        }),
    };
    gateway.consumers().create_consumer(create).await.unwrap();
}

/// Sixteen messages, by every way that there is.
async fn publish(gateway: &Clients) {
    let mut publisher = gateway.publisher();
    let validated = PublishRequest {
        validate_only: true,
        ..message()
    };
    publisher.publish(validated).await.unwrap();
    publisher.publish(message()).await.unwrap();
    for mode in [
        PublishBatchMode::Independent,
        PublishBatchMode::OrderedStopOnError,
        PublishBatchMode::Atomic,
    ] {
        let batch = PublishBatchRequest {
            messages: vec![message(); 3],
            mode: mode as i32,
            ..PublishBatchRequest::default()
        };
        let answer = publisher.publish_batch(batch).await.unwrap().into_inner();
        assert_eq!(answer.failed_count, 0);
    }
    for ack_mode in [PublishAckMode::PerMessage, PublishAckMode::Cumulative] {
        let open = PublishOpen {
            stream: STREAM.to_owned(),
            ack_mode: ack_mode as i32,
            ..PublishOpen::default()
        };
        let mut stream = Publishing::open(gateway, open).await;
        stream.publish(1, vec![message(); 3]).await;
        stream.settled(3).await;
        assert!(stream.outcomes.values().all(|it| it.reason().is_empty()));
    }
}

async fn read(gateway: &Clients) {
    let mut ordered = Session::open(gateway, subscribe_ordered(OrderedConsumer::default())).await;
    assert_eq!(ordered.messages(16).await.len(), 16);
    drop(ordered);
    let got = fetched(gateway, fetch(5)).await;
    ack(gateway, &got).await;
    let mut subscribed = Session::open(gateway, subscribe()).await;
    ack(gateway, &subscribed.messages(11).await).await;
    drop(subscribed);

    let mut consuming = Consume::open(gateway, open()).await;
    gateway.publisher().publish(message()).await.unwrap();
    let messages = consuming.messages(1).await;
    consuming.ack(&messages).await;
    consuming.send(Consumed::Drain(jetgate::proto::Drain::default()));
    consuming.end().await.unwrap();
}

/// Of two sessions one has the messages at a time, until the other one's turn; the ephemeral consumer is made and
/// deleted by the way.
async fn read_by_turns(gateway: &Clients) {
    let config = ConsumerConfig {
        durable_name: "turns".to_owned(),
        ack_policy: AckPolicy::Explicit as i32,
        priority_policy: PriorityPolicy::PinnedClient as i32,
        priority_groups: vec!["jobs".to_owned()],
        ..ConsumerConfig::default()
    };
    let apply = ApplyConsumerRequest {
        stream: STREAM.to_owned(),
        config: Some(config),
        ..ApplyConsumerRequest::default()
    };
    gateway.consumers().apply_consumer(apply).await.unwrap();
    let of_turns = || SubscribeRequest {
        source: Some(Source::Consumer("turns".to_owned())),
        ..subscribe()
    };
    let mut pinned = Session::open(gateway, of_turns()).await;
    ack(gateway, &pinned.messages(17).await).await;
    let unpin = UnpinConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: "turns".to_owned(),
        group: "jobs".to_owned(),
    };
    gateway.consumers().unpin_consumer(unpin).await.unwrap();
    drop(pinned);

    let own = SubscribeRequest {
        source: Some(Source::Ephemeral(EphemeralConsumer::default())),
        ..subscribe()
    };
    let mut own = Session::open(gateway, own).await;
    ack(gateway, &own.messages(17).await).await;
}

/// A message dies, and is published again.
async fn bury(gateway: &Clients) {
    gateway.publisher().publish(message()).await.unwrap();
    settle(gateway, AckKind::Term, &fetched(gateway, fetch(1)).await).await;
    let has_letter = async || (letters(gateway).await.len() == 1).then_some(());
    eventually(2 * SOON, has_letter).await;
    let (_, summary) = replay(gateway, replay_all("r1")).await.unwrap();
    assert_eq!((summary.published, summary.failed), (1, 0));
}

async fn administer(gateway: &Clients) {
    let (stream, consumer) = (STREAM.to_owned(), CONSUMER.to_owned());
    let mut consumers = gateway.consumers();
    let get = GetConsumerRequest {
        stream: stream.clone(),
        consumer: consumer.clone(),
    };
    consumers.get_consumer(get).await.unwrap();
    let list = ListConsumersRequest {
        stream: stream.clone(),
        ..ListConsumersRequest::default()
    };
    consumers.list_consumers(list).await.unwrap();
    let pause = PauseConsumerRequest {
        stream: stream.clone(),
        consumer: consumer.clone(),
        end: Some(jetgate::proto::pause_consumer_request::End::PauseFor(
            prost_types::Duration {
                seconds: 60,
                nanos: 0,
            },
        )),
    };
    consumers.pause_consumer(pause).await.unwrap();
    let resume = ResumeConsumerRequest {
        stream: stream.clone(),
        consumer: consumer.clone(),
    };
    consumers.resume_consumer(resume).await.unwrap();
    let reset = ResetConsumerRequest {
        stream: stream.clone(),
        consumer: consumer.clone(),
        sequence: None,
    };
    consumers.reset_consumer(reset).await.unwrap();
    let delete = DeleteConsumerRequest {
        stream: stream.clone(),
        consumer,
    };
    consumers.delete_consumer(delete).await.unwrap();

    let mut streams = gateway.streams();
    let get = GetStreamRequest {
        stream: stream.clone(),
    };
    streams.get_stream(get).await.unwrap();
    let list = ListStreamsRequest::default();
    streams.list_streams(list).await.unwrap();
    let subjects = ListSubjectsRequest {
        stream: stream.clone(),
        ..ListSubjectsRequest::default()
    };
    streams.list_subjects(subjects).await.unwrap();
    for target in [
        Target::Sequence(1),
        Target::LastBySubject("orders.x".to_owned()),
    ] {
        let get = GetMessageRequest {
            stream: stream.clone(),
            target: Some(target),
            ..GetMessageRequest::default()
        };
        streams.get_message(get).await.unwrap();
    }
    let delete = DeleteMessageRequest {
        stream: stream.clone(),
        sequence: 1,
        no_erase: false,
    };
    streams.delete_message(delete).await.unwrap();
    let update = UpdateStreamRequest {
        config: Some(StreamConfig {
            description: "Changed.".to_owned(),
            ..config()
        }),
        ..UpdateStreamRequest::default()
    };
    streams.update_stream(update).await.unwrap();
    let apply = ApplyStreamRequest {
        config: Some(config()),
        ..ApplyStreamRequest::default()
    };
    streams.apply_stream(apply).await.unwrap();
    let purge = PurgeStreamRequest {
        stream: stream.clone(),
        ..PurgeStreamRequest::default()
    };
    streams.purge_stream(purge).await.unwrap();
    let delete = DeleteStreamRequest { stream };
    streams.delete_stream(delete).await.unwrap();
}
