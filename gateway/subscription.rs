//! A consuming session: one task and one `select!` between its caller, its consumer and the clock.
//!
//! It pulls only what the caller's window has room for and only while the transport has taken the
//! last frame, so nothing waits unsent while its ack timer runs. It never acknowledges by itself.

pub mod acknowledge;
mod adopting;
mod caller;
pub mod config;
mod delivering;
mod ending;
pub mod fetch;
mod frame;
mod hearing;
mod heartbeat;
pub mod in_flight;
mod labels;
mod link;
mod noting;
mod opening;
mod origin;
mod outbox;
mod pulling;
mod settling;
mod source;
mod stall;
mod stop;
mod stopping;
pub mod terms;

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::convert::open::{Open, Settings};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Metrics, SessionGuard};
use crate::nats::Nats;
use crate::nats::pull::{Delivery, End, Event};
use crate::output::Output;
use crate::proto::{
    DrainingReason, FlowLimits, Gap, SessionHeartbeat, SessionKind, SessionOpened, StallReason,
};
use crate::sessions::{self, Description, Registration, Sessions};
use adopting::Adopted;
use caller::Caller;
use ending::{Ending, Phase};
pub use frame::Frame;
use hearing::next_word;
use heartbeat::Clock;
use in_flight::InFlight;
use labels::Labeller;
use link::{Connection, LinkEvent};
use noting::note_suspect;
pub use opening::consume;
use origin::Origin;
use settling::Settling;
pub use source::{Durable, Ordered, Source};
use source::{Facts, Seat};
use stall::Probe;
use stop::Stop;
pub use stop::StopAt;

/// A pull that ends sooner without a message is not repeated at once.
const SHORTEST_PULL: Duration = Duration::from_millis(100);

/// No lease is taken for longer, so that adding it to a clock cannot overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers that may wait for a caller that does not read; then its frames are not read either.
const MOST_ANSWERS: usize = 64;

/// The age at which a session ends is met give or take this share, so that many do not end at once.
const AGE_JITTER: f64 = 0.1;

/// What sessions share.
#[derive(Clone)]
pub struct Shared {
    /// JetStream.
    pub nats: Nats,
    /// The other sessions.
    pub sessions: Sessions,
    /// What is counted.
    pub metrics: Metrics,
    /// How old a session becomes at most, give or take a tenth.
    pub max_stream_age: Duration,
}

/// A session.
pub struct Session {
    shared: Shared,
    settings: Settings,
    source: Source,
    /// The consumer, as last seen.
    facts: Facts,
    link: Connection,
    registration: Registration,
    /// The caller's frames; those of `Subscribe` have none.
    caller: Option<Box<Caller>>,
    settling: Settling,
    /// Frames that must not be lost, and wait for the transport.
    answers: VecDeque<Frame>,
    has_answered: bool,
    phase: Phase,
    /// When the session is too old.
    ends_at: Instant,
    out: Output<Frame>,
    book: InFlight,
    origin: Origin,
    labeller: Labeller,
    /// Pulled, and waiting for the transport to take the last frame; with the time of arrival.
    held: VecDeque<(Instant, Delivery)>,
    gap: Option<Gap>,
    /// The consumer counts its deliveries anew; what is held waits until its info is known.
    is_outdated: bool,
    /// Asked for, and waiting for its turn.
    slot: Option<Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>>,
    probe: Option<Pin<Box<dyn Future<Output = Probe> + Send>>>,
    heartbeat: Clock,
    /// What the consumer said when it was last asked, for the next heartbeat.
    info: Option<Probe>,
    backoff: Duration,
    pull_at: Instant,
    /// The next message is larger than these bytes.
    oversized: Option<u64>,
    asked_at: Instant,
    position: u64,
    pending: u64,
    /// Why nothing is delivered, as last said.
    stall: StallReason,
    delivered_at: Instant,
    stop: Option<Stop>,
    /// The end of a bounded read has been passed; what is not settled before it may still come.
    is_stopping: bool,
    metrics: SessionGuard,
}

impl Session {
    /// Opens a session: attaches to the consumer and tells the caller. An error is also the end of `out`.
    pub async fn open(
        shared: Shared,
        open: Open,
        who: sessions::Caller,
        caller: Option<Box<Caller>>,
        out: Output<Frame>,
        deadline: Deadline,
    ) -> Result<Self> {
        // Kept until the end is said: without it the caller would see none.
        let way = out.clone();
        let opened = Self::attach(shared, open, who, caller, out, deadline).await;
        opened.inspect_err(|error| way.end(Err(error.clone())))
    }

    async fn attach(
        shared: Shared,
        open: Open,
        who: sessions::Caller,
        caller: Option<Box<Caller>>,
        out: Output<Frame>,
        deadline: Deadline,
    ) -> Result<Self> {
        let registration = shared.sessions.register(Description {
            kind: match caller {
                Some(_) => SessionKind::Consume,
                None => SessionKind::Subscribe,
            },
            caller: who,
            stream: open.stream.as_str().into(),
            consumer: open.source.consumer().into(),
            window: open.settings.window,
        })?;
        let account = shared.nats.account(deadline).await?;
        let mut source = Source::new(&shared.nats, account, open.stream, open.source)?;
        let settings = open.settings;
        let attached = source.attach_first(&shared.nats, deadline).await?;
        if let Some(gap) = attached.gap
            && let Err(error) = settings.judge(gap)
        {
            source::delete(&shared.nats, source.stream(), &attached.facts.consumer).await;
            return Err(error);
        }
        let labeller = Labeller::new(account, registration.route);
        let jitter = 1.0 - AGE_JITTER + 2.0 * AGE_JITTER * fastrand::f64();
        let mut session = Self {
            heartbeat: Clock::new(settings.heartbeat),
            info: None,
            settling: Settling::new(shared.nats.request_connection()),
            answers: VecDeque::new(),
            has_answered: false,
            phase: Phase::Delivering,
            ends_at: Instant::now() + shared.max_stream_age.mul_f64(jitter),
            book: InFlight::new(settings.window),
            origin: Origin::new(source.stream(), &attached.facts.consumer),
            held: VecDeque::new(),
            gap: None,
            is_outdated: false,
            slot: None,
            probe: None,
            backoff: Duration::ZERO,
            pull_at: Instant::now(),
            oversized: None,
            asked_at: Instant::now(),
            delivered_at: Instant::now(),
            position: attached.facts.position,
            pending: attached.facts.pending,
            stall: StallReason::Unspecified,
            facts: attached.facts.clone(),
            stop: settings.stop_at.map(Stop::new),
            is_stopping: false,
            link: Connection::Attached(attached),
            metrics: shared.metrics.consuming.session_opened(),
            shared,
            settings,
            source,
            registration,
            caller,
            out,
            labeller,
        };
        let adopted = session.adopt(open.held)?;
        session.send(Frame::Opened(session.opened(adopted)));
        Ok(session)
    }

    /// Serves the session to its end.
    pub async fn run(mut self) {
        let id = self.registration.id();
        info!(session = %id, stream = %self.source.stream(), consumer = %self.facts.consumer,
            client = self.registration.client_name(), "session opened");
        let ending = match self.take_over() {
            Ok(()) => self.serve().await,
            Err(ending) => ending,
        };
        info!(session = %id, reason = ?ending, "session ends");
        self.finish(ending).await;
    }

    async fn serve(&mut self) -> Ending {
        let ending = self.registration.ending().clone();
        let shutdown = self.shared.sessions.draining().clone();
        let (mut is_ordered, mut is_hurried) = (false, false);
        loop {
            self.book.expire(Instant::now());
            if let Some(ending) = self.settled_ending() {
                return ending;
            }
            if let Err(ending) = self.flush().and_then(|()| self.check_the_end()) {
                return ending;
            }
            // Looked at before anything that depends on it: room that comes later ends the wait below.
            let waits_for_room = self.has_more_to_send() || !self.out.has_room();
            self.show();
            self.ask().await;

            let impatient_at = self.impatient_at();
            let next_expiry = self.book.next_expiry();
            let stop_due = self.stop_due();
            let next_extension = self.book.next_extension();
            let pull_at = Some(self.pull_at).filter(|at| *at > Instant::now());
            let is_draining = matches!(self.phase, Phase::Draining(_));
            let drained_at = match self.phase {
                Phase::Draining(until) => Some(until),
                _ => None,
            };
            let keeps_up = self.settling.keeps_up();
            let reads_answers = self.answers.len() < MOST_ANSWERS;
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
                Some(notices) = self.registration.notices.recv() => {
                    notices.iter().for_each(|notice| self.note(notice));
                    Ok(())
                }
                () = sleep_until(impatient_at) => {
                    self.give_up_held();
                    Ok(())
                }
                () = sleep_until(next_expiry) => Ok(()),
                () = sleep_until(drained_at) => Ok(()),
                () = sleep_until(pull_at) => Ok(()),
                () = sleep_until(stop_due) => {
                    self.look_for_the_end();
                    Ok(())
                }
                () = sleep_until(next_extension) => {
                    self.extend_leases();
                    Ok(())
                }
                () = tokio::time::sleep_until(self.ends_at), if !is_draining => {
                    self.drain(DrainingReason::MaxAge, self.shared.sessions.drain_time()).await;
                    Ok(())
                }
                () = sleep_until(self.heartbeat.ask_at()) => {
                    self.heartbeat.asked();
                    self.start_probe(stall::AGE);
                    Ok(())
                }
                () = tokio::time::sleep_until(self.heartbeat.due()) => {
                    self.beat();
                    Ok(())
                }
                probe = ready(&mut self.probe) => self.end_probe(probe),
                permit = ready(&mut self.slot) => {
                    self.pull(permit).await;
                    Ok(())
                }
                () = self.settling.advance() => {
                    self.note_settled();
                    Ok(())
                }
                said = next_word(&mut self.caller, reads_answers, keeps_up) => {
                    self.hear(said).await
                }
                () = self.out.room(), if waits_for_room => Ok(()),
                event = self.link.next() => self.handle(event),
            };
            if let Err(ending) = ending {
                return ending;
            }
        }
    }

    fn handle(&mut self, event: LinkEvent) -> Result<(), Ending> {
        match event {
            LinkEvent::Attached(Err(error)) => Err(Ending::Failed(error)),
            LinkEvent::Attached(Ok(attached)) => {
                self.link = Connection::Attached(attached);
                self.take_over()
            }
            LinkEvent::Closed(left) => {
                self.closed(left);
                Ok(())
            }
            LinkEvent::Pull(event) => self.handle_pull(event),
        }
    }

    fn handle_pull(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Message(delivery) => self.arrived(delivery),
            Event::Idle(passed) => {
                self.idle(passed);
                Ok(())
            }
            Event::Ended(end) => self.pull_ended(end),
            Event::Silent => {
                // A pull that is lost may still bring something: its inbox is given up with it.
                debug!(session = %self.registration.id(), "pull lost, asking again");
                self.back_off();
                self.reattach();
                Ok(())
            }
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

    fn opened(&self, adopted: Adopted) -> SessionOpened {
        let terms = &self.facts.terms;
        let window = self.settings.window;
        SessionOpened {
            session_id: self.registration.id(),
            stream: self.source.stream().to_string(),
            consumer: self.facts.consumer.to_string(),
            flow: Some(FlowLimits {
                max_outstanding_messages: Some(window.messages),
                max_outstanding_bytes: Some(window.bytes),
            }),
            heartbeat_interval: self.settings.heartbeat.try_into().ok(),
            ack_wait: terms
                .has_acks()
                .then_some(terms.ack_wait)
                .and_then(|wait| wait.try_into().ok()),
            ack_policy: terms.ack_policy as i32,
            resumed: self.source.resumption() as i32,
            resume_token: self.resume_token(),
            priority: self.facts.seat.as_ref().map(Seat::shown),
            ping_within: self
                .caller
                .as_ref()
                .and_then(|caller| caller.ping_within.try_into().ok()),
            held: adopted.held,
            not_held: adopted.not_held,
        }
    }

    /// Lets others see how the session stands.
    pub(super) fn show(&mut self) {
        let outstanding = self.book.outstanding();
        self.metrics.set_outstanding(outstanding.messages as usize);
        let (consumer, messages) = (self.facts.consumer.as_str(), self.labeller.delivered());
        let (pending, stall) = (self.pending, self.stall);
        self.metrics.set_stall(stall);
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

    fn send_heartbeat(&mut self, stall_reason: StallReason) {
        self.stall = stall_reason;
        let outstanding = self.book.outstanding();
        self.send(Frame::Heartbeat(SessionHeartbeat {
            stream_sequence: self.position,
            pending: self.pending,
            outstanding_messages: outstanding.messages,
            outstanding_bytes: outstanding.bytes,
            stall_reason: stall_reason as i32,
            resume_token: self.resume_token(),
        }));
    }

    /// Goes on from here in another session; empty where the consumer itself knows.
    fn resume_token(&self) -> String {
        self.source.resume_token(self.labeller.account())
    }

    /// A heartbeat that finds no room is not missed: the caller has an event to read.
    fn send(&self, frame: Frame) {
        self.out.send(frame);
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
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
