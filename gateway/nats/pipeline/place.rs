//! Which message of a pipeline an answer is for: it stands in the reply subject.

use std::fmt::Write as _;

use async_nats::Message;

/// A slot, and whose turn it is there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) turn: u32,
}

impl Place {
    /// The reply subject.
    pub(super) fn below(self, inbox: &str) -> String {
        let mut subject = String::with_capacity(inbox.len() + 20);
        subject.push_str(inbox);
        // Writing to a string does not fail.
        let _ = write!(subject, ".{:x}-{:x}", self.slot, self.turn);
        subject
    }

    /// What the subject of an answer says.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let (_, place) = message.subject.rsplit_once('.')?;
        let (slot, turn) = place.split_once('-')?;
        Some(Self {
            slot: usize::from_str_radix(slot, 16).ok()?,
            turn: u32::from_str_radix(turn, 16).ok()?,
        })
    }
}
