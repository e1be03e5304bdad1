//! What the callers of a run share: where they go, what they write down, and when they begin and end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::publish_stream::{self, Manner};
use super::{Caller, Outcome, PAUSE, batches, consume, fetch, ordered, subscribe, unary};
use crate::history::{Event, Key, micros};
use crate::recorder::Recorder;

/// A run, as its callers know it.
pub(crate) struct Scene {
    pub(crate) stream: String,
    /// Where the gateways are.
    pub(crate) gateways: Vec<SocketAddr>,
    pub(crate) recorder: Recorder,
    /// How many messages each publisher sends in a second.
    pub(crate) rate: f64,
    /// Ends the publishers, once what they sent is answered.
    pub(crate) enough: CancellationToken,
    /// Ends the consumers.
    pub(crate) over: CancellationToken,
    /// Consumers read nothing while it is set.
    pub(crate) is_asleep: AtomicBool,
    /// How many messages were answered OK.
    pub(crate) stored: AtomicU64,
    pub(crate) delivered: AtomicU64,
    /// Up to which sequence each ordered read is.
    pub(crate) read: Mutex<BTreeMap<String, u64>>,
    /// What each role of consumer reads with: a deleted one is followed by another.
    pub(crate) consumers: Mutex<BTreeMap<String, String>>,
    writers: AtomicU64,
    ops: AtomicU64,
    sessions: AtomicU64,
}

impl Scene {
    pub(crate) fn new(
        stream: String,
        gateways: Vec<SocketAddr>,
        recorder: Recorder,
        rate: f64,
    ) -> Self {
        Self {
            stream,
            gateways,
            recorder,
            rate,
            enough: CancellationToken::new(),
            over: CancellationToken::new(),
            is_asleep: AtomicBool::new(false),
            stored: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            read: Mutex::default(),
            consumers: Mutex::default(),
            writers: AtomicU64::new(0),
            ops: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
        }
    }

    /// Starts a publisher of every kind.
    pub(crate) fn start_publishers(self: &Arc<Self>, seed: u64) -> JoinSet<()> {
        let mut rng = Rng::with_seed(seed);
        let mut caller = || Caller::new(Arc::clone(self), rng.fork());
        let mut publishers = JoinSet::new();
        publishers.spawn(unary::run(caller(), true));
        publishers.spawn(unary::run(caller(), true));
        publishers.spawn(unary::run(caller(), false));
        for manner in Manner::ALL {
            publishers.spawn(publish_stream::run(caller(), manner));
        }
        publishers.spawn(batches::run(caller(), false));
        publishers.spawn(batches::run(caller(), true));
        publishers
    }

    /// Starts a consumer of every kind, two where several share what they read with.
    pub(crate) fn start_consumers(self: &Arc<Self>, seed: u64) -> JoinSet<()> {
        let mut rng = Rng::with_seed(seed ^ 2);
        let mut caller = || Caller::new(Arc::clone(self), rng.fork());
        let mut consumers = JoinSet::new();
        for _ in 0..2 {
            consumers.spawn(consume::run(caller(), "consume"));
            consumers.spawn(subscribe::run(caller(), "subscribe"));
            consumers.spawn(fetch::run(caller(), "fetch"));
        }
        consumers.spawn(ordered::run(caller(), "ordered"));
        consumers
    }

    /// A new writer, which is declared.
    pub(super) fn writer(&self, path: &str, strict: bool, ids: bool) -> u32 {
        let writer = self.writers.fetch_add(1, Ordering::Relaxed) + 1;
        let writer = u32::try_from(writer).unwrap_or(u32::MAX);
        let path = path.to_owned();
        self.recorder.record(Event::Writer {
            writer,
            path,
            strict,
            ids,
        });
        writer
    }

    pub(super) fn op(&self) -> u64 {
        self.ops.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A message is about to be sent.
    pub(super) fn invoke(
        &self,
        key: Key,
        hash: u32,
        deadline: Option<Duration>,
        atomic: Option<u64>,
    ) -> u64 {
        let op = self.op();
        let deadline = deadline.map(micros);
        self.recorder.record(Event::Invoke {
            op,
            key,
            hash,
            deadline,
            atomic,
        });
        op
    }

    /// What became of it.
    pub(super) fn outcome(&self, op: u64, outcome: &Outcome) {
        self.recorder.record(match outcome.clone() {
            Outcome::Stored {
                sequence,
                duplicate,
            } => {
                self.stored.fetch_add(1, Ordering::Relaxed);
                Event::Ok {
                    op,
                    sequence,
                    duplicate,
                }
            }
            Outcome::Refused(reason) => Event::Refused { op, reason },
            Outcome::Unknown(reason) => Event::Unknown { op, reason },
        });
    }

    /// The consumer of a role, now.
    pub(super) fn consumer(&self, role: &str) -> String {
        let consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        consumers.get(role).cloned().unwrap_or_default()
    }

    /// Waits as long as consumers sleep.
    pub(super) async fn awake(&self) {
        while self.is_asleep.load(Ordering::Relaxed) && !self.over.is_cancelled() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
