//! From the consumer to the caller: batches, the book, and what was found while attaching.

use std::time::Duration;

use tokio::time::Instant;

use super::frame::Frame;
use super::in_flight::{Amount, Entry, Key};
use super::labels::{self, Now};
use super::memory::cost;
use super::{Connection, Ending, Session};
use crate::nats::pull::{Delivery, Event};
use crate::proto::{MessageBatch, ReceivedMessage, StallReason};
use crate::token::AckSubject;

/// How much of its lease a message may wait for a caller that does not read: then others get it.
const PATIENCE: u32 = 2;

impl Session {
    /// Takes a message from the consumer. While the caller reads nothing it waits, on the consumer's
    /// clock.
    pub(super) fn arrived(&mut self, delivery: Delivery) -> Result<(), Ending> {
        let arrival = (Instant::now(), delivery);
        if !self.out.has_room() || !self.held.is_empty() {
            self.held.push_back(arrival);
            return Ok(());
        }
        self.deliver(arrival)
    }

    /// Sends what waits for the transport, a frame at a time.
    pub(super) fn flush(&mut self) -> Result<(), Ending> {
        if !self.out.has_room() {
            return Ok(());
        }
        // By turns, so that neither answers nor messages wait for the end of the other.
        let is_answers_turn = self.held.is_empty() || !self.has_answered;
        if is_answers_turn && let Some(answer) = self.answers.pop_front() {
            self.has_answered = true;
            self.send(answer);
            return Ok(());
        }
        self.has_answered = false;
        if self.is_outdated {
            return Ok(());
        }
        if let Some(gap) = self.gap.take() {
            self.send(Frame::Gap(gap));
            return Ok(());
        }
        self.held
            .pop_front()
            .map_or(Ok(()), |arrival| self.deliver(arrival))
    }

    /// Whether there is more than the last frame to send.
    pub(super) fn has_more_to_send(&self) -> bool {
        let has_messages = self.gap.is_some() || !self.held.is_empty();
        !self.answers.is_empty() || (has_messages && !self.is_outdated)
    }

    /// When to give up what waits for a caller that does not read. What is not acknowledged cannot be
    /// given back.
    pub(super) fn impatient_at(&self) -> Option<Instant> {
        let (arrival, delivery) = self.held.front().filter(|_| !self.out.has_room())?;
        let terms = &self.facts.terms;
        if !terms.has_acks() && !self.source.is_ordered() {
            return None;
        }
        let lease = terms.lease(delivery.ack.delivered);
        Some(*arrival + lease / PATIENCE)
    }

    /// Gives back what waits, and what the open pulls may still bring.
    pub(super) fn give_up_held(&mut self) {
        let held = self.held.take();
        let (nats, terms) = (self.shared.nats.clone(), self.facts.terms.clone());
        self.shared.sessions.tasks().spawn(async move {
            let held = held.into_iter().map(|(_, delivery)| delivery.ack);
            super::ending::give_back(&nats, &terms, held).await;
        });
        self.reattach();
    }

    /// Takes a message and all that have come with it, as far as one frame holds them.
    fn deliver(&mut self, first: (Instant, Delivery)) -> Result<(), Ending> {
        self.backoff = Duration::ZERO;
        self.oversized = None;
        let now = Now::read();
        let mut batch = Vec::new();
        let (mut bytes, mut taken) = (0, Amount::default());
        let mut next = Some(first);
        let mut after = None;
        let mut is_ahead = false;
        while let Some((arrival, delivery)) = next.take() {
            if !self.source.follows(&delivery.ack) {
                // A gap in an ordered read: start again behind the last message.
                self.held.clear();
                self.reattach();
                break;
            }
            if self.source.counts_anew(&delivery.ack) {
                // Its token must name the consumer as it is now.
                self.held.push_front((arrival, delivery));
                self.is_outdated = true;
                self.probe = None;
                self.start_probe(Duration::ZERO);
                break;
            }
            if self.is_behind_the_end(&delivery.ack) {
                if !self.source.is_ephemeral() {
                    self.held.clear();
                    break;
                }
                // What comes again before the end is not here yet.
                is_ahead = true;
                next = self.next_message(now, &mut after);
                continue;
            }
            if self.source.repeats(&delivery.ack)
                || self.has_expired(arrival, &delivery, now.steady)
            {
                self.source.skip(&delivery.ack);
                next = self.next_message(now, &mut after);
                continue;
            }
            let size = labels::weight(&delivery);
            if bytes + size > self.settings.max_batch_bytes && !batch.is_empty() {
                self.held.push_front((arrival, delivery));
                break;
            }
            bytes += size;
            taken.messages += 1;
            taken.bytes += delivery.size;
            batch.push(self.enter(arrival, delivery, now));
            next = self.next_message(now, &mut after);
        }
        if !batch.is_empty() {
            let attempts = batch.iter().map(|it| it.delivery_attempt.into());
            self.shared.metrics.consuming.delivered(attempts);
            let frame = Frame::Messages(MessageBatch {
                messages: batch,
                resume_token: self.resume_token(),
            });
            self.out
                .send_holding(frame, self.room.part_with(cost(taken)));
            self.heartbeat.reset();
            self.stall = StallReason::Unspecified;
            self.delivered_at = Instant::now();
        } else if is_ahead {
            self.back_off();
        }
        after.map_or(Ok(()), |event| self.handle_pull(event))
    }

    /// A message that waited too long is someone else's by now; it is not even given back.
    pub(super) fn has_expired(&self, arrival: Instant, delivery: &Delivery, now: Instant) -> bool {
        let terms = &self.facts.terms;
        terms.has_acks() && now >= arrival + terms.lease(delivery.ack.delivered)
    }

    /// The next message if it is here already; another event is left in `after`.
    fn next_message(&mut self, now: Now, after: &mut Option<Event>) -> Option<(Instant, Delivery)> {
        if let Some(arrival) = self.held.pop_front() {
            return Some(arrival);
        }
        match self.link.try_next() {
            Some(Event::Message(delivery)) => Some((now.steady, delivery)),
            other => {
                *after = other;
                None
            }
        }
    }

    /// Enters a message into the book and labels it for the caller.
    fn enter(&mut self, arrival: Instant, delivery: Delivery, now: Now) -> ReceivedMessage {
        let key = key(&delivery.ack);
        self.position = self.position.max(key.stream_sequence);
        self.pending = delivery.ack.pending;
        self.source.passed(&delivery.ack);
        self.origin.clone_from(&delivery.ack.origin);
        self.note_the_end(&delivery.ack);
        let terms = &self.facts.terms;
        let attempt = delivery.ack.delivered;
        if terms.has_acks() {
            let deadline = arrival + terms.lease(attempt);
            self.book.deliver(
                key,
                Entry {
                    id: self.labeller.delivered() + 1,
                    bytes: delivery.size,
                    attempt,
                    delivered: Some(arrival),
                    deadline,
                    extension: self.extension(attempt, arrival),
                },
            );
        }
        self.labeller
            .label(delivery, (arrival, now), terms, self.settings.format)
    }

    /// Takes over what was found while attaching: a gap, and messages that could not be received.
    pub(super) fn take_over(&mut self) -> Result<(), Ending> {
        let Connection::Attached(attached) = &mut self.link else {
            return Ok(());
        };
        let suspects = std::mem::take(&mut attached.suspects);
        self.is_outdated = false;
        self.gap = attached.gap.take().or_else(|| self.gap.take());
        if self.facts.terms.incarnation != attached.facts.terms.incarnation {
            // What is held of another consumer cannot be settled.
            self.book.take_all();
        }
        self.facts = attached.facts.clone();
        self.source.attached(&self.facts);
        self.held.extend(suspects);
        if self.gap.is_some_and(|gap| gap.stream_recreated) {
            self.position = 0;
        }
        self.find_the_end();
        match self.gap {
            Some(gap) => self.settings.judge(gap).map_err(Ending::Failed),
            None => Ok(()),
        }
    }
}

fn key(ack: &AckSubject) -> Key {
    Key {
        stream_sequence: ack.stream_sequence,
        consumer_sequence: ack.consumer_sequence,
    }
}
