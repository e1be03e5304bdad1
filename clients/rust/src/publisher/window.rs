//! What the gateway lets be unanswered in a publish stream.

use super::State;
use super::batch::Limits;
use crate::v1;

/// What a frame may have beside the largest message.
const AROUND_A_MESSAGE: usize = 64 << 10;

/// What the gateway lets be unanswered.
pub(super) struct Window {
    messages: usize,
    bytes: usize,
    pub(super) largest: usize,
}

impl Window {
    pub(super) fn of(opened: &v1::PublishOpened) -> Self {
        Self {
            messages: opened.max_in_flight as usize,
            bytes: opened.max_in_flight_bytes as usize,
            largest: opened.max_message_bytes as usize + AROUND_A_MESSAGE,
        }
    }

    /// What may be sent now. Small room is not worth a frame while answers are under way that make it larger.
    pub(super) fn room(&self, state: &State) -> Option<Limits> {
        let book = &state.book;
        let room = Limits {
            messages: self.messages.saturating_sub(book.in_flight()),
            bytes: self.bytes.saturating_sub(book.in_flight_bytes()),
        };
        let worth = book.waiting().min(self.messages / 4);
        let is_worth_it =
            room.messages >= worth && room.messages > 0 && room.bytes > self.bytes / 4;
        match book.in_flight() {
            0 => Some(Limits {
                messages: self.messages.max(1),
                bytes: self.bytes,
            }),
            _ => is_worth_it.then_some(room),
        }
    }
}
