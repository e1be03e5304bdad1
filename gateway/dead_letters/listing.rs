//! Listing letters, page by page in either direction.
//!
//! JetStream finds the next message of a filter from a sequence on, and nothing backwards. So the
//! newest letters are looked for in spans of sequences before the last one: spans grow while they
//! are empty, and shrink before one is read that may hold many more than are wanted.

use bytes::Bytes;

use super::DeadLetters;
use super::filter::Filter;
use super::letter::Letter;
use super::reading::{Step, is_late};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::nats::Stored;

/// The sequences that are read at a time when the newest are looked for.
const SPAN: u64 = 128;

/// The longest span that is looked at.
const LONGEST_SPAN: u64 = 1 << 32;

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

impl DeadLetters {
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
