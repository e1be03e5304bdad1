//! A publish stream: one task and one `select!` between its caller, JetStream and the clock.
//!
//! It reads a frame only once the one before is taken up, and takes up only what the window has room
//! for, so that a caller that sends more is held by HTTP/2 flow control and not by memory.

mod answers;
mod backlog;
mod clock;
mod ending;
mod ledger;
mod opening;
mod spans;
mod speaking;
mod stamps;
mod way;

use std::sync::Arc;

use tokio::time::Instant;
use tonic::{Code, Status, Streaming};
use tracing::info;

use super::share::Share;
use super::{Config, Outlet};
use crate::alarm::Alarm;
use crate::auth::{Access, Change, Changes, Expiry};
use crate::convert::publish_stream::Terms;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::memory::{Arriving, Budget};
use crate::metrics;
use crate::output::Output;
use crate::proto::publish_stream_request::Frame as Request;
use crate::proto::{PublishFlow, PublishFrame, PublishStreamRequest, PublishStreamResponse};
use crate::sessions::{Caller, Registration, Sessions};
use crate::traces::Trace;
use backlog::{Backlog, Numbered};
use ending::Ending;
use ledger::{Ledger, Verdict};
use opening::unexpected;
use spans::Spans;
use speaking::Words;
use stamps::Stamps;
use way::{Event, Way};

/// The most messages of one frame.
const LARGEST_FRAME: usize = 10_000;

/// Pings that wait for their answers; a caller that reads none is not read either.
const PINGS: usize = 16;

/// What publish streams share.
#[derive(Clone)]
pub struct Shared {
    /// Where messages leave the gateway.
    pub outlet: Arc<Outlet>,
    /// The sessions of this replica.
    pub sessions: Sessions,
    /// What they take room from.
    pub budget: Budget,
    /// Limits and defaults.
    pub config: Config,
}

/// A publish stream that is open.
struct Session {
    shared: Shared,
    registration: Registration,
    access: Access,
    changes: Changes,
    /// When what the caller has shown ends; `None` once it was told, too.
    expiry: Option<Expiry>,
    terms: Terms,
    requests: Streaming<PublishStreamRequest>,
    reading: Reading,
    out: Output<PublishStreamResponse>,
    way: Way,
    ledger: Ledger,
    stamps: Stamps,
    trace: Trace,
    spans: Spans,
    counted: Counted,
    /// How many messages were stored.
    stored: u64,
    backlog: Backlog,
    share: Share,
    /// Since when the stream waits for its share of the budget.
    held_since: Option<Instant>,
    /// Whether the caller knows that.
    told: bool,
    /// When the caller was last heard, or could last not be.
    heard_at: Instant,
    /// When a heartbeat is due.
    beat_at: Instant,
    /// When the stream is old enough to be ended.
    ends_at: Instant,
    /// When an end that has begun cuts the stream off.
    cut_off_at: Option<Instant>,
    alarm: Alarm,
    words: Words,
}

/// The stream in the metrics.
struct Counted {
    _open: metrics::Share,
    in_flight: metrics::Share,
}

/// Whether frames are read.
enum Reading {
    On,
    /// No more, as the caller has ended its side, or as the stream ends with this error once
    /// everything is answered.
    Off(Option<Error>),
}

/// Serves a publish stream from its first frame to its end.
pub async fn serve(
    shared: Shared,
    who: Caller,
    requests: Streaming<PublishStreamRequest>,
    room: Option<Arriving>,
    out: Output<PublishStreamResponse>,
) {
    let session = match opening::open(shared, who, requests, room, out).await {
        Ok(session) => session,
        Err((error, out)) => return out.end(Err(error)),
    };
    session.run().await;
}

impl Session {
    async fn run(mut self) {
        let id = self.registration.id();
        info!(session = %id, client = self.registration.client_name(), "publish stream opened");
        let ending = self.serve().await;
        info!(session = %id, reason = ?ending, "publish stream ends");
        self.finish(ending).await;
    }

    async fn serve(&mut self) -> Ending {
        let ending = self.registration.ending().clone();
        let shutdown = self.shared.sessions.draining().clone();
        let mut is_hurried = false;
        loop {
            self.take_up();
            let waits = self.speak();
            self.show();
            if self.is_done() {
                return Ending::Done;
            }
            let reads = self.reads();
            if !reads {
                // What the caller says meanwhile is not heard.
                self.heard_at = Instant::now();
            }
            self.set_alarm();
            let is_open = matches!(self.reading, Reading::On);
            let ending = tokio::select! {
                biased;
                () = self.out.closed() => Some(Ending::CallerGone),
                () = ending.cancelled(), if is_open => {
                    self.drain(self.registration.order());
                    None
                }
                // A terminated stream may have been given more time than the gateway now has.
                () = shutdown.cancelled(), if self.cut_off_at.is_some() && !is_hurried => {
                    is_hurried = true;
                    self.hurry();
                    None
                }
                change = self.changes.next() => {
                    self.take(change);
                    None
                }
                event = self.way.next() => {
                    self.note(event);
                    None
                }
                () = self.share.grown() => {
                    self.grown();
                    None
                }
                () = self.out.room(), if waits => None,
                request = self.requests.message(), if reads => self.heard(request),
                () = self.alarm.rings() => self.look_at_the_clock(reads),
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Whether the next frame is read: only when the last one is taken up.
    fn reads(&self) -> bool {
        matches!(self.reading, Reading::On)
            && self.backlog.is_empty()
            && self.words.pongs.len() < PINGS
    }

    fn heard(&mut self, request: Result<Option<PublishStreamRequest>, Status>) -> Option<Ending> {
        self.heard_at = Instant::now();
        let result = match request {
            Ok(Some(request)) => self.handle(request),
            Ok(None) => {
                self.reading = Reading::Off(None);
                Ok(())
            }
            Err(status) => match unreadable(&status) {
                Some(error) => Err(error),
                None => return Some(Ending::CallerGone),
            },
        };
        if let Err(error) = result {
            self.reading = Reading::Off(Some(error));
        }
        None
    }

    fn handle(&mut self, request: PublishStreamRequest) -> Result<()> {
        match request.frame {
            Some(Request::Messages(frame)) => self.arrived(frame),
            Some(Request::Resume(resume)) => {
                self.way.resume(resume.through);
                self.ledger.resume(resume.through)
            }
            Some(Request::Ping(ping)) => {
                self.words.pongs.push_back(ping.ping_id);
                Ok(())
            }
            Some(Request::Credentials(fresh)) => {
                self.changes.judge(fresh.bearer);
                Ok(())
            }
            Some(Request::Open(_)) => Err(unexpected("open is for the first frame only")),
            None => Err(unexpected(
                "a frame is empty, or not one that this version knows",
            )),
        }
    }

    fn arrived(&mut self, frame: PublishFrame) -> Result<()> {
        let count = frame.messages.len();
        if !(1..=LARGEST_FRAME).contains(&count) {
            let why = format!("must be 1 to {LARGEST_FRAME} messages, not {count}");
            return Err(Error::invalid("messages.messages", why));
        }
        self.ledger.arrived(frame.first_number, count)?;
        self.backlog.fill(frame);
        Ok(())
    }

    /// Takes over changed rules and fresh credentials. Rules may concern the caller: messages that it may not publish any more fail, and one that
    /// is nobody any more is sent away.
    fn take(&mut self, change: Change) {
        let is_shown = matches!(change, Change::Credentials(_));
        match self.access.take(change) {
            Ok(()) if is_shown => self.expiry = self.access.expiry(),
            Err(error) if matches!(self.reading, Reading::On) => {
                self.reading = Reading::Off(Some(error));
            }
            _ => {}
        }
    }

    /// Takes up what the window has room for.
    fn take_up(&mut self) {
        let (deadline, now) = (Deadline::within(self.terms.timeout), Instant::now());
        while let Some(next) = self.backlog.peek(&self.access) {
            if !self.ledger.has_room(next.bytes) {
                break;
            }
            let bytes = next.bytes;
            self.backlog.hand_over();
            if !self.share.admits(self.ledger.in_flight(), bytes) {
                self.held_since.get_or_insert_with(Instant::now);
                break;
            }
            let Some(Numbered {
                number,
                bytes,
                known,
                message,
            }) = self.backlog.take()
            else {
                break;
            };
            if self.ledger.take(number, bytes) == Verdict::Aborted {
                continue;
            }
            match message {
                Ok(message) => {
                    self.stamps.taken(number, now);
                    self.spans.taken(number, self.trace.sends(&message));
                    let known = known || self.terms.resumes;
                    self.way.publish(number, message, known, deadline);
                }
                Err(error) => self.ledger.settle(number, Err(error)),
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Settled(settled) => {
                for settled in settled {
                    self.shared.outlet.count(&settled.outcome);
                    if settled.outcome.is_ok() {
                        self.answered(settled.number);
                    }
                    self.stored += u64::from(settled.outcome.is_ok());
                    self.spans.settled(settled.number, &settled.outcome);
                    self.ledger.settle(settled.number, settled.outcome);
                }
            }
            Event::Progress(progress) => {
                self.shared.outlet.count_all(&progress);
                if progress.stored > 0 {
                    self.answered(self.ledger.settled_through() + 1);
                }
                self.stored += progress.stored;
                self.spans.settled_together(&progress);
                self.ledger.settle_through(progress);
            }
        }
        self.stamps.forget_through(self.ledger.settled_through());
        let in_flight = self.ledger.in_flight();
        self.share.shrink(in_flight);
        if in_flight.messages == 0 {
            self.grown();
        }
    }

    /// Takes note of JetStream's answer to a message.
    fn answered(&self, number: u64) {
        if let Some(taken) = self.stamps.of(number) {
            self.shared.outlet.metrics.answered(taken.elapsed());
        }
    }

    /// The budget holds the stream up no longer.
    fn grown(&mut self) {
        self.held_since = None;
        if std::mem::take(&mut self.told) {
            self.words.flow = Some(PublishFlow {
                max_in_flight_bytes: self.terms.window.bytes,
                max_in_flight_messages: 0,
            });
        }
    }
}

/// The error of a frame that could not be read; `None` where there is nobody to tell.
fn unreadable(status: &Status) -> Option<Error> {
    let text = status.message();
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            Some(Error::new(Reason::MessageTooLarge, text))
        }
        Code::Internal | Code::InvalidArgument | Code::Unimplemented => {
            Some(Error::new(Reason::MalformedRequest, text))
        }
        _ => None,
    }
}
