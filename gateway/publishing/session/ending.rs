//! How a publish stream ends: what was read is answered first, by whomever it is ended.

use std::time::Duration;

use prost_types::Timestamp;
use tokio::time::Instant;

use super::{Reading, Session};
use crate::auth::expired;
use crate::clock;
use crate::error::{Error, Reason};
use crate::proto::{Draining, DrainingReason};
use crate::sessions::Order;

/// How much before the gateway's own end a stream ends, at most.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What callers of a drained stream are told to wait before the next.
const RETRY: Duration = Duration::from_millis(100);

/// Why a publish stream ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// Everything is answered.
    Done,
    /// Nobody listens any more.
    CallerGone,
    /// The time of an end that the gateway has begun is up, and something is still open.
    OutOfTime,
}

impl Session {
    /// Reads no more: the gateway ends the stream.
    pub(super) fn drain(&mut self, order: Order) {
        let grace = before_the_end(order.grace);
        self.cut_off_at = Some(Instant::now() + grace);
        self.reading = Reading::Off(Some(order.error));
        self.words.draining = Some(Draining {
            reason: order.reason as i32,
            deadline: Some(Timestamp::from(clock::now() + grace)),
            resume_token: String::new(),
        });
    }

    /// Reads no more: the caller's credentials end, and the stream with them.
    pub(super) fn begin_to_expire(&mut self) {
        let Some(expiry) = self.expiry.take() else {
            return;
        };
        if !matches!(self.reading, Reading::On) {
            return;
        }
        let left = expiry.end.saturating_duration_since(Instant::now());
        self.cut_off_at = Some(expiry.end);
        self.reading = Reading::Off(Some(expired()));
        self.words.draining = Some(Draining {
            reason: DrainingReason::CredentialsExpire as i32,
            deadline: Some(Timestamp::from(clock::now() + left)),
            resume_token: String::new(),
        });
    }

    /// The gateway itself ends: there may be less time left than the stream was given.
    pub(super) fn hurry(&mut self) {
        let left = before_the_end(self.shared.sessions.drain_time());
        let latest = Instant::now() + left;
        self.cut_off_at = Some(self.cut_off_at.map_or(latest, |at| at.min(latest)));
    }

    /// Whether nothing is left to be done or said.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.reading, Reading::Off(_))
            && self.backlog.is_empty()
            && self.ledger.in_flight().messages == 0
            && !self.ledger.has_answers()
            && self.words.draining.is_none()
            && self.words.flow.is_none()
            && self.words.pongs.is_empty()
    }

    /// Brings the stream to its end.
    pub(super) async fn finish(mut self, ending: Ending) {
        match ending {
            Ending::Done | Ending::OutOfTime => match self.reading {
                Reading::Off(Some(error)) => self.out.end(Err(error)),
                _ => self.out.end(Ok(())),
            },
            Ending::CallerGone => self.see_through().await,
        }
    }

    /// What was taken up is published all the same, in this task, for which a drain waits.
    async fn see_through(&mut self) {
        self.backlog.clear();
        while self.ledger.in_flight().messages > 0 {
            let event = self.way.next().await;
            self.note(event);
        }
    }
}

fn before_the_end(drain: Duration) -> Duration {
    drain - (drain / 10).min(LAST_WORDS)
}

/// The end of a stream that is not open yet when the gateway shuts down.
pub(super) fn draining() -> Error {
    let text = "the gateway is shutting down; open another stream";
    Error::new(Reason::Draining, text).retry_after(RETRY)
}
