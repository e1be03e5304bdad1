//! What is known of streams and consumers, asked for at most once in a while.
//!
//! JetStream's API is no lookup service (its queue is dropped as a whole when it overflows), so the
//! answers that every call needs are kept for a short time, and calls that miss at the same moment
//! share one request.

mod cache;
mod index;
mod streams;

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Nats;
use super::api::{ConsumerInfo, StreamConfig, StreamInfo};
use super::error::too_late;
use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::names::{ConsumerName, StreamName, Subject};
pub use cache::AsOf;
use cache::Cache;
pub use streams::StreamFacts;
use streams::Streams;

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

/// The answers that are kept.
pub(super) struct Lookups {
    /// Read by every publish, which must not wait for another.
    streams: RwLock<Streams>,
    /// Who may ask for a stream now: a batch can miss a thousand times at once.
    turns: Semaphore,
    consumers: Cache<(String, String), ConsumerInfo>,
    /// The names of the streams that take a subject.
    names: Cache<String, Vec<String>>,
    /// That one leader of a stream spoke alone.
    pub(super) leaders: Cache<String, ()>,
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
            leaders: Cache::default(),
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

    /// The most that a message of a subject may have with its headers, as far as that can be found out quickly.
    pub async fn largest(&self, subject: &Subject, deadline: Deadline) -> Option<usize> {
        self.stream_of(subject, deadline).await;
        self.known_largest(subject)
    }

    /// The same without asking.
    pub fn known_largest(&self, subject: &Subject) -> Option<usize> {
        let stream = self.lookups().known_stream(subject);
        let own = stream.and_then(|stream| stream.largest());
        own.into_iter().chain(self.max_payload()).min()
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
        self.ask_stream(name, deadline).await.map(Some)
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
        self.lookups().known().named(name.as_str(), Instant::now())
    }

    /// A stream by its name.
    pub async fn stream_facts(&self, name: &StreamName, deadline: Deadline) -> Result<StreamFacts> {
        self.ask_stream(name.as_str(), deadline).await
    }

    async fn ask_stream(&self, name: &str, deadline: Deadline) -> Result<StreamFacts> {
        let asked = Instant::now();
        let operation = format!("STREAM.INFO.{name}");
        let info: StreamInfo = self.api_get(&operation, deadline).await?;
        Ok(self.lookups().learn_stream(info.config, asked))
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

impl Lookups {
    pub(super) fn forget_stream(&self, stream: &str) {
        self.streams().forget(stream, Instant::now());
        self.names.clear();
    }

    pub(super) fn forget_consumer(&self, stream: &str, consumer: &str) {
        self.consumers
            .remove(&(stream.to_owned(), consumer.to_owned()));
    }

    pub(super) fn forget_all(&self) {
        self.streams().forget_all(Instant::now());
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
        self.known().taking(subject, Instant::now())
    }

    fn learn_stream(&self, config: StreamConfig, asked: Instant) -> StreamFacts {
        let facts = StreamFacts {
            name: config.name.clone(),
            no_ack: config.no_ack,
            duplicate_window: config.duplicate_window(),
            config: Arc::new(config),
        };
        self.streams().learn(facts.clone(), asked);
        facts
    }

    fn known(&self) -> RwLockReadGuard<'_, Streams> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> RwLockWriteGuard<'_, Streams> {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)
    }
}
