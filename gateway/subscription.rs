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
mod memory;
mod noting;
mod opening;
mod outbox;
pub(crate) mod own;
mod permit;
mod pulling;
mod receiving;
mod serving;
mod settling;
mod source;
mod stall;
mod stop;
mod stopping;
pub mod terms;
mod waiting;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::auth::{Access, Changes, Expiry};
use crate::convert::open::Settings;
use crate::memory::{Budget, Room};
use crate::metrics::{Metrics, SessionGuard};
use crate::nats::Nats;
use crate::output::Output;
use crate::proto::{Gap, StallReason};
use crate::sessions::{Registration, Sessions};
use crate::token::{AckSubject, Origin};
use caller::Caller;
use ending::{Ending, Phase};
pub use frame::Frame;
use heartbeat::Clock;
use in_flight::{InFlight, Key};
use labels::Labeller;
use link::Connection;
use noting::note_suspect;
pub use opening::consume;
use settling::Settling;
use source::Facts;
pub use source::{Durable, Ordered, Source};
use stall::Probe;
use stop::Stop;
pub use stop::StopAt;
use waiting::Waiting;

/// No lease is taken for longer, so that adding it to a clock cannot overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// What sessions share.
#[derive(Clone)]
pub struct Shared {
    /// JetStream.
    pub nats: Nats,
    /// The other sessions.
    pub sessions: Sessions,
    /// What all of them take room from.
    pub budget: Budget,
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
    facts: Arc<Facts>,
    link: Connection,
    registration: Registration,
    access: Access,
    changes: Changes,
    /// When what the caller has shown ends.
    expiry: Option<Expiry>,
    is_expiring: bool,
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
    /// The consumer, as its deliveries are named.
    origin: Arc<Origin>,
    labeller: Labeller,
    /// Pulled, and waiting for the transport to take the last frame.
    held: Waiting,
    room: Room,
    gap: Option<Gap>,
    /// The consumer counts its deliveries anew; what is held waits until its info is known.
    is_outdated: bool,
    /// Asked for, and waiting for its turn.
    slot: Option<Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>>,
    probe: Option<Pin<Box<dyn Future<Output = Probe> + Send>>>,
    heartbeat: Clock,
    /// Rings when something is due by the clock.
    alarm: Alarm,
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
    /// What JetStream finds a delivery by. The numbers that are not kept do not matter.
    fn ack_subject(&self, key: Key, attempt: u64) -> AckSubject {
        AckSubject {
            origin: self.origin.clone(),
            delivered: attempt,
            stream_sequence: key.stream_sequence,
            consumer_sequence: key.consumer_sequence,
            timestamp: 0,
            pending: 0,
        }
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
