//! What the caller of a `Consume` says, and what the session makes of it.

use tokio::time::Instant;

use super::caller::{Caller, Said, unexpected};
use super::frame::Frame;
use super::{Ending, Session};
use crate::proto::Pong;
use crate::proto::consume_request::Frame as Requested;

/// Answers that may wait for a caller that does not read; then its frames are not read either.
const MOST_ANSWERS: usize = 64;

/// Frames of a caller that are taken before anything else has its turn.
const MOST_FRAMES: usize = 256;

impl Session {
    /// Takes what the caller says, and all that has come with it.
    pub(super) async fn hear(&mut self, mut said: Said) -> Result<(), Ending> {
        let mut frames = 0;
        loop {
            match said {
                Said::Frame(frame) => self.take_frame(frame).await?,
                Said::HalfClosed => return Err(Ending::HalfClosed),
                Said::Refused(error) => return Err(Ending::Refused(error)),
                Said::Gone => return Err(Ending::CallerGone),
            }
            frames += 1;
            if frames == MOST_FRAMES {
                return Ok(());
            }
            match self.next_word_now() {
                Some(next) => said = next,
                None => return Ok(()),
            }
        }
    }

    /// Whether frames are read: not while the caller does not read the answers to those before, or
    /// JetStream does not keep up.
    pub(super) fn listens(&self) -> bool {
        self.answers.len() < MOST_ANSWERS && self.settling.keeps_up()
    }

    /// When the caller counts as gone, unless it says something before.
    pub(super) fn caller_silent_at(&mut self) -> Option<Instant> {
        let caller = self.caller.as_mut()?;
        if !self.settling.keeps_up() {
            caller.excuse();
        }
        Some(caller.silent_at())
    }

    /// Ends the session of a caller that has said nothing for too long.
    pub(super) async fn miss_the_caller(&mut self, now: Instant) -> Result<(), Ending> {
        if self.caller_silent_at().is_none_or(|at| at > now) {
            return Ok(());
        }
        if let Some(caller) = &mut self.caller
            && (self.access.has_been_held_since(caller.heard()) || caller.has_waited())
        {
            caller.excuse();
            return Ok(());
        }
        // What has come may not have been looked at yet.
        match (self.next_word_now(), &self.caller) {
            (Some(said), _) => self.hear(said).await,
            (None, Some(caller)) => Err(Ending::Refused(caller.silence())),
            (None, None) => Ok(()),
        }
    }

    fn next_word_now(&mut self) -> Option<Said> {
        let listens = self.listens();
        let caller = self.caller.as_mut().filter(|_| listens);
        caller.and_then(|caller| caller.try_next())
    }

    async fn take_frame(&mut self, frame: Requested) -> Result<(), Ending> {
        match frame {
            Requested::Open(_) => {
                let text = "`open` comes once, as the first frame";
                return Err(Ending::Refused(unexpected(text)));
            }
            Requested::Settle(settle) => self.settle(settle)?,
            Requested::Flow(flow) => {
                self.book.answered();
                let window = self.settings.resized(flow).map_err(Ending::Refused)?;
                self.set_window(window);
            }
            Requested::Drain(_) => self.leave().await,
            Requested::Credentials(fresh) => self.changes.judge(fresh.bearer),
            Requested::Ping(ping) => self.answers.push_back(Frame::Pong(Pong {
                ping_id: ping.ping_id,
            })),
        }
        Ok(())
    }
}

/// What the caller says next, where it can say anything.
pub(super) async fn next_word(caller: &mut Option<Box<Caller>>) -> Said {
    match caller {
        Some(caller) => caller.next().await,
        None => std::future::pending().await,
    }
}
