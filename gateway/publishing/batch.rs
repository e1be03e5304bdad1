//! Several messages of one call: each by itself, one after the other, or all or none.

use futures_util::future::join_all;

use super::outlet::{Accepted, Outlet};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::api::PubAck;
use crate::nats::{Begun, Lanes, Outgoing};

/// Messages to publish together. Those that cannot be sent say why in their place.
#[derive(Debug)]
pub enum Batch {
    /// Each by itself.
    Independent(Vec<Result<Outgoing>>),
    /// Each once the one before is stored; none behind one that failed.
    Ordered(Vec<Result<Outgoing>>),
    /// All or none.
    Atomic(Vec<Outgoing>),
}

impl Batch {
    /// The messages that can be sent, with their places.
    pub fn messages_mut(&mut self) -> Vec<(usize, &mut Outgoing)> {
        match self {
            Self::Independent(items) | Self::Ordered(items) => {
                let items = items.iter_mut().enumerate();
                let sound = items.filter_map(|(place, item)| Some((place, item.as_mut().ok()?)));
                sound.collect()
            }
            Self::Atomic(messages) => messages.iter_mut().enumerate().collect(),
        }
    }
}

impl Outlet {
    /// Publishes a batch: one result for each message, in order. An atomic batch fails as a whole.
    pub async fn batch(
        &self,
        batch: Batch,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<Vec<Result<Accepted>>> {
        match batch {
            Batch::Independent(items) => Ok(self.independent(items, deadline, begun).await),
            Batch::Ordered(items) => Ok(self.ordered(items, deadline, begun).await),
            Batch::Atomic(messages) => self.atomic(messages, deadline, begun).await,
        }
    }

    async fn independent(
        &self,
        items: Vec<Result<Outgoing>>,
        deadline: Deadline,
        begun: &Begun,
    ) -> Vec<Result<Accepted>> {
        let lanes = Lanes::default();
        let sending = items.into_iter().map(async |item| {
            let message = item?;
            let id = message.id.clone();
            let publishing = self.in_lane(&lanes, &message, deadline, begun);
            let outcome = self.counted(1, publishing).await;
            outcome.map(|ack| Accepted { ack, id })
        });
        join_all(sending).await
    }

    /// Messages of a stream that is slow wait for one another, and for nobody else.
    async fn in_lane(
        &self,
        lanes: &Lanes,
        message: &Outgoing,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<PubAck> {
        let stream = self.nats.stream_of(&message.subject, deadline).await;
        let lane = lanes.of(match &stream {
            Some(stream) => &stream.name,
            None => message.subject.as_str(),
        });
        let turn = deadline.bound(lane.acquire()).await;
        // Those before it may have made room only as their time was up, which is this one's, too.
        if turn.is_err() || deadline.has_passed() {
            return Err(not_sent(message));
        }
        self.nats
            .publish_into(stream, message, deadline, begun)
            .await
    }

    async fn ordered(
        &self,
        items: Vec<Result<Outgoing>>,
        deadline: Deadline,
        begun: &Begun,
    ) -> Vec<Result<Accepted>> {
        let mut results = Vec::with_capacity(items.len());
        let mut failed = None;
        for (place, item) in items.into_iter().enumerate() {
            let result = match (failed, item) {
                (Some(failed), _) => Err(preceding_failed(failed)),
                (None, Err(error)) => Err(error),
                (None, Ok(message)) => self.one(message, deadline, begun).await,
            };
            if result.is_err() {
                failed.get_or_insert(place);
            }
            results.push(result);
        }
        results
    }

    async fn atomic(
        &self,
        messages: Vec<Outgoing>,
        deadline: Deadline,
        begun: &Begun,
    ) -> Result<Vec<Result<Accepted>>> {
        let publishing = self.nats.publish_atomic(&messages, deadline, begun);
        let ack = self.counted(messages.len(), publishing).await?;
        let before = (0..messages.len() as u64).rev();
        let accepted = messages.into_iter().zip(before).map(|(message, before)| {
            let mut ack = ack.clone();
            // The batch lies in the stream without others between.
            ack.seq = ack.seq.saturating_sub(before);
            let id = message.id;
            Ok(Accepted { ack, id })
        });
        Ok(accepted.collect())
    }
}

fn not_sent(message: &Outgoing) -> Error {
    let text = "the time was up before the message's turn came; it was not sent";
    let error = Error::new(Reason::DeadlineExceeded, text);
    match &message.id {
        Some(id) => error.with("message_id", id),
        None => error,
    }
}

fn preceding_failed(place: usize) -> Error {
    let text = format!("not sent: message {place} of the batch failed");
    Error::new(Reason::PrecedingFailed, text).with("failed_item", place)
}
