//! Removing letters, and the notes of their replays.

use super::DeadLetters;
use super::filter::Filter;
use super::reading::{Step, is_late};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::api::{DeleteMessage, Deleted, GetSubjects, Purge, Purged as Answer, SubjectPage};

/// How many letters were removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// So many.
    pub count: u64,
    /// Whether every letter was looked at before the time was up.
    pub complete: bool,
}

impl DeadLetters {
    /// Removes letters; only counts them where it is `dry`.
    pub async fn purge(&self, filter: Filter, dry: bool, deadline: Deadline) -> Result<Purged> {
        if !filter.is_in_subject() {
            return self.purge_one_by_one(filter, dry, deadline).await;
        }
        let letters = self.subject_of(&filter);
        let count = if dry {
            self.count(letters, deadline).await?
        } else {
            let count = self.purge_subject(letters, deadline).await?;
            // What a filter of causes or subjects leaves of these is removed by the stream's limits.
            if filter.cause.is_none() && filter.subject.is_none() {
                let (stream, consumer) = (filter.stream.as_ref(), filter.consumer.as_ref());
                let notes = self.0.subjects.replays(stream, consumer);
                self.purge_subject(notes, deadline).await?;
            }
            count
        };
        Ok(Purged {
            count,
            complete: true,
        })
    }

    async fn purge_one_by_one(
        &self,
        filter: Filter,
        dry: bool,
        deadline: Deadline,
    ) -> Result<Purged> {
        let mut purged = Purged::default();
        let mut walk = self.walk(filter, u64::MAX);
        while !is_late(deadline) {
            match self.step(&mut walk, deadline).await? {
                Step::Letter(_) if dry => purged.count += 1,
                Step::Letter(letter) => {
                    purged.count += u64::from(self.delete(letter.sequence, deadline).await?);
                    let notes = self.0.subjects.replays_of(&letter.key);
                    self.purge_subject(notes, deadline).await?;
                }
                Step::Other => {}
                Step::End => {
                    purged.complete = true;
                    return Ok(purged);
                }
            }
        }
        if purged == Purged::default() {
            return Err(Error::new(
                Reason::DeadlineExceeded,
                "the time was up before a letter was removed",
            ));
        }
        Ok(purged)
    }

    /// Whether the letter was there until now.
    async fn delete(&self, sequence: u64, deadline: Deadline) -> Result<bool> {
        let operation = format!("STREAM.MSG.DELETE.{}", self.letters());
        let request = DeleteMessage {
            seq: sequence,
            no_erase: true,
        };
        let deleted = self
            .0
            .nats
            .api::<Deleted>(&operation, &request, deadline)
            .await;
        Ok(super::if_found(deleted)?.is_some())
    }

    async fn purge_subject(&self, filter: String, deadline: Deadline) -> Result<u64> {
        let operation = format!("STREAM.PURGE.{}", self.letters());
        let request = Purge {
            filter,
            ..Purge::default()
        };
        let answer: Answer = self.0.nats.api(&operation, &request, deadline).await?;
        Ok(answer.purged)
    }

    /// Each letter has a subject of its own, and an offset behind the last subject lists none of them.
    async fn count(&self, subjects_filter: String, deadline: Deadline) -> Result<u64> {
        let operation = format!("STREAM.INFO.{}", self.letters());
        let request = GetSubjects {
            subjects_filter,
            offset: i32::MAX as u64,
        };
        let page: SubjectPage = self.0.nats.api(&operation, &request, deadline).await?;
        Ok(page.total)
    }
}
