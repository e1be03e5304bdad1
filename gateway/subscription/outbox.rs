//! Settlements that wait for the connection only: sent in order, and kept while NATS is away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::in_flight::Found;
use crate::deadline::Deadline;
use crate::nats::{Connection, RequestError, Settlement};
use crate::token::Origin;

/// How long handing settlements to a connection that is there may take before that is looked at anew.
const HANDING_OVER: Duration = Duration::from_secs(1);

/// How long to wait before a connection that has just failed is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// A settlement on its way.
pub(super) struct Outgoing<T> {
    /// What it belongs to.
    pub(super) ticket: T,
    /// The delivery.
    pub(super) found: Found,
    /// The consumer.
    pub(super) origin: Arc<Origin>,
    pub(super) settlement: Settlement,
    /// When sending it is of no use any more.
    pub(super) expires: Instant,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Sent,
    /// The server takes no message of its size.
    TooLarge,
    /// Its delivery expired before there was a connection again.
    Expired,
}

/// The settlements of one session that are on their way.
pub(super) struct Outbox<T> {
    connection: Connection,
    queue: VecDeque<Outgoing<T>>,
    done: Vec<(Outgoing<T>, Fate)>,
}

impl<T> Outbox<T> {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            queue: VecDeque::new(),
            done: Vec::new(),
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing keeps them but a connection that is slow.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.link().is_some()
    }

    pub(super) fn push(&mut self, outgoing: Outgoing<T>) {
        self.queue.push_back(outgoing);
    }

    /// What has become of some since this was asked last.
    pub(super) fn take_done(&mut self) -> Vec<(Outgoing<T>, Fate)> {
        std::mem::take(&mut self.done)
    }

    /// Waits until something becomes of a settlement. Safe to drop while it waits: each is taken from
    /// the queue in the same step in which the connection takes it.
    pub(super) async fn advance(&mut self) {
        while self.done.is_empty() {
            if self.queue.is_empty() {
                return std::future::pending().await;
            }
            let expiry = first_expiry(&self.queue);
            // Boxed: sessions that wait need not keep the room that sending takes.
            let sending = Box::pin(send(&self.connection, &mut self.queue, &mut self.done));
            if timeout_at(expiry, sending).await.is_err() {
                self.expire();
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        for outgoing in std::mem::take(&mut self.queue) {
            match outgoing.expires > now {
                true => self.queue.push_back(outgoing),
                false => self.done.push((outgoing, Fate::Expired)),
            }
        }
    }
}

/// Sends until nothing is left or the connection breaks.
async fn send<T>(
    connection: &Connection,
    queue: &mut VecDeque<Outgoing<T>>,
    done: &mut Vec<(Outgoing<T>, Fate)>,
) {
    let link = connection.wait_forever().await;
    let deadline = Deadline::within(HANDING_OVER);
    let mut subject = String::new();
    done.reserve(queue.len());
    while let Some(next) = queue.front() {
        name(&mut subject, &next.origin, next.found);
        let fate = match link.settle(&subject, &next.settlement, deadline).await {
            Ok(()) => Fate::Sent,
            Err(RequestError::TooLarge) => Fate::TooLarge,
            // The connection says so before it is known to be lost.
            Err(_) => return tokio::time::sleep(PAUSE).await,
        };
        done.extend(queue.pop_front().map(|next| (next, fate)));
    }
}

/// Writes the ack subject of a delivery. JetStream finds a message by its stream sequence; the numbers
/// that are not kept do not matter.
fn name(subject: &mut String, origin: &Origin, found: Found) {
    let (stream, consumer) = (found.key.stream_sequence, found.key.consumer_sequence);
    let mut digits = itoa::Buffer::new();
    subject.clear();
    subject.push_str(origin.prefix());
    for number in [found.attempt, stream, consumer] {
        subject.push_str(digits.format(number));
        subject.push('.');
    }
    subject.push_str("0.0");
}

fn first_expiry<T>(queue: &VecDeque<Outgoing<T>>) -> Instant {
    let expiries = queue.iter().map(|outgoing| outgoing.expires);
    expiries.min().unwrap_or_else(Instant::now)
}
