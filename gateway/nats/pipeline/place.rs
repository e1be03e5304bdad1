//! Which message of a pipeline an answer is for: it stands in the reply subject.

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
        let (mut slot, mut turn) = (itoa::Buffer::new(), itoa::Buffer::new());
        [
            inbox,
            ".",
            slot.format(self.slot),
            "-",
            turn.format(self.turn),
        ]
        .concat()
    }

    /// What the subject of an answer says.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let (_, place) = message.subject.rsplit_once('.')?;
        let (slot, turn) = place.split_once('-')?;
        Some(Self {
            slot: slot.parse().ok()?,
            turn: turn.parse().ok()?,
        })
    }
}
