//! Publishes that do not wait for one another, each with its outcome.
//!
//! A message costs a slot in a table and its answer a look into it: no task, no channel and no lock of
//! its own. Answers arrive on an inbox of this pipeline. Whatever does not go well at once takes the
//! way of a single publish, `Attempts`, so that there is one judgement of outcomes.

mod bound;
mod place;
mod waiting;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use slab::Slab;
use tokio::time::Instant;

use super::error::{from_request, too_late};
use super::lanes::Lanes;
use super::link::{RequestError, is_no_responders};
use super::lookup::StreamFacts;
use super::outlet::{Answer, Outlet, Sending};
use super::publish::{ATTEMPT, Attempt, Attempts, doubt, judge, with_id};
use super::supervisor::disconnected;
use super::{Begun, Nats, Outgoing};
use crate::alarm::Alarm;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::names::StreamName;
use crate::nats::api::PubAck;
pub(super) use bound::Bound;
use place::Place;
use waiting::Waiting;

/// Those that are due within this time of one another are looked at together.
const SWEEP: Duration = Duration::from_millis(20);

/// Publishes messages at once and says in time what became of each.
///
/// It takes whatever it is given: its user bounds how much that is.
pub struct Pipeline {
    nats: Nats,
    /// The stream of all messages, where there is one.
    stream: Option<Bound>,
    outlet: Outlet,
    turn: u32,
    /// Whose stream is being looked up.
    waiting: Waiting,
    /// What the connection has not taken yet.
    queue: VecDeque<Item>,
    /// Sent and not answered.
    sent: Slab<Sent>,
    /// Those that did not go well at once.
    repeating: FuturesUnordered<Repeating>,
    lanes: Lanes,
    /// For the first of the messages that has waited long enough.
    alarm: Alarm,
    settled: Vec<Settled>,
}

/// What became of a message.
#[derive(Debug)]
pub struct Settled {
    /// The message's number.
    pub number: u64,
    /// Stored, surely not stored, or unknown.
    pub outcome: Result<PubAck>,
}

struct Item {
    number: u64,
    message: Outgoing,
    deadline: Deadline,
}

struct Sent {
    item: Item,
    /// Tells a late answer to an earlier message in the same slot from this one's.
    turn: u32,
    at: Instant,
    /// When the answer is no longer waited for.
    due: Instant,
}

type Repeating = Pin<Box<dyn Future<Output = Settled> + Send>>;

impl Pipeline {
    /// Begins with nothing. Where `stream` is given, it takes all messages.
    pub fn new(nats: &Nats, stream: Option<(StreamName, StreamFacts)>) -> Self {
        let bind = |(name, facts)| Bound::new(nats.clone(), name, facts);
        Self {
            outlet: Outlet::new(nats.request_connection()),
            turn: 0,
            waiting: Waiting::new(nats.clone()),
            nats: nats.clone(),
            stream: stream.map(bind),
            queue: VecDeque::new(),
            sent: Slab::new(),
            repeating: FuturesUnordered::new(),
            lanes: Lanes::default(),
            alarm: Alarm::default(),
            settled: Vec::new(),
        }
    }

    /// Publishes a message by `deadline`. Nothing is sent before the next [`Pipeline::settled`].
    pub fn publish(&mut self, number: u64, mut message: Outgoing, deadline: Deadline) {
        let verdict = match &mut self.stream {
            Some(stream) => Some(stream.claim(&mut message)),
            None => self.waiting.known(&message.subject),
        };
        let item = Item {
            number,
            message,
            deadline,
        };
        match verdict {
            Some(verdict) => self.enqueue(verdict, item),
            None => self.waiting.push(item),
        }
    }

    /// Goes on with a message that was sent elsewhere at this moment, and may be stored for all that is
    /// known.
    pub(super) fn repeat_lost(
        &self,
        number: u64,
        message: Outgoing,
        deadline: Deadline,
        at: Instant,
    ) {
        let item = Item {
            number,
            message,
            deadline,
        };
        let (turn, due) = (0, at);
        let sent = Sent {
            item,
            turn,
            at,
            due,
        };
        self.repeat(sent, Err(RequestError::Lost));
    }

    /// Whether everything is settled.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.queue.is_empty()
            && self.sent.is_empty()
            && self.repeating.is_empty()
            && self.settled.is_empty()
    }

    /// Whether there is a connection to send on.
    pub fn is_connected(&self) -> bool {
        self.outlet.is_connected()
    }

    /// Sends what waits, and answers with what was settled meanwhile: at least one. Safe to drop.
    pub async fn settled(&mut self) -> Vec<Settled> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The same for those who poll.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Settled>> {
        self.collect(cx);
        if let Some(stream) = &mut self.stream {
            stream.poll(cx);
        }
        while let Poll::Ready((verdict, item)) = self.waiting.poll(cx) {
            self.enqueue(verdict, item);
        }
        self.transmit(cx);
        self.watch_the_clock(cx);
        self.see_repeated(cx);
        if self.settled.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut self.settled))
    }

    fn enqueue(&mut self, verdict: Result<()>, item: Item) {
        match verdict {
            Ok(()) => {
                self.alarm.remind(item.deadline.instant());
                self.queue.push_back(item);
            }
            Err(error) => self.fail(&item, error),
        }
    }

    /// Takes the answers that have arrived.
    fn collect(&mut self, cx: &mut Context<'_>) {
        loop {
            while let Poll::Ready(answer) = self.outlet.poll(cx) {
                match answer {
                    Answer::Reply(message) => self.answered(message),
                    Answer::Denied(subject) => self.give_up(
                        |sent| sent.item.message.subject.as_str() == &*subject,
                        RequestError::Denied,
                    ),
                    Answer::Lost => self.give_up(|_| true, RequestError::Lost),
                }
            }
            if !self.outlet.move_on(!self.sent.is_empty()) {
                return;
            }
        }
    }

    fn answered(&mut self, message: Message) {
        let Some(place) = Place::read(&message) else {
            return;
        };
        let is_ours = |sent: &Sent| sent.turn == place.turn;
        if !self.sent.get(place.slot).is_some_and(is_ours) {
            return;
        }
        let sent = self.sent.remove(place.slot);
        if is_no_responders(&message) {
            return self.repeat(sent, Err(RequestError::NoResponders));
        }
        match judge(&message.payload) {
            Some(Attempt::Stored(ack)) => self.settled.push(Settled {
                number: sent.item.number,
                outcome: Ok(ack),
            }),
            Some(Attempt::Failed(error)) if doubt(&sent.item.message.headers, &error).is_none() => {
                self.fail(&sent.item, error);
            }
            _ => self.repeat(sent, Ok(message)),
        }
    }

    /// Waits no longer for the answers to some messages.
    fn give_up(&mut self, which: impl Fn(&Sent) -> bool, why: RequestError) {
        let chosen = self.sent.iter().filter(|(_, sent)| which(sent));
        let slots: Vec<usize> = chosen.map(|(slot, _)| slot).collect();
        for slot in slots {
            let sent = self.sent.remove(slot);
            self.repeat(sent, Err(why));
        }
    }

    /// What did not go well at once is judged, and tried again where that is safe, by itself.
    fn repeat(&self, sent: Sent, answer: Result<Message, RequestError>) {
        let Sent { item, at, .. } = sent;
        let nats = self.nats.clone();
        let bound = self.stream.as_ref().and_then(|it| it.facts().cloned());
        let stream = bound.or_else(|| nats.known_stream(&item.message.subject));
        let lane = self.lanes.of(match &stream {
            Some(stream) => &stream.name,
            None => item.message.subject.as_str(),
        });
        self.repeating.push(Box::pin(async move {
            let Item {
                number,
                message,
                deadline,
            } = item;
            // Whoever gets no turn in time has no time for another attempt either.
            let _turn = deadline.bound(lane.acquire()).await;
            let begun = Begun::default();
            let attempts = Attempts::new(&nats, stream, &message, deadline, &begun);
            let outcome = attempts.after(at, answer).await;
            Settled { number, outcome }
        }));
    }

    fn see_repeated(&mut self, cx: &mut Context<'_>) {
        if self.repeating.is_empty() {
            return;
        }
        while let Poll::Ready(Some(settled)) = self.repeating.poll_next_unpin(cx) {
            self.settled.push(settled);
        }
        if self.repeating.is_empty() {
            self.lanes.clear();
        }
    }

    /// Hands over to the connection what it takes.
    fn transmit(&mut self, cx: &mut Context<'_>) {
        if self.queue.is_empty() || self.outlet.is_retiring() {
            return;
        }
        while let Some(item) = self.queue.pop_front() {
            if self.outlet.poll_ready(cx).is_pending() {
                return self.queue.push_front(item);
            }
            if let Err(error) = self.nats.check_size(&item.message) {
                self.fail(&item, error);
                continue;
            }
            let place = self.next_place();
            match self.send(&item.message, place) {
                Sending::Sent => self.await_answer(item, place),
                Sending::TooLarge => {
                    let error = from_request(RequestError::TooLarge, "publish to this subject");
                    self.fail(&item, error);
                }
                // The connection is gone; the next one takes it.
                Sending::NotSent => return self.queue.push_front(item),
            }
        }
    }

    fn next_place(&mut self) -> Place {
        self.turn = self.turn.wrapping_add(1);
        Place {
            slot: self.sent.vacant_key(),
            turn: self.turn,
        }
    }

    fn send(&mut self, message: &Outgoing, place: Place) -> Sending {
        let Some(inbox) = self.outlet.inbox() else {
            return Sending::NotSent;
        };
        let reply = place.below(inbox);
        let (headers, payload) = (message.wire_headers(), message.payload.clone());
        let subject = message.subject.on_the_wire();
        self.outlet.send(subject, reply, headers, payload)
    }

    fn await_answer(&mut self, item: Item, place: Place) {
        let at = Instant::now();
        let due = match item.message.id {
            Some(_) => item.deadline.instant().min(at + ATTEMPT),
            None => item.deadline.instant(),
        };
        self.alarm.remind(due);
        self.sent.insert(Sent {
            item,
            turn: place.turn,
            at,
            due,
        });
    }

    /// Gives up what has waited long enough.
    fn watch_the_clock(&mut self, cx: &mut Context<'_>) {
        while self.alarm.poll(cx).is_ready() {
            let now = Instant::now();
            self.give_up(|sent| sent.due <= now, RequestError::TimedOut);
            self.expire_queue(now);
            let sent = self.sent.iter().map(|(_, sent)| sent.due);
            let queue = self.queue.iter().map(|item| item.deadline.instant());
            if let Some(next) = sent.chain(queue).min() {
                self.alarm.remind(next.max(now + SWEEP));
            }
        }
    }

    /// What the connection did not take in time is surely not stored.
    fn expire_queue(&mut self, now: Instant) {
        let (late, rest): (VecDeque<Item>, _) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|item| item.deadline.instant() <= now);
        self.queue = rest;
        for item in late {
            let error = match self.outlet.is_connected() {
                true => too_late("the message"),
                false => disconnected(),
            };
            self.fail(&item, error);
        }
    }

    fn fail(&mut self, item: &Item, error: Error) {
        self.settled.push(Settled {
            number: item.number,
            outcome: Err(with_id(error, &item.message)),
        });
    }
}
