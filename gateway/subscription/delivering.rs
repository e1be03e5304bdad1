//! From the consumer to the caller: batches, the book, and what was found while attaching.

use std::time::Duration;

use tokio::time::Instant;

use super::in_flight::{Entry, Key};
use super::{Connection, Ending, Session, labels};
use crate::nats::pull::{Delivery, Event};
use crate::proto::subscribe_response::Event as Frame;
use crate::proto::{MessageBatch, ReceivedMessage};
use crate::token::AckSubject;

impl Session {
    /// Takes a message and all that have come with it, as far as one frame holds them.
    pub(super) fn deliver(&mut self, first: Delivery) -> Result<(), Ending> {
        self.backoff = Duration::ZERO;
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        let mut after = None;
        while let Some(delivery) = next.take() {
            if !self.source.follows(&delivery.ack) {
                // A gap in an ordered read: start again behind the last message.
                after = Some(Event::Lost);
                break;
            }
            if self.source.repeats(&delivery.ack) {
                self.source.skip(&delivery.ack);
                next = self.next_message(&mut after);
                continue;
            }
            let size = delivery.size + labels::OVERHEAD;
            if bytes + size > self.settings.max_batch_bytes && !batch.is_empty() {
                self.held.push_front(delivery);
                break;
            }
            bytes += size;
            batch.push(self.enter(delivery));
            next = self.next_message(&mut after);
        }
        if !batch.is_empty() {
            self.shared.metrics.messages_delivered(batch.len() as u64);
            self.send(Frame::Messages(MessageBatch { messages: batch }));
            self.heartbeat.reset();
        }
        after.map_or(Ok(()), |event| self.handle_pull(event))
    }

    /// The next message if it is here already; another event is left in `after`.
    fn next_message(&mut self, after: &mut Option<Event>) -> Option<Delivery> {
        if let Some(delivery) = self.held.pop_front() {
            return Some(delivery);
        }
        match self.link.try_next() {
            Some(Event::Message(delivery)) => Some(delivery),
            other => {
                *after = other;
                None
            }
        }
    }

    /// Enters a message into the book and labels it for the caller.
    fn enter(&mut self, delivery: Delivery) -> ReceivedMessage {
        let terms = &self.facts.terms;
        let key = key(&delivery.ack);
        self.position = self.position.max(key.stream_sequence);
        self.pending = delivery.ack.pending;
        self.source.passed(&delivery.ack);
        if terms.has_acks() {
            let attempt = delivery.ack.delivered;
            let deadline = Instant::now() + terms.lease(attempt);
            self.book.deliver(
                key,
                Entry {
                    bytes: delivery.size,
                    attempt,
                    deadline,
                },
            );
        }
        self.labeller.label(delivery, terms, self.settings.format)
    }

    /// Sends what waits for the transport, a frame at a time.
    pub(super) fn flush(&mut self) -> Result<(), Ending> {
        if self.out.capacity() == 0 {
            return Ok(());
        }
        if let Some(gap) = self.gap.take() {
            self.send(Frame::Gap(gap));
            return Ok(());
        }
        self.held
            .pop_front()
            .map_or(Ok(()), |delivery| self.deliver(delivery))
    }

    /// Takes over what was found while attaching: a gap, and messages that could not be received.
    pub(super) fn take_over(&mut self) {
        let Connection::Attached(attached) = &mut self.link else {
            return;
        };
        let suspects = std::mem::take(&mut attached.suspects);
        self.gap = attached.gap.take().or_else(|| self.gap.take());
        self.facts = attached.facts.clone();
        self.source.attached(&self.facts);
        self.held.extend(suspects);
        if self.gap.is_some_and(|gap| gap.stream_recreated) {
            self.position = 0;
        }
    }
}

fn key(ack: &AckSubject) -> Key {
    Key {
        stream_sequence: ack.stream_sequence,
        consumer_sequence: ack.consumer_sequence,
    }
}
