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
            messages: 0,
            bytes: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            waiting_since: None,
            usual_size: 0,
        }
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
            batch.sent_at.get_or_insert(now);
            self.cursor += run.count as u64;
            self.sent = self.sent.max(self.cursor);
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

    /// These messages have failed.
    pub(super) fn failed(&mut self, numbers: RangeInclusive<u64>, error: &Error) {
        self.answer(numbers, |_, _| Some(Err(error.clone())));
    }

    /// The stream is over: prepares everything that is not answered to be sent again. What has left without an id, its own
    /// or that of its number, may be stored and cannot be repeated.
    pub(super) fn rewind(&mut self, numbers_are_ids: bool, why: &Error) {
        if !numbers_are_ids {
            let failed = |_, has_id: bool| (!has_id).then(|| Err(why.clone()));
            self.answer(self.first()..=self.sent - 1, failed);
        }
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
            let last = batch.last().min(self.sent - 1);
            if batch.sent_at.is_some_and(|sent| sent < before) {
                self.failed(number..=last, why);
            }
            number = last + 1;
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
        let never_left = self.sent;
        self.answer(self.first()..=last, |number, _| {
            let error = if number < never_left { sent } else { unsent };
            Some(Err(error.clone()))
        });
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::publish::Origin;

    const LIMITS: Limits = Limits {
        messages: 4,
        bytes: 1 << 20,
    };
    const ALL: Limits = Limits {
        messages: 100,
        bytes: 1 << 20,
    };

    fn stored(sequence: u64) -> Stored {
        let origin = Arc::new(Origin::default());
        Stored {
            origin,
            sequence,
            duplicate: false,
            counter: None,
        }
    }

    fn book(count: usize) -> (Book, Vec<Ack>) {
        let mut book = Book::new();
        let acks = (0..count).map(|n| book.add(Message::new("a", n.to_string()), LIMITS));
        let acks = acks.collect();
        (book, acks)
    }

    fn sent(book: &mut Book) -> Vec<(u64, usize)> {
        let runs = std::iter::from_fn(|| book.take(ALL, Instant::now()));
        runs.map(|run| (run.first, run.count)).collect()
    }

    #[tokio::test]
    async fn batches_are_full_and_answers_find_their_futures() {
        let (mut book, acks) = book(10);
        assert_eq!(sent(&mut book), [(1, 4), (5, 4), (9, 2)]);
        assert_eq!((book.in_flight(), book.waiting()), (10, 0));
        book.stored(1..=9, &stored(101));
        book.failed(10..=10, &Error::unavailable("no"));
        book.stored(3..=99, &stored(7));
        for (number, ack) in acks.into_iter().enumerate() {
            let outcome = ack.await.map(|published| published.sequence());
            assert_eq!(outcome.ok(), (number < 9).then_some(101 + number as u64));
        }
        assert_eq!(
            (book.messages(), book.bytes(), book.in_flight_bytes()),
            (0, 0, 0)
        );
    }

    #[test]
    fn what_is_not_answered_is_sent_again_in_runs() {
        let (mut book, _acks) = book(10);
        sent(&mut book);
        book.stored(1..=2, &stored(1));
        book.stored(4..=6, &stored(4));
        book.rewind(true, &Error::unavailable("lost"));
        assert_eq!((book.in_flight(), book.waiting()), (0, 5));
        assert_eq!(sent(&mut book), [(3, 1), (7, 2), (9, 2)]);
        assert_eq!((book.in_flight(), book.waiting()), (5, 0));
        book.settled_through(10, &stored(0));
        assert_eq!((book.messages(), book.bytes(), book.in_flight()), (0, 0, 0));
    }

    #[test]
    fn a_window_cuts_batches() {
        let (mut book, _acks) = book(3);
        let room = Limits {
            messages: 2,
            bytes: 1 << 20,
        };
        let run = book.take(room, Instant::now()).unwrap();
        assert_eq!((run.first, run.count), (1, 2));
        // What is taken meanwhile goes into another batch.
        let _ack = book.add(Message::new("a", "more"), LIMITS);
        assert_eq!(sent(&mut book), [(3, 1), (4, 1)]);
    }

    #[tokio::test]
    async fn only_what_left_may_be_stored() {
        let (mut book, acks) = book(6);
        let room = Limits {
            messages: 3,
            ..LIMITS
        };
        // A window cuts the first batch.
        let _ = book.take(room, Instant::now());
        book.rewind(true, &Error::unavailable("lost"));
        book.give_up(None, &Error::outcome_unknown("gone"), &Error::closed("it"));
        assert_eq!(unknown(acks).await, [1, 2, 3]);
        assert_eq!(book.messages(), 0);
    }

    #[tokio::test]
    async fn without_ids_nothing_is_repeated() {
        let (mut book, mut acks) = book(2);
        acks.push(book.add(Message::new("a", "x").message_id("mine"), LIMITS));
        sent(&mut book);
        acks.push(book.add(Message::new("a", "later"), LIMITS));
        book.rewind(false, &Error::outcome_unknown("lost"));
        assert_eq!(sent(&mut book), [(3, 1), (4, 1)]);
        book.stored(3..=4, &stored(1));
        assert_eq!(unknown(acks).await, [1, 2]);
    }

    #[tokio::test]
    async fn what_its_stream_may_have_forgotten_is_not_repeated() {
        let (mut book, acks) = book(9);
        let room = Limits {
            messages: 2,
            ..LIMITS
        };
        let begun = Instant::now();
        // Of the second batch only a part has left, and later.
        for after in [0, 0, 10] {
            let _ = book.take(room, begun + Duration::from_secs(after));
        }
        let why = Error::outcome_unknown("forgotten");
        let forget = |book: &mut Book, at| book.forget(begun + Duration::from_secs(at), &why);
        forget(&mut book, 100);
        assert_eq!(book.messages(), 9, "what is on its way is not repeated");
        book.rewind(true, &why);
        forget(&mut book, 5);
        // The next stream ends before anything is sent again in it. What has left is remembered all the same.
        book.rewind(true, &why);
        forget(&mut book, 11);
        assert_eq!(sent(&mut book), [(7, 2), (9, 1)]);
        book.stored(7..=9, &stored(1));
        assert_eq!(unknown(acks).await, [1, 2, 3, 4, 5, 6]);
        assert_eq!((book.messages(), book.bytes(), book.in_flight()), (0, 0, 0));
    }

    #[test]
    fn what_was_taken_before_is_told_from_what_comes_later() {
        let (mut book, _acks) = book(6);
        let before = book.next();
        let _later = book.add(Message::new("a", "later"), LIMITS);
        assert!(!book.is_sent_before(before));
        sent(&mut book);
        assert!(book.is_sent_before(before));
        book.stored(2..=6, &stored(2));
        assert!(!book.is_answered_before(before));
        book.stored(1..=1, &stored(1));
        assert!(book.is_answered_before(before));
        assert!(!book.is_answered_before(before + 1));
    }

    /// Which of these have an unknown outcome, counted from 1.
    async fn unknown(acks: Vec<Ack>) -> Vec<usize> {
        let mut unknown = Vec::new();
        for (number, ack) in (1..).zip(acks) {
            if ack.await.is_err_and(|error| error.is_outcome_unknown()) {
                unknown.push(number);
            }
        }
        unknown
    }
}
