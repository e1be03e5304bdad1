//! The pull engine: asks a consumer for messages, keeps count of what may still come, and tells
//! every way in which a pull can end (ADR-13, ADR-37, ADR-42).

mod closing;
mod pin;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Instant, timeout_at};

use super::Nats;
use super::import;
use super::link::{Link, RequestError};
use super::wire::Subscriber;
use crate::deadline::Deadline;
use crate::token::Origin;
pub use pin::Pin;
pub use wire::{Ask, Delivery, End, Passed, Place};
use wire::{delivery, encode, ending, header_number, passed};

/// A pull whose server says nothing for this many heartbeats is taken to be lost.
const MISSED_HEARTBEATS: u32 = 2;

/// How much later than its expiry a pull's end may arrive.
const GRACE: Duration = Duration::from_secs(2);

/// How long after a pull's end the last that it brought may arrive. A consumer with replicas has them agree on a
/// delivery before it sends the message, but sends its statuses at once.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// How long closing waits for what was on its way.
const CLOSING: Duration = Duration::from_secs(2);

/// What a consumer says.
#[derive(Debug)]
pub enum Event {
    /// A message.
    Message(Delivery),
    /// A sign of life, with what the consumer has passed.
    Idle(Option<Passed>),
    /// A pull has ended.
    Ended(End),
    /// The connection is lost, and with it every pull.
    Lost,
}

/// The open pulls of one session at one consumer, on one link.
pub struct Puller {
    link: Arc<Link>,
    next_subject: String,
    is_imported: bool,
    /// A message has come since the last pull.
    brings_much: bool,
    inbox: String,
    /// `None` before the first pull, and after [`Puller::rest`].
    subscriber: Option<Subscriber>,
    /// The same while it is closed.
    closing: Option<Subscriber>,
    denied: broadcast::Receiver<Arc<str>>,
    /// In the order in which JetStream serves them next, as far as that is known.
    open: VecDeque<Open>,
    asked: u64,
    /// When the last message came, to whichever pull.
    heard: Instant,
    /// Everything that arrived on the present subscription, statuses included.
    seen: u64,
    /// The client's pin, where the consumer pins one.
    pin: Option<Pin>,
    /// Where the last message came from, and the next one will.
    origin: Arc<Origin>,
}

struct Open {
    /// The last part of its reply subject.
    number: u64,
    pin: Option<Arc<str>>,
    messages: u32,
    bytes: Option<u64>,
    ends: Instant,
    heartbeat: Option<Duration>,
    /// When its server last said something of this pull alone.
    heard: Instant,
    /// It has ended, and this is on its way.
    is_rest: bool,
    _slot: Option<Arc<OwnedSemaphorePermit>>,
}

impl Puller {
    /// Prepares pulls from a consumer. The inbox is opened with the first.
    pub fn new(
        nats: &Nats,
        link: Arc<Link>,
        stream: &str,
        consumer: &str,
        pin: Option<Pin>,
    ) -> Self {
        let inbox = link.new_inbox();
        let denied = link.denied();
        let next_subject = format!(
            "{}.CONSUMER.MSG.NEXT.{stream}.{consumer}",
            nats.api_prefix()
        );
        Self {
            link,
            next_subject,
            is_imported: nats.is_imported(),
            brings_much: true,
            inbox,
            subscriber: None,
            closing: None,
            denied,
            open: VecDeque::new(),
            asked: 0,
            heard: Instant::now(),
            seen: 0,
            pin,
            origin: Arc::new(Origin::new(stream, consumer)),
        }
    }

    /// Sends a pull request, or several in its place; `slot` is given back when it ends.
    pub async fn pull(
        &mut self,
        ask: &Ask,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<(), RequestError> {
        if self.subscriber.is_none() {
            let inbox = format!("{}.*", self.inbox);
            self.subscriber = Some(self.link.subscribe(inbox).await?);
            self.seen = 0;
        }
        let slot = slot.map(Arc::new);
        if !self.is_imported {
            return self.request(ask, slot).await;
        }
        let brings_much = std::mem::replace(&mut self.brings_much, false);
        let (count, each) = import::split(ask, brings_much && !self.is_waiting_for_its_pin());
        for _ in 0..count {
            self.request(&each, slot.clone()).await?;
        }
        Ok(())
    }

    /// What is asked for before its pin is known waits in vain, but for the first.
    fn is_waiting_for_its_pin(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.id().is_none())
    }

    async fn request(
        &mut self,
        ask: &Ask,
        slot: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Result<(), RequestError> {
        self.asked += 1;
        let subject = format!("{}.{}", self.inbox, self.asked);
        let deadline = Deadline::within(CLOSING);
        let pin = self.pin.as_ref().and_then(Pin::id);
        self.link
            .send(
                &self.next_subject,
                Some(subject),
                None,
                encode(ask, pin.as_deref()),
                deadline,
            )
            .await?;
        let now = Instant::now();
        self.open.push_back(Open {
            number: self.asked,
            pin,
            messages: ask.messages,
            bytes: ask.bytes,
            ends: now + ask.expires + GRACE,
            heartbeat: ask.heartbeat,
            heard: now,
            is_rest: false,
            _slot: slot,
        });
        Ok(())
    }

    /// How many messages the open pulls may still bring.
    pub fn expected_messages(&self) -> u32 {
        self.open.iter().map(|open| open.messages).sum()
    }

    /// How many bytes they may still bring, as far as they are bounded.
    pub fn expected_bytes(&self) -> u64 {
        self.open.iter().filter_map(|open| open.bytes).sum()
    }

    /// Whether no pull is open, and nothing on its way.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Gives up the inbox while no pull is open: it takes the most memory of a session that waits.
    pub fn rest(&mut self) {
        if self.open.is_empty() {
            self.subscriber = None;
        }
    }

    /// Waits for the next event. Safe to drop while it waits. Without an open pull, only the loss of
    /// the connection is an event; that a pull is lost is for the caller to see, by its own clock.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                message = next(&mut self.subscriber) => match message {
                    Some(message) => {
                        if let Some(event) = self.take(message) {
                            return event;
                        }
                    }
                    None => return Event::Lost,
                },
                () = self.link.lost().cancelled() => return Event::Lost,
                denied = self.denied.recv() => if self.is_denied(denied) {
                    self.open.clear();
                    return Event::Ended(End::Denied);
                },
            }
        }
    }

    /// The same by a clock of its own: `None` when a pull is lost, which is forgotten then.
    pub async fn next_unless_lost(&mut self) -> Option<Event> {
        let Some(silent_at) = self.silent_at() else {
            return Some(self.next().await);
        };
        let next = timeout_at(silent_at, self.next()).await.ok();
        if next.is_none() {
            self.forget_lost(Instant::now());
        }
        next
    }

    /// When an open pull counts as lost, unless its server says something before.
    pub fn silent_at(&self) -> Option<Instant> {
        let silent_at = |open: &Open| open.silent_at(self.heard);
        self.open.iter().map(silent_at).min()
    }

    /// Forgets what was on its way for too long.
    pub fn forget_late(&mut self, now: Instant) {
        self.open.retain(|open| !open.is_rest || open.ends > now);
    }

    /// Forgets the pulls that are lost by now.
    pub fn forget_lost(&mut self, now: Instant) {
        let heard = self.heard;
        self.open.retain(|open| open.silent_at(heard) > now);
    }

    /// The next event if it is here already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            let message = self.subscriber.as_mut()?.next().now_or_never()??;
            if let Some(event) = self.take(message) {
                return Some(event);
            }
        }
    }

    fn is_denied(&self, denied: Result<Arc<str>, RecvError>) -> bool {
        denied.is_ok_and(|subject| *subject == *self.next_subject)
    }

    fn take(&mut self, message: Message) -> Option<Event> {
        self.seen += 1;
        let Some(status) = message.status else {
            self.heard = Instant::now();
            self.brings_much = true;
            self.count(message.length as u64);
            let delivery = delivery(message, &self.origin)?;
            self.origin.clone_from(&delivery.ack.origin);
            return Some(Event::Message(self.unpinned(delivery)));
        };
        let number = message.subject.rsplit('.').next()?.parse().ok();
        let mut numbers = self.open.iter().map(|open| Some(open.number));
        let place = numbers.position(|open| open == number)?;
        if status.as_u16() == 100 {
            self.open[place].heard = Instant::now();
            return Some(Event::Idle(passed(&message)));
        }
        if let (423, Some(pin)) = (status.as_u16(), &self.pin) {
            pin.refused(self.open[place].pin.as_deref());
        }
        let text = message.description.as_deref().unwrap_or_default();
        let left = header_number(&message, "Nats-Pending-Bytes").unwrap_or_default();
        let end = ending(status.as_u16(), text, left);
        self.settle(place, &message, &end);
        Some(Event::Ended(end))
    }

    /// Learns the pin that a message comes with; it is no header of the message itself.
    fn unpinned(&self, mut delivery: Delivery) -> Delivery {
        if let Some(pin) = &self.pin {
            delivery.headers.retain(|(name, value)| {
                let is_pin = name == pin::HEADER;
                if is_pin && let Ok(id) = std::str::from_utf8(value) {
                    pin.learn(id);
                }
                !is_pin
            });
        }
        delivery
    }

    /// A message does not say which pull it answers. JetStream serves waiting pulls in turn, so each
    /// message is booked on the first, which then goes to the end of the queue.
    fn count(&mut self, size: u64) {
        let Some(served) = self.open.front_mut() else {
            return;
        };
        served.messages = served.messages.saturating_sub(1);
        served.bytes = served.bytes.map(|bytes| bytes.saturating_sub(size));
        // A pull whose bytes are used up exactly ends without a word.
        let is_used_up = served.bytes == Some(0) && !served.is_rest;
        if served.messages == 0 || is_used_up {
            self.open.pop_front();
        } else if !served.is_rest {
            self.open.rotate_left(1);
        }
    }

    /// A pull that ends says what it did not bring; what was booked on it by mistake goes to another. Without
    /// another, the rest is on its way.
    fn settle(&mut self, place: usize, status: &Message, end: &End) {
        let Some(ended) = self.open.remove(place) else {
            return;
        };
        let left = header_number(status, "Nats-Pending-Messages");
        let left = left.map(|left| u32::try_from(left).unwrap_or(u32::MAX));
        let left_bytes = header_number(status, "Nats-Pending-Bytes");
        let Some(other) = self.open.iter_mut().find(|open| !open.is_rest) else {
            let rest = left.map_or(0, |left| ended.messages.saturating_sub(left));
            if rest > 0 && matches!(end, End::Complete | End::Expired | End::TooLarge(_)) {
                self.open.push_back(ended.on_its_way(rest, left_bytes));
            }
            return;
        };
        if let Some(left) = left {
            other.messages = (other.messages + ended.messages).saturating_sub(left);
        }
        if let (Some(left), Some(booked), Some(bytes)) = (left_bytes, ended.bytes, other.bytes) {
            other.bytes = Some((bytes + booked).saturating_sub(left));
        }
    }
}

async fn next(subscriber: &mut Option<Subscriber>) -> Option<Message> {
    match subscriber {
        Some(subscriber) => subscriber.next().await,
        None => std::future::pending().await,
    }
}

impl Open {
    /// What an ended pull has brought and is not here yet. It keeps nobody from pulling.
    fn on_its_way(self, messages: u32, left_bytes: Option<u64>) -> Self {
        let on_its_way = |booked: u64| booked.saturating_sub(left_bytes.unwrap_or_default());
        Self {
            messages,
            bytes: self.bytes.map(on_its_way),
            ends: Instant::now() + ON_ITS_WAY,
            heartbeat: None,
            is_rest: true,
            _slot: None,
            ..self
        }
    }

    fn silent_at(&self, heard: Instant) -> Instant {
        let heard = self.heard.max(heard);
        let missed = self
            .heartbeat
            .map(|beat| heard + beat * MISSED_HEARTBEATS + beat / 2);
        missed.map_or(self.ends, |missed| missed.min(self.ends))
    }
}
