//! Reading letters: by key, one after the other, and what is noted of their replays.

use std::time::Duration;

use prost_types::Timestamp;

use super::filter::Filter;
use super::key::{Key, ReplayId};
use super::letter::{Letter, PREFIX};
use super::{DeadLetters, Inner, if_found, not_found};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::SubjectFilter;
use crate::nats::Stored;
use crate::nats::api::{GetMessage, StreamInfo};

/// What is left of the deadline for answering with what was found.
const ANSWERING: Duration = Duration::from_millis(100);

/// The most replays of a letter that are told.
const REPLAYS: usize = 100;

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
    pub(super) next: u64,
    last: u64,
    keys: std::vec::IntoIter<Key>,
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

    pub(super) async fn find(&self, key: &Key, deadline: Deadline) -> Result<Option<Letter>> {
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

    pub(super) async fn at_or_after(
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

pub(super) fn is_late(deadline: Deadline) -> bool {
    deadline.remaining() < ANSWERING
}
