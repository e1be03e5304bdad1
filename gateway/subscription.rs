//! A consuming session: one task and one `select!` between its caller, its consumer and the clock.
//!
//! It pulls only what the caller's window has room for and only while the transport has taken the
//! last frame, so nothing waits unsent while its ack timer runs. It never acknowledges by itself.

pub mod acknowledge;
pub mod config;
mod delivering;
mod ending;
pub mod fetch;
mod heartbeat;
pub mod in_flight;
mod labels;
mod link;
mod pulling;
mod source;
mod stall;
pub mod terms;

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Metrics, SessionGuard};
use crate::nats::Nats;
use crate::nats::pull::{Delivery, End, Event};
use crate::output::Output;
use crate::proto::subscribe_response::Event as Frame;
use crate::proto::{
    FlowLimits, Gap, OnSessionEnd, PayloadFormat, SessionHeartbeat, SessionOpened, StallReason,
    SubscribeResponse,
};
use crate::sessions::{Change, Notice, Registration, Sessions};
use heartbeat::Clock;
use in_flight::{Amount, InFlight};
use labels::Labeller;
use link::{Connection, LinkEvent};
use source::Facts;
pub use source::{Durable, Ordered, Source};
use stall::Probe;

/// A pull that ends sooner without a message is not repeated at once.
const SHORTEST_PULL: Duration = Duration::from_millis(100);

/// No lease is taken for longer, so that adding it to a clock cannot overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a caller asked for, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The window.
    pub window: Amount,
    /// The longest time without an event.
    pub heartbeat: Duration,
    /// In which field payloads are returned.
    pub format: PayloadFormat,
    /// What becomes of unsettled deliveries when the caller is gone.
    pub on_session_end: OnSessionEnd,
    /// The largest message batch.
    pub max_batch_bytes: u64,
}

/// What sessions share.
#[derive(Clone)]
pub struct Shared {
    /// JetStream.
    pub nats: Nats,
    /// The other sessions.
    pub sessions: Sessions,
    /// What is counted.
    pub metrics: Metrics,
    /// How long a drain takes at most.
    pub drain: Duration,
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
    out: Output<SubscribeResponse>,
    book: InFlight,
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
    delivered_at: Instant,
    metrics: SessionGuard,
}

/// Why a session ends.
#[derive(Debug)]
enum Ending {
    CallerGone,
    Draining,
    Failed(Error),
}

impl Session {
    /// Opens a session: attaches to the consumer and tells the caller. Its errors are those of the call.
    pub async fn open(
        shared: Shared,
        settings: Settings,
        mut source: Source,
        out: Output<SubscribeResponse>,
        deadline: Deadline,
    ) -> Result<Self> {
        let registration = shared.sessions.register()?;
        let account = shared.nats.account(deadline).await?;
        let attached = source.attach_first(&shared.nats, deadline).await?;
        let labeller = Labeller::new(account, registration.route);
        let session = Self {
            heartbeat: Clock::new(settings.heartbeat),
            info: None,
            book: InFlight::new(settings.window),
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
            facts: attached.facts.clone(),
            link: Connection::Attached(attached),
            metrics: shared.metrics.session_opened(),
            shared,
            settings,
            source,
            registration,
            out,
            labeller,
        };
        session.send(Frame::Opened(session.opened()));
        Ok(session)
    }

    /// Serves the session to its end.
    pub async fn run(mut self) {
        let id = self.id();
        info!(session = id, stream = %self.source.stream(), consumer = %self.facts.consumer, "session opened");
        self.take_over();
        let ending = self.serve().await;
        info!(session = id, reason = ?ending, "session ends");
        self.finish(ending).await;
    }

    async fn serve(&mut self) -> Ending {
        let draining = self.shared.sessions.draining().clone();
        loop {
            self.book.expire(Instant::now());
            if let Err(ending) = self.flush() {
                return ending;
            }
            self.metrics
                .set_outstanding(self.book.outstanding().messages as usize);
            self.ask().await;

            let has_room = self.out.has_room();
            let impatient_at = self.impatient_at();
            let next_expiry = self.book.next_expiry();
            let pull_at = Some(self.pull_at).filter(|at| *at > Instant::now());
            let ending = tokio::select! {
                biased;
                () = self.out.closed() => Err(Ending::CallerGone),
                () = draining.cancelled() => Err(Ending::Draining),
                Some(notices) = self.registration.notices.recv() => {
                    notices.iter().for_each(|notice| self.note(notice));
                    Ok(())
                }
                () = sleep_until(impatient_at) => {
                    self.give_up_held();
                    Ok(())
                }
                () = sleep_until(next_expiry) => Ok(()),
                () = sleep_until(pull_at) => Ok(()),
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
                () = self.out.room(), if !has_room => Ok(()),
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
                self.take_over();
                Ok(())
            }
            LinkEvent::Pull(event) => self.handle_pull(event),
        }
    }

    fn handle_pull(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Message(delivery) => self.arrived(delivery),
            Event::Idle(position) => {
                self.position = self.position.max(position.unwrap_or_default());
                Ok(())
            }
            Event::Ended(end) => self.pull_ended(end),
            Event::Silent => {
                // A pull that is lost may still bring something: its inbox is given up with it.
                debug!(session = self.id(), "pull lost, asking again");
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
            End::Complete => {}
            // A consumer may allow its pulls next to no time.
            End::Expired if self.asked_at.elapsed() < SHORTEST_PULL => self.back_off(),
            End::Expired => {}
            End::TooLarge(left) => self.oversized = Some(left),
            End::Moved | End::MaxWaiting => self.back_off(),
            End::Deleted | End::NoResponders if self.source.is_ordered() => {
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

    fn note(&mut self, notice: &Notice) {
        if notice.consumer != self.facts.fingerprint {
            return;
        }
        match notice.change {
            Change::Settled => self.book.settle_message(notice.key.stream_sequence),
            Change::Returned => self.book.settle(notice.key),
            Change::Refused => self.book.answered(),
            Change::SettledThrough => self.book.settle_through(notice.key),
            Change::Extended(lease) => {
                self.book
                    .extend(notice.key, Instant::now() + lease.min(LONGEST_LEASE));
            }
        }
        let (stream, consumer) = (self.source.stream().as_str(), self.facts.consumer.as_str());
        note_suspect(&self.shared.nats, stream, consumer, notice);
    }

    fn opened(&self) -> SessionOpened {
        let terms = &self.facts.terms;
        let window = self.settings.window;
        SessionOpened {
            session_id: format!("{:x}", self.id()),
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
        }
    }

    fn send_heartbeat(&self, stall_reason: StallReason) {
        let outstanding = self.book.outstanding();
        self.send(Frame::Heartbeat(SessionHeartbeat {
            stream_sequence: self.position,
            pending: self.pending,
            outstanding_messages: outstanding.messages,
            outstanding_bytes: outstanding.bytes,
            stall_reason: stall_reason as i32,
        }));
    }

    /// A heartbeat that finds no room is not missed: the caller has an event to read.
    fn send(&self, event: Frame) {
        self.out.send(SubscribeResponse { event: Some(event) });
    }

    fn id(&self) -> u64 {
        self.registration.route.session
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Where the message is one that connections cannot receive, its settlement counts for that, too.
fn note_suspect(nats: &Nats, stream: &str, consumer: &str, notice: &Notice) {
    let sequence = notice.key.stream_sequence;
    match notice.change {
        Change::Extended(_) | Change::Refused => {}
        Change::Returned => nats.suspect_returned(stream, consumer, sequence),
        Change::Settled | Change::SettledThrough => {
            nats.suspect_settled(stream, consumer, sequence)
        }
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
