//! What happens in a publish stream because it is time.

use std::time::Duration;

use tokio::time::Instant;

use super::ending::Ending;
use super::{Reading, Session};
use crate::error::{Error, Reason};
use crate::proto::PublishFlow;

/// Intervals without a frame from the caller after which it is taken for gone.
const MISSED_PINGS: u32 = 2;

/// Waits for the budget that callers are not told of.
const SHORT_WAIT: Duration = Duration::from_millis(200);

impl Session {
    /// Sets the alarm for whatever is due first.
    pub(super) fn set_alarm(&mut self) {
        self.alarm.remind(self.beat_at);
        self.alarm.remind(self.lost_at());
        let notice = self.expiry.map(|expiry| expiry.notice);
        let moments = [self.cut_off_at, self.tell_at(), self.retires_at(), notice];
        moments
            .into_iter()
            .flatten()
            .for_each(|at| self.alarm.remind(at));
    }

    /// Does what is due; `reads`: frames of the caller are waited for.
    pub(super) fn look_at_the_clock(&mut self, reads: bool) -> Option<Ending> {
        let now = Instant::now();
        if self.cut_off_at.is_some_and(|at| at <= now) {
            return Some(Ending::OutOfTime);
        }
        if self.expiry.is_some_and(|expiry| expiry.notice <= now) {
            self.begin_to_expire();
        }
        if self.retires_at().is_some_and(|at| at <= now) {
            self.drain(self.shared.sessions.age_order());
        }
        if self.tell_at().is_some_and(|at| at <= now) {
            self.told = true;
            self.words.flow = Some(PublishFlow {
                max_in_flight_bytes: self.share.allowance(),
                max_in_flight_messages: self.share.allowed_messages(),
            });
        }
        if self.beat_at <= now {
            self.words.heartbeat = true;
            self.beat_at = now + self.terms.heartbeat;
        }
        let heard_at = self.heard_at;
        if self.access.has_been_held_since(heard_at) || self.backlog.has_waited_since(heard_at) {
            self.heard_at = now;
        }
        if reads && self.lost_at() <= now {
            let text = "no frame came for too long, not even a ping";
            self.reading = Reading::Off(Some(Error::new(Reason::PingsMissed, text)));
        }
        None
    }

    /// When the caller is told that the budget holds it up: not at every short wait.
    fn tell_at(&self) -> Option<Instant> {
        let since = self.held_since.filter(|_| !self.told);
        since.map(|since| since + SHORT_WAIT)
    }

    /// When its age ends a stream that nothing else has begun to end.
    fn retires_at(&self) -> Option<Instant> {
        matches!(self.reading, Reading::On).then_some(self.ends_at)
    }

    fn lost_at(&self) -> Instant {
        self.heard_at + self.shared.config.ping_within * MISSED_PINGS
    }
}
