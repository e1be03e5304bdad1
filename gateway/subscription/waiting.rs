//! What was pulled and waits for the transport to take the last frame, with the times of arrival.

use std::collections::VecDeque;
use std::mem;

use tokio::time::Instant;

use super::in_flight::Amount;
use crate::nats::pull::Delivery;

/// A delivery, and when it came.
pub(super) type Arrival = (Instant, Delivery);

/// Deliveries in order, and how much they are.
#[derive(Default)]
pub(super) struct Waiting {
    queue: VecDeque<Arrival>,
    bytes: u64,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn amount(&self) -> Amount {
        Amount {
            messages: u32::try_from(self.queue.len()).unwrap_or(u32::MAX),
            bytes: self.bytes,
        }
    }

    pub(super) fn front(&self) -> Option<&Arrival> {
        self.queue.front()
    }

    pub(super) fn push_back(&mut self, arrival: Arrival) {
        self.bytes += arrival.1.size;
        self.queue.push_back(arrival);
    }

    pub(super) fn push_front(&mut self, arrival: Arrival) {
        self.bytes += arrival.1.size;
        self.queue.push_front(arrival);
    }

    pub(super) fn pop_front(&mut self) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        self.bytes -= arrival.1.size;
        Some(arrival)
    }

    pub(super) fn extend(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        let now = Instant::now();
        let arriving = deliveries.into_iter().map(|delivery| (now, delivery));
        arriving.for_each(|arrival| self.push_back(arrival));
    }

    pub(super) fn clear(&mut self) {
        self.take();
    }

    /// Takes everything out.
    pub(super) fn take(&mut self) -> VecDeque<Arrival> {
        mem::take(self).queue
    }
}
