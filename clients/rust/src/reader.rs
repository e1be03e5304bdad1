//! The reader: a stream in order, without acknowledgements, through every reconnect.

mod session;

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::Client;
use crate::delivery::{Delivery, Source};
use crate::error::Error;
use crate::publisher::HEARTBEAT;
use crate::sync::{Task, lock};
use crate::v1::{self, DeliverPolicy, Gap, GapPolicy};
use crate::wire::ReceivedMessage;
use session::Reading;

/// How many batches are read ahead.
const AHEAD: usize = 4;

/// A place in a stream, behind a message that was read: a text that a later reader of the same goes on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Messages up to here were read behind the token's place.
    sequence: u64,
    token: String,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.sequence, self.token)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('.');
        let parsed =
            parts.and_then(|(sequence, token)| Some((sequence.parse().ok()?, token.to_owned())));
        let (sequence, token) = parsed.ok_or_else(|| Error::invalid("this is no position"))?;
        Ok(Self { sequence, token })
    }
}

/// What a reader reads, from where to where.
#[derive(Clone, Debug)]
#[must_use = "a reader begins with `open`"]
pub struct ReaderBuilder {
    client: Client,
    stream: String,
    ordered: v1::OrderedConsumer,
    until_last: bool,
    resume: Option<Position>,
    on_gap: GapPolicy,
    open_timeout: Duration,
}

impl ReaderBuilder {
    pub(crate) fn new(client: Client, stream: String) -> Self {
        Self {
            client,
            stream,
            ordered: v1::OrderedConsumer::default(),
            until_last: false,
            resume: None,
            on_gap: GapPolicy::Fail,
            open_timeout: Duration::from_secs(30),
        }
    }

    /// Only messages whose subject matches this, or another filter.
    pub fn filter(mut self, subject: impl Into<String>) -> Self {
        self.ordered.filter_subjects.push(subject.into());
        self
    }

    /// Begins with the message of this sequence, or the next one that there is.
    pub fn from_sequence(mut self, sequence: u64) -> Self {
        self.ordered.deliver_policy = DeliverPolicy::ByStartSequence as i32;
        self.ordered.opt_start_seq = sequence;
        self
    }

    /// Begins with the first message that was stored at this time or later.
    pub fn from_time(mut self, time: SystemTime) -> Self {
        self.ordered.deliver_policy = DeliverPolicy::ByStartTime as i32;
        self.ordered.opt_start_time = Some(time.into());
        self
    }

    /// Where to begin otherwise; unset is with the first message.
    pub fn deliver(mut self, policy: DeliverPolicy) -> Self {
        self.ordered.deliver_policy = policy as i32;
        self
    }

    /// Ends with the last message that there is at the beginning.
    pub fn until_last(mut self) -> Self {
        self.until_last = true;
        self
    }

    /// Goes on behind the [`Position`] of an earlier reader of the same.
    pub fn resume(mut self, position: Position) -> Self {
        self.resume = Some(position);
        self
    }

    /// Goes on where the stream no longer has the next messages, and notes it in [`Reader::gaps`]. Otherwise the read fails
    /// with `POSITION_LOST`.
    pub fn report_gaps(mut self) -> Self {
        self.on_gap = GapPolicy::Report;
        self
    }

    /// Reads without payloads.
    pub fn headers_only(mut self) -> Self {
        self.ordered.headers_only = true;
        self
    }

    /// How long [`open`](Self::open) tries. Default 30 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// Opens the reader, and returns once its first session is open or cannot be.
    pub async fn open(self) -> Result<Reader, Error> {
        let position = self.resume.clone().unwrap_or_default();
        let open = self.open_frame(&position);
        let (batches, arriving) = mpsc::channel(AHEAD);
        let gaps = Arc::default();
        let reading = Reading {
            client: self.client,
            open,
            skip: position.sequence,
            batches,
            gaps: Arc::clone(&gaps),
        };
        let mut reader = Reader {
            current: Vec::new().into_iter(),
            behind: None,
            position,
            source: Arc::default(),
            arriving,
            gaps,
            task: Some(Task::spawn(reading.run())),
        };
        // The first batch is empty, and says where the read begins.
        let first = timeout(self.open_timeout, reader.arriving.recv()).await;
        match first {
            Ok(Some(batch)) => reader.begin(batch),
            Ok(None) => reader.ended().await?,
            Err(_) => {
                let text = "no gateway opens the session";
                return Err(Error::new(tonic::Code::DeadlineExceeded, text));
            }
        }
        Ok(reader)
    }

    fn open_frame(&self, position: &Position) -> v1::ConsumeOpen {
        let last = v1::stop_at::Position::Last(true);
        v1::ConsumeOpen {
            stream: self.stream.clone(),
            source: Some(v1::consume_open::Source::Ordered(self.ordered.clone())),
            heartbeat_interval: Some(crate::duration(HEARTBEAT)),
            client_name: self.client.name(),
            on_gap: self.on_gap as i32,
            stop_at: self.until_last.then_some(v1::StopAt {
                position: Some(last),
            }),
            resume_token: position.token.clone(),
            ..Default::default()
        }
    }
}

/// Reads a stream in order, without loss or repeat, over lost connections too: a [`Stream`] of messages. It ends where it
/// was asked to, or with an error. Dropping it ends the read.
#[derive(Debug)]
pub struct Reader {
    current: std::vec::IntoIter<ReceivedMessage>,
    /// What holds once the current batch is read.
    behind: Option<String>,
    position: Position,
    source: Arc<Source>,
    arriving: mpsc::Receiver<Batch>,
    gaps: Arc<Mutex<Vec<Gap>>>,
    /// None once its end was told.
    task: Option<Task<()>>,
}

/// Messages, and where to go on behind them.
#[derive(Debug)]
struct Batch {
    messages: Vec<ReceivedMessage>,
    token: String,
    source: Arc<Source>,
}

impl Reader {
    /// The next message; none at the end. An error is the last that comes.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Behind the last message that was handed out; a later reader goes on there by [`ReaderBuilder::resume`].
    pub fn position(&self) -> Position {
        match &self.behind {
            Some(token) if self.current.len() == 0 => Position {
                sequence: 0,
                token: token.clone(),
            },
            _ => self.position.clone(),
        }
    }

    /// Where messages were missing, with [`ReaderBuilder::report_gaps`].
    pub fn gaps(&self) -> Vec<Gap> {
        lock(&self.gaps).clone()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Delivery, Error>>> {
        loop {
            if let Some(raw) = self.current.next() {
                self.position.sequence = raw.stream_sequence;
                return Poll::Ready(Some(Ok(Delivery::new(raw, &self.source))));
            }
            match std::task::ready!(self.arriving.poll_recv(context)) {
                Some(batch) => self.begin(batch),
                None => {
                    let Some(task) = &mut self.task else {
                        return Poll::Ready(None);
                    };
                    let ended = std::task::ready!(Pin::new(task).poll(context));
                    self.task = None;
                    return Poll::Ready(ended.err().map(Err));
                }
            }
        }
    }

    fn begin(&mut self, batch: Batch) {
        if let Some(token) = self.behind.take() {
            self.position = Position { sequence: 0, token };
        }
        self.current = batch.messages.into_iter();
        self.behind = Some(batch.token).filter(|token| !token.is_empty());
        self.source = batch.source;
    }

    /// Why the read ended before it began.
    async fn ended(&mut self) -> Result<(), Error> {
        match self.task.take() {
            Some(task) => task.await,
            None => Ok(()),
        }
    }
}

impl Stream for Reader {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}
