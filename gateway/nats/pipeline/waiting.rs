//! Messages whose stream is not known yet, and those behind them, which keep their order: the streams are
//! looked up once for each subject, all at the same time.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Item;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::Subject;
use crate::nats::Nats;
use crate::nats::lookup::StreamFacts;

/// How long what is known of streams is taken from here, and how many are kept: all sessions share
/// what is known beyond that.
const RECENT: (Duration, usize) = (Duration::from_secs(1), 32);

/// The messages, in their order.
pub(super) struct Waiting {
    nats: Nats,
    items: VecDeque<Item>,
    subjects: HashMap<Subject, Waiters>,
    lookups: FuturesUnordered<Lookup>,
    recent: Vec<StreamFacts>,
    since: Instant,
}

/// How many messages of a subject wait, and what was found for them.
#[derive(Default)]
struct Waiters {
    count: usize,
    verdict: Option<Result<()>>,
}

type Lookup = Pin<Box<dyn Future<Output = (Subject, Option<StreamFacts>)> + Send>>;

impl Waiting {
    pub(super) fn new(nats: Nats) -> Self {
        Self {
            nats,
            items: VecDeque::new(),
            subjects: HashMap::new(),
            lookups: FuturesUnordered::new(),
            recent: Vec::new(),
            since: Instant::now(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the stream of a subject acknowledges what it stores; `None` where a message must wait: its
    /// stream is not known, or others wait before it.
    pub(super) fn known(&mut self, subject: &Subject) -> Option<Result<()>> {
        if !self.items.is_empty() {
            return None;
        }
        self.look(subject)
    }

    fn look(&mut self, subject: &Subject) -> Option<Result<()>> {
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

    /// Keeps a message until its stream is known, and those of all before it.
    pub(super) fn push(&mut self, item: Item) {
        let subject = &item.message.subject;
        if let Some(waiters) = self.subjects.get_mut(subject) {
            waiters.count += 1;
        } else {
            let verdict = self.look(subject);
            if verdict.is_none() {
                self.lookups
                    .push(self.look_up(subject.clone(), item.deadline));
            }
            let waiters = Waiters { count: 1, verdict };
            self.subjects.insert(subject.clone(), waiters);
        }
        self.items.push_back(item);
    }

    fn look_up(&self, subject: Subject, deadline: Deadline) -> Lookup {
        let nats = self.nats.clone();
        Box::pin(async move {
            let stream = nats.stream_of(&subject, deadline).await;
            (subject, stream)
        })
    }

    /// The next message, and whether its stream takes it, as far as that could be found out.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Result<()>, Item)> {
        while let Poll::Ready(Some((subject, stream))) = self.lookups.poll_next_unpin(cx) {
            if let Some(waiters) = self.subjects.get_mut(&subject) {
                let verdict = stream.as_ref().map(StreamFacts::refuse_without_acks);
                // Where nobody seems to take it, its own answer says more.
                waiters.verdict = Some(verdict.unwrap_or(Ok(())));
            }
        }
        match self.release() {
            Some(released) => Poll::Ready(released),
            None => Poll::Pending,
        }
    }

    fn release(&mut self) -> Option<(Result<()>, Item)> {
        let subject = &self.items.front()?.message.subject;
        let waiters = self.subjects.get_mut(subject)?;
        let verdict = waiters.verdict.clone()?;
        waiters.count -= 1;
        if waiters.count == 0 {
            self.subjects.remove(subject);
        }
        Some((verdict, self.items.pop_front()?))
    }
}
