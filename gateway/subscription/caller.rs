//! The caller's side of a `Consume`: its frames, and whether it lives.

use std::error::Error as _;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::error::{Error, Reason};
use crate::memory::Arriving;
use crate::proto::ConsumeRequest;
use crate::proto::consume_request::Frame as Requested;

/// After this many intervals without a frame a caller counts as gone.
const MISSED_PINGS: u32 = 2;

/// The caller of a `Consume`.
pub struct Caller {
    requests: Streaming<ConsumeRequest>,
    /// The longest time between two of its frames that is in order.
    pub(super) ping_within: Duration,
    heard: Instant,
    /// The room of its frames.
    room: Option<Arriving>,
}

/// What comes from the caller.
#[allow(clippy::large_enum_variant, reason = "one at a time, and never stored")]
pub(super) enum Said {
    Frame(Requested),
    /// No more frames will come.
    HalfClosed,
    /// The caller broke the protocol.
    Refused(Error),
    /// The connection broke.
    Gone,
}

impl Caller {
    /// The caller whose first frame has just been read.
    pub(super) fn new(
        requests: Streaming<ConsumeRequest>,
        ping_within: Duration,
        room: Option<Arriving>,
    ) -> Self {
        Self {
            requests,
            ping_within,
            heard: Instant::now(),
            room,
        }
    }

    /// Waits for what comes next. Safe to drop while it waits.
    pub(super) async fn next(&mut self) -> Said {
        let frame = self.requests.message().await;
        self.take(frame)
    }

    /// When the caller counts as gone, unless it says something before.
    pub(super) fn silent_at(&self) -> Instant {
        self.heard + self.ping_within * MISSED_PINGS
    }

    /// When it was last heard, or excused.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether a frame of it was held since then for want of room.
    pub(super) fn has_waited(&self) -> bool {
        let room = self.room.as_ref();
        room.is_some_and(|room| room.has_waited_since(self.heard))
    }

    /// The gateway reads nothing now, or has held it: what is not read cannot be missed.
    pub(super) fn excuse(&mut self) {
        self.heard = Instant::now();
    }

    /// The error of a caller that said nothing for too long.
    pub(super) fn silence(&self) -> Error {
        let (silence, within) = (self.ping_within * MISSED_PINGS, self.ping_within);
        let text = format!("no frame came for {silence:?}; ping at least every {within:?}");
        Error::new(Reason::PingsMissed, text)
    }

    /// The next frame if it is here already.
    pub(super) fn try_next(&mut self) -> Option<Said> {
        let frame = self.requests.message().now_or_never()?;
        Some(self.take(frame))
    }

    fn take(&mut self, frame: Result<Option<ConsumeRequest>, Status>) -> Said {
        self.heard = Instant::now();
        match frame {
            Ok(Some(ConsumeRequest { frame: Some(frame) })) => Said::Frame(frame),
            Ok(Some(ConsumeRequest { frame: None })) => Said::Refused(unexpected(
                "the frame is empty, or one that this version does not know",
            )),
            Ok(None) => Said::HalfClosed,
            Err(status) => refusal(&status).map_or(Said::Gone, Said::Refused),
        }
    }
}

/// The error of a frame that tonic could not read; `None` where the connection broke.
pub(super) fn refusal(status: &Status) -> Option<Error> {
    let reason = match status.code() {
        // What comes from the transport has the transport's error as its source.
        _ if status.source().is_some() => return None,
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::Internal | Code::Unimplemented => Reason::MalformedRequest,
        _ => return None,
    };
    Some(Error::new(reason, status.message()))
}

/// The error of a frame that may not come now.
pub(super) fn unexpected(text: &str) -> Error {
    Error::new(Reason::UnexpectedFrame, text)
}
