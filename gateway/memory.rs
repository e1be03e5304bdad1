//! What the gateway holds of messages at a time: one budget of bytes for all of it, and the `memory` section of the
//! configuration.
//!
//! Publish streams, sessions and requests take room in pieces before they hold anything, and give it back. Where it is
//! used up, a publish stream waits for its turn, a session pulls less, and a request is refused. Each stream and session
//! may always have a little, so that all go on however greedy the others are.

mod hold;
mod pieces;
mod request;
mod room;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub use self::hold::Hold;
pub use self::pieces::Pieces;
pub use self::request::{Arriving, Waiting};
pub use self::room::{Appetite, Room, portion};
use crate::config::{ByteSize, Checks};
use crate::metrics::{self, MemoryKind};

/// What each stream and session may hold in any case.
pub const OWN: u64 = 64 * 1024;

/// What is taken at a time, unless more is needed at once.
pub const PIECE: u64 = 256 * 1024;

/// What a message costs beyond its bytes: its names, and its row in the books.
pub const OVERHEAD: u64 = 512;

/// What the budget is counted in.
pub const UNIT: u64 = 1024;

/// The part of the budget that is kept for the requests of calls: these are refused where others wait, so that others
/// must not use up everything.
const KEPT: u64 = 8;

/// The part of what is for all that sessions leave to publish streams and requests: these hold nothing for long, and
/// callers that do not read may.
const LEFT: u64 = 4;

/// The most that may be configured.
const MOST: ByteSize = ByteSize::mib(1024 * 1024);

/// How much the gateway may hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of messages that the gateway may hold for all callers together, beyond 64 KiB of each stream and session: of
    /// publish streams until they are answered, of sessions and fetches from the pull until the caller's connection has
    /// taken them, of requests until they are answered. A message counts 512 bytes more than it has. At least
    /// `publish.max_window_bytes` and `server.max_request_bytes`. Default 512 MiB.
    pub max_buffered_bytes: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_buffered_bytes: ByteSize::mib(512),
        }
    }
}

impl Config {
    /// `least` is what one caller may want at once.
    pub(crate) fn check(&self, least: ByteSize, checks: &mut Checks) {
        checks.within("max_buffered_bytes", self.max_buffered_bytes, least..=MOST);
    }
}

/// The budget of all callers of one NATS login; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    units: Arc<Semaphore>,
    /// All of these.
    most: u64,
    /// For the requests of calls alone.
    kept: Arc<Semaphore>,
    /// How many rooms there are.
    rooms: AtomicU64,
    size: ByteSize,
    metrics: metrics::Memory,
    _counted: metrics::Share,
}

impl Budget {
    /// A budget of this size, of which nothing is taken.
    pub fn new(size: ByteSize, metrics: metrics::Memory) -> Self {
        let permits = |units: u64| {
            let units = usize::try_from(units).unwrap_or(usize::MAX);
            units.min(Semaphore::MAX_PERMITS)
        };
        let all = size.as_u64() / UNIT;
        let most = permits(all - all / KEPT);
        Self(Arc::new(Inner {
            units: Arc::new(Semaphore::new(most)),
            most: most as u64,
            kept: Arc::new(Semaphore::new(permits(all / KEPT))),
            rooms: AtomicU64::new(0),
            size,
            _counted: metrics.budget(size.as_u64()),
            metrics,
        }))
    }

    /// Room for a publish stream, which waits for what it is short of.
    pub fn pieces(&self) -> Pieces {
        let held = self.nothing(MemoryKind::PublishStreams);
        Pieces::of(self.0.units.clone(), self.0.most, PIECE / UNIT, held)
    }

    /// Room for a session's deliveries, which makes do with what there is.
    pub fn room(&self) -> Room {
        Room::of(self.clone())
    }

    fn nothing(&self, kind: MemoryKind) -> Hold {
        Hold::of(&self.0.metrics, kind)
    }

    /// The units that are free for all.
    fn free(&self) -> u64 {
        self.0.units.available_permits() as u64
    }
}
