//! What is under way in the network, and what happens next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{Message, Statistics};
use fastrand::Rng;
use tokio::time::Instant;

use super::connection::Connection;
use crate::simulation::jetstream::{JetStream, Out};
use crate::simulation::wire::{Command, Events};

/// How long a message is on its way, in milliseconds: as a rule, and where the network is slow.
const LATENCY: std::ops::Range<u64> = 0..3;
const SLOW: std::ops::Range<u64> = 0..400;

/// How many servers there are.
pub(super) const SERVERS: usize = 3;

/// One in so many messages is lost on the routes between servers while they are bad.
const LOSS: u32 = 4;

/// The connections, what is under way on them, and JetStream.
pub(super) struct World {
    pub(super) rng: Rng,
    number: u64,
    due: BTreeMap<(Instant, u64), Due>,
    pub(super) connections: Vec<Connection>,
    pub(super) jetstream: JetStream,
    pub(super) bad_until: Instant,
    pub(super) slow_until: Instant,
    /// Until when no connection is made from a host.
    pub(super) away: BTreeMap<String, Instant>,
    /// The server that ends, and until when.
    pub(super) ending: (usize, Instant),
}

/// What happens next.
enum Due {
    /// A command of a connection reaches its server.
    Arrives(usize, Command),
    /// A message reaches a subscription of a connection.
    Comes(usize, u64, Message),
}

impl World {
    pub(super) fn new(rng: Rng, jetstream: JetStream, now: Instant) -> Self {
        Self {
            rng,
            number: 0,
            due: BTreeMap::new(),
            connections: Vec::new(),
            jetstream,
            bad_until: now,
            slow_until: now,
            away: BTreeMap::new(),
            ending: (0, now),
        }
    }

    pub(super) fn latency(&mut self, now: Instant) -> Duration {
        let range = if now < self.slow_until { SLOW } else { LATENCY };
        Duration::from_millis(self.rng.u64(range))
    }

    fn is_lost(&mut self, now: Instant) -> bool {
        now < self.bad_until && self.rng.u32(..LOSS) == 0
    }

    pub(super) fn open(
        &mut self,
        host: &str,
        statistics: Arc<Statistics>,
        events: Events,
    ) -> (usize, usize) {
        let now = Instant::now();
        let mut server = self.rng.usize(..SERVERS);
        if self.ending.1 > now && self.ending.0 == server {
            server = (server + 1) % SERVERS;
        }
        let connection = Connection::new(host, server, statistics, events);
        self.connections.push(connection);
        (self.connections.len() - 1, server)
    }

    pub(super) fn next(&self) -> Instant {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        let far = Instant::now() + Duration::from_secs(3_600);
        due.into_iter()
            .chain(self.jetstream.due())
            .min()
            .unwrap_or(far)
    }

    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            self.jetstream_turn(now);
            let Some(first) = self.due.first_entry() else {
                return;
            };
            if first.key().0 > now {
                return;
            }
            match first.remove() {
                Due::Arrives(number, command) => self.arrive(now, number, command),
                Due::Comes(number, id, message) => self.connections[number].come(id, message),
            }
        }
    }

    fn jetstream_turn(&mut self, now: Instant) {
        let connections = &self.connections;
        let is_heard = |subject: &str| connections.iter().any(|it| it.hears(subject));
        self.jetstream.advance(now, &is_heard);
        for out in self.jetstream.take_out() {
            if !self.is_lost(now) {
                self.route(now, out);
            }
        }
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.number += 1;
        self.due.insert((at, self.number), due);
    }

    /// A client says something.
    pub(super) fn take(&mut self, number: usize, command: Command) {
        let now = Instant::now();
        let latency = self.latency(now);
        let connection = &mut self.connections[number];
        match &command {
            Command::Subscribe { id, messages, .. } => connection.listen(*id, messages.clone()),
            Command::Unsubscribe { id, after } => connection.stop_listening(*id, *after),
            // A client that has lost its connection makes another behind the gateway's back, until the
            // gateway ends it, and may send what it was told meanwhile.
            Command::Publish(_) if !connection.is_alive && self.rng.bool() => return,
            Command::Publish(_) | Command::Drain => {}
        }
        let at = self.connections[number].arrival_up(now + latency);
        self.schedule(at, Due::Arrives(number, command));
    }

    /// A server hears what a client says.
    fn arrive(&mut self, now: Instant, number: usize, command: Command) {
        let connection = &mut self.connections[number];
        match command {
            Command::Publish(message) => self.publish(now, number, message),
            _ if !connection.is_alive => {}
            Command::Subscribe { id, subject, .. } => connection.subscribe(id, subject),
            Command::Unsubscribe { id, after } => connection.unsubscribe(id, after),
            Command::Drain => connection.end(),
        }
    }

    fn publish(&mut self, now: Instant, number: usize, message: OutboundMessage) {
        if self.jetstream.takes(&message.subject) {
            if !self.is_lost(now) {
                self.jetstream.hear(now, message);
            }
            return;
        }
        let to = message.subject.to_string();
        let reply = message.reply.clone();
        let length = message.payload.len();
        let came = Message {
            subject: message.subject,
            reply: message.reply,
            payload: message.payload,
            headers: message.headers,
            status: None,
            description: None,
            length,
        };
        let is_heard = self.route(now, Out { to, message: came });
        if let (false, Some(reply)) = (is_heard, reply) {
            let nobody = Out::nobody(&reply);
            self.connections[number]
                .is_alive
                .then(|| self.route(now, nobody));
        }
    }

    /// Sends a message to all who listen; whether there is anybody.
    fn route(&mut self, now: Instant, out: Out) -> bool {
        let mut is_heard = false;
        for number in 0..self.connections.len() {
            if !self.connections[number].is_alive {
                continue;
            }
            let ids = self.connections[number].send(&out.to);
            for id in ids {
                is_heard = true;
                let latency = self.latency(now);
                let at = self.connections[number].arrival_down(now + latency);
                self.schedule(at, Due::Comes(number, id, out.message.clone()));
            }
        }
        is_heard
    }
}
