//! The publisher: many messages at a time over a `PublishStream`, each with a future, through every reconnect.

mod batch;
mod book;
mod line;
mod outcome;
mod session;
mod window;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Code;

use crate::client::Client;
use crate::error::Error;
use crate::message::Message;
use crate::sync::lock;
use crate::v1;
use batch::Limits;
use book::Book;
pub use outcome::Ack;
pub(crate) use session::{SILENCE, interval};

/// The gateway takes windows up to these unless it is told otherwise.
const MOST_IN_FLIGHT: usize = 16_384;
const MOST_BYTES_IN_FLIGHT: usize = 64 << 20;

/// A frame may have so many messages, and so many bytes with all that is around it.
const MOST_IN_FRAME: usize = 10_000;
const MOST_BYTES_IN_FRAME: usize = 3 << 20;

/// The least and the most that a gateway takes as the time of a message.
const PUBLISH_TIMEOUTS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(600));

/// How often the gateway is heard of at least; a stream that is silent for three times as long is given up.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

/// How a publisher works. Every setting has a default.
#[derive(Clone, Debug)]
#[must_use = "a publisher begins with `start`"]
pub struct PublisherBuilder {
    client: Client,
    stream: String,
    cumulative: bool,
    message_ids: bool,
    max_in_flight: usize,
    max_in_flight_bytes: usize,
    batch: Limits,
    linger: Duration,
    timeout: Duration,
}

impl PublisherBuilder {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            stream: String::new(),
            cumulative: false,
            message_ids: true,
            max_in_flight: 4_096,
            max_in_flight_bytes: 32 << 20,
            batch: Limits {
                messages: 512,
                bytes: 512 << 10,
            },
            linger: Duration::from_millis(1),
            timeout: Duration::from_secs(60),
        }
    }

    /// The stream that takes all messages. Unset: whichever takes the subject; ids are then held to be known for two minutes,
    /// JetStream's default, where it has another `duplicate_window`.
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = stream.into();
        self
    }

    /// The gateway only says up to where everything is stored, which costs the servers less on a stream with
    /// `allow_batched`; results then have no sequence. Needs [`stream`](Self::stream).
    pub fn cumulative(mut self) -> Self {
        self.cumulative = true;
        self
    }

    /// No ids for messages without one: saves the server the memory of them, and gives up on a message that is
    /// unanswered when a connection breaks. Its outcome is unknown then.
    pub fn without_message_ids(mut self) -> Self {
        self.message_ids = false;
        self
    }

    /// How many messages may be unanswered; [`Publisher::publish`] waits beyond that. Default 4,096.
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages.max(1);
        self
    }

    /// How many bytes may be unanswered. Default 32 MiB. A single larger message still goes, alone.
    pub fn max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.max_in_flight_bytes = bytes.max(1);
        self
    }

    /// The most that goes together. Default 512 messages and 512 KiB.
    pub fn batch(mut self, messages: usize, bytes: usize) -> Self {
        self.batch = Limits {
            messages: messages.clamp(1, MOST_IN_FRAME),
            bytes: bytes.clamp(1, MOST_BYTES_IN_FRAME),
        };
        self
    }

    /// How long a message waits for company while others are unanswered. Default 1 ms.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How long a message may take to be answered, reconnects included. Default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts the publisher. It connects with its first message.
    pub fn start(mut self) -> Publisher {
        // Several frames fit into the window, so that one is written while others are answered.
        let share = |window: usize| (window / 4).max(1);
        self.batch.messages = self.batch.messages.min(share(self.max_in_flight));
        self.batch.bytes = self.batch.bytes.min(share(self.max_in_flight_bytes));
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                book: Book::new(),
                hurry_before: 0,
                is_closing: false,
                is_over: false,
                error: None,
            }),
            work: Notify::new(),
            room: Notify::new(),
            settings: self,
        });
        tokio::spawn(session::run(Arc::clone(&shared)));
        Publisher(Arc::new(Handle(shared)))
    }

    fn open(&self) -> v1::PublishOpen {
        let ack_mode = match self.cumulative {
            true => v1::PublishAckMode::Cumulative,
            false => v1::PublishAckMode::PerMessage,
        };
        v1::PublishOpen {
            stream: self.stream.clone(),
            ack_mode: ack_mode as i32,
            max_in_flight: self.max_in_flight.min(MOST_IN_FLIGHT) as u32,
            max_in_flight_bytes: self.max_in_flight_bytes.min(MOST_BYTES_IN_FLIGHT) as u64,
            mint_message_ids: self.message_ids,
            publish_timeout: Some(crate::duration(self.timeout_of_gateway())),
            heartbeat_interval: Some(crate::duration(HEARTBEAT)),
            client_name: self.client.name(),
            ..Default::default()
        }
    }

    /// The gateway knows what was surely not stored, so its answer shall come before this library gives up.
    fn timeout_of_gateway(&self) -> Duration {
        (self.timeout / 2).clamp(PUBLISH_TIMEOUTS.0, PUBLISH_TIMEOUTS.1)
    }
}

/// Sends messages in batches and tells of each what became of it. Clones share it.
///
/// When a connection breaks, another is made, on any gateway, and what is unanswered is sent again under the same message
/// ids, so that it is stored once. What the stream may have forgotten by then is not sent again: its outcome is unknown.
/// Messages are sent in the order of `publish`; one that has
/// to be tried again may be stored behind later ones.
///
/// Dropping the last clone closes it: what was handed over is still published, as long as the runtime lives.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Tells the task that there is something to do.
    work: Notify,
    /// Tells callers that something was answered.
    room: Notify,
    settings: PublisherBuilder,
}

#[derive(Debug)]
struct State {
    book: Book,
    /// Somebody waits for the answers to all before this number.
    hurry_before: u64,
    is_closing: bool,
    is_over: bool,
    error: Option<Error>,
}

impl Publisher {
    /// Hands a message over, and returns the future of what becomes of it. It waits while too much is unanswered; an error
    /// means that the message is not published.
    pub async fn publish(&self, message: impl Into<Message>) -> Result<Ack, Error> {
        let mut message = message.into();
        loop {
            match self.offer(message)? {
                Ok(ack) => return Ok(ack),
                Err(refused) => message = refused,
            }
            let room = self.shared().room.notified();
            // What was answered since then is not missed.
            if self.is_full(message.payload.len()) {
                room.await;
            }
        }
    }

    /// Hands a message over without waiting: `RESOURCE_EXHAUSTED` where too much is unanswered.
    pub fn try_publish(&self, message: impl Into<Message>) -> Result<Ack, Error> {
        let full = |_| Error::new(Code::ResourceExhausted, "too many messages are unanswered");
        self.offer(message.into())?.map_err(full)
    }

    /// Waits until everything that was handed over before is answered, whatever others publish meanwhile. What failed says
    /// so in its future.
    pub async fn flush(&self) -> Result<(), Error> {
        let shared = self.shared();
        let before = {
            let mut state = lock(&shared.state);
            state.hurry_before = state.book.next();
            state.hurry_before
        };
        shared.work.notify_one();
        loop {
            let answered = shared.room.notified();
            {
                let state = lock(&shared.state);
                if let Some(error) = &state.error {
                    return Err(error.clone());
                }
                if state.book.is_answered_before(before) {
                    return Ok(());
                }
            }
            answered.await;
        }
    }

    /// Publishes what was handed over, and ends the publisher and its clones.
    pub async fn close(&self) -> Result<(), Error> {
        let shared = self.shared();
        shared.close();
        loop {
            let changed = shared.room.notified();
            {
                let state = lock(&shared.state);
                if state.is_over {
                    return state.error.clone().map_or(Ok(()), Err);
                }
            }
            changed.await;
        }
    }

    /// How many messages are not answered.
    pub fn in_flight(&self) -> usize {
        lock(&self.shared().state).book.messages()
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// Takes the message if there is room.
    fn offer(&self, message: Message) -> Result<Result<Ack, Message>, Error> {
        let shared = self.shared();
        let mut state = lock(&shared.state);
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        if state.is_closing {
            return Err(Error::closed("the publisher"));
        }
        let settings = &shared.settings;
        if state.is_full(settings, message.payload.len()) {
            return Ok(Err(message));
        }
        let ack = state.book.add(message, settings.batch);
        // The task takes along what comes meanwhile: it is told of the first, and of a full batch.
        let waiting = state.book.waiting();
        let is_full = state.book.waiting_bytes() >= settings.batch.bytes;
        drop(state);
        if waiting == 1 || waiting == settings.batch.messages || is_full {
            shared.work.notify_one();
        }
        Ok(Ok(ack))
    }

    fn is_full(&self, size: usize) -> bool {
        let state = lock(&self.shared().state);
        state.is_full(&self.shared().settings, size) && !state.is_closing && state.error.is_none()
    }
}

impl Shared {
    fn close(&self) {
        lock(&self.state).is_closing = true;
        self.work.notify_one();
        self.room.notify_waiters();
    }
}

impl State {
    fn is_full(&self, settings: &PublisherBuilder, size: usize) -> bool {
        let (messages, bytes) = (self.book.messages(), self.book.bytes());
        messages >= settings.max_in_flight
            || (messages > 0 && bytes + size > settings.max_in_flight_bytes)
    }

    /// Whether and when the next frame goes: at once where nothing else is under way, a batch is full or somebody waits
    /// for it; otherwise after the linger.
    fn due(&self, settings: &PublisherBuilder) -> Option<Instant> {
        let since = self.book.waiting_since()?;
        let is_urgent = !self.book.is_sent_before(self.hurry_before)
            || self.is_closing
            || self.book.in_flight() == 0
            || self.book.waiting() >= settings.batch.messages
            || self.book.waiting_bytes() >= settings.batch.bytes;
        Some(if is_urgent {
            since
        } else {
            since + settings.linger
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}
