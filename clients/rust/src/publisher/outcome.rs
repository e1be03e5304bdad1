//! What became of the messages of a batch, and the futures that wait for it: memory for each batch, none for each message.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::publish::{MessageId, Origin, Published};
use crate::sync::lock;

/// Where a message is stored, as far as its future does not know by itself.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) origin: Arc<Origin>,
    pub(super) sequence: u64,
    pub(super) duplicate: bool,
    pub(super) counter: Option<Box<str>>,
}

#[derive(Debug)]
enum Slot {
    Waiting(Option<Waker>),
    Done(Result<Stored, Error>),
    Taken,
}

/// The outcomes of a batch, by the places of its messages.
#[derive(Debug, Default)]
pub(super) struct Outcomes(Mutex<Vec<Slot>>);

impl Outcomes {
    /// Makes room for one more message.
    pub(super) fn expect(&self) {
        lock(&self.0).push(Slot::Waiting(None));
    }

    /// Notes outcomes, and wakes whoever waits for them.
    pub(super) fn resolve(&self, outcomes: impl Iterator<Item = (usize, Result<Stored, Error>)>) {
        let mut waiting = Vec::new();
        let mut slots = lock(&self.0);
        for (place, outcome) in outcomes {
            let Some(slot) = slots.get_mut(place) else {
                continue;
            };
            if let Slot::Waiting(waker) = std::mem::replace(slot, Slot::Done(outcome)) {
                waiting.extend(waker);
            }
        }
        drop(slots);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A message that is being published: a future of what becomes of it. It is published whether that is awaited or not.
#[derive(Debug)]
#[must_use = "a message that fails says so here only"]
pub struct Ack {
    pub(super) outcomes: Arc<Outcomes>,
    pub(super) place: usize,
    pub(super) message_id: MessageId,
}

impl Future for Ack {
    type Output = Result<Published, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slots = lock(&self.outcomes.0);
        let Some(slot) = slots.get_mut(self.place) else {
            return Poll::Ready(Err(Error::closed("the publisher")));
        };
        match slot {
            Slot::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            Slot::Done(_) => {
                let Slot::Done(outcome) = std::mem::replace(slot, Slot::Taken) else {
                    return Poll::Pending;
                };
                drop(slots);
                let failed = |error: Error| match &self.message_id {
                    MessageId::Given(id) => error.with_id(id),
                    MessageId::Number(_) => error,
                };
                let published = |stored: Stored| Published {
                    origin: stored.origin,
                    sequence: stored.sequence,
                    duplicate: stored.duplicate,
                    message_id: self.message_id.clone(),
                    counter: stored.counter,
                };
                Poll::Ready(outcome.map(published).map_err(failed))
            }
            Slot::Taken => Poll::Ready(Err(Error::closed("the answer was taken; it"))),
        }
    }
}
