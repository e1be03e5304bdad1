//! What the caller of a `Consume` says, and what the session makes of it.

use super::caller::{Caller, Said, unexpected};
use super::frame::Frame;
use super::{Ending, MOST_ANSWERS, Session};
use crate::proto::Pong;
use crate::proto::consume_request::Frame as Requested;

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
            let reads_on = frames < MOST_FRAMES
                && self.answers.len() < MOST_ANSWERS
                && self.settling.keeps_up();
            let caller = self.caller.as_mut().filter(|_| reads_on);
            match caller.and_then(|caller| caller.try_next()) {
                Some(next) => said = next,
                None => return Ok(()),
            }
        }
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
            Requested::Ping(ping) => self.answers.push_back(Frame::Pong(Pong {
                ping_id: ping.ping_id,
            })),
        }
        Ok(())
    }
}

/// What the caller says next, where it can say anything.
pub(super) async fn next_word(
    caller: &mut Option<Box<Caller>>,
    reads_answers: bool,
    keeps_up: bool,
) -> Said {
    match caller {
        Some(caller) => caller.next(reads_answers, keeps_up).await,
        None => std::future::pending().await,
    }
}
