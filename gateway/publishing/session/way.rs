//! How the messages of a publish stream go to JetStream: plain data in, events out.

use crate::deadline::Deadline;
use crate::nats::{FastIngest, Item, Outgoing, Pipeline, Progress, Settled};
use crate::proto::PublishPath;

/// A way that messages take. It settles every message that it is given once, whatever happens.
pub(super) enum Way {
    /// A publish each.
    Pipelined(Box<Pipeline>),
    /// Batches that are acknowledged as a whole.
    FastIngest(Box<FastIngest>),
}

/// What a way has to say.
#[derive(Debug)]
pub(super) enum Event {
    /// The outcome of single messages.
    Settled(Vec<Settled>),
    /// That of all up to a number.
    Progress(Progress),
}

impl Way {
    /// Publishes a message by `deadline`. Its user bounds how much is under way. `known`: its stream
    /// may have the message's id already.
    pub(super) fn publish(
        &mut self,
        number: u64,
        message: Outgoing,
        known: bool,
        deadline: Deadline,
    ) {
        match self {
            Self::Pipelined(pipeline) => pipeline.publish(number, message, deadline),
            Self::FastIngest(fast) => fast.publish(Item {
                number,
                message,
                deadline,
                known,
            }),
        }
    }

    /// Failures up to a number no longer halt.
    pub(super) fn resume(&mut self, through: u64) {
        match self {
            // What is on its way there halts nothing.
            Self::Pipelined(_) => {}
            Self::FastIngest(fast) => fast.resume(through),
        }
    }

    /// What has happened since; sends what waits meanwhile. Safe to drop.
    pub(super) async fn next(&mut self) -> Event {
        match self {
            Self::Pipelined(pipeline) => Event::Settled(pipeline.settled().await),
            Self::FastIngest(fast) => Event::Progress(fast.progress().await),
        }
    }

    /// Whether there is a connection to JetStream.
    pub(super) fn is_connected(&self) -> bool {
        match self {
            Self::Pipelined(pipeline) => pipeline.is_connected(),
            Self::FastIngest(fast) => fast.is_connected(),
        }
    }

    /// How callers know it.
    pub(super) fn path(&self, one_at_a_time: bool) -> PublishPath {
        match self {
            Self::Pipelined(_) if one_at_a_time => PublishPath::OneInFlight,
            Self::Pipelined(_) => PublishPath::Pipelined,
            Self::FastIngest(_) => PublishPath::FastIngest,
        }
    }
}
