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
    entries: Vec<Entry>,
    /// How many are not answered.
    left: usize,
    pub(super) outcomes: Arc<Outcomes>,
    pub(super) accepted_at: Instant,
    /// When they left for the first time: those from this place on, up to the next.
    departures: Vec<(usize, Instant)>,
}

/// One of the messages.
#[derive(Debug)]
struct Entry {
    /// Where it ends in the body.
    end: u32,
    is_answered: bool,
    /// Whether its publisher gave it an id.
    has_id: bool,
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
            entries: Vec::new(),
            left: 0,
            outcomes: Arc::default(),
            accepted_at: Instant::now(),
            departures: Vec::new(),
        }
    }

    /// The number of the last.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.entries.len() as u64).saturating_sub(1)
    }

    /// Whether all are answered.
    pub(super) fn is_answered(&self) -> bool {
        self.left == 0
    }

    /// Whether all before this number are answered.
    pub(super) fn is_answered_before(&self, number: u64) -> bool {
        let before = number.saturating_sub(self.first) as usize;
        self.is_answered() || self.entries.iter().take(before).all(|it| it.is_answered)
    }

    fn size(&self) -> usize {
        self.begin_of(self.entries.len())
    }

    /// Whether another message may be added.
    pub(super) fn has_room(&self, limits: Limits) -> bool {
        matches!(self.body, Body::Growing(_))
            && self.entries.len() < limits.messages
            && self.size() < limits.bytes
    }

    /// Writes a message, and returns its place and its size.
    pub(super) fn add(&mut self, message: &Message) -> (usize, usize) {
        let before = self.size();
        if let Body::Growing(body) = &mut self.body {
            message.write(body);
            self.entries.push(Entry {
                end: body.len() as u32,
                is_answered: false,
                has_id: message.message_id.is_some(),
            });
        }
        self.left += 1;
        self.outcomes.expect();
        (self.entries.len() - 1, self.size() - before)
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
            .map_or(0, |before| self.entries[before].end as usize)
    }

    /// The messages from this place on that are not answered and have room, at least one of them.
    pub(super) fn run(&self, place: usize, room: Limits) -> Option<Run> {
        let Body::Whole(body) = &self.body else {
            return None;
        };
        let begin = self.begin_of(place);
        let open = self.entries[place..]
            .iter()
            .take_while(|entry| !entry.is_answered);
        let fits =
            |at: usize, end: usize| at == 0 || (at < room.messages && end - begin <= room.bytes);
        let count = open
            .enumerate()
            .take_while(|(at, entry)| fits(*at, entry.end as usize))
            .count();
        let end = self.begin_of(place + count);
        (count > 0).then(|| Run {
            first: self.first + place as u64,
            body: body.slice(begin..end),
            count,
        })
    }

    /// The messages from this number on leave for the first time.
    pub(super) fn leaves(&mut self, number: u64, now: Instant) {
        let place = number.saturating_sub(self.first) as usize;
        self.departures.push((place, now));
    }

    /// The number behind the last that has left before this moment.
    pub(super) fn left_before(&self, moment: Instant) -> u64 {
        let before = self.departures.partition_point(|(_, at)| *at < moment);
        match (before, self.departures.get(before)) {
            (0, _) => self.first,
            (_, Some((place, _))) => self.first + *place as u64,
            (_, None) => self.last() + 1,
        }
    }

    /// Notes what became of messages that are not answered yet, of which those before the cursor are on their way. The
    /// outcome is asked for by the number and whether it has an id; none leaves the message as it is.
    pub(super) fn answer(
        &mut self,
        numbers: RangeInclusive<u64>,
        cursor: u64,
        outcome: &impl Fn(u64, bool) -> Option<Result<Stored, Error>>,
    ) -> Answered {
        let mut counted = Answered::default();
        let (first, entries, left) = (self.first, &mut self.entries, &mut self.left);
        let outcomes = numbers.filter_map(|number| {
            let place = (number - first) as usize;
            let begin = place.checked_sub(1).map_or(0, |before| entries[before].end);
            let entry = &mut entries[place];
            if entry.is_answered {
                return None;
            }
            let outcome = outcome(number, entry.has_id)?;
            let size = (entry.end - begin) as usize;
            entry.is_answered = true;
            *left -= 1;
            counted.messages += 1;
            counted.bytes += size;
            if number < cursor {
                counted.in_flight += 1;
                counted.in_flight_bytes += size;
            }
            Some((place, outcome))
        });
        self.outcomes.resolve(outcomes);
        counted
    }
}
