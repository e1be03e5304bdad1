//! What is known of streams and consumers, asked for at most once in a while.
//!
//! JetStream's API is no lookup service (its queue is dropped as a whole when it overflows), so the
//! answers that every call needs are kept for a short time, and calls that miss at the same moment
//! share one request.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Code;

use super::Nats;
use super::api::{ConsumerInfo, StreamConfig, StreamInfo};
use super::error::too_late;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName, Subject, subject_matches};

/// How old what is known of a stream may be.
const STREAM_AGE: Duration = Duration::from_secs(30);

/// How old the knowledge may be which streams take a subject, or that none does.
const NAMES_AGE: Duration = Duration::from_secs(1);

/// How long a lookup may hold up the call that needs it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a lookup that the NATS user may not make is not tried again.
const DENIED_FOR: Duration = Duration::from_secs(60);

/// Streams that are looked up at the same time.
const LOOKUPS: usize = 16;

/// More entries than this are not kept.
const CAPACITY: usize = 10_000;

/// What publishing needs to know of a stream.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub config: Arc<StreamConfig>,
    /// It never acknowledges a publish.
    pub no_ack: bool,
    /// How long it remembers message ids.
    pub duplicate_window: Duration,
}

/// The answers that are kept.
pub(super) struct Lookups {
    /// Read by every publish, which must not wait for another.
    streams: RwLock<HashMap<String, (Instant, StreamFacts)>>,
    /// Who may ask for a stream now: a batch can miss a thousand times at once.
    turns: Semaphore,
    consumers: Cache<(String, String), ConsumerInfo>,
    /// The names of the streams that take a subject.
    names: Cache<String, Vec<String>>,
    /// When the NATS user was last refused a lookup that publishing can do without.
    denied: Mutex<Option<Instant>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            streams: RwLock::default(),
            turns: Semaphore::new(LOOKUPS),
            consumers: Cache::default(),
            names: Cache::default(),
            denied: Mutex::default(),
        }
    }
}

impl Nats {
    /// The stream that takes a subject, as far as that can be found out quickly; `None` where it
    /// cannot, or where there is none in the gateway's own JetStream domain.
    pub async fn stream_of(&self, subject: &Subject, deadline: Deadline) -> Option<StreamFacts> {
        match self.lookups().known_stream(subject) {
            Some(known) => Some(known),
            // Boxed: the calls that find what they need here are many, and need not carry it.
            None => Box::pin(self.find_stream(subject, deadline)).await,
        }
    }

    async fn find_stream(&self, subject: &Subject, deadline: Deadline) -> Option<StreamFacts> {
        if self.lookups().is_denied() {
            return None;
        }
        let deadline = deadline.at_most(PATIENCE.min(deadline.remaining() / 2));
        let _turn = deadline.bound(self.lookups().turns.acquire()).await.ok()?;
        // The lookup that this one waited for may have found the same stream.
        if let Some(known) = self.lookups().known_stream(subject) {
            return Some(known);
        }
        match self.look_up(subject, deadline).await {
            Ok(found) => found,
            Err(error) => {
                if error.reason() == Reason::NatsPermissionDenied {
                    self.lookups().deny();
                }
                None
            }
        }
    }

    async fn look_up(&self, subject: &Subject, deadline: Deadline) -> Result<Option<StreamFacts>> {
        let key = subject.to_string();
        let ask = async { self.stream_names(subject.as_str(), deadline).await };
        let names = self.lookups().names.get(key, AsOf::within(NAMES_AGE), ask);
        let names = deadline.bound(names).await;
        let names = names.map_err(|_| too_late("the streams of a subject"))??;
        let Some(name) = names.first() else {
            return Ok(None);
        };
        let operation = format!("STREAM.INFO.{name}");
        let info: StreamInfo = self.api_get(&operation, deadline).await?;
        Ok(Some(self.lookups().learn_stream(info.config)))
    }

    /// Forgets what is known of a stream, as it was changed through this gateway.
    pub fn forget_stream(&self, stream: &StreamName) {
        self.lookups().forget_stream(stream.as_str());
    }

    /// The names of the streams that take a subject.
    pub async fn stream_names(&self, subject: &str, deadline: Deadline) -> Result<Vec<String>> {
        #[derive(Serialize)]
        struct Request<'a> {
            subject: &'a str,
        }
        #[derive(Deserialize)]
        struct Names {
            streams: Option<Vec<String>>,
        }
        let names: Names = self
            .api("STREAM.NAMES", &Request { subject }, deadline)
            .await?;
        Ok(names.streams.unwrap_or_default())
    }

    /// The same, looked up since `since`: those who ask for one subject together share a request.
    pub(super) async fn streams_taking(
        &self,
        subject: &str,
        since: Instant,
        deadline: Deadline,
    ) -> Result<Arc<Vec<String>>> {
        let ask = async { self.stream_names(subject, deadline).await };
        let names = self
            .lookups()
            .names
            .get(subject.to_owned(), AsOf::since(since), ask);
        // Whoever waits for another's question keeps to its own deadline.
        let names = deadline.bound(names).await;
        names.unwrap_or_else(|_| Err(too_late("the stream's name")))
    }

    /// What is known of the stream that takes a subject, without asking.
    pub(super) fn known_stream(&self, subject: &Subject) -> Option<StreamFacts> {
        self.lookups().known_stream(subject)
    }

    /// What is known of a stream, without asking.
    pub(super) fn known_stream_named(&self, name: &StreamName) -> Option<StreamFacts> {
        let streams = self.lookups().streams();
        let (asked, facts) = streams.get(name.as_str())?;
        (asked.elapsed() < STREAM_AGE).then(|| facts.clone())
    }

    /// A stream by its name.
    pub async fn stream_facts(&self, name: &StreamName, deadline: Deadline) -> Result<StreamFacts> {
        let info: StreamInfo = self
            .api_get(&format!("STREAM.INFO.{name}"), deadline)
            .await?;
        Ok(self.lookups().learn_stream(info.config))
    }

    /// The same as it was a short while ago, as far as that can be found out quickly.
    pub(super) async fn recent_stream(&self, name: &StreamName) -> Result<StreamFacts> {
        if let Some(known) = self.known_stream_named(name) {
            return Ok(known);
        }
        self.stream_facts(name, Deadline::within(PATIENCE)).await
    }

    /// A consumer's info.
    pub async fn consumer_info(
        &self,
        stream: &StreamName,
        consumer: &ConsumerName,
        as_of: AsOf,
        deadline: Deadline,
    ) -> Result<Arc<ConsumerInfo>> {
        let key = (stream.to_string(), consumer.to_string());
        let operation = format!("CONSUMER.INFO.{stream}.{consumer}");
        let ask = async { self.api_get(&operation, deadline).await };
        let info = deadline
            .bound(self.lookups().consumers.get(key, as_of, ask))
            .await;
        // Whoever waits for another's question keeps to its own deadline.
        info.unwrap_or_else(|_| Err(too_late("the consumer's info")))
    }
}

impl StreamFacts {
    /// Fails for a stream with `no_ack`, which never answers: nobody could say what became of a message.
    pub fn refuse_without_acks(&self) -> Result<()> {
        if !self.no_ack {
            return Ok(());
        }
        let text = format!(
            "stream {} has no_ack: it never confirms a message",
            self.name
        );
        Err(Error::new(Reason::StreamWithoutAcks, text).with("stream", &self.name))
    }

    /// Whether the stream takes a subject.
    pub fn takes(&self, subject: &Subject) -> bool {
        let filters = &self.config.subjects;
        filters
            .iter()
            .any(|filter| subject_matches(filter, subject.as_str()))
    }
}

impl Lookups {
    pub(super) fn forget_stream(&self, stream: &str) {
        self.streams().remove(stream);
        self.names.clear();
    }

    pub(super) fn forget_consumer(&self, stream: &str, consumer: &str) {
        self.consumers
            .remove(&(stream.to_owned(), consumer.to_owned()));
    }

    pub(super) fn forget_all(&self) {
        self.streams().clear();
        self.names.clear();
        self.consumers.clear();
    }

    /// Whether looking up would be refused, most likely.
    fn is_denied(&self) -> bool {
        let denied = *self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.is_some_and(|at| at.elapsed() < DENIED_FOR)
    }

    fn deny(&self) {
        *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn known_stream(&self, subject: &Subject) -> Option<StreamFacts> {
        let now = Instant::now();
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = streams
            .values()
            .filter(|(asked, _)| now.duration_since(*asked) < STREAM_AGE)
            .filter(|(_, facts)| facts.takes(subject));
        known.next().map(|(_, facts)| facts.clone())
    }

    fn learn_stream(&self, config: StreamConfig) -> StreamFacts {
        let facts = StreamFacts {
            name: config.name.clone(),
            no_ack: config.no_ack,
            duplicate_window: config.duplicate_window(),
            config: Arc::new(config),
        };
        let mut streams = self.streams();
        if streams.len() >= CAPACITY {
            streams.retain(|_, (asked, _)| asked.elapsed() < STREAM_AGE);
        }
        if streams.len() < CAPACITY {
            streams.insert(facts.name.clone(), (Instant::now(), facts.clone()));
        }
        facts
    }

    fn streams(&self) -> RwLockWriteGuard<'_, HashMap<String, (Instant, StreamFacts)>> {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    /// What exists may have been looked up then.
    known: Instant,
    /// What does not exist may come to exist at any time: it must have been looked up since then.
    missing: Instant,
}

impl AsOf {
    /// Looked up within this time; what does not exist, from now on.
    pub fn within(age: Duration) -> Self {
        let now = Instant::now();
        Self {
            known: now.checked_sub(age).unwrap_or(now),
            missing: now,
        }
    }

    /// Looked up since then, so that callers who began then share one request.
    pub fn since(moment: Instant) -> Self {
        Self {
            known: moment,
            missing: moment,
        }
    }

    /// The same, but no older than `moment`.
    #[must_use]
    pub fn or_since(self, moment: Instant) -> Self {
        Self {
            known: self.known.max(moment),
            ..self
        }
    }

    /// The same, but what exists may be this much older.
    #[must_use]
    pub fn or_known_within(self, age: Duration) -> Self {
        Self {
            known: self.known.checked_sub(age).unwrap_or(self.known),
            ..self
        }
    }
}

/// Answers by key, each with the time it was asked for; callers of one key wait for one another.
struct Cache<K, V> {
    entries: Mutex<HashMap<K, Entry<V>>>,
}

type Entry<V> = Arc<tokio::sync::Mutex<Option<(Instant, Result<Arc<V>>)>>>;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash, V> Cache<K, V> {
    async fn get(
        &self,
        key: K,
        as_of: AsOf,
        ask: impl Future<Output = Result<V>>,
    ) -> Result<Arc<V>> {
        let entry = self.entry(key);
        let mut answer = entry.lock().await;
        match &*answer {
            Some((at, Ok(known))) if *at >= as_of.known => return Ok(known.clone()),
            Some((at, Err(missing))) if *at >= as_of.missing => return Err(missing.clone()),
            _ => {}
        }
        let at = Instant::now();
        let fresh = ask.await.map(Arc::new);
        // Other failures say nothing of what exists; the next caller asks again.
        *answer = match &fresh {
            Err(error) if error.code() != Code::NotFound => None,
            _ => Some((at, fresh.clone())),
        };
        fresh
    }

    fn remove(&self, key: &K) {
        self.entries().remove(key);
    }

    fn clear(&self) {
        self.entries().clear();
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: K) -> Entry<V> {
        let mut entries = self.entries();
        if entries.len() >= CAPACITY {
            // Entries in use are held by their users; the others cost one request to have again.
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        entries.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_of_one_key_share_a_request() {
        let cache = Cache::<&str, u32>::default();
        let asked = std::sync::atomic::AtomicU32::new(0);
        let ask = || async {
            tokio::task::yield_now().await;
            Ok(asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        };
        let minute = AsOf::within(Duration::from_secs(60));

        let (first, second) =
            tokio::join!(cache.get("a", minute, ask()), cache.get("a", minute, ask()));

        assert_eq!((*first.unwrap(), *second.unwrap()), (0, 0));
        let now = AsOf::since(Instant::now());
        assert_eq!(*cache.get("a", now, ask()).await.unwrap(), 1);
        assert_eq!(*cache.get("a", now, ask()).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_missing_is_asked_for_again_by_the_next_call() {
        let cache = Cache::<&str, u32>::default();
        let missing = || async { Err(Error::new(Reason::ConsumerNotFound, "gone")) };
        let call = AsOf::since(Instant::now()).or_known_within(Duration::from_secs(60));

        assert!(cache.get("a", call, missing()).await.is_err());
        assert!(cache.get("a", call, async { Ok(1) }).await.is_err());
        let next = AsOf::within(Duration::from_secs(60));
        assert_eq!(*cache.get("a", next, async { Ok(1) }).await.unwrap(), 1);
    }
}
