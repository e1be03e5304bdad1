//! The messages of a publisher that are not answered, by their numbers, which follow one another. No I/O and no waiting.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::time::Instant;

use super::batch::{Batch, Limits, Run};
use super::outcome::{Ack, Stored};
use crate::error::Error;
use crate::message::Message;
use crate::publish::MessageId;

#[derive(Debug)]
pub(super) struct Book {
    batches: VecDeque<Batch>,
    /// The number of the next message that is taken.
    next: u64,
    /// The number of the next message that is sent.
    cursor: u64,
    /// What has this number, or a later one, has never left.
    sent: u64,
    /// What has a lower number, and is not answered, left over an earlier stream already.
    doubted: u64,
    /// What ids are made of with the numbers; none where they are not.
    producer: Option<Arc<str>>,
    /// How many are not answered, and their bytes.
    messages: usize,
    bytes: usize,
    /// How many of them are on their way, and their bytes.
    in_flight: usize,
    in_flight_bytes: usize,
    /// Since when something waits to be sent.
    waiting_since: Option<Instant>,
    /// How large the last frame was.
    usual_size: usize,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            batches: VecDeque::new(),
            next: 1,
            cursor: 1,
            sent: 1,
            doubted: 1,
            producer: None,
            messages: 0,
            bytes: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            waiting_since: None,
            usual_size: 0,
        }
    }

    /// From now on numbers make ids, with this.
    pub(super) fn numbered_by(&mut self, producer: &str) {
        self.producer = Some(producer.into());
    }

    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// How many messages wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.messages - self.in_flight
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes - self.in_flight_bytes
    }

    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since.filter(|_| self.waiting() > 0)
    }

    /// Takes a message.
    pub(super) fn add(&mut self, message: Message, limits: Limits) -> Ack {
        if self.waiting() == 0 {
            self.waiting_since = Some(Instant::now());
        }
        let number = self.next;
        if !self
            .batches
            .back()
            .is_some_and(|last| last.has_room(limits))
        {
            self.begin_batch();
        }
        // There is one now.
        let place = self.batches.len() - 1;
        let batch = &mut self.batches[place];
        let (place, size) = batch.add(&message);
        let outcomes = Arc::clone(&batch.outcomes);
        self.next += 1;
        self.messages += 1;
        self.bytes += size;
        let message_id = match message.message_id {
            Some(id) => MessageId::Given(id.into()),
            None => MessageId::Number(number),
        };
        Ack {
            outcomes,
            place,
            message_id,
        }
    }

    fn begin_batch(&mut self) {
        if let Some(last) = self.batches.back_mut() {
            last.complete();
        }
        let batch = Batch::new(self.next, self.usual_size);
        self.batches.push_back(batch);
    }

    /// The next frame, of at most so much; at least one message, if one waits.
    pub(super) fn take(&mut self, room: Limits, now: Instant) -> Option<Run> {
        while self.cursor < self.next {
            let at = self.find(self.cursor)?;
            let batch = &mut self.batches[at];
            batch.complete();
            let place = (self.cursor - batch.first) as usize;
            let Some(run) = batch.run(place, room) else {
                // Answered already.
                self.cursor += 1;
                continue;
            };
            self.cursor += run.count as u64;
            if self.cursor > self.sent {
                batch.leaves(self.sent, now);
                self.sent = self.cursor;
            }
            self.in_flight += run.count;
            self.in_flight_bytes += run.body.len();
            self.waiting_since = Some(now);
            self.usual_size = run.body.len();
            return Some(run);
        }
        None
    }

    /// These messages are stored, one behind the other.
    pub(super) fn stored(&mut self, numbers: RangeInclusive<u64>, stored: &Stored) {
        let first = *numbers.start();
        self.answer(numbers, |number, _| {
            let sequence = stored.sequence + (number - first);
            Some(Ok(Stored {
                sequence,
                ..stored.clone()
            }))
        });
    }

    /// Everything up to this number that is on its way is stored; where, is not said.
    pub(super) fn settled_through(&mut self, number: u64, stored: &Stored) {
        let last = number.min(self.cursor - 1);
        self.answer(self.first()..=last, |_, _| Some(Ok(stored.clone())));
    }

    /// These messages have failed. Where one was sent before, that may have stored it.
    pub(super) fn failed(&mut self, numbers: RangeInclusive<u64>, error: &Error) {
        let (doubted, unknown) = (self.doubted, self.unknown(&error.in_doubt()));
        self.answer(numbers, |number, has_id| {
            Some(Err(match number < doubted {
                true => unknown(number, has_id),
                false => error.clone(),
            }))
        });
    }

    /// The stream is over: prepares everything that is not answered to be sent again. What has left without an id, its own
    /// or that of its number, may be stored and cannot be repeated.
    pub(super) fn rewind(&mut self, why: &Error) {
        if self.producer.is_none() {
            let failed = |_, has_id: bool| (!has_id).then(|| Err(why.clone()));
            self.answer(self.first()..=self.sent - 1, failed);
        }
        self.doubted = self.doubted.max(self.cursor);
        self.cursor = self.first();
        self.in_flight = 0;
        self.in_flight_bytes = 0;
    }

    /// Fails what would be sent again and left for the first time before this moment: its stream may have stored it and
    /// forgotten its id since.
    pub(super) fn forget(&mut self, before: Instant, why: &Error) {
        let mut number = self.cursor;
        while number < self.sent
            && let Some(at) = self.find(number)
        {
            let batch = &self.batches[at];
            let (next, forgotten) = (batch.last() + 1, batch.left_before(before));
            let unknown = self.unknown(why);
            self.answer(number..=forgotten.min(self.sent) - 1, |number, has_id| {
                Some(Err(unknown(number, has_id)))
            });
            // What was answered before may have gone with it.
            number = next.max(self.first());
        }
    }

    /// Gives up what was taken before this moment, or everything: with `sent` what may be stored, otherwise with
    /// `unsent`.
    pub(super) fn give_up(&mut self, before: Option<Instant>, sent: &Error, unsent: &Error) {
        let is_old = |batch: &Batch| before.is_none_or(|before| batch.accepted_at < before);
        let count = self
            .batches
            .iter()
            .take_while(|batch| is_old(batch))
            .count();
        let Some(last) = count.checked_sub(1).map(|last| self.batches[last].last()) else {
            return;
        };
        let (never_left, unknown) = (self.sent, self.unknown(sent));
        self.answer(self.first()..=last, |number, has_id| {
            Some(Err(match number < never_left {
                true => unknown(number, has_id),
                false => unsent.clone(),
            }))
        });
    }

    /// The error of a message whose outcome is not known, with the id that it has by its number. Its own id its future
    /// knows.
    fn unknown(&self, why: &Error) -> impl Fn(u64, bool) -> Error + use<> {
        let (why, producer) = (why.clone(), self.producer.clone());
        move |number, has_id| match &producer {
            Some(producer) if !has_id => why.clone().with_id(&format!("{producer}:{number}")),
            _ => why.clone(),
        }
    }

    /// The number of the next message that is taken.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether everything before this number is on its way or answered.
    pub(super) fn is_sent_before(&self, number: u64) -> bool {
        self.cursor >= number
    }

    /// Whether everything before this number is answered.
    pub(super) fn is_answered_before(&self, number: u64) -> bool {
        let mut before = self.batches.iter().take_while(|it| it.first < number);
        before.all(|batch| batch.is_answered_before(number))
    }

    /// Takes messages out. What was answered before, or never existed, is passed over.
    fn answer(
        &mut self,
        numbers: RangeInclusive<u64>,
        outcome: impl Fn(u64, bool) -> Option<Result<Stored, Error>>,
    ) {
        let mut number = (*numbers.start()).max(self.first());
        let last = (*numbers.end()).min(self.next - 1);
        while number <= last
            && let Some(at) = self.find(number)
        {
            let batch = &mut self.batches[at];
            let end = last.min(batch.last());
            let answered = batch.answer(number..=end, self.cursor, &outcome);
            self.messages -= answered.messages;
            self.bytes -= answered.bytes;
            self.in_flight -= answered.in_flight;
            self.in_flight_bytes -= answered.in_flight_bytes;
            number = end + 1;
        }
        while self.batches.front().is_some_and(Batch::is_answered) {
            self.batches.pop_front();
        }
        self.cursor = self.cursor.max(self.first());
    }

    /// The number of the first message that is kept.
    fn first(&self) -> u64 {
        self.batches.front().map_or(self.next, |batch| batch.first)
    }

    /// The place of the batch with this number.
    fn find(&self, number: u64) -> Option<usize> {
        let behind = self.batches.partition_point(|batch| batch.first <= number);
        let at = behind.checked_sub(1)?;
        (number <= self.batches[at].last()).then_some(at)
    }
}

#[cfg(test)]
mod tests;
