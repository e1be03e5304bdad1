//! Finding letters: by id, and page by page in either direction.
//!
//! JetStream finds the next message of a filter from a sequence on, and nothing backwards. So the
//! newest letters are looked for in spans of sequences before the last one: spans grow while they
//! are empty, and shrink before one is read that may hold many more than are wanted.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use prost_types::Timestamp;

use super::key::{Key, ReplayId};
use super::letter::{Cause, Letter, PREFIX};
use super::{DeadLetters, Inner, if_found, not_found};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::{ConsumerName, StreamName, SubjectFilter, subject_matches};
use crate::nats::Stored;
use crate::nats::api::{GetMessage, StreamInfo};

/// The sequences that are read at a time when the newest are looked for.
const SPAN: u64 = 128;

/// The longest span that is looked at.
const LONGEST_SPAN: u64 = 1 << 32;

/// What is left of the deadline for answering with what was found.
const ANSWERING: Duration = Duration::from_millis(100);

/// The most replays of a letter that are told.
const REPLAYS: usize = 100;

/// Which letters; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of this stream.
    pub stream: Option<StreamName>,
    /// Those of this consumer.
    pub consumer: Option<ConsumerName>,
    /// Those of this cause.
    pub cause: Option<Cause>,
    /// Those whose message's subject matches.
    pub subject: Option<SubjectFilter>,
    /// Those that died then or later.
    pub from: Option<Timestamp>,
    /// Those that died before then.
    pub until: Option<Timestamp>,
    /// These.
    pub keys: BTreeSet<Key>,
}

/// In which order letters are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last one first.
    NewestFirst,
    /// The first one first.
    OldestFirst,
}

/// Where a page begins: behind or before this sequence; `None` is the beginning.
pub type Position = Option<u64>;

/// Some letters of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// The letters.
    pub letters: Vec<Letter>,
    /// Where the next page begins; `None` where there is none.
    pub next: Position,
}

/// A replay that was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The caller's name of it.
    pub id: ReplayId,
    /// When.
    pub time: Option<Timestamp>,
    /// Where the message was stored.
    pub sequence: u64,
}

/// Letters in the order in which they were written.
pub(super) struct Walk {
    filter: Filter,
    next: u64,
    last: u64,
    keys: std::vec::IntoIter<Key>,
}

impl Filter {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        let Self {
            stream,
            consumer,
            cause,
            subject,
            from,
            until,
            keys,
        } = self;
        let nothing_named = stream.is_none() && consumer.is_none() && keys.is_empty();
        nothing_named && cause.is_none() && subject.is_none() && from.is_none() && until.is_none()
    }

    /// Whether JetStream itself can tell which letters these are.
    pub(super) fn is_in_subject(&self) -> bool {
        self.keys.is_empty() && self.from.is_none() && self.until.is_none()
    }

    fn admits(&self, letter: &Letter) -> bool {
        let time = letter.time.map(|time| (time.seconds, time.nanos));
        let bound = |time: &Timestamp| (time.seconds, time.nanos);
        let subject = letter.subject.as_deref().unwrap_or_default();
        self.stream
            .as_ref()
            .is_none_or(|it| *it == letter.key.stream)
            && self
                .consumer
                .as_ref()
                .is_none_or(|it| *it == letter.key.consumer)
            && self.cause.is_none_or(|it| it == letter.cause)
            && self
                .subject
                .as_ref()
                .is_none_or(|it| subject_matches(it.as_str(), subject))
            && self
                .from
                .as_ref()
                .is_none_or(|from| time >= Some(bound(from)))
            && self
                .until
                .as_ref()
                .is_none_or(|until| time < Some(bound(until)))
    }
}

impl DeadLetters {
    /// The letter of a key.
    pub async fn get(&self, key: &Key, deadline: Deadline) -> Result<Letter> {
        self.find(key, deadline)
            .await?
            .ok_or_else(|| not_found(key))
    }

    /// How a letter was replayed, the earliest first.
    pub async fn replays(&self, key: &Key, deadline: Deadline) -> Result<Vec<Noted>> {
        let (filter, mut replays, mut next) = (self.0.subjects.replays_of(key), Vec::new(), 1);
        while replays.len() < REPLAYS {
            let Some(note) = self.at_or_after(next, &filter, deadline).await? else {
                break;
            };
            next = note.sequence + 1;
            replays.extend(self.noted(&note));
        }
        Ok(replays)
    }

    /// The note of one replay.
    pub(super) async fn replay(
        &self,
        key: &Key,
        id: &ReplayId,
        deadline: Deadline,
    ) -> Result<Option<Noted>> {
        let Inner { subjects, nats, .. } = &*self.0;
        let subject = subjects.replay(key, id, nats.reserved())?;
        let note = self.last_of(subject.as_str(), deadline).await?;
        Ok(note.and_then(|note| self.noted(&note)))
    }

    fn noted(&self, note: &Stored) -> Option<Noted> {
        let name = format!("{PREFIX}Replay-Sequence");
        let sequence = note.headers.iter().find(|(header, _)| *header == name);
        let sequence =
            sequence.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
        Some(Noted {
            id: self.0.subjects.read_replay(&note.subject)?,
            time: note.time,
            sequence: sequence?,
        })
    }

    /// A page of letters.
    pub async fn page(
        &self,
        filter: &Filter,
        order: Order,
        position: Position,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page> {
        if !filter.keys.is_empty() {
            return self
                .page_of_keys(filter, order, position, size, deadline)
                .await;
        }
        match order {
            Order::OldestFirst => self.page_forwards(filter, position, size, deadline).await,
            Order::NewestFirst => self.page_backwards(filter, position, size, deadline).await,
        }
    }

    async fn page_forwards(
        &self,
        filter: &Filter,
        position: Position,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page> {
        let mut walk = self.walk(filter.clone(), u64::MAX);
        walk.next = position.unwrap_or_default() + 1;
        let mut page = Page::default();
        while page.letters.len() < size {
            if is_late(deadline) && walk.next > position.unwrap_or_default() + 1 {
                page.next = Some(walk.next - 1);
                return Ok(page);
            }
            match self.step(&mut walk, deadline).await? {
                Step::Letter(letter) => page.letters.push(without_message(*letter)),
                Step::Other => {}
                Step::End => return Ok(page),
            }
        }
        page.next = Some(walk.next - 1);
        Ok(page)
    }

    async fn page_backwards(
        &self,
        filter: &Filter,
        position: Position,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page> {
        let (first, last) = self.bounds(deadline).await?;
        let mut upper = position.map_or(last, |position| last.min(position.saturating_sub(1)));
        let (mut span, mut is_shrinking) = (SPAN, false);
        let subject = self.subject_of(filter);
        let mut page = Page::default();
        while upper >= first && upper > 0 {
            if page.letters.len() >= size || (is_late(deadline) && Some(upper + 1) != position) {
                page.next = Some(upper + 1);
                return Ok(page);
            }
            let lower = first.max((upper + 1).saturating_sub(span));
            let next = self.at_or_after(lower, &subject, deadline).await?;
            let Some(next) = next.filter(|next| next.sequence <= upper) else {
                upper = lower - 1;
                if !is_shrinking {
                    span = (span * 2).min(LONGEST_SPAN);
                }
                continue;
            };
            if span > SPAN {
                (span, is_shrinking) = ((span / 2).max(SPAN), true);
                continue;
            }
            let mut letters = self
                .read_span(next, upper, filter, &subject, deadline)
                .await?;
            let room = size - page.letters.len();
            let rest = letters.len().saturating_sub(room);
            page.letters.extend(letters.drain(rest..).rev());
            if rest > 0 {
                page.next = page.letters.last().map(|letter| letter.sequence);
                return Ok(page);
            }
            (upper, is_shrinking) = (lower - 1, false);
        }
        Ok(page)
    }

    /// The letters from `next` on up to a sequence.
    async fn read_span(
        &self,
        next: Stored,
        upper: u64,
        filter: &Filter,
        subject: &str,
        deadline: Deadline,
    ) -> Result<Vec<Letter>> {
        let (mut letters, mut next) = (Vec::new(), Some(next));
        while let Some(message) = next.filter(|next| next.sequence <= upper) {
            let sequence = message.sequence;
            let letter = Letter::read(message, &self.0.subjects);
            letters.extend(
                letter
                    .filter(|letter| filter.admits(letter))
                    .map(without_message),
            );
            if sequence == upper {
                break;
            }
            next = self.at_or_after(sequence + 1, subject, deadline).await?;
        }
        Ok(letters)
    }

    /// Of few letters all are read, wherever they are.
    async fn page_of_keys(
        &self,
        filter: &Filter,
        order: Order,
        position: Position,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page> {
        let mut letters = Vec::new();
        for key in &filter.keys {
            let letter = self.find(key, deadline).await?;
            letters.extend(
                letter
                    .filter(|letter| filter.admits(letter))
                    .map(without_message),
            );
        }
        letters.sort_by_key(|letter| letter.sequence);
        if order == Order::NewestFirst {
            letters.reverse();
        }
        letters.retain(|letter| match (order, position) {
            (_, None) => true,
            (Order::OldestFirst, Some(position)) => letter.sequence > position,
            (Order::NewestFirst, Some(position)) => letter.sequence < position,
        });
        let has_more = letters.len() > size;
        letters.truncate(size);
        let next = letters
            .last()
            .map(|letter| letter.sequence)
            .filter(|_| has_more);
        Ok(Page { letters, next })
    }

    /// All letters up to a sequence.
    pub(super) fn walk(&self, filter: Filter, last: u64) -> Walk {
        let keys = filter.keys.iter().cloned().collect::<Vec<_>>().into_iter();
        Walk {
            filter,
            next: 1,
            last,
            keys,
        }
    }

    /// The next letter of a walk; each step asks JetStream once.
    pub(super) async fn step(&self, walk: &mut Walk, deadline: Deadline) -> Result<Step> {
        let found = if walk.filter.keys.is_empty() {
            let subject = self.subject_of(&walk.filter);
            let found = self.at_or_after(walk.next, &subject, deadline).await?;
            let Some(message) = found.filter(|found| found.sequence <= walk.last) else {
                return Ok(Step::End);
            };
            walk.next = message.sequence + 1;
            Letter::read(message, &self.0.subjects)
        } else {
            let Some(key) = walk.keys.as_slice().first().cloned() else {
                return Ok(Step::End);
            };
            let found = self.find(&key, deadline).await?;
            walk.keys.next();
            found
        };
        let letter = found.filter(|letter| walk.filter.admits(letter));
        Ok(letter.map_or(Step::Other, |letter| Step::Letter(Box::new(letter))))
    }

    pub(super) fn subject_of(&self, filter: &Filter) -> String {
        let Filter {
            stream,
            consumer,
            cause,
            subject,
            ..
        } = filter;
        let subject = subject.as_ref().map(SubjectFilter::as_str);
        self.0
            .subjects
            .letters(stream.as_ref(), consumer.as_ref(), *cause, subject)
    }

    /// The first and the last sequence of the letters' stream.
    pub(super) async fn bounds(&self, deadline: Deadline) -> Result<(u64, u64)> {
        let info = format!("STREAM.INFO.{}", self.letters());
        let info: StreamInfo = self.0.nats.api_get(&info, deadline).await?;
        Ok((info.state.first_seq, info.state.last_seq))
    }

    async fn find(&self, key: &Key, deadline: Deadline) -> Result<Option<Letter>> {
        let message = self
            .last_of(&self.0.subjects.letter_of(key), deadline)
            .await?;
        Ok(message.and_then(|message| Letter::read(message, &self.0.subjects)))
    }

    async fn last_of(&self, subject: &str, deadline: Deadline) -> Result<Option<Stored>> {
        let request = GetMessage {
            last_by_subj: subject.to_owned(),
            ..GetMessage::default()
        };
        if_found(
            self.0
                .nats
                .stored_message(self.letters(), &request, deadline)
                .await,
        )
    }

    async fn at_or_after(
        &self,
        sequence: u64,
        subject: &str,
        deadline: Deadline,
    ) -> Result<Option<Stored>> {
        let request = GetMessage {
            seq: sequence,
            next_by_subj: subject.to_owned(),
            ..GetMessage::default()
        };
        if_found(
            self.0
                .nats
                .stored_message(self.letters(), &request, deadline)
                .await,
        )
    }
}

/// What one step of a walk came to.
pub(super) enum Step {
    /// A letter of the filter.
    Letter(Box<Letter>),
    /// Something else.
    Other,
    /// There is nothing behind.
    End,
}

/// Lists are kept in memory until they are sent: of the message they only tell its id, and whether the
/// letter has it.
fn without_message(mut letter: Letter) -> Letter {
    letter.payload = letter.payload.map(|_| Bytes::new());
    letter
        .headers
        .retain(|(name, _)| name.eq_ignore_ascii_case("Nats-Msg-Id"));
    letter
}

pub(super) fn is_late(deadline: Deadline) -> bool {
    deadline.remaining() < ANSWERING
}
