//! What the callers of a run share: where they go, what they write down, and when they begin and end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::publish_stream::{self, Manner};
use super::{
    Caller, Gateway, Outcome, PAUSE, batches, consume, expecting, fetch, ordered, subscribe, unary,
};
use crate::access::{Access, GUEST, Identity};
use crate::history::{Event, Key, micros};
use crate::recorder::Recorder;

/// How many times as many messages publishers send in a burst.
const BURST: f64 = 10.0;

/// What a publisher does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publisher {
    /// One call a message, with ids or without.
    Unary { ids: bool },
    /// A publish stream.
    Stream(Manner),
    /// Batches, all or none or in order.
    Batches { atomic: bool },
    /// One call a message, each on the condition that the one before is the last.
    Expecting,
}

impl Publisher {
    /// One of every kind, and two of the most usual.
    pub const ALL: [Self; 11] = [
        Self::Unary { ids: true },
        Self::Unary { ids: true },
        Self::Unary { ids: false },
        Self::Stream(Manner::PerMessage),
        Self::Stream(Manner::Strict),
        Self::Stream(Manner::CumulativeWithIds),
        Self::Stream(Manner::Cumulative),
        Self::Stream(Manner::StrictCumulative),
        Self::Batches { atomic: false },
        Self::Batches { atomic: true },
        Self::Expecting,
    ];
}

/// What a consumer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    Consume,
    Subscribe,
    Fetch,
    Ordered,
}

impl Consumer {
    /// One of every kind, two where several share what they read with.
    pub const ALL: [Self; 7] = [
        Self::Consume,
        Self::Subscribe,
        Self::Fetch,
        Self::Consume,
        Self::Subscribe,
        Self::Fetch,
        Self::Ordered,
    ];

    /// Its role: those of one share what they read with.
    pub fn role(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::Subscribe => "subscribe",
            Self::Fetch => "fetch",
            Self::Ordered => "ordered",
        }
    }
}

/// A run, as its callers know it.
pub struct Scene {
    pub stream: String,
    /// Where the gateways are, or what stands in front of them.
    pub gateways: Vec<Gateway>,
    /// What callers show, where they are asked who they are.
    pub(super) access: Option<Arc<Access>>,
    pub recorder: Recorder,
    /// How many messages each publisher sends in a second.
    rate: f64,
    /// Ends the publishers, once what they sent is answered.
    pub enough: CancellationToken,
    /// Ends the consumers.
    pub over: CancellationToken,
    /// Consumers read nothing while it is set.
    pub is_asleep: AtomicBool,
    /// Publishers send ten times as much while it is set.
    pub(crate) is_bursting: AtomicBool,
    /// How many messages were answered OK.
    pub stored: AtomicU64,
    pub delivered: AtomicU64,
    /// Up to which sequence each ordered read is.
    pub read: Mutex<BTreeMap<String, u64>>,
    /// What each role of consumer reads with: a deleted one is followed by another.
    pub consumers: Mutex<BTreeMap<String, String>>,
    writers: AtomicU64,
    ops: AtomicU64,
    sessions: AtomicU64,
}

impl Scene {
    pub fn new(stream: String, gateways: Vec<Gateway>, recorder: Recorder, rate: f64) -> Self {
        Self {
            stream,
            gateways,
            access: None,
            recorder,
            rate,
            enough: CancellationToken::new(),
            over: CancellationToken::new(),
            is_asleep: AtomicBool::new(false),
            is_bursting: AtomicBool::new(false),
            stored: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            read: Mutex::default(),
            consumers: Mutex::default(),
            writers: AtomicU64::new(0),
            ops: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
        }
    }

    /// The same for gateways that ask who callers are.
    pub(crate) fn showing(mut self, access: Arc<Access>) -> Self {
        self.access = Some(access);
        self
    }

    /// Starts publishers of these kinds.
    pub fn start_publishers(self: &Arc<Self>, seed: u64, kinds: &[Publisher]) -> JoinSet<()> {
        let mut rng = Rng::with_seed(seed);
        let mut publishers = JoinSet::new();
        for (kind, identity) in kinds.iter().zip(Identity::ALL.into_iter().cycle()) {
            let caller = Caller::new(Arc::clone(self), identity, rng.fork());
            match *kind {
                Publisher::Unary { ids } => publishers.spawn(unary::run(caller, ids)),
                Publisher::Stream(manner) => publishers.spawn(publish_stream::run(caller, manner)),
                Publisher::Batches { atomic } => publishers.spawn(batches::run(caller, atomic)),
                Publisher::Expecting => publishers.spawn(expecting::run(caller)),
            };
        }
        publishers
    }

    /// Starts consumers of these kinds.
    pub fn start_consumers(self: &Arc<Self>, seed: u64, kinds: &[Consumer]) -> JoinSet<()> {
        let mut rng = Rng::with_seed(seed ^ 2);
        let mut consumers = JoinSet::new();
        for (kind, identity) in kinds.iter().zip(Identity::ALL.into_iter().cycle()) {
            let caller = Caller::new(Arc::clone(self), identity, rng.fork());
            let role = kind.role();
            match kind {
                Consumer::Consume => consumers.spawn(consume::run(caller, role)),
                Consumer::Subscribe => consumers.spawn(subscribe::run(caller, role)),
                Consumer::Fetch => consumers.spawn(fetch::run(caller, role)),
                Consumer::Ordered => consumers.spawn(ordered::run(caller, role)),
            };
        }
        consumers
    }

    /// Starts callers whose rights come and go: publishers, then a reader.
    pub(crate) fn start_guests(
        self: &Arc<Self>,
        seed: u64,
        publishers: &mut JoinSet<()>,
        consumers: &mut JoinSet<()>,
    ) {
        let mut rng = Rng::with_seed(seed ^ 3);
        let mut caller = || Caller::new(Arc::clone(self), Identity::Guest, rng.fork());
        publishers.spawn(unary::run(caller(), true));
        publishers.spawn(publish_stream::run(caller(), Manner::PerMessage));
        consumers.spawn(ordered::run(caller(), GUEST));
    }

    /// How many messages each publisher sends in a second.
    pub(super) fn rate(&self) -> f64 {
        match self.is_bursting.load(Ordering::Relaxed) {
            true => self.rate * BURST,
            false => self.rate,
        }
    }

    /// A new writer, which is declared.
    pub(super) fn writer(&self, caller: Identity, path: &str, strict: bool, ids: bool) -> u32 {
        let writer = self.writers.fetch_add(1, Ordering::Relaxed) + 1;
        let writer = u32::try_from(writer).unwrap_or(u32::MAX);
        let (group, path) = (caller.group(), path.to_owned());
        self.recorder.record(Event::Writer {
            writer,
            group,
            path,
            strict,
            ids,
        });
        writer
    }

    pub(super) fn op(&self) -> u64 {
        self.ops.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn session(&self) -> u64 {
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
