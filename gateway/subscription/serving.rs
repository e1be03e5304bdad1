//! Serving a session: one task, one `select!` between its caller, its consumer, other replicas and the
//! clock, and one timer for all that is due by the clock.

use std::pin::Pin;

use tokio::time::Instant;
use tracing::info;

use super::ending::{Ending, Phase};
use super::hearing::next_word;
use super::{Session, stall};
use crate::proto::DrainingReason;

/// After how many times its lease a caller that has settled nothing gets a message to try.
const LENIENCE: u32 = 3;

impl Session {
    /// Serves the session to its end.
    pub async fn run(mut self: Box<Self>) {
        let id = self.registration.id();
        info!(session = %id, stream = %self.source.stream(), consumer = %self.facts.consumer,
            client = self.registration.client_name(), "session opened");
        let ending = match self.take_over() {
            Ok(()) => self.serve().await,
            Err(ending) => ending,
        };
        info!(session = %id, reason = ?ending, "session ends");
        Box::pin(self.finish(ending)).await;
    }

    async fn serve(&mut self) -> Ending {
        let ending = self.registration.ending().clone();
        let shutdown = self.shared.sessions.draining().clone();
        let (mut is_ordered, mut is_hurried) = (false, false);
        loop {
            self.look_at_leases(Instant::now());
            if let Some(ending) = self.settled_ending() {
                return ending;
            }
            if let Err(ending) = self.flush().and_then(|()| self.check_the_end()) {
                return ending;
            }
            // Looked at before anything that depends on it: room that comes later ends the wait below.
            let waits_for_room = self.has_more_to_send() || !self.out.has_room();
            self.show();
            self.fit_memory();
            self.ask().await;
            self.set_the_alarm();

            let listens = self.listens();
            let ending = tokio::select! {
                biased;
                () = self.out.closed() => Err(Ending::CallerGone),
                () = ending.cancelled(), if !is_ordered => {
                    is_ordered = true;
                    let order = self.registration.order();
                    self.drain(order.reason, order.grace).await;
                    Ok(())
                }
                // A terminated session may have been given more time than the gateway now has.
                () = shutdown.cancelled(), if is_ordered && !is_hurried => {
                    is_hurried = true;
                    self.drain(DrainingReason::Shutdown, self.shared.sessions.drain_time()).await;
                    Ok(())
                }
                change = self.changes.next() => self.take(change),
                notices = self.registration.notices.take() => {
                    notices.iter().for_each(|notice| self.note(notice));
                    Ok(())
                }
                () = self.alarm.rings() => self.do_what_is_due(Instant::now()).await,
                probe = ready(&mut self.probe) => self.end_probe(probe),
                permit = ready(&mut self.slot) => {
                    self.pull(permit).await;
                    Ok(())
                }
                () = self.settling.advance() => {
                    self.note_settled();
                    Ok(())
                }
                said = next_word(&mut self.caller), if listens => self.hear(said).await,
                () = self.out.room(), if waits_for_room => Ok(()),
                event = self.link.next() => self.handle(event),
            };
            if let Err(ending) = ending {
                return ending;
            }
        }
    }

    fn look_at_leases(&mut self, now: Instant) {
        self.book.expire(now);
        self.book.forgive(now, self.facts.terms.lease(1) * LENIENCE);
    }

    /// Sees to it that the loop turns when something is due next.
    fn set_the_alarm(&mut self) {
        let drains_until = match self.phase {
            Phase::Draining(until) => until,
            _ => self.ends_at,
        };
        let moments = [
            Some(drains_until),
            Some(
                self.heartbeat
                    .ask_at()
                    .unwrap_or_else(|| self.heartbeat.due()),
            ),
            Some(self.pull_at).filter(|at| *at > Instant::now()),
            self.book.next_expiry(),
            self.book.next_forgiveness(),
            self.book.next_extension(),
            self.impatient_at(),
            self.stop_due(),
            self.pull_silent_at(),
            self.caller_silent_at(),
            self.expiry_notice(),
        ];
        if let Some(next) = moments.into_iter().flatten().min() {
            self.alarm.remind(next);
        }
    }

    /// What the loop does not look at anyway.
    async fn do_what_is_due(&mut self, now: Instant) -> Result<(), Ending> {
        let is_due = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        if is_due(self.impatient_at()) {
            self.give_up_held();
        }
        self.look_for_the_end();
        if is_due(self.book.next_extension()) {
            self.extend_leases();
        }
        if self.ends_at <= now && !matches!(self.phase, Phase::Draining(_)) {
            let grace = self.shared.sessions.drain_time();
            self.drain(DrainingReason::MaxAge, grace).await;
        }
        if is_due(self.expiry_notice()) {
            self.begin_to_expire().await;
        }
        if is_due(self.heartbeat.ask_at()) {
            self.heartbeat.asked();
            self.start_probe(stall::AGE);
        }
        if self.heartbeat.due() <= now {
            self.beat();
        }
        self.miss_the_caller(now).await?;
        self.miss_the_pulls(now)
    }

    /// Lets others see how the session stands.
    fn show(&mut self) {
        let outstanding = self.book.outstanding();
        self.metrics.set_outstanding(outstanding.messages as usize);
        self.metrics.set_stall(self.stall);
        let (consumer, messages) = (self.facts.consumer.as_str(), self.labeller.delivered());
        let (pending, stall) = (self.pending, self.stall);
        let window = self.settings.window;
        self.registration.update(|state| {
            if *state.consumer != *consumer {
                state.consumer = consumer.into();
            }
            state.window = window;
            state.outstanding = outstanding;
            state.messages = messages;
            state.pending = Some(pending);
            state.stall = stall;
        });
    }
}

/// Waits for a future that may not be there, and takes it away when it is done.
async fn ready<T>(future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    let Some(waiting) = future else {
        return std::future::pending().await;
    };
    let output = waiting.await;
    *future = None;
    output
}
