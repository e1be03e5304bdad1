//! What comes from the consumer's side, and what a session makes of it.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::link::{Connection, LinkEvent};
use super::{Ending, Session, stall};
use crate::error::{Error, Reason};
use crate::nats::pull::{End, Event};

/// A pull that ends sooner without a message is not repeated at once.
const SHORTEST_PULL: Duration = Duration::from_millis(100);

impl Session {
    pub(super) fn handle(&mut self, event: LinkEvent) -> Result<(), Ending> {
        match event {
            LinkEvent::Attached(Err(error)) => Err(Ending::Failed(error)),
            LinkEvent::Attached(Ok(attached)) => {
                self.link = Connection::Attached(attached);
                self.take_over()?;
                self.judge().map_err(Ending::Refused)
            }
            LinkEvent::Closed(left) => {
                self.closed(left);
                Ok(())
            }
            LinkEvent::Pull(event) => self.handle_pull(event),
        }
    }

    pub(super) fn handle_pull(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Message(delivery) => self.arrived(delivery),
            Event::Idle(passed) => {
                self.idle(passed);
                Ok(())
            }
            Event::Ended(end) => self.pull_ended(end),
            Event::Lost => {
                self.source.lost();
                self.reattach();
                Ok(())
            }
        }
    }

    fn pull_ended(&mut self, end: End) -> Result<(), Ending> {
        match end {
            End::Complete | End::PinLost => {}
            // A consumer may allow its pulls next to no time.
            // Without heartbeats nothing else tells that the consumer has passed the end of the read.
            End::Expired if self.may_be_past_the_end() => self.reattach(),
            End::Expired if self.asked_at.elapsed() < SHORTEST_PULL => self.back_off(),
            End::Expired => {}
            End::TooLarge(left) => self.oversized = Some(left),
            End::Moved | End::MaxWaiting => self.back_off(),
            // Attaching makes another consumer, where that is how to go on.
            End::NoResponders if self.source.is_own() => {
                self.back_off();
                self.reattach();
            }
            // Attaching tells what is gone, or finds what was made anew.
            End::Deleted | End::PushBased => {
                self.back_off();
                self.reattach();
            }
            End::NoResponders => {
                self.back_off();
                self.start_probe(stall::JUST_NOW);
            }
            // Its limits were changed; attaching learns them.
            End::Refused(text) if text.starts_with("Exceeded MaxRequest") => {
                self.back_off();
                self.reattach();
            }
            End::Refused(text) => {
                return Err(Ending::Failed(Error::new(
                    Reason::RejectedByJetstream,
                    text,
                )));
            }
            End::Denied => {
                let text = "the gateway's NATS user may not pull from this consumer";
                return Err(Ending::Failed(Error::new(
                    Reason::NatsPermissionDenied,
                    text,
                )));
            }
        }
        Ok(())
    }

    /// When an open pull counts as lost, unless its server says something before.
    pub(super) fn pull_silent_at(&self) -> Option<Instant> {
        match &self.link {
            Connection::Attached(attached) => attached.puller.silent_at(),
            _ => None,
        }
    }

    /// Attaches again where a pull is lost: it may still bring something, so its inbox is given up with it.
    pub(super) fn miss_the_pulls(&mut self, now: Instant) -> Result<(), Ending> {
        if let Connection::Attached(attached) = &mut self.link {
            attached.puller.forget_late(now);
        }
        if self.pull_silent_at().is_none_or(|at| at > now) {
            return Ok(());
        }
        // What has come may not have been looked at yet.
        if let Some(event) = self.link.try_next() {
            return self.handle_pull(event);
        }
        debug!(session = %self.registration.id(), "pull lost, asking again");
        if let Connection::Attached(attached) = &mut self.link {
            attached.puller.forget_lost(now);
        }
        self.back_off();
        self.reattach();
        Ok(())
    }
}
