//! Which malformed messages are known, and who has them: book-keeping without I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::api::{AckPolicy, ConsumerInfo};
use super::super::supervisor::{Connection, WeakConnection};
use super::Turn;

/// How long a stream counts as one with malformed messages.
const MARK: Duration = Duration::from_secs(600);

/// No more streams than this are marked.
const MARKS: usize = 1_000;

/// The malformed messages of consumers that have sessions here.
#[derive(Default)]
pub(in super::super) struct Register(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    consumers: HashMap<Name, Consumer>,
    marks: HashMap<String, Instant>,
}

/// Consumers that nothing is kept for any more are forgotten when there are more than these.
const CONSUMERS: usize = 1_000;

/// A stream and a consumer.
type Name = (String, String);

#[derive(Default)]
struct Consumer {
    messages: BTreeMap<u64, Message>,
    connection: Option<WeakConnection>,
    turn: Turn,
}

#[derive(Clone, Copy)]
enum Message {
    /// No other session gets it before `until`; `attempts` sessions have had it.
    Open { until: Instant, attempts: u64 },
    /// Acknowledged; kept until the ack floor has passed it, or a search would find it again.
    Settled,
}

impl Register {
    pub(super) fn turn(&self, info: &ConsumerInfo) -> Turn {
        let mut inner = self.lock();
        if inner.consumers.len() >= CONSUMERS {
            inner.consumers.retain(|_, consumer| consumer.is_in_use());
        }
        inner.consumers.entry(name(info)).or_default().turn.clone()
    }

    /// Enters a message, unless it is known; whether it is still to be settled.
    pub(super) fn enter(&self, info: &ConsumerInfo, sequence: u64) -> bool {
        let now = Instant::now();
        let mut inner = self.lock();
        let messages = &mut inner.consumers.entry(name(info)).or_default().messages;
        let new = Message::Open {
            until: now,
            attempts: 0,
        };
        matches!(
            messages.entry(sequence).or_insert(new),
            Message::Open { .. }
        )
    }

    /// The messages of a consumer that are not settled, and forgets what its ack floor has passed.
    pub(super) fn open(&self, info: &ConsumerInfo) -> Vec<u64> {
        let mut inner = self.lock();
        let Some(consumer) = inner.consumers.get_mut(&name(info)) else {
            return Vec::new();
        };
        let floor = match info.config.ack_policy {
            AckPolicy::None => 0,
            _ => info.ack_floor.stream_seq,
        };
        consumer.messages.retain(|sequence, _| *sequence > floor);
        consumer.open().collect()
    }

    /// How many sessions have had the message now; `None` where another one still has it.
    pub(super) fn claim(&self, info: &ConsumerInfo, sequence: u64, lease: Duration) -> Option<u64> {
        let now = Instant::now();
        let mut inner = self.lock();
        let message = inner
            .consumers
            .get_mut(&name(info))?
            .messages
            .get_mut(&sequence)?;
        let Message::Open { until, attempts } = message else {
            return None;
        };
        if *until > now {
            return None;
        }
        *until = now + lease;
        *attempts += 1;
        Some(*attempts)
    }

    pub(super) fn give_back(&self, stream: &str, consumer: &str, sequence: u64) {
        self.change(stream, consumer, sequence, |message| {
            if let Message::Open { until, .. } = message {
                *until = Instant::now();
            }
        });
    }

    pub(super) fn settle(&self, stream: &str, consumer: &str, sequence: u64) {
        self.change(stream, consumer, sequence, |message| {
            *message = Message::Settled
        });
    }

    pub(super) fn is_quarantined(&self, stream: &str, consumer: &str) -> bool {
        let inner = self.lock();
        if inner.consumers.is_empty() {
            return false;
        }
        let consumer = inner
            .consumers
            .get(&(stream.to_owned(), consumer.to_owned()));
        consumer.is_some_and(|consumer| consumer.open().next().is_some())
    }

    pub(super) fn mark(&self, stream: &str) {
        let mut inner = self.lock();
        if inner.marks.len() >= MARKS {
            inner.marks.retain(|_, marked| marked.elapsed() < MARK);
        }
        if inner.marks.len() < MARKS {
            inner.marks.insert(stream.to_owned(), Instant::now());
        }
    }

    pub(super) fn is_marked(&self, stream: &str) -> bool {
        self.lock()
            .marks
            .get(stream)
            .is_some_and(|marked| marked.elapsed() < MARK)
    }

    /// The consumer's own connection, made where no session uses one.
    pub(super) fn connection(
        &self,
        stream: &str,
        consumer: &str,
        start: impl FnOnce() -> Connection,
    ) -> Connection {
        let mut inner = self.lock();
        let consumer = inner
            .consumers
            .entry((stream.to_owned(), consumer.to_owned()))
            .or_default();
        if let Some(connection) = consumer
            .connection
            .as_ref()
            .and_then(WeakConnection::upgrade)
        {
            return connection;
        }
        let connection = start();
        consumer.connection = Some(connection.downgrade());
        connection
    }

    fn change(
        &self,
        stream: &str,
        consumer: &str,
        sequence: u64,
        change: impl FnOnce(&mut Message),
    ) {
        let mut inner = self.lock();
        // Nearly always; nothing is allocated for a settlement then.
        if inner.consumers.is_empty() {
            return;
        }
        let consumer = inner
            .consumers
            .get_mut(&(stream.to_owned(), consumer.to_owned()));
        if let Some(message) = consumer.and_then(|it| it.messages.get_mut(&sequence)) {
            change(message);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer {
    fn open(&self) -> impl Iterator<Item = u64> {
        let open = self
            .messages
            .iter()
            .filter(|(_, it)| matches!(it, Message::Open { .. }));
        open.map(|(sequence, _)| *sequence)
    }

    fn is_in_use(&self) -> bool {
        let is_connected = self
            .connection
            .as_ref()
            .is_some_and(|it| it.upgrade().is_some());
        !self.messages.is_empty() || is_connected || std::sync::Arc::strong_count(&self.turn) > 1
    }
}

fn name(info: &ConsumerInfo) -> Name {
    (info.stream_name.clone(), info.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(ack_floor: u64) -> ConsumerInfo {
        let text = format!(
            r#"{{"stream_name":"S","name":"C","created":"2026-01-01T00:00:00Z","config":{{"ack_policy":"explicit"}},
                "ack_floor":{{"consumer_seq":1,"stream_seq":{ack_floor}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_message_goes_to_one_session_until_its_lease_ends() {
        let register = Register::default();
        register.enter(&info(0), 5);

        assert_eq!(
            register.claim(&info(0), 5, Duration::from_secs(60)),
            Some(1)
        );
        assert_eq!(register.claim(&info(0), 5, Duration::from_secs(60)), None);
        register.give_back("S", "C", 5);
        assert_eq!(register.claim(&info(0), 5, Duration::ZERO), Some(2));
        assert_eq!(register.claim(&info(0), 5, Duration::ZERO), Some(3));
    }

    #[test]
    fn a_settled_message_is_not_found_again() {
        let register = Register::default();
        register.enter(&info(0), 5);
        assert!(register.is_quarantined("S", "C"));

        register.settle("S", "C", 5);
        register.enter(&info(0), 5);

        assert!(!register.is_quarantined("S", "C"));
        assert_eq!(register.open(&info(0)), Vec::<u64>::new());
        assert_eq!(register.claim(&info(0), 5, Duration::ZERO), None);
    }

    #[test]
    fn what_the_ack_floor_has_passed_is_forgotten() {
        let register = Register::default();
        register.enter(&info(0), 5);
        register.enter(&info(0), 6);
        assert_eq!(register.open(&info(5)), [6]);
    }
}
