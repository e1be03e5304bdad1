//! Messages of a publisher that were written one behind the other. No I/O and no waiting.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::outcome::{Outcomes, Stored};
use crate::error::Error;
use crate::message::Message;

/// What a batch is full of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// Messages that were written one behind the other.
#[derive(Debug)]
pub(super) struct Batch {
    /// The number of the first.
    pub(super) first: u64,
    body: Body,
    /// Where each ends in the body, and whether it is answered.
    ends: Vec<(u32, bool)>,
    /// How many are not answered.
    left: usize,
    pub(super) outcomes: Arc<Outcomes>,
    pub(super) accepted_at: Instant,
    /// When the first of them left for the first time.
    pub(super) sent_at: Option<Instant>,
    /// How many have an id that their publisher gave.
    with_ids: usize,
}

#[derive(Debug)]
enum Body {
    Growing(BytesMut),
    Whole(Bytes),
}

/// A part of a batch that is sent as one frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) body: Bytes,
    pub(super) count: usize,
}

/// What a batch has counted of an answer.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) in_flight: usize,
    pub(super) in_flight_bytes: usize,
}

impl Batch {
    /// A batch without messages yet, which begins with this number and will have about this size.
    pub(super) fn new(first: u64, size: usize) -> Self {
        Self {
            first,
            body: Body::Growing(BytesMut::with_capacity(size)),
            ends: Vec::new(),
            left: 0,
            outcomes: Arc::default(),
            accepted_at: Instant::now(),
            sent_at: None,
            with_ids: 0,
        }
    }

    /// The number of the last.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.ends.len() as u64).saturating_sub(1)
    }

    /// Whether all are answered.
    pub(super) fn is_answered(&self) -> bool {
        self.left == 0
    }

    /// Whether the publisher gave each an id.
    pub(super) fn has_ids(&self) -> bool {
        self.with_ids == self.ends.len()
    }

    fn size(&self) -> usize {
        self.ends.last().map_or(0, |(end, _)| *end as usize)
    }

    /// Whether another message may be added.
    pub(super) fn has_room(&self, limits: Limits) -> bool {
        matches!(self.body, Body::Growing(_))
            && self.ends.len() < limits.messages
            && self.size() < limits.bytes
    }

    /// Writes a message, and returns its place and its size.
    pub(super) fn add(&mut self, message: &Message) -> (usize, usize) {
        let before = self.size();
        if let Body::Growing(body) = &mut self.body {
            message.write(body);
            self.ends.push((body.len() as u32, false));
        }
        self.with_ids += usize::from(message.message_id.is_some());
        self.left += 1;
        self.outcomes.expect();
        (self.ends.len() - 1, self.size() - before)
    }

    /// Nothing is added any more.
    pub(super) fn complete(&mut self) {
        if let Body::Growing(body) = &mut self.body {
            self.body = Body::Whole(std::mem::take(body).freeze());
        }
    }

    fn begin_of(&self, place: usize) -> usize {
        place
            .checked_sub(1)
            .map_or(0, |before| self.ends[before].0 as usize)
    }

    /// The messages from this place on that are not answered and have room, at least one of them.
    pub(super) fn run(&self, place: usize, room: Limits) -> Option<Run> {
        let Body::Whole(body) = &self.body else {
            return None;
        };
        let begin = self.begin_of(place);
        let open = self.ends[place..]
            .iter()
            .take_while(|(_, answered)| !answered);
        let fits =
            |at: usize, end: usize| at == 0 || (at < room.messages && end - begin <= room.bytes);
        let count = open
            .enumerate()
            .take_while(|(at, (end, _))| fits(*at, *end as usize))
            .count();
        let end = self.begin_of(place + count);
        (count > 0).then(|| Run {
            first: self.first + place as u64,
            body: body.slice(begin..end),
            count,
        })
    }

    /// Notes what became of messages that are not answered yet, of which those before the cursor are on their way.
    pub(super) fn answer(
        &mut self,
        numbers: RangeInclusive<u64>,
        cursor: u64,
        outcome: &impl Fn(u64, bool) -> Result<Stored, Error>,
    ) -> Answered {
        let mut counted = Answered::default();
        let was_sent = self.sent_at.is_some();
        let (first, ends, left) = (self.first, &mut self.ends, &mut self.left);
        let outcomes = numbers.filter_map(|number| {
            let place = (number - first) as usize;
            let begin = place.checked_sub(1).map_or(0, |before| ends[before].0);
            let (end, answered) = &mut ends[place];
            if std::mem::replace(answered, true) {
                return None;
            }
            let size = (*end - begin) as usize;
            *left -= 1;
            counted.messages += 1;
            counted.bytes += size;
            if number < cursor {
                counted.in_flight += 1;
                counted.in_flight_bytes += size;
            }
            Some((place, outcome(number, was_sent)))
        });
        self.outcomes.resolve(outcomes);
        counted
    }
}
