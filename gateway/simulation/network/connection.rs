//! One connection: what its client listens to, what its server knows of that, and when things arrive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_nats::{Event, Message, Statistics};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::names::subject_matches;
use crate::simulation::wire::Events;

/// A connection.
pub(super) struct Connection {
    pub(super) host: String,
    pub(super) server: usize,
    pub(super) is_alive: bool,
    /// What the client listens to.
    listening: BTreeMap<u64, Listening>,
    /// The same as its server knows it.
    interests: BTreeMap<u64, Interest>,
    /// When what was sent last arrives, in either direction: nothing overtakes.
    up: Instant,
    down: Instant,
    pub(super) stalled_until: Instant,
    statistics: Arc<Statistics>,
    pub(super) events: Events,
}

struct Listening {
    messages: mpsc::Sender<Message>,
    came: u64,
    most: u64,
}

struct Interest {
    subject: String,
    sent: u64,
    most: u64,
}

impl Connection {
    /// One from a host to a server.
    pub(super) fn new(
        host: &str,
        server: usize,
        statistics: Arc<Statistics>,
        events: Events,
    ) -> Self {
        let now = Instant::now();
        Self {
            host: host.to_owned(),
            server,
            is_alive: true,
            listening: BTreeMap::new(),
            interests: BTreeMap::new(),
            up: now,
            down: now,
            stalled_until: now,
            statistics,
            events,
        }
    }

    /// When something arrives at the server that is sent now and would be there at `at`.
    pub(super) fn arrival_up(&mut self, at: Instant) -> Instant {
        self.up = self.up.max(at).max(self.stalled_until);
        self.up
    }

    /// The same of the client.
    pub(super) fn arrival_down(&mut self, at: Instant) -> Instant {
        self.down = self.down.max(at).max(self.stalled_until);
        self.down
    }

    /// The client listens.
    pub(super) fn listen(&mut self, id: u64, messages: mpsc::Sender<Message>) {
        let listening = Listening {
            messages,
            came: 0,
            most: u64::MAX,
        };
        self.listening.insert(id, listening);
    }

    /// Its server hears what the client listens to.
    pub(super) fn subscribe(&mut self, id: u64, subject: String) {
        let interest = Interest {
            subject,
            sent: 0,
            most: u64::MAX,
        };
        self.interests.insert(id, interest);
    }

    /// Its server hears that a subscription ends, now or after so many messages.
    pub(super) fn unsubscribe(&mut self, id: u64, after: Option<u64>) {
        let most = after.unwrap_or_default();
        if let Some(interest) = self.interests.get_mut(&id) {
            interest.most = most;
        }
        let is_over = |interest: &Interest| interest.sent >= most;
        if self.interests.get(&id).is_some_and(is_over) {
            self.interests.remove(&id);
        }
    }

    pub(super) fn is_on(&self, server: usize) -> bool {
        self.is_alive && self.server == server
    }

    /// Its client notices, and ends it.
    pub(super) fn cut(&mut self) {
        self.is_alive = false;
        (self.events)(Event::Disconnected);
    }

    pub(super) fn hears(&self, subject: &str) -> bool {
        let mut interests = self.interests.values();
        self.is_alive && interests.any(|it| subject_matches(&it.subject, subject))
    }

    /// The subscriptions that a message goes to; those that have had all they wanted end.
    pub(super) fn send(&mut self, subject: &str) -> Vec<u64> {
        let mut ids = Vec::new();
        self.interests.retain(|id, interest| {
            if subject_matches(&interest.subject, subject) {
                interest.sent += 1;
                ids.push(*id);
            }
            interest.sent < interest.most
        });
        ids
    }

    pub(super) fn come(&mut self, id: u64, message: Message) {
        if !self.is_alive {
            return;
        }
        let bytes = (message.subject.len() + message.payload.len()) as u64;
        self.statistics.in_bytes.fetch_add(bytes, Ordering::Relaxed);
        let Some(listening) = self.listening.get_mut(&id) else {
            return;
        };
        listening.came += 1;
        // Who is too slow for its queue misses messages, as with async-nats.
        let _ = listening.messages.try_send(message);
        if listening.came >= listening.most {
            self.listening.remove(&id);
        }
    }

    pub(super) fn stop_listening(&mut self, id: u64, after: Option<u64>) {
        let most = after.unwrap_or_default();
        if let Some(listening) = self.listening.get_mut(&id) {
            listening.most = most;
        }
        let is_over = |listening: &Listening| listening.came >= most;
        if self.listening.get(&id).is_some_and(is_over) {
            self.listening.remove(&id);
        }
    }

    pub(super) fn end(&mut self) {
        self.is_alive = false;
        self.listening.clear();
        self.interests.clear();
    }
}
