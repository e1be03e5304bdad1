//! Publishing in fast batches: what is called settled is stored, in order, and nothing twice.

mod cluster;
mod faults;

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use jetgate::deadline::Deadline;
use jetgate::error::Reason;
use jetgate::metrics::Metrics;
use jetgate::names::{MessageId, StreamName, Subject};
use jetgate::nats::config::Config;
use jetgate::nats::{FastIngest, Halts, Holder, Item, Nats, Outgoing};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{NatsServer, SOON, Wire};

/// A stream that takes fast batches.
fn orders() -> Value {
    json!({ "name": "ORDERS", "subjects": ["orders.>"], "allow_batched": true })
}

/// A publisher to the stream ORDERS, and what it has said so far.
struct Publisher {
    nats: Nats,
    fast: FastIngest,
    within: Duration,
    through: u64,
    stored: u64,
    failed: BTreeMap<u64, Reason>,
    withheld: Vec<u64>,
}

impl Publisher {
    async fn connect(url: &str) -> Self {
        Self::connect_with(url, false).await
    }

    /// `halts`: nothing is stored behind a message that failed.
    async fn connect_with(url: &str, halts: bool) -> Self {
        let config = Config {
            url: url.parse().unwrap(),
            ..Config::default()
        };
        let gateway = config.clone();
        let nats = Nats::start(config, Holder::default(), &gateway, Metrics::new());
        Self::open(&nats, halts).await
    }

    async fn open(nats: &Nats, halts: bool) -> Self {
        let name = StreamName::parse("stream", "ORDERS").unwrap();
        let facts = nats.stream_facts(&name, Deadline::within(SOON)).await;
        Self {
            nats: nats.clone(),
            fast: FastIngest::new(
                nats,
                (name.clone(), facts.unwrap()),
                Halts {
                    on_failure: halts,
                    on_doubt: halts,
                },
                1_000,
            ),
            within: SOON,
            through: 0,
            stored: 0,
            failed: BTreeMap::new(),
            withheld: Vec::new(),
        }
    }

    /// A message whose payload is its number.
    fn message(&self, number: u64) -> Outgoing {
        Outgoing {
            subject: self.subject("orders.x"),
            headers: HeaderMap::new(),
            payload: number.to_string().into(),
            id: None,
        }
    }

    /// The same with an id that belongs to the number.
    fn with_id(&self, number: u64) -> Outgoing {
        let mut message = self.message(number);
        let id = format!("id-{number}");
        message.headers.insert("Nats-Msg-Id", id.as_str());
        message.id = Some(MessageId::parse("id", &id).unwrap());
        message
    }

    fn subject(&self, subject: &str) -> Subject {
        Subject::parse("subject", subject, self.nats.reserved()).unwrap()
    }

    fn publish(&mut self, number: u64, message: Outgoing) {
        self.publish_item(number, message, false);
    }

    fn publish_item(&mut self, number: u64, message: Outgoing, known: bool) {
        self.fast.publish(Item {
            number,
            message,
            deadline: Deadline::within(self.within),
            known,
        });
    }

    /// Takes one step.
    async fn progress(&mut self) {
        let progress = timeout(SOON * 2, self.fast.progress()).await;
        let progress = progress.expect("nothing is settled");
        assert!(progress.through > self.through, "{progress:?}");
        self.through = progress.through;
        self.stored += progress.stored;
        self.withheld.extend(progress.withheld);
        for (number, error) in progress.failed {
            assert!(number <= self.through);
            assert!(self.failed.insert(number, error.reason()).is_none());
        }
    }

    async fn until_settled(&mut self, through: u64) {
        while self.through < through {
            self.progress().await;
        }
    }
}

/// The numbers of all messages of a stream, in their order.
async fn stored(wire: &mut Wire, stream: &str) -> Vec<u64> {
    let state = wire.stream_info(stream).await["state"].take();
    let (first, last) = (&state["first_seq"], &state["last_seq"]);
    let mut numbers = Vec::new();
    for sequence in first.as_u64().unwrap().max(1)..=last.as_u64().unwrap() {
        let payload = wire.stored(stream, sequence).await.payload;
        numbers.push(String::from_utf8(payload).unwrap().parse().unwrap());
    }
    numbers
}

async fn start(config: Value) -> (NatsServer, Publisher, Wire) {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(config).await;
    let publisher = Publisher::connect(&nats.url()).await;
    (nats, publisher, wire)
}

#[tokio::test]
async fn messages_are_stored_once_and_in_order() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    for number in 1..=3_000 {
        publisher.publish(number, publisher.message(number));
    }
    publisher.until_settled(3_000).await;

    assert!(publisher.fast.is_idle());
    assert_eq!((publisher.stored, publisher.failed.len()), (3_000, 0));
    let expected: Vec<u64> = (1..=3_000).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_single_message_is_settled_at_once_with_its_sequence() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    for number in 1..=3 {
        publisher.publish(number, publisher.message(number));
        let progress = timeout(SOON, publisher.fast.progress()).await.unwrap();
        assert_eq!((progress.through, progress.last_sequence), (number, number));
    }

    assert_eq!(stored(&mut wire, "ORDERS").await, [1, 2, 3]);
}

#[tokio::test]
async fn an_error_in_the_middle_fails_that_message_alone() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    for number in 1..=200 {
        let mut message = publisher.message(number);
        if number % 50 == 7 {
            message
                .headers
                .insert("Nats-Expected-Last-Subject-Sequence", "7777");
        }
        publisher.publish(number, message);
    }
    publisher.until_settled(200).await;

    let wrong = Reason::WrongLastSequence;
    let failed = BTreeMap::from([(7, wrong), (57, wrong), (107, wrong), (157, wrong)]);
    assert_eq!(publisher.failed, failed);
    let expected: Vec<u64> = (1..=200).filter(|it| it % 50 != 7).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_first_message_that_fails_does_not_hold_up_the_rest() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    let mut message = publisher.message(1);
    message
        .headers
        .insert("Nats-Expected-Last-Sequence", "7777");
    publisher.publish(1, message);
    (2..=100).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(100).await;

    let failed = BTreeMap::from([(1, Reason::WrongLastSequence)]);
    assert_eq!(publisher.failed, failed);
    let expected: Vec<u64> = (2..=100).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_subject_of_another_stream_fails_whether_that_one_takes_batches_or_not() {
    for batched in [true, false] {
        let (_nats, mut publisher, mut wire) = start(orders()).await;
        let other = json!({ "name": "OTHER", "subjects": ["other.>"], "allow_batched": batched });
        wire.create_stream(other).await;

        for number in 1..=100 {
            let mut message = publisher.message(number);
            // The first of all, one in the middle, and the last.
            if [1, 50, 100].contains(&number) {
                message.subject = publisher.subject("other.x");
            }
            publisher.publish(number, message);
        }
        publisher.until_settled(100).await;

        let wrong = Reason::WrongStream;
        let failed = BTreeMap::from([(1, wrong), (50, wrong), (100, wrong)]);
        assert_eq!(publisher.failed, failed);
        let expected: Vec<u64> = (2..100).filter(|it| *it != 50).collect();
        assert_eq!(stored(&mut wire, "ORDERS").await, expected);
        assert_eq!(wire.count("OTHER").await, 0);
    }
}

#[tokio::test]
async fn a_subject_of_no_stream_fails() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    for number in 1..=100 {
        let mut message = publisher.message(number);
        if [50, 100].contains(&number) {
            message.subject = publisher.subject("nowhere");
        }
        publisher.publish(number, message);
    }
    publisher.until_settled(100).await;

    let none = Reason::NoStreamForSubject;
    assert_eq!(publisher.failed, BTreeMap::from([(50, none), (100, none)]));
    let expected: Vec<u64> = (1..100).filter(|it| *it != 50).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_message_that_is_too_large_fails_alone() {
    let mut config = orders();
    config["max_msg_size"] = json!(1_000);
    let (_nats, mut publisher, mut wire) = start(config).await;
    let limit = publisher.nats.max_payload().unwrap();

    for number in 1..=100 {
        let mut message = publisher.message(number);
        message.payload = match number {
            // For the stream, and for the server.
            30 | 100 => vec![b'0'; 1_001].into(),
            60 => vec![b'0'; limit + 1].into(),
            _ => message.payload,
        };
        publisher.publish(number, message);
    }
    publisher.until_settled(100).await;

    let large = Reason::MessageTooLarge;
    let failed = BTreeMap::from([(30, large), (60, large), (100, large)]);
    assert_eq!(publisher.failed, failed);
    let expected: Vec<u64> = (1..100).filter(|it| it % 30 != 0 || *it == 90).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_full_stream_takes_what_it_can_and_says_so() {
    let mut config = orders();
    config["max_msgs"] = json!(150);
    config["discard"] = json!("new");
    let (_nats, mut publisher, mut wire) = start(config).await;

    (1..=200).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(200).await;

    let failed = (151..=200).map(|number| (number, Reason::StreamFull));
    assert_eq!(publisher.failed, failed.collect());
    let expected: Vec<u64> = (1..=150).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn duplicates_are_settled_and_not_stored_again() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    for (offset, first, last) in [(0, 1, 300), (1_000, 101, 400), (2_000, 400, 400)] {
        for number in first..=last {
            publisher.publish_item(offset + number, publisher.with_id(number), true);
        }
        publisher.until_settled(offset + last).await;
    }

    assert_eq!(publisher.failed.len(), 0);
    let expected: Vec<u64> = (1..=400).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn behind_a_failure_nothing_is_stored_where_that_halts() {
    let (nats, _, mut wire) = start(orders()).await;
    let mut publisher = Publisher::connect_with(&nats.url(), true).await;

    for number in 1..=200 {
        let mut message = publisher.message(number);
        if number == 120 {
            message
                .headers
                .insert("Nats-Expected-Last-Sequence", "7777");
        }
        publisher.publish(number, message);
    }
    publisher.until_settled(200).await;
    // And it goes on with what comes then.
    publisher.publish(201, publisher.message(201));
    publisher.until_settled(201).await;

    let failed = BTreeMap::from([(120, Reason::WrongLastSequence)]);
    assert_eq!(publisher.failed, failed);
    let withheld: Vec<u64> = (121..=200).collect();
    assert_eq!(publisher.withheld, withheld);
    let expected: Vec<u64> = (1..120).chain([201]).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_message_that_the_user_may_not_publish_fails_alone() {
    let config = "authorization { users: [\n\
         { user: admin, password: admin }\n\
         { user: gateway, password: gateway, permissions: { publish: { deny: [\"orders.secret\"] } } }\n\
         ] }";
    let nats = NatsServer::start_with(config).await;
    let mut wire = Wire::connect_as(nats.address(), "admin", "admin").await;
    wire.create_stream(orders()).await;
    let url = nats.url().replace("nats://", "nats://gateway:gateway@");
    let mut publisher = Publisher::connect(&url).await;

    for number in 1..=100 {
        let mut message = publisher.message(number);
        if [50, 100].contains(&number) {
            message.subject = publisher.subject("orders.secret");
        }
        publisher.publish(number, message);
    }
    publisher.until_settled(100).await;

    let denied = Reason::NatsPermissionDenied;
    let failed = BTreeMap::from([(50, denied), (100, denied)]);
    assert_eq!(publisher.failed, failed);
    let expected: Vec<u64> = (1..100).filter(|it| *it != 50).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_stream_that_stops_taking_batches_is_published_to_without() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;
    (1..=100).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(100).await;

    let mut config = orders();
    config["allow_batched"] = json!(false);
    wire.api("STREAM.UPDATE.ORDERS", config).await;
    (101..=200).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(200).await;

    assert_eq!(publisher.failed.len(), 0);
    let expected: Vec<u64> = (1..=200).collect();
    assert_eq!(stored(&mut wire, "ORDERS").await, expected);
}
