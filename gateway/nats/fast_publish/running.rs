//! An open batch: what goes out for it and when, and whose messages it settles.

use std::time::Duration;

use async_nats::{Message, Subject};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answer::{Address, Answer, Operation};
use super::batch::{Batch, Cause, Verdict};
use super::queue::{Queue, State};
use crate::nats::error::from_api;
use crate::nats::lookup::StreamFacts;
use crate::nats::outlet::{Outlet, Sending};

/// How long an answer that is due may stay away before it is asked for. JetStream forgets a batch
/// after 10 s in which nothing came for it.
const ASK: Duration = Duration::from_secs(1);

/// A batch in which nothing is under way is ended after this time.
const IDLE: Duration = Duration::from_secs(1);

/// After this many messages a batch is ended where other sessions wait for theirs.
const TURN: u64 = 512;

/// A batch that ends and leaves something open is judged this much later: why it has ended can come
/// from another stream, or as an error of the connection.
const GRACE: Duration = Duration::from_millis(500);

/// A batch and its place on a connection.
pub(super) struct Running {
    batch: Batch,
    address: Address,
    /// That of the first message: what is no message goes there.
    subject: Subject,
    /// How many messages were settled and have left the queue.
    settled: u64,
    /// When something came last, or was asked for.
    heard: Instant,
    ended: Option<Instant>,
    /// Nothing more is put into it.
    finishing: bool,
    /// Nothing more is heard of it.
    lost: bool,
    /// Something met no stream: there is no leader, or no stream any more.
    deserted: bool,
    _turn: OwnedSemaphorePermit,
}

impl Running {
    /// A batch that is answered at `address`, of which nothing was sent. `flow`: as in the one before.
    pub(super) fn new(
        address: Address,
        stream: &StreamFacts,
        flow: u64,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            batch: Batch::new(&stream.name, flow),
            address,
            subject: Subject::from_static(""),
            settled: 0,
            heard: Instant::now(),
            ended: None,
            finishing: false,
            lost: false,
            deserted: false,
            _turn: turn,
        }
    }

    /// Takes note of an answer.
    pub(super) fn hear(&mut self, message: &Message) {
        let Some(heard) = self.address.read(message) else {
            return;
        };
        self.heard = Instant::now();
        self.deserted |= heard.answer == Answer::Nobody;
        self.batch.hear(heard);
        if self.batch.has_ended() {
            self.ended.get_or_insert(self.heard);
        }
    }

    /// Takes note that the NATS user may not publish to a subject.
    pub(super) fn deny(&mut self, subject: &str, queue: &Queue) {
        let denied = (0..self.place()).find(|place| {
            let entry = queue.get(*place);
            entry.is_some_and(|entry| entry.message.subject.as_str() == subject)
        });
        if let Some(place) = denied {
            self.batch.deny(self.settled + place as u64 + 1);
        }
    }

    /// Takes note that nothing more will be heard.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.batch.give_up();
    }

    /// Takes what is settled out of the queue.
    pub(super) fn settle(&mut self, queue: &mut Queue) {
        while self.settled < self.batch.settled() {
            self.settled += 1;
            let is_last = self.settled == self.batch.settled();
            match self.batch.take_fault(self.settled) {
                Some(Cause::Refused(error)) => {
                    let error = from_api(&error);
                    if queue.halts_on(&error) {
                        // A cluster has stored what follows all the same, or not.
                        self.leave_open(queue);
                        self.lose();
                        return queue.failed(error);
                    }
                    queue.failed(error);
                }
                _ if is_last => queue.stored(self.batch.sequence()),
                _ => queue.stored(0),
            }
        }
    }

    fn leave_open(&self, queue: &mut Queue) {
        for place in 1..=self.place() {
            if let Some(entry) = queue.get_mut(place) {
                entry.state = State::Open;
            }
        }
    }

    /// How many messages the server waits for with an acknowledgement.
    pub(super) fn flow(&self) -> u64 {
        self.batch.flow()
    }

    /// Where in the queue the next message is.
    pub(super) fn place(&self) -> usize {
        let place = self.batch.next_place() - 1 - self.settled;
        usize::try_from(place).unwrap_or(usize::MAX)
    }

    /// Whether messages were sent that are not settled.
    pub(super) fn has_sent_more(&self) -> bool {
        self.place() > 0
    }

    /// Whether nothing was sent.
    pub(super) fn is_unused(&self) -> bool {
        self.batch.next_place() == 1
    }

    /// Whether it is known what became of it, as far as it ever will be.
    pub(super) fn is_over(&self) -> bool {
        let judged = self.ended.is_some_and(|at| at.elapsed() >= GRACE);
        // The server is told the end of what is clear before it is forgotten.
        self.lost || judged || self.batch.is_clear() && !self.batch.wants_end()
    }

    /// Whether something has met no stream since this was last asked.
    pub(super) fn take_deserted(&mut self) -> bool {
        std::mem::take(&mut self.deserted)
    }

    /// What became of the messages that are not settled.
    pub(super) fn verdict(&self) -> Verdict {
        self.batch.verdict()
    }

    /// Puts nothing more into the batch.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
    }

    /// The place in the queue of the message to send now, where there is room for one. `crowded`:
    /// others wait.
    pub(super) fn next(&mut self, crowded: bool) -> Option<usize> {
        self.finishing |= crowded && self.batch.next_place() > TURN;
        (!self.finishing && self.batch.room() > 0).then(|| self.place())
    }

    /// How the next message is sent; `last` where no other follows it for now.
    pub(super) fn operation(&self, last: bool) -> Operation {
        self.batch.operation(last)
    }

    /// Sends the message at `place`.
    pub(super) fn send(
        &mut self,
        outlet: &mut Outlet,
        queue: &mut Queue,
        place: usize,
        operation: Operation,
    ) -> Sending {
        let Some(entry) = queue.get_mut(place) else {
            return Sending::NotSent;
        };
        let reply = self.address.reply(self.batch.next_place(), operation);
        let message = &entry.message;
        let (headers, payload) = (message.wire_headers(), message.payload.clone());
        let subject = message.subject.on_the_wire();
        let sending = outlet.send(subject, reply, headers, payload);
        if let Sending::Sent = sending {
            if self.is_unused() {
                self.subject = message.subject.on_the_wire();
            }
            self.batch.sent(operation);
            entry.sent = Some(Instant::now());
        }
        sending
    }

    /// What is to be sent beside messages. `has_more`: there are some to follow.
    pub(super) fn question(&self, has_more: bool, crowded: bool) -> Option<Operation> {
        if self.is_unused() || self.batch.has_ended() {
            return None;
        }
        let runs_out = !has_more || self.finishing;
        let makes_room = self.finishing || crowded || self.heard.elapsed() >= IDLE;
        if self.batch.wants_end()
            || runs_out && self.batch.waits_in_vain()
            || runs_out && makes_room && self.batch.is_at_rest()
        {
            return Some(Operation::End);
        }
        let due = self.batch.awaits() && self.heard.elapsed() >= ASK;
        due.then(|| self.batch.question())
    }

    /// Sends something that is no message.
    pub(super) fn ask(&mut self, outlet: &mut Outlet, operation: Operation) {
        let place = match operation {
            Operation::Ping => self.batch.next_place() - 1,
            _ => self.batch.next_place(),
        };
        let reply = self.address.reply(place, operation);
        self.heard = Instant::now();
        let subject = self.subject.clone();
        if let Sending::Sent = outlet.send(subject, reply, None, bytes::Bytes::new()) {
            self.batch.sent(operation);
        }
    }

    /// Asks later: the connection takes nothing now.
    pub(super) fn postpone(&mut self) {
        self.heard = Instant::now();
    }

    /// When something has to be done though nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        if let Some(ended) = self.ended {
            return Some(ended + GRACE);
        }
        if self.batch.awaits() {
            return Some(self.heard + ASK);
        }
        self.batch.is_at_rest().then(|| self.heard + IDLE)
    }
}
