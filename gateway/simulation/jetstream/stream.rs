//! The stream: what it holds, and what is said of it.

mod agreement;
mod atomic;
mod expectations;
mod fast;
mod intake;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::spoil::Spoil;
use super::{Turn, written};
use agreement::{Agreement, Proposed};
use atomic::Staged;
use fast::FastBatches;
use intake::Refusal;

/// What a stream is made with.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) struct Features {
    pub(in crate::simulation) fast_ingest: bool,
    pub(in crate::simulation) atomic_batches: bool,
    /// How many batches of each kind may be open at a time.
    pub(in crate::simulation) most_batches: usize,
}

/// The stream.
pub(super) struct Stream {
    pub(super) name: String,
    window: Duration,
    features: Features,
    /// Until when it takes no batches, whatever it was made with.
    without_batches_until: Instant,
    messages: BTreeMap<u64, Stored>,
    pub(super) last: u64,
    /// By id: the sequence and when it was stored.
    ids: HashMap<String, (u64, Instant)>,
    agreement: Agreement,
    fast: FastBatches,
    staged: Staged,
    /// Nobody leads until then, and whether somebody has yet to begin.
    leaderless_until: Instant,
    is_leaderless: bool,
    no_quorum_until: Instant,
    full_until: Instant,
    /// It is the account that is full, which is looked at before anything else.
    is_full_account: bool,
    created: Option<Duration>,
    pub(super) spoil: Option<Spoil>,
    /// What was answered and is stored behind the next message, where that is the spoil.
    late: Option<Proposed>,
}

/// A message that is stored.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) headers: Option<HeaderMap>,
    pub(super) payload: Bytes,
    /// When it was stored, since 1970.
    pub(super) time: Duration,
}

impl Stored {
    fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.as_ref()?.get(name)?.as_str())
    }
}

impl Stream {
    pub(super) fn new(
        name: &str,
        window: Duration,
        features: Features,
        now: Instant,
        spoil: Option<Spoil>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            window,
            features,
            without_batches_until: now,
            messages: BTreeMap::new(),
            last: 0,
            ids: HashMap::new(),
            agreement: Agreement::default(),
            fast: FastBatches::default(),
            staged: Staged::default(),
            leaderless_until: now,
            is_leaderless: false,
            no_quorum_until: now,
            full_until: now,
            is_full_account: false,
            created: None,
            spoil,
            late: None,
        }
    }

    pub(super) fn takes(&self, subject: &str) -> bool {
        let below = subject.strip_prefix(&self.name);
        below.is_some_and(|rest| rest.starts_with('.'))
    }

    /// When something is due by the clock.
    pub(super) fn due(&self) -> Option<Instant> {
        let agreed = self.agreement.due();
        let led = self.is_leaderless.then_some(self.leaderless_until);
        let first = agreed.into_iter().chain(led).min()?;
        Some(first.max(self.leaderless_until).max(self.no_quorum_until))
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) {
        self.created.get_or_insert(turn.time);
        if turn.now < self.no_quorum_until.max(self.leaderless_until) {
            return;
        }
        if self.is_leaderless {
            self.lead(turn);
        }
        self.agree(turn);
    }

    /// It is changed to take no batches for a while: those that are open are forgotten.
    pub(super) fn stop_batches(&mut self, until: Instant) {
        self.without_batches_until = until;
        self.fast.clear();
        self.staged.clear();
    }

    /// Whether it takes fast and atomic batches now.
    fn takes_batches(&self, now: Instant) -> (bool, bool) {
        let does = now >= self.without_batches_until;
        let features = self.features;
        (
            does && features.fast_ingest,
            does && features.atomic_batches,
        )
    }

    pub(super) fn lose_quorum(&mut self, until: Instant) {
        self.no_quorum_until = until;
    }

    /// It takes nothing more for a while: by its own limit, or as the whole account is full.
    pub(super) fn fill(&mut self, until: Instant, is_full_account: bool) {
        self.full_until = until;
        self.is_full_account = is_full_account;
    }

    /// Removes all messages up to this one.
    pub(super) fn purge(&mut self, through: u64) {
        self.messages = self.messages.split_off(&(through + 1));
    }

    /// How many messages there are from a sequence on.
    pub(super) fn count_from(&self, sequence: u64) -> u64 {
        let first = self.messages.keys().next().copied();
        let first = first.unwrap_or(self.last + 1);
        (self.last + 1).saturating_sub(sequence.max(first))
    }

    /// Until when servers do not agree on anything.
    pub(super) fn no_quorum_until(&self) -> Instant {
        self.no_quorum_until
    }

    pub(super) fn is_led(&self) -> bool {
        !self.is_leaderless
    }

    /// The first message from a sequence on.
    pub(super) fn next(&self, from: u64) -> Option<(u64, &Stored)> {
        let (sequence, stored) = self.messages.range(from..).next()?;
        Some((*sequence, stored))
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Stored> {
        self.messages.get(&sequence)
    }

    pub(super) fn stored(&self) -> Vec<(u64, Bytes)> {
        let messages = self.messages.iter();
        messages
            .map(|(sequence, stored)| (*sequence, stored.payload.clone()))
            .collect()
    }

    fn config(&self, now: Instant) -> Value {
        let (fast, atomic) = self.takes_batches(now);
        json!({
            "name": self.name,
            "subjects": [format!("{}.>", self.name)],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": 3,
            "duplicate_window": u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX),
            "allow_batched": fast,
            "allow_atomic": atomic,
        })
    }

    pub(super) fn info(&self, now: Instant, consumers: usize) -> Value {
        let first = self.messages.keys().next();
        json!({
            "config": self.config(now),
            "created": written(self.created.unwrap_or_default()),
            "state": {
                "messages": self.messages.len(),
                "first_seq": first.copied().unwrap_or(self.last + 1),
                "last_seq": self.last,
                "consumer_count": consumers,
            },
            "cluster": {"name": "C", "leader": "n1"},
        })
    }

    /// The answer to what is stored.
    fn stored_answer(&self, sequence: u64, duplicate: bool) -> Value {
        let mut answer = json!({"stream": self.name, "seq": sequence});
        if duplicate {
            answer["duplicate"] = true.into();
        }
        answer
    }

    /// The answer to what is not.
    fn refused(&self, error: &Value) -> Value {
        json!({"error": error, "stream": self.name, "seq": 0})
    }
}
