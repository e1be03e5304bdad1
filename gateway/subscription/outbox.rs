//! Settlements that wait for the connection only: sent in order, and kept while NATS is away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::in_flight::Found;
use super::origin::ack_subject;
use super::sleep_until;
use crate::deadline::Deadline;
use crate::nats::{Connection, RequestError, Settlement};

/// How long handing one settlement to a connection that is there may take before that is looked at anew.
const HANDING_OVER: Duration = Duration::from_secs(1);

/// How long to wait before a connection that has just failed is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// A settlement on its way.
pub(super) struct Outgoing<T> {
    /// What it belongs to.
    pub(super) ticket: T,
    /// The delivery.
    pub(super) found: Found,
    /// What the ack subjects of its consumer begin with.
    pub(super) prefix: Arc<str>,
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
            tokio::select! {
                biased;
                () = send(&self.connection, &mut self.queue, &mut self.done) => {}
                () = sleep_until(expiry) => self.expire(),
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
    while let Some(next) = queue.front() {
        let subject = ack_subject(&next.prefix, next.found.key, next.found.attempt);
        let deadline = Deadline::within(HANDING_OVER);
        let fate = match link.settle(&subject, &next.settlement, deadline).await {
            Ok(()) => Fate::Sent,
            Err(RequestError::TooLarge) => Fate::TooLarge,
            // The connection says so before it is known to be lost.
            Err(_) => return tokio::time::sleep(PAUSE).await,
        };
        done.extend(queue.pop_front().map(|next| (next, fate)));
    }
}

fn first_expiry<T>(queue: &VecDeque<Outgoing<T>>) -> Option<Instant> {
    queue.iter().map(|outgoing| outgoing.expires).min()
}
