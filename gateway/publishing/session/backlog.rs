//! The messages of the frame that was read last and are not taken up yet: the session reads no other
//! before the last of them is.

use std::vec;

use tokio::time::Instant;

use crate::auth::Access;
use crate::convert::publish_stream::Reader;
use crate::error::Result;
use crate::memory::{Arriving, OWN};
use crate::nats::Outgoing;
use crate::proto::{PublishFrame, PublishRequest};
use crate::publishing::may_publish;

/// The messages, in order.
pub(super) struct Backlog {
    reader: Reader,
    messages: vec::IntoIter<PublishRequest>,
    next: u64,
    /// The first of them, once it is looked at.
    head: Option<Numbered>,
    /// The room of the frame.
    room: Option<Arriving>,
    /// How much of it is kept.
    kept: u64,
    /// How much of what was given back messages have not had yet.
    ahead: u64,
}

/// A message with its number; one that is wrong by itself says why.
pub(super) struct Numbered {
    /// Its number.
    pub(super) number: u64,
    /// How much room it takes.
    pub(super) bytes: u64,
    /// Whether the caller has given it an id: its stream may have that already.
    pub(super) known: bool,
    /// The message.
    pub(super) message: Result<Outgoing>,
}

impl Backlog {
    /// Empty.
    pub(super) fn new(reader: Reader, room: Option<Arriving>) -> Self {
        Self {
            reader,
            messages: vec::IntoIter::default(),
            next: 0,
            head: None,
            room,
            kept: 0,
            ahead: 0,
        }
    }

    /// Takes a frame. There is nothing left of the one before.
    pub(super) fn fill(&mut self, frame: PublishFrame) {
        self.next = frame.first_number;
        self.messages = frame.messages.into_iter();
        let bytes = self.room.as_ref().map_or(0, Arriving::bytes);
        // A small one is no more than the stream's own.
        self.kept = if bytes > OWN { bytes } else { 0 };
        self.ahead = 0;
    }

    /// Gives back the room of the message that was looked at: it is about to take room as one on its way, and must
    /// not wait for its own. Somewhat more at a time, as there may be many.
    pub(super) fn hand_over(&mut self) {
        let (Some(head), Some(room)) = (&self.head, &self.room) else {
            return;
        };
        if self.kept > 0 && self.ahead < head.bytes {
            let more = (head.bytes - self.ahead).max(OWN).min(self.kept);
            self.kept -= more;
            self.ahead += more;
            room.fit(self.kept);
        }
    }

    /// Whether a frame was held since then for want of room.
    pub(super) fn has_waited_since(&self, moment: Instant) -> bool {
        let room = self.room.as_ref();
        room.is_some_and(|room| room.has_waited_since(moment))
    }

    /// Whether the next frame may be read.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none() && self.messages.as_slice().is_empty()
    }

    /// The first message, which stays the first until it is taken.
    pub(super) fn peek(&mut self, access: &Access) -> Option<&Numbered> {
        if self.head.is_none()
            && let Some(request) = self.messages.next()
        {
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            let known = !request.message_id.is_empty();
            let message =
                may_publish(access, &request).and_then(|()| self.reader.read(request, number));
            let size = message.as_ref().map_or(0, Outgoing::size);
            self.head = Some(Numbered {
                number,
                bytes: size as u64,
                known,
                message,
            });
        }
        self.head.as_ref()
    }

    /// Takes the message that was looked at.
    pub(super) fn take(&mut self) -> Option<Numbered> {
        let head = self.head.take()?;
        self.ahead = self.ahead.saturating_sub(head.bytes);
        Some(head)
    }

    /// Drops them all.
    pub(super) fn clear(&mut self) {
        self.messages = vec::IntoIter::default();
        self.head = None;
    }
}
