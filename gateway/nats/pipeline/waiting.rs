//! Messages whose stream is not known yet: looked up once for each subject, while others go on.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Item;
use crate::error::Result;
use crate::names::Subject;
use crate::nats::Nats;
use crate::nats::lookup::StreamFacts;

/// How long what is known of streams is taken from here, and how many are kept: all sessions share
/// what is known beyond that.
const RECENT: (Duration, usize) = (Duration::from_secs(1), 32);

/// The messages, by subject.
pub(super) struct Waiting {
    nats: Nats,
    items: HashMap<Subject, Vec<Item>>,
    lookups: FuturesUnordered<Lookup>,
    recent: Vec<StreamFacts>,
    since: Instant,
}

type Lookup = Pin<Box<dyn Future<Output = (Subject, Option<StreamFacts>)> + Send>>;

/// Messages of one subject, and whether their stream takes them: `None` where it could not be found.
pub(super) type Found = (Option<Result<()>>, Vec<Item>);

impl Waiting {
    pub(super) fn new(nats: Nats) -> Self {
        Self {
            nats,
            items: HashMap::new(),
            lookups: FuturesUnordered::new(),
            recent: Vec::new(),
            since: Instant::now(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the stream of a subject acknowledges what it stores; `None` where the stream is not
    /// known, or messages of this subject still wait: they keep their order.
    pub(super) fn known(&mut self, subject: &Subject) -> Option<Result<()>> {
        if !self.items.is_empty() && self.items.contains_key(subject) {
            return None;
        }
        if self.since.elapsed() > RECENT.0 {
            self.recent.clear();
            self.since = Instant::now();
        }
        if let Some(stream) = self.recent.iter().find(|stream| stream.takes(subject)) {
            return Some(stream.refuse_without_acks());
        }
        let stream = self.nats.known_stream(subject)?;
        let verdict = stream.refuse_without_acks();
        if self.recent.len() < RECENT.1 {
            self.recent.push(stream);
        }
        Some(verdict)
    }

    /// Keeps a message until its stream is known.
    pub(super) fn push(&mut self, item: Item) {
        let subject = item.message.subject.clone();
        if let Some(items) = self.items.get_mut(&subject) {
            return items.push(item);
        }
        let (nats, deadline) = (self.nats.clone(), item.deadline);
        self.items.insert(subject.clone(), vec![item]);
        self.lookups.push(Box::pin(async move {
            let stream = nats.stream_of(&subject, deadline).await;
            (subject, stream)
        }));
    }

    /// The messages whose lookup has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        match self.lookups.poll_next_unpin(cx) {
            Poll::Ready(Some((subject, stream))) => {
                let items = self.items.remove(&subject).unwrap_or_default();
                let verdict = stream.as_ref().map(StreamFacts::refuse_without_acks);
                Poll::Ready((verdict, items))
            }
            _ => Poll::Pending,
        }
    }
}
