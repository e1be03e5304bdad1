//! A session's way to its consumer: attached, or on the way to be.

use std::pin::Pin;

use super::source::{Attached, Attaching};
use crate::error::Result;
use crate::nats::pull::{Delivery, Event};

/// How a session stands with its consumer.
pub(super) enum Connection {
    /// Attaching, for as long as it takes.
    Attaching(Attaching),
    /// Pulls can be made.
    Attached(Box<Attached>),
    /// Ending pulls that asked for more than the caller has room for now; what they brought is still
    /// the caller's.
    Closing(Closing),
    /// For good: the session delivers nothing more.
    Detached,
}

/// Brings pulls to their end, and with it what they had brought and what was on its way.
pub(super) type Closing = Pin<Box<dyn Future<Output = Vec<Delivery>> + Send>>;

/// What comes that way.
#[allow(clippy::large_enum_variant, reason = "one at a time, and never stored")]
pub(super) enum LinkEvent {
    Attached(Result<Box<Attached>>),
    Closed(Vec<Delivery>),
    Pull(Event),
}

impl Connection {
    /// Waits for what comes next.
    pub(super) async fn next(&mut self) -> LinkEvent {
        match self {
            Self::Attaching(attaching) => LinkEvent::Attached(attaching.await),
            Self::Attached(attached) => LinkEvent::Pull(attached.puller.next().await),
            Self::Closing(closing) => LinkEvent::Closed(closing.await),
            Self::Detached => std::future::pending().await,
        }
    }

    /// Ends the pulls, where there are any.
    pub(super) fn close(self) -> Option<Closing> {
        match self {
            Self::Attached(mut attached) => {
                Some(Box::pin(async move { attached.puller.close().await }))
            }
            Self::Closing(closing) => Some(closing),
            Self::Attaching(_) | Self::Detached => None,
        }
    }

    /// What is here already.
    pub(super) fn try_next(&mut self) -> Option<Event> {
        match self {
            Self::Attaching(_) | Self::Closing(_) | Self::Detached => None,
            Self::Attached(attached) => attached.puller.try_next(),
        }
    }
}
