//! Fast ingest: publishing in batches that JetStream acknowledges as a whole (ADR-50).
//!
//! Messages keep the order of their numbers. One batch of a publisher is open at a time, and the next
//! is opened once it is known what became of it, so nothing is stored ahead of what came before it.
//! Where the messages run out a batch is committed with the last one: JetStream says nothing of the
//! rest between two acknowledgements. An error ends a batch before the message that it is about; the
//! messages behind it are sent again in the next batch.
//!
//! What a batch cannot settle, or not carry, is published by itself on a pipeline: messages that may
//! be stored for all that is known (after a change of leader or a lost connection), those that
//! nobody listened to, and on a replicated stream those whose id JetStream may know already. There a
//! batch acknowledges a duplicate of a message that is not stored yet, and may never be (read in
//! 2.15.1); a publish by itself is told that the first is in process.

mod alone;
mod answer;
mod batch;
mod queue;
mod running;
mod sending;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::error::too_late;
use super::lookup::StreamFacts;
use super::outlet::{Answer, Outlet};
use super::pipeline::{Bound, Pipeline};
use super::supervisor::disconnected;
use super::{Nats, Outgoing, Slot};
use crate::alarm::Alarm;
use crate::deadline::Deadline;
use crate::error::Reason;
use crate::names::StreamName;
use answer::{Address, Operation};
use batch::FIRST_FLOW;
use queue::{Entry, Queue, State};
pub use queue::{Halts, Settled as Progress};
use running::Running;

/// How many batches of one stream this gateway has open at a time. JetStream allows 1,000 per stream
/// for all clients together, and lets each go the shorter way without an acknowledgement the more
/// there are.
pub(super) const OPEN_BATCHES: usize = 64;

/// The most messages between two acknowledgements; JetStream's own most is 500.
const FLOW: u64 = 500;

/// How many acknowledgements the window of a publisher is good for.
const STEPS: u64 = 4;

/// How long batches are not tried again where JetStream has too many of them, or none for this stream.
const REST: Duration = Duration::from_secs(5);

/// A message to publish.
#[derive(Debug)]
pub struct Item {
    /// Its number: larger than those before.
    pub number: u64,
    /// The message.
    pub message: Outgoing,
    /// When its outcome must be known.
    pub deadline: Deadline,
    /// JetStream may know its id already, from an earlier session for example.
    pub known: bool,
}

/// Publishes messages to one stream in fast batches, and says up to where they are settled.
///
/// It takes whatever it is given: its user bounds how much that is.
pub struct FastIngest {
    nats: Nats,
    name: StreamName,
    stream: StreamFacts,
    bound: Bound,
    outlet: Outlet,
    queue: Queue,
    phase: Phase,
    turns: Slot,
    /// The most messages that shall be acknowledged together, and how many were in the last batch.
    most: u64,
    flow: u64,
    /// Nothing new has come since the messages last ran out.
    ran_out: bool,
    /// Until when batches are not tried.
    resting: Option<Instant>,
    pipeline: Pipeline,
    /// Whether the stream is gone, where that is being asked.
    looking: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
    alarm: Alarm,
}

enum Phase {
    Idle,
    /// It waits for its turn to open a batch.
    Opening(Pin<Box<dyn Future<Output = Turn> + Send>>),
    Open(Box<Running>),
    /// The first messages are published by themselves.
    Alone,
}

/// The right to have a batch open, and what is known of the stream by then.
struct Turn {
    permit: OwnedSemaphorePermit,
    /// `None` where the stream is gone.
    stream: Option<StreamFacts>,
}

impl FastIngest {
    /// Begins with nothing. Nothing is stored behind a message that `halts`. Its user has at most
    /// `window` messages under way.
    pub fn new(
        nats: &Nats,
        (name, stream): (StreamName, StreamFacts),
        halts: Halts,
        window: u32,
    ) -> Self {
        let most = (u64::from(window) / STEPS).clamp(1, FLOW);
        Self {
            outlet: Outlet::new(nats.request_connection()),
            pipeline: Pipeline::new(nats, Some((name.clone(), stream.clone()))),
            bound: Bound::new(nats.clone(), name.clone(), stream.clone()),
            turns: nats.batch_slot(&stream.name),
            nats: nats.clone(),
            name,
            stream,
            queue: Queue::new(halts),
            phase: Phase::Idle,
            flow: FIRST_FLOW.min(most),
            most,
            ran_out: false,
            resting: None,
            looking: None,
            alarm: Alarm::default(),
        }
    }

    /// Publishes a message. Nothing is sent before the next [`FastIngest::progress`].
    pub fn publish(&mut self, item: Item) {
        let Item {
            number,
            mut message,
            deadline,
            known,
        } = item;
        self.ran_out = false;
        let state = match self.bound.claim(&mut message) {
            Ok(()) => State::Waiting,
            Err(error) => State::Settled(Err(error)),
        };
        self.queue.push(Entry {
            number,
            message,
            deadline,
            known,
            state,
            sent: None,
        });
    }

    /// Failures up to this number no longer halt.
    pub fn resume(&mut self, through: u64) {
        self.queue.resume(through);
    }

    /// Whether everything is settled.
    pub fn is_idle(&self) -> bool {
        self.queue.len() == 0
    }

    /// Whether there is a connection to send on.
    pub fn is_connected(&self) -> bool {
        self.outlet.is_connected()
    }

    /// Sends what waits, and answers with what was settled meanwhile. Safe to drop.
    pub async fn progress(&mut self) -> Progress {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        loop {
            self.collect(cx);
            self.expire();
            self.queue.settle();
            if self.advance(cx) {
                continue;
            }
            if let Some(progress) = self.queue.take_settled() {
                return Poll::Ready(progress);
            }
            if !self.rang(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Takes the answers that have arrived.
    fn collect(&mut self, cx: &mut Context<'_>) {
        self.bound.poll(cx);
        let batch_is_open = matches!(self.phase, Phase::Open(_));
        self.outlet.move_on(batch_is_open);
        while let Poll::Ready(answer) = self.outlet.poll(cx) {
            let Phase::Open(running) = &mut self.phase else {
                continue;
            };
            match answer {
                Answer::Reply(message) => running.hear(&message),
                Answer::Denied(subject) => running.deny(&subject, &self.queue),
                Answer::Lost => running.lose(),
            }
        }
        if self.pipeline.is_idle() {
            return;
        }
        while let Poll::Ready(settled) = self.pipeline.poll(cx) {
            for settled in settled {
                if let Some(entry) = self.queue.numbered(settled.number) {
                    entry.state = State::Settled(settled.outcome);
                }
            }
        }
    }

    /// Gives up what is out of time.
    fn expire(&mut self) {
        while let Some(first) = self.queue.first() {
            if !first.deadline.has_passed() || !matches!(first.state, State::Waiting) {
                return;
            }
            if let Phase::Open(running) = &mut self.phase
                && running.has_sent_more()
            {
                return running.lose();
            }
            let error = match self.outlet.is_connected() {
                true => too_late("the message"),
                false => disconnected(),
            };
            self.queue.failed(error);
        }
    }

    /// Goes one step ahead; false where it has to wait.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.phase {
            Phase::Idle => self.begin(),
            Phase::Opening(turn) => {
                if self.queue.len() == 0 {
                    self.phase = Phase::Idle;
                    return false;
                }
                let Some(inbox) = self.outlet.inbox() else {
                    return false;
                };
                let address = Address::new(inbox, self.most);
                let Poll::Ready(turn) = turn.as_mut().poll(cx) else {
                    return false;
                };
                let Some(stream) = turn.stream else {
                    self.rest();
                    self.phase = Phase::Idle;
                    return true;
                };
                let running = Running::new(address, &stream, self.flow, turn.permit);
                self.phase = Phase::Open(Box::new(running));
                self.stream = stream;
                true
            }
            Phase::Open(_) => self.run(cx),
            Phase::Alone => self.publish_alone(),
        }
    }

    fn begin(&mut self) -> bool {
        let Some(first) = self.queue.first() else {
            return false;
        };
        self.phase = if self.goes_alone(first) {
            Phase::Alone
        } else {
            Phase::Opening(self.open())
        };
        true
    }

    fn open(&self) -> Pin<Box<dyn Future<Output = Turn> + Send>> {
        let (nats, name) = (self.nats.clone(), self.name.clone());
        let (turns, stream) = (self.turns.clone(), self.stream.clone());
        Box::pin(async move {
            let permit = turns.acquire().await;
            // It may have got more replicas.
            let stream = match nats.recent_stream(&name).await {
                Ok(stream) => Some(stream),
                Err(error) if error.reason() == Reason::StreamNotFound => None,
                Err(_) => Some(stream),
            };
            Turn { permit, stream }
        })
    }

    fn rest(&mut self) {
        self.resting = Some(Instant::now() + REST);
    }

    /// Whether a time has come; sets the alarm for the next one.
    fn rang(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.queue.first().map(|first| first.deadline.instant());
        let next = match &self.phase {
            Phase::Open(running) => deadline.into_iter().chain(running.due()).min(),
            Phase::Alone => None,
            _ => deadline,
        };
        if let Some(next) = next {
            self.alarm.remind(next);
        }
        self.alarm.poll(cx).is_ready()
    }
}

impl Drop for FastIngest {
    /// A batch that nobody ends takes one of JetStream's places for 10 s.
    fn drop(&mut self) {
        let Phase::Open(running) = &mut self.phase else {
            return;
        };
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        // A task that has done much is told to wait, which there is no time for here.
        let outlet = &mut self.outlet;
        let ready = pin!(unconstrained(poll_fn(|cx| outlet.poll_ready(cx)))).poll(&mut nobody);
        if ready.is_ready() && !running.is_unused() {
            running.ask(&mut self.outlet, Operation::End);
        }
    }
}
