//! One run of one scenario (tests/scenarios) through the public interface.

use std::collections::{BTreeSet, HashMap};
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jetgate_client::v1;
use jetgate_client::{
    Ack, Client, Consumer, Delivery, Error, Message, Position, Reader, Received, duration,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::expected;
use super::step::Step;
use super::world::World;

const USUAL: Duration = Duration::from_secs(30);

/// What messages come by.
enum Source {
    Consumer(Consumer),
    Reader(Reader),
}

/// A message that came.
enum Got {
    Received(Received),
    Delivery(Delivery),
}

/// A token, or why there is none.
type Token = Result<String, Box<dyn std::error::Error + Send + Sync>>;

type Sources = HashMap<String, Arc<Mutex<Option<Source>>>>;

struct Scenario {
    world: World,
    clients: Mutex<HashMap<String, Client>>,
    sources: Mutex<Sources>,
    positions: Mutex<HashMap<String, Position>>,
    received: Mutex<Vec<Got>>,
    received_at: Mutex<HashMap<u64, Instant>>,
    background: Mutex<HashMap<String, JoinHandle<Result<(), Error>>>>,
}

pub(crate) async fn run(plan: Value) {
    let plan = Step::new(&plan);
    assert!(plan.text("about").is_some());
    let scenario = Arc::new(Scenario {
        world: World::start(plan.part("world").fields).await,
        clients: Mutex::default(),
        sources: Mutex::default(),
        positions: Mutex::default(),
        received: Mutex::default(),
        received_at: Mutex::default(),
        background: Mutex::default(),
    });
    if plan.get("connect") != Some(&Value::Bool(false)) {
        let client = scenario.world.client();
        scenario.clients.lock().await.insert("main".into(), client);
    }
    for fields in plan.list("steps") {
        scenario.carry_out(Step::new(&fields)).await;
    }
    plan.all_read();
}

impl Scenario {
    async fn carry_out(self: &Arc<Self>, step: Step) {
        let text = step.fields.to_string();
        if let Some(name) = step.text("background").map(str::to_owned) {
            let scenario = Arc::clone(self);
            let running = tokio::spawn(async move {
                scenario.act(&step).await?;
                step.all_read();
                Ok(())
            });
            self.background.lock().await.insert(name, running);
            return;
        }
        let expected = step.get("error").cloned();
        match (Box::pin(self.act(&step)).await, expected) {
            (Ok(()), None) => step.all_read(),
            (Err(error), Some(expected)) => expected::error(&error, &expected),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    async fn act(&self, step: &Step) -> Result<(), Error> {
        let within = step.time("within").unwrap_or(USUAL);
        let name = step.text("client").unwrap_or("main");
        let client = self.clients.lock().await.get(name).cloned();
        let client = || client.clone().expect("the client is connected");
        match step.text("do").unwrap() {
            "connect" => self.connect(step).await?,
            "create_stream" => {
                client()
                    .create_stream(stream_config(&step.part("config")))
                    .await?;
            }
            "create_consumer" => {
                let config = consumer_config(&step.part("config"));
                client()
                    .create_consumer(step.text("stream").unwrap(), config)
                    .await?;
            }
            "apply_stream" => {
                client()
                    .apply_stream(stream_config(&step.part("config")))
                    .await?;
            }
            "apply_consumer" => {
                let config = consumer_config(&step.part("config"));
                client()
                    .apply_consumer(step.text("stream").unwrap(), config)
                    .await?;
            }
            "stream_info" | "consumer_info" => poll(step, &client(), within).await?,
            "publish" => {
                let message = expected::message(step.get("message").unwrap());
                let published = client().publish(message).await?;
                expected::result(&published, step.get("expect").unwrap_or(&Value::Null));
            }
            "publish_many" => publish_many(step, &client(), within).await?,
            "publish_batch" => publish_batch(step, &client()).await?,
            "open" => self.open(step, &client()).await?,
            "receive" => self.receive(step, within).await?,
            "settle" => self.settle(step).await?,
            "collect" => self.collect(step, within).await?,
            "drain" => {
                let Some(Source::Consumer(consumer)) = self.take(step.text("what").unwrap()).await
                else {
                    panic!("it is no consumer");
                };
                assert!(consumer.drain(within).await, "not all was settled in time");
            }
            "close" => self.close(step.text("what").unwrap()).await?,
            "world" => {
                let answer = self.world.tell(step.get("command").unwrap().clone()).await;
                expected::answer(&answer, step.get("expect").unwrap_or(&Value::Null));
            }
            "await" => {
                let running = self
                    .background
                    .lock()
                    .await
                    .remove(step.text("what").unwrap());
                let ended = timeout(within, running.unwrap()).await;
                ended
                    .expect("it ends in time")
                    .expect("it does not panic")?;
            }
            other => panic!("unknown verb {other}"),
        }
        Ok(())
    }

    async fn connect(&self, step: &Step) -> Result<(), Error> {
        let mut addresses = self.world.gateways();
        if let Some(chosen) = step.get("gateways") {
            let chosen = chosen.as_array().unwrap().iter();
            addresses = chosen
                .map(|at| addresses[at.as_u64().unwrap() as usize].clone())
                .collect();
        }
        let key = match step.text("api_key") {
            Some("none" | "renewed") => None,
            Some(key) => Some(key),
            None => self.world.api_key(),
        };
        let mut builder = match step.text("ca") {
            Some(authority) => {
                let file = self.world.fact(&format!("{authority}_ca_file"));
                self.world.trusting(&addresses, key, Some(&file))
            }
            None => self.world.builder(&addresses, key),
        };
        if let Some(fields) = step.get("token") {
            let mut command = fields.clone();
            command["do"] = json!("token");
            let answer = self.world.tell(command).await;
            let token = answer["token"].as_str().unwrap().to_owned();
            builder = builder.token(move || ready(Token::Ok(token.clone())));
        }
        if let Some(timeout) = step.time("call_timeout") {
            builder = builder.call_timeout(timeout);
        }
        if step.text("api_key") == Some("renewed") {
            builder = builder.token(self.renewed());
        }
        let client = builder.connect()?;
        self.clients
            .lock()
            .await
            .insert(step.text("as").unwrap().to_owned(), client);
        Ok(())
    }

    /// A source of tokens that renews the one it has after two seconds.
    fn renewed(&self) -> impl Fn() -> Ready<Token> + Send + Sync + use<> {
        let begun = Instant::now();
        let [before, after] = ["short_key", "api_key"].map(|name| self.world.fact(name));
        move || {
            let is_old = begun.elapsed() >= Duration::from_secs(2);
            ready(Ok(if is_old { &after } else { &before }.clone()))
        }
    }

    async fn open(&self, step: &Step, client: &Client) -> Result<(), Error> {
        let stream = step.text("stream").unwrap();
        let source = if step.flag("ordered") {
            let mut reader = client.reader(stream);
            if let Some(sequence) = step.number("from_sequence") {
                reader = reader.from_sequence(sequence);
            }
            if let Some(earlier) = step.text("resume") {
                let position = self.positions.lock().await[earlier].to_string();
                reader = reader.resume(position.parse()?);
            }
            Source::Reader(reader.open().await?)
        } else {
            let mut consumer = client.consumer(stream, step.text("consumer").unwrap());
            if let Some(messages) = step.number("max_outstanding") {
                consumer = consumer.max_outstanding(messages as u32);
            }
            if let Some(bytes) = step.number("max_outstanding_bytes") {
                consumer = consumer.max_outstanding_bytes(bytes);
            }
            if let Some(lease) = step.time("lease") {
                consumer = consumer.lease(lease);
            }
            Source::Consumer(consumer.open().await?)
        };
        let name = step.text("as").unwrap().to_owned();
        self.sources
            .lock()
            .await
            .insert(name, Arc::new(Mutex::new(Some(source))));
        Ok(())
    }

    async fn take(&self, name: &str) -> Option<Source> {
        let source = self.sources.lock().await.remove(name)?;
        source.lock().await.take()
    }

    async fn close(&self, name: &str) -> Result<(), Error> {
        match self.take(name).await {
            Some(Source::Consumer(consumer)) => consumer.close().await?,
            Some(Source::Reader(reader)) => {
                self.positions
                    .lock()
                    .await
                    .insert(name.to_owned(), reader.position());
            }
            None => {}
        }
        Ok(())
    }

    /// The next message of whichever has one; none where none has in this time.
    async fn next(&self, names: &[String], within: Duration) -> Result<Option<Got>, Error> {
        let end = Instant::now() + within;
        let turn = match names.len() {
            1 => within,
            _ => Duration::from_millis(20),
        };
        loop {
            for name in names {
                let source = Arc::clone(&self.sources.lock().await[name]);
                let mut source = source.lock().await;
                if let Ok(next) = timeout(turn, next(source.as_mut().unwrap())).await {
                    return next.map(Some);
                }
            }
            if Instant::now() >= end {
                return Ok(None);
            }
        }
    }

    async fn receive(&self, step: &Step, within: Duration) -> Result<(), Error> {
        let sources = step.names("from");
        if let Some(nothing_for) = step.time("nothing_for") {
            if let Some(message) = self.next(&sources, nothing_for).await? {
                panic!("{:?} came", *message);
            }
            return Ok(());
        }
        let not_before = step.time("not_before");
        for expected in step.list("expect") {
            let message = self.next(&sources, within).await?;
            let message = message.unwrap_or_else(|| panic!("nothing came instead of {expected}"));
            let now = Instant::now();
            let mut times = self.received_at.lock().await;
            if let Some(not_before) = not_before {
                assert!(
                    now - times[&message.sequence()] >= not_before,
                    "it came too early"
                );
            }
            times.insert(message.sequence(), now);
            expected::delivery(&message, &expected);
            self.received.lock().await.push(message);
        }
        Ok(())
    }

    async fn settle(&self, step: &Step) -> Result<(), Error> {
        let received = self.received.lock().await;
        let confirm = step.flag("confirm");
        let delay = step.time("delay");
        let reason = step.text("reason").unwrap_or_default();
        for number in step.list("messages") {
            let Got::Received(message) = &received[number.as_u64().unwrap() as usize - 1] else {
                panic!("it is not to be settled");
            };
            match step.text("kind").unwrap() {
                "ack" if confirm => message.ack_confirmed().await?,
                "ack" => message.ack(),
                "nak" => message.nak(delay),
                "term" => message.term(reason),
                "in_progress" => message.in_progress(),
                other => panic!("unknown kind {other}"),
            }
        }
        Ok(())
    }

    async fn collect(&self, step: &Step, within: Duration) -> Result<(), Error> {
        let prefix = step.text("prefix").unwrap();
        let first = step.number("first").unwrap_or(1);
        let count = step.number("count").unwrap();
        let mut missing: BTreeSet<u64> = (first..first + count).collect();
        let (in_order, each_once) = (step.flag("in_order"), step.flag("each_once"));
        let acks = step.text("settle") == Some("ack");
        let sources = step.names("from");
        let end = Instant::now() + within.max(Duration::from_secs(60));
        let mut number = first;
        while !missing.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.next(&sources, left).await?;
            let message = message.unwrap_or_else(|| panic!("{} did not come", missing.len()));
            let text = message.text().into_owned();
            assert!(
                !in_order || text == format!("{prefix}{number}"),
                "{text} instead of {number}"
            );
            let said = text
                .strip_prefix(prefix)
                .and_then(|number| number.parse().ok());
            let is_new = said.is_some_and(|number| missing.remove(&number));
            assert!(
                is_new || !(in_order || each_once),
                "{text} came twice, or is another's"
            );
            number += 1;
            match message {
                Got::Received(message) if acks => message.ack(),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Deref for Got {
    type Target = Delivery;

    fn deref(&self) -> &Delivery {
        match self {
            Self::Received(message) => message,
            Self::Delivery(message) => message,
        }
    }
}

async fn next(source: &mut Source) -> Result<Got, Error> {
    match source {
        Source::Consumer(consumer) => {
            let next = consumer.next().await.expect("the consumer goes on");
            next.map(Got::Received)
        }
        Source::Reader(reader) => {
            let next = reader.next().await.expect("the reader goes on");
            next.map(Got::Delivery)
        }
    }
}

fn stream_config(config: &Step) -> v1::StreamConfig {
    let mut stream = v1::StreamConfig {
        name: config.text("name").unwrap().to_owned(),
        subjects: config.names("subjects"),
        num_replicas: config.number("num_replicas").unwrap_or_default() as u32,
        allow_atomic: config.flag("allow_atomic"),
        allow_batched: config.flag("allow_batched"),
        duplicate_window: config.time("duplicate_window").map(duration),
        ..Default::default()
    };
    stream.max_msgs = config.number("max_msgs").map(|most| most as i64);
    if let Some(discard) = config.text("discard") {
        assert_eq!(discard, "new");
        stream.set_discard(v1::DiscardPolicy::New);
    }
    config.all_read();
    stream
}

fn consumer_config(config: &Step) -> v1::ConsumerConfig {
    let consumer = v1::ConsumerConfig {
        durable_name: config.text("durable_name").unwrap().to_owned(),
        ack_wait: config.time("ack_wait").map(duration),
        max_deliver: config.number("max_deliver").map(|most| most as i64),
        ..Default::default()
    };
    config.all_read();
    consumer
}

/// Asks until all that is expected is so.
async fn poll(step: &Step, client: &Client, within: Duration) -> Result<(), Error> {
    let end = Instant::now() + within;
    let (expect, at_least) = (step.part("expect").fields, step.part("at_least").fields);
    let stream = step.text("stream").unwrap();
    loop {
        let state = match step.text("consumer") {
            Some(consumer) => {
                let state = client.consumer_info(stream, consumer).await?.state.unwrap();
                json!({
                    "num_pending": state.num_pending,
                    "num_ack_pending": state.num_ack_pending,
                    "ack_floor": state.ack_floor.unwrap_or_default().stream_sequence,
                })
            }
            None => {
                let state = client.stream(stream).await?.state.unwrap();
                json!({"messages": state.messages, "last_sequence": state.last_sequence})
            }
        };
        let number = |name: &str| {
            state[name]
                .as_u64()
                .unwrap_or_else(|| panic!("unknown {name}"))
        };
        let all = |fields: &Value, holds: fn(u64, u64) -> bool| {
            fields
                .as_object()
                .unwrap()
                .iter()
                .all(|(name, value)| holds(number(name), value.as_u64().unwrap()))
        };
        if all(&expect, |is, should| is == should) && all(&at_least, |is, least| is >= least) {
            return Ok(());
        }
        assert!(Instant::now() < end, "it stays {state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn publish_many(step: &Step, client: &Client, within: Duration) -> Result<(), Error> {
    let mut messages: Vec<Message> = step
        .list("messages")
        .iter()
        .map(expected::message)
        .collect();
    let (subject, prefix) = (
        step.text("subject").unwrap_or_default().to_owned(),
        step.text("prefix"),
    );
    let first = step.number("first").unwrap_or(1);
    for number in first..first + step.number("count").unwrap_or_default() {
        messages.push(Message::new(
            subject.clone(),
            format!("{}{number}", prefix.unwrap()),
        ));
    }
    let settings = step.part("publisher");
    let mut publisher = client.publisher();
    if let Some(stream) = settings.text("stream") {
        publisher = publisher.stream(stream);
    }
    if settings.flag("cumulative") {
        publisher = publisher.cumulative();
    }
    if let Some(most) = settings.number("max_in_flight") {
        publisher = publisher.max_in_flight(most as usize);
    }
    settings.all_read();
    let publisher = publisher.start();
    let (per_second, begun) = (step.number("per_second"), tokio::time::Instant::now());
    let mut acks: Vec<Ack> = Vec::new();
    for message in messages {
        if let Some(per_second) = per_second.filter(|_| acks.len().is_multiple_of(100)) {
            let due = begun + Duration::from_secs_f64(acks.len() as f64 / per_second as f64);
            tokio::time::sleep_until(due).await;
        }
        acks.push(publisher.publish(message).await?);
    }
    publisher.flush().await?;
    publisher.close().await?;
    let results = step.list("results");
    for (place, ack) in acks.into_iter().enumerate() {
        let outcome = timeout(within, ack).await.expect("it is answered in time");
        match results.get(place) {
            Some(expected) => expected::outcome(&outcome, expected),
            None => {
                outcome?;
            }
        }
    }
    Ok(())
}

async fn publish_batch(step: &Step, client: &Client) -> Result<(), Error> {
    let messages: Vec<_> = step
        .list("messages")
        .iter()
        .map(expected::message)
        .collect();
    let count = messages.len();
    let outcomes = match step.text("mode").unwrap() {
        "independent" => client.publish_batch(messages).await?,
        "ordered" => client.publish_ordered(messages).await?,
        "atomic" => client
            .publish_atomic(messages)
            .await?
            .into_iter()
            .map(Ok)
            .collect(),
        other => panic!("unknown mode {other}"),
    };
    assert_eq!(outcomes.len(), count);
    for (outcome, expected) in outcomes.iter().zip(step.list("results")) {
        expected::outcome(outcome, &expected);
    }
    Ok(())
}
