//! A message of a consumer, and what can be said of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tonic::Code;

use super::book::Key;
use super::wording::{Word, printable};
use super::{RETRY_DELAY, Shared};
use crate::delivery::Delivery;
use crate::error::Error;
use crate::v1::ErrorReason;

/// A message of a consumer, to be settled once: by [`ack`](Self::ack) when it is done, or by one of the others. Settling it
/// again does nothing.
///
/// While it lives, the gateway keeps it from others, up to the consumer's [`lease`](crate::ConsumerBuilder::lease). One that
/// is dropped without being settled is delivered again after a second.
pub struct Received {
    delivery: Delivery,
    settler: Settler,
    /// Whether it is given back when it is dropped.
    is_guarded: bool,
}

/// Settles one message.
#[derive(Clone, Debug)]
pub(super) struct Settler {
    pub(super) shared: Arc<Shared>,
    /// None where nothing is acknowledged.
    pub(super) key: Option<Key>,
}

impl Received {
    pub(super) fn new(delivery: Delivery, key: Option<Key>, shared: &Arc<Shared>) -> Self {
        let settler = Settler {
            shared: Arc::clone(shared),
            key,
        };
        Self {
            delivery,
            settler,
            is_guarded: true,
        }
    }

    /// Leaves it to somebody else to settle it once it is dropped.
    pub(super) fn unguarded(mut self) -> (Self, Settler) {
        self.is_guarded = false;
        let settler = self.settler.clone();
        (self, settler)
    }

    /// Says that it is done: it is not delivered again. It does not wait; an acknowledgement that is lost with a connection
    /// is given again over the next. Where the message must surely not come again, use [`ack_confirmed`](Self::ack_confirmed).
    pub fn ack(&self) {
        self.settler.say(Word::Ack);
    }

    /// Acknowledges, and returns once JetStream has it.
    pub async fn ack_confirmed(&self) -> Result<(), Error> {
        let (sender, confirmed) = oneshot::channel();
        if !self.settler.say(Word::Confirmed(sender)) {
            let text = "the message is settled already, or has expired";
            return Err(Error::with_reason(
                ErrorReason::LeaseExpired,
                Code::FailedPrecondition,
                text,
            ));
        }
        let timeout = self.settler.shared.client.call_timeout();
        match tokio::time::timeout(timeout, confirmed).await {
            Ok(Ok(outcome)) => outcome,
            _ => {
                let text = "no answer has come: the message may come again";
                Err(Error::with_reason(
                    ErrorReason::AckOutcomeUnknown,
                    Code::Unavailable,
                    text,
                ))
            }
        }
    }

    /// Says that it is not done: it is delivered again, after this time where one is given.
    pub fn nak(&self, delay: impl Into<Option<Duration>>) {
        self.settler
            .nak(delay.into().unwrap_or_default(), String::new());
    }

    /// Says that it is hopeless: it is not delivered again. The reason is for JetStream's advisory and the dead letter.
    pub fn term(&self, reason: impl fmt::Display) {
        self.settler.say(Word::Term {
            reason: printable(reason),
        });
    }

    /// Says that it is worked on: the consumer's `ack_wait` starts anew. Not needed while the lease lasts.
    pub fn in_progress(&self) {
        self.settler.say(Word::InProgress);
    }
}

impl Settler {
    /// False where it was settled before.
    pub(super) fn say(&self, word: Word) -> bool {
        self.key.is_some_and(|key| self.shared.say(key, word))
    }

    pub(super) fn nak(&self, delay: Duration, reason: String) {
        self.say(Word::Nak { delay, reason });
    }

    /// Whoever had it has failed.
    pub(super) fn failed(&self, why: impl fmt::Display) {
        self.nak(RETRY_DELAY, printable(why));
    }
}

impl Deref for Received {
    type Target = Delivery;

    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.is_guarded {
            self.settler.nak(RETRY_DELAY, String::new());
        }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Received");
        shown
            .field("subject", &self.subject())
            .field("sequence", &self.sequence());
        shown
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
