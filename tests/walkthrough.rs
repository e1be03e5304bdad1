//! The tour of the README by the generated clients, on one server and on a cluster.

mod several;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jetgate::proto::acknowledgement::Target;
use jetgate::proto::publish_request::Payload;
use jetgate::proto::received_message::Payload as Received;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    AckKind, AckPolicy, AcknowledgeRequest, Acknowledgement, ConsumerConfig, CreateConsumerRequest,
    CreateStreamRequest, DeliverPolicy, DiscardPolicy, Expectation, FetchRequest, FlowLimits,
    GetConsumerRequest, GetStreamRequest, ItemStatus, ListConsumersRequest, OrderedConsumer,
    PayloadFormat, PublishRequest, PublishResponse, ReceivedMessage, ReplayPolicy, RetentionPolicy,
    StorageType, StreamConfig, SubscribeRequest, SubscribeResponse,
};
use prost_types::value::Kind;
use prost_types::{Duration as ProtoDuration, Struct, Value};
use tokio::time::timeout;
use tonic::{Code, Request, Streaming};

use crate::support::{Clients, Gateway, NatsCluster, NatsServer, SOON, metadata, refused};

const STREAM: &str = "USER_EVENTS";
const CONSUMER: &str = "user-event-processor";
const REGISTRATION: &str = r#"{"user_id":42}"#;
const LOGIN: &str = "ada logged in";
const DAY: i64 = 24 * 60 * 60;

/// How long the consumer waits for an acknowledgement.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Every step of the tour, with what it must answer.
pub(crate) async fn tour(clients: &Clients, replicas: u32) {
    create_stream(clients, replicas).await;
    refuses_other_settings(clients, replicas).await;
    publish(clients).await;
    create_consumer(clients).await;

    let fetched = fetch(clients, 10).await;
    assert_eq!(texts(&fetched), [REGISTRATION, LOGIN]);
    assert!(fetched.iter().all(|message| message.delivery_attempt == 1));

    let nak = Acknowledgement {
        delay: Some(seconds(1)),
        ..settlement(&fetched[1], AckKind::Nak)
    };
    let ack = settlement(&fetched[0], AckKind::Ack);
    assert_eq!(settle(clients, vec![ack, nak]).await, [0, 0]);

    let mut subscriber = Subscriber::open(clients, Source::Consumer(CONSUMER.into()), 256).await;
    let again = subscriber.next().await;
    assert_eq!(texts([&again]), [LOGIN]);
    assert_eq!(again.delivery_attempt, 2);
    let ack = settlement(&again, AckKind::Ack);
    assert_eq!(settle(clients, vec![ack]).await, [0]);

    let ordered = Source::Ordered(OrderedConsumer::default());
    let mut reader = Subscriber::open(clients, ordered, 256).await;
    let read = [reader.next().await, reader.next().await];
    assert_eq!(texts(&read), [REGISTRATION, LOGIN]);
    assert!(read.iter().all(|message| message.ack_token.is_empty()));

    describe(clients, replicas).await;
}

async fn create_stream(clients: &Clients, replicas: u32) {
    // Again is fine.
    for _ in 0..2 {
        let config = Some(stream_config(replicas));
        let created = clients
            .streams()
            .create_stream(CreateStreamRequest { config })
            .await;
        let stream = created.unwrap().into_inner().stream.unwrap();
        let config = stream.config.unwrap();
        assert_eq!(config.subjects, ["users.*", "users.*.events"]);
        assert_eq!(
            (config.max_bytes, config.max_age, config.num_replicas),
            (Some(1 << 30), Some(seconds(7 * DAY)), replicas)
        );
    }
}

async fn refuses_other_settings(clients: &Clients, replicas: u32) {
    let config = StreamConfig {
        max_age: Some(seconds(DAY)),
        ..stream_config(replicas)
    };
    let request = CreateStreamRequest {
        config: Some(config),
    };
    let result = clients.streams().create_stream(request).await;
    let status = refused(result, Code::AlreadyExists, "STREAM_EXISTS");
    assert_eq!(metadata(&status, "differs").as_deref(), Some("max_age"));
}

async fn publish(clients: &Clients) {
    let user = Value {
        kind: Some(Kind::NumberValue(42.0)),
    };
    let event = Struct {
        fields: [("user_id".to_owned(), user)].into(),
    };
    let registration = PublishRequest {
        subject: "users.registration".to_owned(),
        payload: Some(Payload::Json(Box::new(Value {
            kind: Some(Kind::StructValue(event)),
        }))),
        ..PublishRequest::default()
    };
    let stored = clients.publisher().publish(registration).await.unwrap();
    assert_eq!(stored.into_inner().sequence, 1);

    for duplicate in [false, true] {
        let mut request = Request::new(login(STREAM));
        request.set_timeout(Duration::from_secs(5));
        let stored = clients.publisher().publish(request).await.unwrap();
        let expected = PublishResponse {
            stream: STREAM.to_owned(),
            sequence: 2,
            duplicate,
            message_id: "unique-msg-id-123".to_owned(),
            ..PublishResponse::default()
        };
        assert_eq!(stored.into_inner(), expected);
    }

    let result = clients.publisher().publish(login("ORDERS")).await;
    refused(result, Code::FailedPrecondition, "WRONG_STREAM");
}

async fn create_consumer(clients: &Clients) {
    let config = ConsumerConfig {
        durable_name: CONSUMER.to_owned(),
        ack_policy: AckPolicy::Explicit as i32,
        ack_wait: ACK_WAIT.try_into().ok(),
        max_deliver: Some(5),
        filter_subject: "users.*".to_owned(),
        deliver_policy: DeliverPolicy::All as i32,
        replay_policy: ReplayPolicy::Instant as i32,
        ..ConsumerConfig::default()
    };
    let request = CreateConsumerRequest {
        stream: STREAM.to_owned(),
        config: Some(config),
    };
    let created = clients.consumers().create_consumer(request).await.unwrap();
    let consumer = created.into_inner().consumer.unwrap();
    assert_eq!(
        (consumer.name.as_str(), consumer.config.unwrap().max_deliver),
        (CONSUMER, Some(5))
    );
}

async fn describe(clients: &Clients, replicas: u32) {
    let stream = STREAM.to_owned();
    let request = GetStreamRequest {
        stream: stream.clone(),
    };
    let answer = clients.streams().get_stream(request).await.unwrap();
    let found = answer.into_inner().stream.unwrap();
    assert_eq!(found.state.unwrap().messages, 2);
    let others = found.cluster.map_or(0, |cluster| cluster.replicas.len());
    assert_eq!(others, replicas as usize - 1);

    let request = ListConsumersRequest {
        stream: stream.clone(),
        ..ListConsumersRequest::default()
    };
    let answer = clients.consumers().list_consumers(request).await.unwrap();
    let listed = answer.into_inner().consumers;
    assert!(listed.iter().any(|consumer| consumer.name == CONSUMER));

    let request = GetConsumerRequest {
        stream,
        consumer: CONSUMER.to_owned(),
    };
    let answer = clients.consumers().get_consumer(request).await.unwrap();
    let state = answer.into_inner().consumer.unwrap().state.unwrap();
    assert_eq!((state.num_pending, state.num_ack_pending), (0, 0));
    assert_eq!(state.ack_floor.unwrap().stream_sequence, 2);
}

#[tokio::test]
async fn the_tour_on_a_single_server() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;

    tour(&gateway, 1).await;
}

#[tokio::test]
async fn the_tour_on_a_cluster() {
    let cluster = NatsCluster::start().await;
    let gateway = Gateway::start(&cluster.url()).await;

    tour(&gateway, 3).await;
}

/// A caller's end of a session.
struct Subscriber {
    events: Streaming<SubscribeResponse>,
    waiting: VecDeque<ReceivedMessage>,
}

impl Subscriber {
    /// Subscribes and waits until the session is open.
    async fn open(clients: &Clients, source: Source, window: u32) -> Self {
        let request = SubscribeRequest {
            stream: STREAM.to_owned(),
            source: Some(source),
            flow: Some(FlowLimits {
                max_outstanding_messages: Some(window),
                max_outstanding_bytes: None,
            }),
            payload_format: PayloadFormat::Text as i32,
            ..SubscribeRequest::default()
        };
        let answer = clients.subscriber().subscribe(request).await.unwrap();
        let mut events = answer.into_inner();
        let first = timeout(SOON, events.message()).await.unwrap().unwrap();
        let first = first.and_then(|response| response.event);
        assert!(matches!(first, Some(Event::Opened(_))), "{first:?}");
        Self {
            events,
            waiting: VecDeque::new(),
        }
    }

    /// The next message. One whose delivery a crashed server took along comes after its ack wait.
    async fn next(&mut self) -> ReceivedMessage {
        let message = timeout(ACK_WAIT + SOON, self.next_ever()).await;
        message.expect("a message comes")
    }

    /// The next message, whenever it comes. Safe to drop while it waits.
    async fn next_ever(&mut self) -> ReceivedMessage {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return message;
            }
            let response = self.events.message().await.unwrap().expect("it goes on");
            if let Some(Event::Messages(batch)) = response.event {
                self.waiting.extend(batch.messages);
            }
        }
    }

    async fn take(&mut self, count: usize) -> Vec<ReceivedMessage> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }
}

async fn fetch(clients: &Clients, batch: u32) -> Vec<ReceivedMessage> {
    let request = FetchRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
        batch,
        max_wait: Some(seconds(5)),
        payload_format: PayloadFormat::Text as i32,
        ..FetchRequest::default()
    };
    let answer = clients.subscriber().fetch(request).await.unwrap();
    answer.into_inner().messages
}

/// Settles and returns the code of each result.
async fn settle(clients: &Clients, acknowledgements: Vec<Acknowledgement>) -> Vec<i32> {
    let request = AcknowledgeRequest {
        acknowledgements,
        confirm: None,
    };
    let answer = clients.subscriber().acknowledge(request).await.unwrap();
    let code = |status: &ItemStatus| status.code;
    answer.into_inner().results.iter().map(code).collect()
}

/// Stores a message, with this id unless it is empty.
async fn store(clients: &Clients, id: &str) -> PublishResponse {
    let request = PublishRequest {
        subject: "users.login".to_owned(),
        message_id: id.to_owned(),
        ..PublishRequest::default()
    };
    let stored = clients.publisher().publish(request).await.unwrap();
    stored.into_inner()
}

fn stream_config(replicas: u32) -> StreamConfig {
    StreamConfig {
        name: STREAM.to_owned(),
        subjects: vec!["users.*".to_owned(), "users.*.events".to_owned()],
        storage: StorageType::File as i32,
        retention: RetentionPolicy::Limits as i32,
        discard: DiscardPolicy::Old as i32,
        max_bytes: Some(1 << 30),
        max_age: Some(seconds(7 * DAY)),
        num_replicas: replicas,
        ..StreamConfig::default()
    }
}

fn login(expected_stream: &str) -> PublishRequest {
    PublishRequest {
        subject: "users.login".to_owned(),
        payload: Some(Payload::Text(LOGIN.to_owned())),
        message_id: "unique-msg-id-123".to_owned(),
        expect: Some(Box::new(Expectation {
            stream: expected_stream.to_owned(),
            ..Expectation::default()
        })),
        ..PublishRequest::default()
    }
}

fn durable() -> Source {
    Source::Consumer(CONSUMER.to_owned())
}

fn settlement(message: &ReceivedMessage, kind: AckKind) -> Acknowledgement {
    Acknowledgement {
        target: Some(Target::AckToken(message.ack_token.clone())),
        kind: kind as i32,
        ..Acknowledgement::default()
    }
}

fn texts<'a>(messages: impl IntoIterator<Item = &'a ReceivedMessage>) -> Vec<&'a str> {
    let text = |message: &'a ReceivedMessage| match &message.payload {
        Some(Received::Text(text)) => text.as_str(),
        other => panic!("no text: {other:?}"),
    };
    messages.into_iter().map(text).collect()
}

fn sequences(messages: &[ReceivedMessage]) -> BTreeSet<u64> {
    let sequence = |message: &ReceivedMessage| message.stream_sequence;
    messages.iter().map(sequence).collect()
}

fn seconds(seconds: i64) -> ProtoDuration {
    ProtoDuration { seconds, nanos: 0 }
}
