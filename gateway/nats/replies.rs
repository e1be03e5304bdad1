//! Replies that are waited for, on one connection.
//!
//! All replies of a connection arrive on one wildcard subscription and find their request by the
//! slot in their subject. async-nats' own request map keeps an entry for every request that was never
//! answered; here a request that is given up leaves nothing behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Message;
use slab::Slab;
use tokio::sync::oneshot;

/// The open requests of one connection.
#[derive(Clone)]
pub(super) struct Replies {
    inbox: Arc<str>,
    pending: Arc<Mutex<Slab<Pending>>>,
}

struct Pending {
    /// Tells a late reply to an earlier request in the same slot from this one's.
    turn: u64,
    subject: String,
    sender: oneshot::Sender<Reply>,
}

/// What became of a request.
pub(super) enum Reply {
    Message(Message),
    /// The server refused the request: the NATS user lacks the permission.
    Denied,
}

impl Replies {
    /// `inbox` is the subject below which this connection receives its replies.
    pub(super) fn new(inbox: &str) -> Self {
        Self {
            inbox: inbox.into(),
            pending: Arc::default(),
        }
    }

    /// What to subscribe to.
    pub(super) fn wildcard(&self) -> String {
        format!("{}.*", self.inbox)
    }

    /// Opens a slot for a request to `subject`. Dropping the result frees the slot.
    pub(super) fn expect(&self, subject: &str) -> Expected {
        let (sender, receiver) = oneshot::channel();
        let turn = fastrand::u64(..);
        let slot = self.lock().insert(Pending {
            turn,
            subject: subject.to_owned(),
            sender,
        });
        Expected {
            replies: self.clone(),
            slot,
            turn,
            receiver,
        }
    }

    /// Opens a slot for a message that the connection sends to itself: to the reply subject.
    pub(super) fn expect_echo(&self) -> Expected {
        let expected = self.expect("");
        let subject = expected.subject();
        if let Some(pending) = self.lock().get_mut(expected.slot) {
            pending.subject = subject;
        }
        expected
    }

    /// Hands a message to the request that waits for it, if one does.
    pub(super) fn resolve(&self, message: Message) {
        let Some((slot, turn)) = self.address(&message) else {
            return;
        };
        if let Some(pending) = self.take(slot, turn) {
            // The receiver is gone when the request was given up this very moment.
            let _ = pending.sender.send(Reply::Message(message));
        }
    }

    /// Fails every request to `subject`: the server says that it may not be published to.
    pub(super) fn deny(&self, subject: &str) {
        let mut pending = self.lock();
        let denied: Vec<usize> = pending
            .iter()
            .filter(|(_, entry)| entry.subject == subject)
            .map(|(slot, _)| slot)
            .collect();
        for slot in denied {
            let _ = pending.remove(slot).sender.send(Reply::Denied);
        }
    }

    /// Fails every request: the connection is lost.
    pub(super) fn abandon(&self) {
        self.lock().clear();
    }

    /// How many requests are open.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    fn address(&self, message: &Message) -> Option<(usize, u64)> {
        let place = message
            .subject
            .strip_prefix(&*self.inbox)?
            .strip_prefix('.')?;
        let (slot, turn) = place.split_once('-')?;
        Some((slot.parse().ok()?, u64::from_str_radix(turn, 16).ok()?))
    }

    fn take(&self, slot: usize, turn: u64) -> Option<Pending> {
        let mut pending = self.lock();
        let ours = pending.get(slot).is_some_and(|entry| entry.turn == turn);
        ours.then(|| pending.remove(slot))
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Pending>> {
        // Nothing panics while it holds the lock, and a slab is sound after any of its operations.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot that a reply is expected in.
pub(super) struct Expected {
    replies: Replies,
    slot: usize,
    turn: u64,
    receiver: oneshot::Receiver<Reply>,
}

impl Expected {
    /// The reply subject to send with the request.
    pub(super) fn subject(&self) -> String {
        format!("{}.{}-{:x}", self.replies.inbox, self.slot, self.turn)
    }

    /// Waits for the reply; `None` when the connection is lost first.
    pub(super) async fn reply(&mut self) -> Option<Reply> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.replies.take(self.slot, self.turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: "hello".into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    #[tokio::test]
    async fn a_reply_finds_its_request_and_frees_the_slot() {
        let replies = Replies::new("_INBOX.x.r");
        let mut first = replies.expect("a");
        let mut second = replies.expect("b");

        replies.resolve(message(&second.subject()));
        replies.resolve(message(&first.subject()));

        assert!(matches!(first.reply().await, Some(Reply::Message(_))));
        assert!(matches!(second.reply().await, Some(Reply::Message(_))));
        assert_eq!(replies.len(), 0);
    }

    #[tokio::test]
    async fn a_late_reply_does_not_reach_the_next_request_in_its_slot() {
        let replies = Replies::new("_INBOX.x.r");
        let given_up = replies.expect("a").subject();
        let mut next = replies.expect("a");

        replies.resolve(message(&given_up));
        replies.resolve(message("_INBOX.x.r.nonsense"));
        replies.abandon();

        assert!(next.reply().await.is_none());
    }

    #[tokio::test]
    async fn a_permission_violation_fails_the_requests_to_that_subject() {
        let replies = Replies::new("_INBOX.x.r");
        let mut denied = replies.expect("secret");
        let _other = replies.expect("open");

        replies.deny("secret");

        assert!(matches!(denied.reply().await, Some(Reply::Denied)));
        assert_eq!(replies.len(), 1);
    }
}
