//! Consuming as a caller does: sessions, fetches and acknowledgements, with a deadline on every wait.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use jetgate::proto::acknowledgement::Target;
use jetgate::proto::received_message::Payload;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    AckKind, AcknowledgeRequest, Acknowledgement, FetchRequest, FlowLimits, ItemStatus,
    OrderedConsumer, ReceivedMessage, SessionHeartbeat, SessionOpened, StallReason,
    SubscribeRequest, SubscribeResponse,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{Code, IntoRequest, Request, Status, Streaming};

use super::{Clients, Gateway, NatsServer, SOON, Wire, eventually, start_with_stream};

/// The stream of the consuming tests, which takes everything below `orders.`, and its consumer.
pub(crate) const STREAM: &str = "ORDERS";
pub(crate) const CONSUMER: &str = "c";

/// Whole seconds as JetStream's JSON has them.
pub(crate) fn nanoseconds(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

/// A time as requests have it.
pub(crate) fn time(duration: Duration) -> Option<prost_types::Duration> {
    Some(duration.try_into().unwrap())
}

/// A server, a gateway, the stream, and a durable consumer with explicit acks and these settings.
pub(crate) async fn start_with_consumer(settings: Value) -> (NatsServer, Gateway, Wire) {
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    let (nats, gateway, mut wire) = start_with_stream(stream).await;
    create_consumer(&mut wire, settings).await;
    (nats, gateway, wire)
}

/// The durable consumer with explicit acks and these settings.
pub(crate) async fn create_consumer(wire: &mut Wire, settings: Value) {
    let mut config = json!({ "durable_name": CONSUMER, "ack_policy": "explicit" });
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    wire.create_consumer(STREAM, config).await;
}

/// Publishes messages whose payloads count from 1.
pub(crate) async fn store_many(wire: &mut Wire, count: u64) {
    for number in 1..=count {
        wire.store("orders.x", number.to_string().as_bytes()).await;
    }
}

/// A session of the consumer with a heartbeat every second.
pub(crate) fn subscribe() -> SubscribeRequest {
    SubscribeRequest {
        stream: STREAM.to_owned(),
        source: Some(Source::Consumer(CONSUMER.to_owned())),
        heartbeat_interval: time(Duration::from_secs(1)),
        ..SubscribeRequest::default()
    }
}

/// The same with room for this many messages.
pub(crate) fn subscribe_window(messages: u32) -> SubscribeRequest {
    let flow = FlowLimits {
        max_outstanding_messages: Some(messages),
        max_outstanding_bytes: None,
    };
    SubscribeRequest {
        flow: Some(flow),
        ..subscribe()
    }
}

/// An ordered read with a heartbeat every second.
pub(crate) fn subscribe_ordered(ordered: OrderedConsumer) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Ordered(ordered)),
        ..subscribe()
    }
}

/// A fetch that waits for at most ten seconds.
pub(crate) fn fetch(batch: u32) -> FetchRequest {
    FetchRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
        batch,
        max_wait: time(Duration::from_secs(10)),
        ..FetchRequest::default()
    }
}

/// Fetches and returns the messages.
pub(crate) async fn fetched(clients: &Clients, request: FetchRequest) -> Vec<ReceivedMessage> {
    let answer = timeout(SOON, clients.subscriber().fetch(request)).await;
    answer.expect("no answer").unwrap().into_inner().messages
}

/// What to say of a delivery.
pub(crate) fn say(kind: AckKind, token: &str) -> Acknowledgement {
    Acknowledgement {
        kind: kind as i32,
        target: Some(Target::AckToken(token.to_owned())),
        ..Acknowledgement::default()
    }
}

/// Acknowledges several deliveries in one call and returns the results.
pub(crate) async fn acknowledge(
    clients: &Clients,
    acknowledgements: Vec<Acknowledgement>,
) -> Vec<ItemStatus> {
    let request = AcknowledgeRequest {
        acknowledgements,
        confirm: None,
    };
    let answer = timeout(SOON, clients.subscriber().acknowledge(request)).await;
    answer.expect("no answer").unwrap().into_inner().results
}

/// Acks thousands of deliveries in one call, which must succeed. JetStream answers each of them, which takes a busy machine
/// longer than the default deadline.
pub(crate) async fn ack_thousands(clients: &Clients, messages: &[ReceivedMessage]) {
    let items = messages
        .iter()
        .map(|message| say(AckKind::Ack, &message.ack_token));
    let mut request = Request::new(AcknowledgeRequest {
        acknowledgements: items.collect(),
        confirm: None,
    });
    request.set_timeout(3 * SOON);
    let answer = clients.subscriber().acknowledge(request).await;
    let results = answer.unwrap().into_inner().results;
    assert_eq!(results.len(), messages.len());
    assert!(results.iter().all(|result| result.code == 0));
}

/// Says the same of all these deliveries, which must succeed.
pub(crate) async fn settle(clients: &Clients, kind: AckKind, messages: &[ReceivedMessage]) {
    let items: Vec<_> = messages
        .iter()
        .map(|message| say(kind, &message.ack_token))
        .collect();
    for chunk in items.chunks(1_000) {
        for result in acknowledge(clients, chunk.to_vec()).await {
            assert_eq!(result.code, 0, "{result:?}");
        }
    }
}

/// Acks all these deliveries.
pub(crate) async fn ack(clients: &Clients, messages: &[ReceivedMessage]) {
    settle(clients, AckKind::Ack, messages).await;
}

/// Waits until the deadline of a delivery has passed. The gateway counts it from when it saw the delivery, which may
/// have been so late that JetStream delivers the message again before.
pub(crate) async fn until_expired(message: &ReceivedMessage) {
    let deadline = message.ack_deadline.expect("a deadline");
    // Tokens hold whole milliseconds.
    let expired = SystemTime::try_from(deadline).unwrap() + Duration::from_millis(1);
    eventually(SOON, async || (SystemTime::now() >= expired).then_some(())).await;
}

/// The reason of a failed item, which must have the code that belongs to it.
#[track_caller]
pub(crate) fn item_reason(item: &ItemStatus, code: Code) -> &'static str {
    assert_eq!(item.code, code as i32, "{item:?}");
    item.reason()
        .as_str_name()
        .strip_prefix("ERROR_REASON_")
        .unwrap()
}

/// The payload, in whichever field it is.
pub(crate) fn payload(message: &ReceivedMessage) -> &[u8] {
    match message.payload.as_ref().expect("a payload") {
        Payload::Data(bytes) => bytes,
        Payload::Text(text) => text.as_bytes(),
    }
}

/// The stream sequences of messages.
pub(crate) fn sequences(messages: &[ReceivedMessage]) -> Vec<u64> {
    messages
        .iter()
        .map(|message| message.stream_sequence)
        .collect()
}

/// A session as its caller sees it. It ends, unannounced, with this value.
pub(crate) struct Session {
    events: Streaming<SubscribeResponse>,
    /// The first event.
    pub(crate) opened: SessionOpened,
    /// Messages of batches that were larger than what was waited for.
    left: Vec<ReceivedMessage>,
    /// The latest resume token.
    pub(crate) token: String,
}

impl Session {
    /// Opens a session and waits for its first event.
    pub(crate) async fn open(
        clients: &Clients,
        request: impl IntoRequest<SubscribeRequest>,
    ) -> Self {
        Self::try_open(clients, request).await.unwrap()
    }

    /// The same where it may be refused.
    pub(crate) async fn try_open(
        clients: &Clients,
        request: impl IntoRequest<SubscribeRequest>,
    ) -> Result<Self, Status> {
        let opening = async {
            let mut events = clients.subscriber().subscribe(request).await?.into_inner();
            let first = events.message().await?.and_then(|first| first.event);
            let Some(Event::Opened(opened)) = first else {
                panic!("the first event is not opened: {first:?}");
            };
            Ok(Self {
                events,
                token: opened.resume_token.clone(),
                opened,
                left: Vec::new(),
            })
        };
        timeout(SOON, opening).await.expect("no first event")
    }

    /// The next event, or how the session ended.
    pub(crate) async fn try_event(&mut self) -> Result<Event, Status> {
        let event = timeout(SOON, self.events.message()).await;
        let event = event.expect("no event for longer than any heartbeat interval")?;
        let event = event.expect("a session ends with an error, not with OK");
        let event = event.event.expect("an event that this test does not know");
        self.learn_token(&event);
        Ok(event)
    }

    fn learn_token(&mut self, event: &Event) {
        let token = match event {
            Event::Messages(batch) => &batch.resume_token,
            Event::Heartbeat(heartbeat) => &heartbeat.resume_token,
            Event::Draining(draining) => &draining.resume_token,
            Event::Opened(_) | Event::Gap(_) => return,
        };
        self.token.clone_from(token);
    }

    /// All messages until the session ends with OK. Heartbeats between them are passed over.
    pub(crate) async fn rest(&mut self) -> Vec<ReceivedMessage> {
        let mut messages = std::mem::take(&mut self.left);
        loop {
            let event = timeout(2 * SOON, self.events.message()).await;
            let event = event.expect("it does not end").unwrap();
            let Some(event) = event.and_then(|event| event.event) else {
                return messages;
            };
            self.learn_token(&event);
            match event {
                Event::Messages(batch) => messages.extend(batch.messages),
                Event::Heartbeat(_) => {}
                other => panic!("{other:?} before the end"),
            }
        }
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Event {
        self.try_event().await.unwrap()
    }

    /// As many messages, which may take several batches. Heartbeats between them are passed over.
    pub(crate) async fn messages(&mut self, count: usize) -> Vec<ReceivedMessage> {
        let collecting = async {
            let mut messages = std::mem::take(&mut self.left);
            while messages.len() < count {
                match self.event().await {
                    Event::Messages(batch) => messages.extend(batch.messages),
                    Event::Heartbeat(_) => {}
                    other => panic!("{other:?} between messages"),
                }
            }
            messages
        };
        let Ok(mut messages) = timeout(2 * SOON, collecting).await else {
            panic!("{count} messages do not come");
        };
        self.left = messages.split_off(count);
        messages
    }

    /// The next heartbeat, before which no messages may come.
    pub(crate) async fn heartbeat(&mut self) -> SessionHeartbeat {
        assert_eq!(self.left, [], "messages before the heartbeat");
        match self.event().await {
            Event::Heartbeat(heartbeat) => heartbeat,
            other => panic!("{other:?} instead of a heartbeat"),
        }
    }

    /// The next heartbeat that knows how the consumer stands, before which no messages may come. None waits for the
    /// consumer's answer, which comes too late on a busy machine: then it says that there is no leader.
    pub(crate) async fn informed_heartbeat(&mut self) -> SessionHeartbeat {
        let informing = async {
            loop {
                let heartbeat = self.heartbeat().await;
                if heartbeat.stall_reason() != StallReason::ConsumerLeaderless {
                    return heartbeat;
                }
            }
        };
        let informed = timeout(SOON, informing).await;
        informed.expect("the consumer never answers in time")
    }

    /// The first heartbeat that gives this reason, before which no messages may come.
    pub(crate) async fn stalled_by(&mut self, reason: StallReason) -> SessionHeartbeat {
        let stalling = async {
            loop {
                let heartbeat = self.heartbeat().await;
                if heartbeat.stall_reason() == reason {
                    return heartbeat;
                }
            }
        };
        let stalled = timeout(SOON, stalling).await;
        stalled.unwrap_or_else(|_| panic!("no heartbeat says {reason:?}"))
    }

    /// How the session ends. Heartbeats before that are passed over.
    pub(crate) async fn end(&mut self) -> Status {
        let ending = async {
            loop {
                match self.try_event().await {
                    Ok(Event::Heartbeat(_)) => {}
                    Ok(other) => panic!("{other:?} instead of the end"),
                    Err(status) => return status,
                }
            }
        };
        timeout(2 * SOON, ending).await.expect("it does not end")
    }

    /// Acks all that comes until this many different messages have come, and returns them in the
    /// order of their first delivery.
    pub(crate) async fn consume(
        &mut self,
        clients: &Clients,
        count: usize,
    ) -> Vec<ReceivedMessage> {
        let (mut seen, mut messages) = (HashSet::new(), Vec::new());
        while seen.len() < count {
            let batch = std::mem::take(&mut self.left);
            let batch = match batch.is_empty() {
                true => self.batch().await,
                false => batch,
            };
            ack(clients, &batch).await;
            messages.extend(
                batch
                    .into_iter()
                    .filter(|message| seen.insert(message.stream_sequence)),
            );
        }
        messages
    }

    /// The next batch. Heartbeats before it are passed over.
    pub(crate) async fn batch(&mut self) -> Vec<ReceivedMessage> {
        let arriving = async {
            loop {
                match self.event().await {
                    Event::Messages(batch) => return batch.messages,
                    Event::Heartbeat(_) => {}
                    other => panic!("{other:?} instead of messages"),
                }
            }
        };
        timeout(3 * SOON, arriving).await.expect("no messages")
    }
}
