//! The consumer: its messages as a stream, settled in batches, through every reconnect.

mod book;
mod current;
mod draining;
mod last;
mod line;
mod received;
mod session;
mod wording;
mod work;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::sync::lock;
use crate::v1::consume_open::Source;
use crate::v1::{self, ErrorReason, GapPolicy, StallReason};
use book::{Book, Key};
pub(crate) use line::{Line, open_line};
pub use received::Received;
use wording::Word;
pub(crate) use wording::printable;

/// When a message comes again that was dropped, or whose handler has failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How long the gateway may take to answer what was said last, and to end the session.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How long what no session has taken may take to be said by plain calls.
const LAST_CALLS: Duration = Duration::from_secs(4);

/// By when a consumer that is closed is over.
const END: Duration = Duration::from_secs(10);

/// How a consumer works. Every setting has a default.
#[derive(Clone, Debug)]
#[must_use = "a consumer begins with `open`"]
pub struct ConsumerBuilder {
    client: Client,
    stream: String,
    source: Source,
    until_last: bool,
    max_outstanding: u32,
    max_outstanding_bytes: Option<u64>,
    lease: Duration,
    open_timeout: Duration,
}

impl ConsumerBuilder {
    pub(crate) fn new(client: Client, stream: String, source: Source) -> Self {
        Self {
            client,
            stream,
            source,
            until_last: false,
            max_outstanding: 1_000,
            max_outstanding_bytes: None,
            lease: Duration::from_secs(600),
            open_timeout: Duration::from_secs(30),
        }
    }

    /// How many messages may be delivered and not settled, those that wait here included. Default 1,000.
    pub fn max_outstanding(mut self, messages: u32) -> Self {
        self.max_outstanding = messages.max(1);
        self
    }

    /// How many bytes. Unset is the gateway's default, 8 MiB.
    pub fn max_outstanding_bytes(mut self, bytes: u64) -> Self {
        self.max_outstanding_bytes = Some(bytes);
        self
    }

    /// For how long a message that is worked on is kept from others, however short the consumer's `ack_wait` is. Default
    /// ten minutes; zero: it comes again after `ack_wait`, unless [`Received::in_progress`] is called.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Ends once the last message that the stream has at the beginning, and all before it, are settled. For ephemeral
    /// consumers; with another, opening is `INVALID_ARGUMENT`.
    pub fn until_last(mut self) -> Self {
        self.until_last = true;
        self
    }

    /// How long [`open`](Self::open) tries. Default 30 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// Opens the consumer, and returns once its first session is open or cannot be.
    pub async fn open(self) -> Result<Consumer, Error> {
        let deadline = Instant::now() + self.open_timeout;
        let open = self.open_frame();
        let shared = Arc::new(Shared {
            client: self.client,
            window: self.max_outstanding as usize,
            state: Mutex::default(),
            work: Notify::new(),
            changed: Notify::new(),
            sessions: AtomicU64::new(0),
        });
        tokio::spawn(session::run(Arc::clone(&shared), open));
        // From here on dropping it ends the task.
        let consumer = Consumer {
            shared,
            arrived: VecDeque::new(),
            session: 0,
        };
        let is_open = consumer
            .shared
            .wait(deadline, |state| state.was_opened || state.is_over)
            .await;
        let mut state = lock(&consumer.shared.state);
        if state.was_opened {
            drop(state);
            return Ok(consumer);
        }
        let late = || {
            Error::new(
                tonic::Code::DeadlineExceeded,
                "no gateway opens the session",
            )
        };
        let error = match is_open {
            true => state.error.take(),
            false => state.last_error.take(),
        };
        Err(error.unwrap_or_else(late))
    }

    fn open_frame(&self) -> v1::ConsumeOpen {
        let extends = !self.lease.is_zero();
        let on_gap = match self.source {
            Source::Consumer(_) => GapPolicy::Unspecified,
            _ => GapPolicy::Fail,
        };
        let last = v1::stop_at::Position::Last(true);
        v1::ConsumeOpen {
            stream: self.stream.clone(),
            source: Some(self.source.clone()),
            flow: Some(v1::FlowLimits {
                max_outstanding_messages: Some(self.max_outstanding),
                max_outstanding_bytes: self.max_outstanding_bytes,
            }),
            lease: extends.then(|| v1::Lease {
                auto_extend: true,
                max: Some(crate::duration(self.lease.max(Duration::from_secs(1)))),
            }),
            heartbeat_interval: Some(crate::duration(crate::publisher::HEARTBEAT)),
            client_name: self.client.name(),
            on_gap: on_gap as i32,
            stop_at: self.until_last.then_some(v1::StopAt {
                position: Some(last),
            }),
            ..Default::default()
        }
    }
}

/// What was last heard of how a consumer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How many messages wait for the consumer.
    pub pending: u64,
    /// Why nothing comes; [`StallReason::Unspecified`] where nothing stalls.
    pub stall: StallReason,
}

/// The messages of a consumer, as a [`Stream`].
///
/// What is not settled is delivered again, to this or another consumer. When a connection breaks, or a gateway shuts down,
/// another session is opened, on any gateway, and what is worked on stays this consumer's.
///
/// The stream ends with an error when the consumer cannot go on: it was deleted, for example. An ephemeral one outlives lost
/// connections as long as its `inactive_threshold`; after that it is made anew behind what was settled, or ends with
/// `POSITION_LOST` where the stream no longer has what follows. A consumer that is dropped
/// takes no more messages; what was handed out can still be settled.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    /// What was taken over from the task, a batch at a time.
    arrived: VecDeque<Arrived>,
    /// The session that was open when that was looked through last.
    session: u64,
}

/// A message that waits to be handed out.
#[derive(Debug)]
struct Arrived {
    delivery: Delivery,
    key: Option<Key>,
}

impl Arrived {
    fn is_held_by(&self, book: &Book) -> bool {
        self.key.is_none_or(|key| book.holds(key))
    }
}

#[derive(Debug)]
struct Shared {
    client: Client,
    window: usize,
    state: Mutex<State>,
    /// Tells the task that there is something to do.
    work: Notify,
    /// Tells those who wait for the beginning and for the end.
    changed: Notify,
    /// How many sessions were opened.
    sessions: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arrived>,
    waker: Option<Waker>,
    book: Book,
    phase: Phase,
    was_opened: bool,
    is_over: bool,
    /// At the end: what is done, or hopeless, does not come again.
    is_taken: bool,
    /// At the end: and all messages were settled.
    is_settled: bool,
    /// What ended the consumer, until it is told.
    error: Option<Error>,
    /// What ended the last session.
    last_error: Option<Error>,
    status: Status,
}

/// What a consumer still does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Receiving,
    /// It takes no more messages, and ends when all is settled.
    Draining,
    /// It says what is to be said, and ends.
    Closing,
}

impl Consumer {
    /// The next message; none at the end. An error is the last that comes.
    pub async fn next(&mut self) -> Option<Result<Received, Error>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Takes no more messages, and waits until all that were handed out are settled. False where that was not so in this
    /// time: what was left is delivered again.
    pub async fn drain(self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.wait(deadline, |state| state.is_over).await;
        shared.end().await;
        lock(&shared.state).is_settled
    }

    /// Ends at once. What was said of messages is still sent, for at most ten seconds and by plain calls where there is no
    /// session; what is not settled is delivered again. An error is `ACK_OUTCOME_UNKNOWN`: messages that were acknowledged, or
    /// terminated, may be delivered again.
    pub async fn close(self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.end().await;
        if lock(&shared.state).is_taken {
            return Ok(());
        }
        let text = "acknowledgements are not known to be taken: their messages may come again";
        let (reason, code) = (ErrorReason::AckOutcomeUnknown, tonic::Code::Unavailable);
        Err(Error::with_reason(reason, code, text))
    }

    /// What was last heard.
    pub fn status(&self) -> Status {
        lock(&self.shared.state).status.clone()
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Result<Received, Error>>> {
        self.pass_over_lost();
        if self.arrived.is_empty() {
            let mut state = lock(&self.shared.state);
            if !state.queue.is_empty() {
                std::mem::swap(&mut self.arrived, &mut state.queue);
            } else if state.is_over {
                return Poll::Ready(state.error.take().map(Err));
            } else {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        let next = self.arrived.pop_front();
        let received = next.map(|it| Ok(Received::new(it.delivery, it.key, &self.shared)));
        Poll::Ready(received)
    }

    /// What the latest session has not taken over is another's now, or comes again.
    fn pass_over_lost(&mut self) {
        let session = self.shared.sessions.load(Ordering::Acquire);
        if std::mem::replace(&mut self.session, session) != session {
            let state = lock(&self.shared.state);
            self.arrived
                .retain(|arrived| arrived.is_held_by(&state.book));
        }
    }
}

impl Stream for Consumer {
    type Item = Result<Received, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl Drop for Consumer {
    /// What nobody has seen goes to others at once.
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        let unseen = std::mem::take(&mut state.queue);
        for arrived in self.arrived.drain(..).chain(unseen) {
            if let Some(key) = arrived.key {
                state.book.give_back(key);
            }
        }
        state.phase = state.phase.max(Phase::Draining);
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Shared {
    /// Says something of a message; false where it was settled before.
    fn say(&self, key: Key, word: Word) -> bool {
        let mut state = lock(&self.state);
        if state.is_over || !state.book.say(key, word) {
            return false;
        }
        // The task takes along what comes meanwhile: it is told of the first, and of what does not wait.
        let is_new = state.book.unsaid() == 1;
        let must_go = state.is_urgent(self.window);
        drop(state);
        if is_new || must_go {
            self.work.notify_one();
        }
        true
    }

    /// Waits until something is so; false where the time is up before.
    async fn wait(&self, deadline: Instant, until: impl Fn(&State) -> bool) -> bool {
        loop {
            let changed = self.changed.notified();
            if until(&lock(&self.state)) {
                return true;
            }
            if timeout_at(deadline, changed).await.is_err() {
                return until(&lock(&self.state));
            }
        }
    }

    async fn end(&self) {
        lock(&self.state).phase = Phase::Closing;
        self.work.notify_one();
        self.wait(Instant::now() + END, |state| state.is_over).await;
    }
}

impl State {
    /// What is to be said does not wait for company.
    fn is_urgent(&self, window: usize) -> bool {
        let is_much = self.book.unsaid() >= (window / 4).max(1);
        self.book.is_urgent() || is_much || self.phase != Phase::Receiving
    }
}
