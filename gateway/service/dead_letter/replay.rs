//! A replay as its caller sees it: one event a letter, at the caller's rate, and a summary at the end.
//!
//! The next letter is looked at when the caller has taken the one before, so a caller that stops
//! reading, or goes away, stops the replay; a message that was begun is seen through.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::unfold;
use tokio::time::Instant;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::DeadLetterService;
use crate::auth::Access;
use crate::auth::policy::Ask;
use crate::dead_letters::{DeadLetters, Letter, Published, Repeat, Replay, ReplayId};
use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::proto::replay_dead_letters_response::Event;
use crate::proto::{ItemStatus, ReplayDeadLettersResponse, ReplaySummary, ReplayedLetter};
use crate::publishing::{Orphans, Outlet};

/// How a replay publishes.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// The caller's name of it.
    pub(super) id: ReplayId,
    /// It only looks.
    pub(super) dry: bool,
    /// At most so many messages a second.
    pub(super) rate: Option<u32>,
}

/// What became of a letter.
enum Done {
    /// Its message would be published.
    Looked,
    /// Its message is stored.
    Published(Published),
    /// Nothing: the time is up, or the gateway shuts down.
    Stopped,
}

/// A replay under way.
pub(super) struct Running {
    dead_letters: DeadLetters,
    replay: Replay,
    manner: Manner,
    outlet: Arc<Outlet>,
    orphans: Orphans,
    draining: CancellationToken,
    access: Access,
    deadline: Deadline,
    timeout: Duration,
    /// When the next message may be published.
    due: Instant,
    summary: ReplaySummary,
    ended: bool,
}

impl Running {
    pub(super) fn new(
        service: &DeadLetterService,
        dead_letters: DeadLetters,
        replay: Replay,
        manner: Manner,
        access: Access,
        deadline: Deadline,
    ) -> Self {
        Self {
            dead_letters,
            replay,
            manner,
            outlet: service.outlet.clone(),
            orphans: service.orphans.clone(),
            draining: service.draining.clone(),
            access,
            deadline,
            timeout: service.timeout,
            due: Instant::now(),
            summary: ReplaySummary::default(),
            ended: false,
        }
    }

    /// What the caller sees.
    pub(super) fn events(
        self,
    ) -> impl Stream<Item = Result<ReplayDeadLettersResponse, Status>> + Send {
        unfold(self, |mut running| async {
            if running.ended {
                return None;
            }
            let event = running.next().await;
            running.ended = !matches!(event, Ok(Event::Letter(_)));
            let event = event.map(|event| ReplayDeadLettersResponse { event: Some(event) });
            Some((event.map_err(Status::from), running))
        })
    }

    async fn next(&mut self) -> Result<Event> {
        if self.draining.is_cancelled() {
            return Ok(self.end(false));
        }
        self.access.refresh()?;
        let letter = match self.replay.next(self.deadline).await {
            Ok(Some(letter)) => letter,
            Ok(None) => return Ok(self.end(true)),
            Err(error) if error.reason() == Reason::DeadlineExceeded => return Ok(self.end(false)),
            Err(error) => return Err(error),
        };
        let mut result = ReplayedLetter {
            letter_id: letter.key.to_string(),
            subject: letter.subject.clone().unwrap_or_default(),
            status: Some(ItemStatus::default()),
            ..ReplayedLetter::default()
        };
        match self.one(&letter, &mut result).await {
            Ok(Done::Stopped) => return Ok(self.end(false)),
            Ok(Done::Looked) => self.summary.published += 1,
            Ok(Done::Published(published)) => {
                result.stream = letter.key.stream.to_string();
                result.sequence = published.sequence;
                result.duplicate = published.duplicate;
                match published.duplicate {
                    true => self.summary.duplicates += 1,
                    false => self.summary.published += 1,
                }
            }
            Err(error) => {
                self.summary.failed += 1;
                result.status = Some(error.into());
            }
        }
        Ok(Event::Letter(result))
    }

    async fn one(&mut self, letter: &Letter, result: &mut ReplayedLetter) -> Result<Done> {
        // The messages are published as their caller's own.
        if let Some(subject) = &letter.subject {
            self.access.may(&Ask::publish(subject))?;
        }
        let (nats, manner) = (self.outlet.nats(), &self.manner);
        let deadline = self.deadline.at_most(self.timeout);
        let mut repeat = Repeat::new(letter, &manner.id, nats.reserved())?;
        result.headers_left_out = std::mem::take(&mut repeat.left_out);
        let published = self
            .dead_letters
            .published(&letter.key, &manner.id, deadline)
            .await?;
        if let Some(published) = published {
            return Ok(Done::Published(published));
        }
        if manner.dry {
            nats.validate(&repeat.message, deadline).await?;
            return nats.check_size(&repeat.message).map(|()| Done::Looked);
        }
        if !self.wait_until_due().await {
            return Ok(Done::Stopped);
        }
        if let Some(rate) = manner.rate {
            self.due = Instant::now() + Duration::from_secs(1) / rate;
        }
        self.publish(repeat).await.map(Done::Published)
    }

    /// Goes on by itself where the caller goes away in the middle.
    async fn publish(&self, repeat: Repeat) -> Result<Published> {
        let (dead_letters, outlet) = (self.dead_letters.clone(), self.outlet.clone());
        let deadline = self.deadline.at_most(self.timeout);
        let work = |begun| async move {
            let publishing = dead_letters.publish(repeat, &outlet, deadline, &begun);
            publishing.await
        };
        self.orphans.see_through(work).await
    }

    /// False where the time is up before that, or the gateway shuts down.
    async fn wait_until_due(&self) -> bool {
        if self.due > self.deadline.instant() {
            return false;
        }
        tokio::select! {
            () = self.draining.cancelled() => false,
            () = tokio::time::sleep_until(self.due) => true,
        }
    }

    fn end(&mut self, complete: bool) -> Event {
        self.summary.complete = complete;
        Event::Summary(self.summary)
    }
}
