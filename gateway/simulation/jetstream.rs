//! A small model of JetStream: one stream on three servers, its consumers and the API.
//!
//! It does what nats-server 2.15.1 does, as far as the gateway can see, and what befalls it is decided
//! elsewhere: leaders that crash, quorums that are lost, consumers that somebody deletes.

mod api;
mod consumer;
mod out;
mod spoil;
mod stream;

use std::time::Duration;

use async_nats::message::OutboundMessage;
use bytes::Bytes;
use fastrand::Rng;
use prost_types::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use consumer::Consumer;
pub(super) use out::Out;
pub(super) use spoil::Spoil;
pub(super) use stream::Features;
use stream::Stream;

/// When the simulation begins, in seconds since 1970.
pub(super) const BEGINNING: u64 = 1_767_225_600;

/// How long servers take to agree, in milliseconds.
const AGREEING: std::ops::Range<u64> = 0..4;

const API: &str = "$JS.API.";
const ACK: &str = "$JS.ACK.";
const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// JetStream.
pub(super) struct JetStream {
    began: Instant,
    rng: Rng,
    stream: Stream,
    consumers: Vec<Consumer>,
    /// Until when nobody answers on the API.
    api_silent_until: Instant,
    out: Vec<Out>,
}

/// What one part of JetStream needs of the rest.
struct Turn<'a> {
    now: Instant,
    /// Since 1970.
    time: Duration,
    rng: &'a mut Rng,
    out: &'a mut Vec<Out>,
}

impl JetStream {
    /// A stream that takes everything below its name.
    pub(super) fn new(
        name: &str,
        window: Duration,
        features: Features,
        rng: Rng,
        spoil: Option<Spoil>,
    ) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            rng,
            stream: Stream::new(name, window, features, now, spoil),
            consumers: Vec::new(),
            api_silent_until: now,
            out: Vec::new(),
        }
    }

    /// Whether it listens to a subject.
    pub(super) fn takes(&self, subject: &str) -> bool {
        subject.starts_with(API)
            || subject.starts_with(ACK)
            || subject == USER_INFO
            || self.stream.takes(subject)
    }

    /// What a client sends.
    pub(super) fn hear(&mut self, now: Instant, message: OutboundMessage) {
        let subject = message.subject.to_string();
        if self.stream.takes(&subject) {
            let (stream, mut turn) = self.stream_turn(now);
            return stream.publish(&mut turn, message);
        }
        if subject.starts_with(ACK) {
            return self.acknowledge(now, &subject, &message);
        }
        let Some(reply) = message.reply else { return };
        if subject == USER_INFO {
            let info = json!({"data": {"user": "gateway", "account": "A"}});
            return self.out.push(Out::answer(&reply, &info));
        }
        let Some(operation) = subject.strip_prefix(API) else {
            return;
        };
        if let Some(consumer) = operation.strip_prefix(&self.prefix("CONSUMER.MSG.NEXT")) {
            return self.pull(now, consumer, &reply, &message.payload);
        }
        if now < self.api_silent_until {
            return;
        }
        let request = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
        if let Some(answer) = self.answer(now, operation, &request) {
            self.out.push(Out::answer(&reply, &answer));
        }
    }

    /// When something is due by the clock.
    pub(super) fn due(&self) -> Option<Instant> {
        let consumers = self.consumers.iter().filter_map(Consumer::due);
        consumers.chain(self.stream.due()).min()
    }

    /// Does what is due and delivers what can be.
    pub(super) fn advance(&mut self, now: Instant, is_heard: &dyn Fn(&str) -> bool) {
        let time = self.time(now);
        let mut turn = Turn {
            now,
            time,
            rng: &mut self.rng,
            out: &mut self.out,
        };
        self.stream.advance(&mut turn);
        for consumer in &mut self.consumers {
            consumer.advance(&mut turn, &self.stream, is_heard);
        }
    }

    /// What it has to say.
    pub(super) fn take_out(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    /// The time of day at a moment, since 1970.
    fn time(&self, now: Instant) -> Duration {
        Duration::from_secs(BEGINNING) + (now - self.began)
    }

    fn stream_turn(&mut self, now: Instant) -> (&mut Stream, Turn<'_>) {
        let time = self.time(now);
        let turn = Turn {
            now,
            time,
            rng: &mut self.rng,
            out: &mut self.out,
        };
        (&mut self.stream, turn)
    }

    fn prefix(&self, operation: &str) -> String {
        format!("{operation}.{}.", self.stream.name)
    }

    fn consumer(&mut self, name: &str) -> Option<&mut Consumer> {
        self.consumers.iter_mut().find(|it| it.name == name)
    }

    fn pull(&mut self, now: Instant, consumer: &str, reply: &str, request: &Bytes) {
        match self.consumer(consumer).filter(|it| it.is_led(now)) {
            Some(consumer) => consumer.pull(now, reply, request),
            None => self.out.push(Out::nobody(reply)),
        }
    }

    /// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>...`
    fn acknowledge(&mut self, now: Instant, subject: &str, message: &OutboundMessage) {
        let time = self.time(now);
        let mut tokens = subject.split('.').skip(3);
        let consumer = tokens.next().unwrap_or_default();
        let sequence = tokens.nth(1).and_then(|token| token.parse().ok());
        let reply = message.reply.as_deref();
        let known = self.consumers.iter_mut().find(|it| it.name == consumer);
        let led = known.filter(|it| it.is_led(now));
        let (Some(consumer), Some(sequence)) = (led, sequence) else {
            self.out.extend(reply.map(Out::nobody));
            return;
        };
        let mut turn = Turn {
            now,
            time,
            rng: &mut self.rng,
            out: &mut self.out,
        };
        consumer.acknowledge(&mut turn, &self.stream, sequence, &message.payload, reply);
    }

    /// The stream's leader crashes, and there is no other for a while.
    pub(super) fn crash_stream_leader(&mut self, time: Duration) {
        let now = Instant::now();
        let (stream, mut turn) = self.stream_turn(now);
        stream.crash(&mut turn, time);
    }

    /// The leader lives and agrees with nobody for a while.
    pub(super) fn lose_quorum(&mut self, time: Duration) {
        self.stream.lose_quorum(Instant::now() + time);
    }

    /// The stream is changed to take no batches, and changed back after a while.
    pub(super) fn stop_batches(&mut self, time: Duration) {
        self.stream.stop_batches(Instant::now() + time);
        self.tell("STREAM.UPDATED", "");
    }

    /// The stream takes nothing more for a while.
    pub(super) fn fill_stream(&mut self, time: Duration) {
        let is_full_account = self.rng.bool();
        self.stream.fill(Instant::now() + time, is_full_account);
    }

    /// Removes the older half of the messages; the last sequence of it.
    pub(super) fn purge_half(&mut self) -> u64 {
        let through = self.stream.last / 2;
        self.stream.purge(through);
        for consumer in &mut self.consumers {
            consumer.purged(through);
        }
        through
    }

    /// A consumer's leader moves: in order, or as it crashes and is replaced after a while.
    pub(super) fn move_consumer(&mut self, choice: usize, crash: Option<Duration>) {
        let now = Instant::now();
        let time = self.time(now);
        if self.consumers.is_empty() {
            return;
        }
        let place = choice % self.consumers.len();
        let mut turn = Turn {
            now,
            time,
            rng: &mut self.rng,
            out: &mut self.out,
        };
        match crash {
            Some(time) => self.consumers[place].crash(&mut turn, time),
            None => self.consumers[place].step_down(&mut turn),
        }
    }

    /// Nobody answers on the API for a while.
    pub(super) fn silence_api(&mut self, time: Duration) {
        self.api_silent_until = Instant::now() + time;
    }

    /// What the stream holds: sequences and payloads.
    pub(super) fn stored(&self) -> Vec<(u64, Bytes)> {
        self.stream.stored()
    }

    /// What consumers have given up: by whom, and the sequence.
    pub(super) fn given_up(&self) -> Vec<(String, u64)> {
        let consumers = self.consumers.iter();
        let given_up = consumers.flat_map(|it| it.given_up.iter().map(|at| (it.name.clone(), *at)));
        given_up.collect()
    }

    /// The last sequence.
    pub(super) fn last_sequence(&self) -> u64 {
        self.stream.last
    }

    /// Whether a consumer has delivered everything and waits for no acknowledgement.
    pub(super) fn is_drained(&self, name: &str) -> bool {
        let mut consumers = self.consumers.iter();
        consumers.any(|it| it.name == name && it.is_drained(&self.stream))
    }
}

/// A time as JetStream writes it.
fn written(since_1970: Duration) -> String {
    Timestamp {
        seconds: i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_1970.subsec_nanos()).unwrap_or_default(),
    }
    .to_string()
}
