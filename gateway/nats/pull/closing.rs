//! Ending pulls without losing what they bring.

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::wire::delivery;
use super::{CLOSING, Delivery, Event, GRACE, Puller};
use crate::deadline::Deadline;
use crate::nats::import;
use crate::nats::link::RequestError;
use crate::nats::wire::Subscriber;

/// Status messages that may still arrive beside messages when pulls are closed.
const STATUSES_PER_PULL: u64 = 8;

impl Puller {
    /// Ends every pull and returns what they had already brought, and what was on its way.
    ///
    /// JetStream drops a pull when nobody listens on its inbox any more; but async-nats drops what
    /// arrives after its own unsubscribing. So the server is told to unsubscribe after a number of
    /// messages that cannot be exceeded, and the number is made up with empty ones: both sides
    /// count the same messages, and none is lost.
    pub async fn close(&mut self) -> Vec<Delivery> {
        let longest = match self.is_imported {
            true => import::LONGEST_PULL + GRACE,
            false => CLOSING,
        };
        self.close_by(Deadline::within(longest)).await
    }

    /// The same as far as it comes by then; what comes later is for [`Puller::close`].
    pub async fn close_by(&mut self, deadline: Deadline) -> Vec<Delivery> {
        if self.is_imported || self.open.iter().all(|open| open.is_rest) && !self.open.is_empty() {
            return self.outlast(deadline).await;
        }
        let (mut left, deadline) = (Vec::new(), deadline.at_most(CLOSING));
        if let Some(mut subscriber) = self.subscriber.take() {
            if self.open.is_empty() || self.fill_up(&mut subscriber).await.is_err() {
                let _ = subscriber.unsubscribe().await;
            }
            self.closing = Some(subscriber);
        }
        while let Some(subscriber) = &mut self.closing {
            match deadline.bound(subscriber.next()).await {
                Ok(Some(message)) => left.extend(delivery(message, &self.origin)),
                Ok(None) => self.closing = None,
                Err(_) => break,
            }
        }
        left
    }

    /// What is owed comes, or the pulls come to their end: over an import JetStream may not see that nobody listens any more.
    async fn outlast(&mut self, deadline: Deadline) -> Vec<Delivery> {
        let mut left = Vec::new();
        while !self.open.is_empty() {
            match deadline.bound(self.next_unless_lost()).await {
                Ok(Some(Event::Message(delivery))) => left.push(delivery),
                Ok(Some(Event::Lost)) => self.open.clear(),
                Ok(_) => {}
                Err(_) => return left,
            }
        }
        self.rest();
        left
    }

    async fn fill_up(&self, subscriber: &mut Subscriber) -> Result<(), RequestError> {
        let statuses = STATUSES_PER_PULL * self.open.len() as u64;
        let fillers = u64::from(self.expected_messages()) + statuses;
        let limit = self.seen + fillers;
        subscriber
            .unsubscribe_after(limit)
            .await
            .map_err(|_| RequestError::Lost)?;
        let (filler, deadline) = (format!("{}.f", self.inbox), Deadline::within(CLOSING));
        for _ in 0..fillers {
            self.link
                .send(&filler, None, None, Bytes::new(), deadline)
                .await?;
        }
        Ok(())
    }
}
