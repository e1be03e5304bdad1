//! One run of one scenario (tests/scenarios) through the public interface.

mod administering;
mod publishing;

use std::collections::{BTreeSet, HashMap};
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jetgate_client::{Client, Consumer, Delivery, Error, Position, Reader, Received};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::administering::{consumer_config, poll, stream_config};
use self::publishing::{publish_batch, publish_many};
use super::expected;
use super::step::Step;
use super::world::World;

/// How long a step may take that does not say otherwise: a cluster of nats-servers may elect for 18 s, and what was on its way
/// waits for that, on a machine that builds and tests at once.
const USUAL: Duration = Duration::from_secs(90);

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
        let end = Instant::now() + within;
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
