//! Publishes over one stream after the other: what is not answered is sent again under its number, or is
//! unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Caller, Ended, Outcome, PAUSE, SILENCE, showing};
use crate::access::Bearer;
use crate::history::Key;
use crate::payload::{content, payload};
use crate::proto::publish_request::Payload;
use crate::proto::publish_stream_request::Frame as Request;
use crate::proto::publish_stream_response::Frame;
use crate::proto::{
    ItemStatus, Ping, PublishAckMode, PublishAcks, PublishFrame, PublishOpen, PublishOrdering,
    PublishPath, PublishRequest, PublishStreamRequest, PublishStreamResponse, UpdateCredentials,
};

/// The ping that follows fresh credentials.
const SHOWN: u64 = 1;

/// How many messages may be unanswered.
const WINDOW: usize = 64;

/// How many the gateway may have under way, where no message has a deadline; 0 leaves that to it.
const UNDER_WAY: [u32; 3] = [0, 8, 32];

/// How many messages a frame has, but for one in so many: that has as many as there is room for, at most.
const FRAME: usize = 4;
const LARGE: u32 = 8;

/// The pause behind a frame is the one of so many messages, at most.
const PAUSED: usize = 8;

/// The longest time that a message takes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a publisher asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// An answer for each message; ids made of the numbers.
    PerMessage,
    /// The same in order.
    Strict,
    /// Answers for many at a time by fast ingest; ids made of the numbers.
    CumulativeWithIds,
    /// The same without ids.
    Cumulative,
    /// The same in order.
    StrictCumulative,
}

impl Manner {
    fn path(self) -> &'static str {
        match self {
            Self::PerMessage => "publish stream",
            Self::Strict => "strict publish stream",
            Self::CumulativeWithIds => "fast ingest, ids",
            Self::Cumulative => "fast ingest",
            Self::StrictCumulative => "strict fast ingest",
        }
    }

    fn is_strict(self) -> bool {
        matches!(self, Self::Strict | Self::StrictCumulative)
    }

    /// What has ids is sent again on the next stream.
    fn has_ids(self) -> bool {
        !matches!(self, Self::Cumulative | Self::StrictCumulative)
    }

    fn is_cumulative(self) -> bool {
        !matches!(self, Self::PerMessage | Self::Strict)
    }

    fn deadline(self) -> Option<Duration> {
        (self == Self::PerMessage).then_some(TIMEOUT)
    }
}

/// A numbering of messages; the number is one more than the counter.
struct Numbering {
    writer: u32,
    next: u64,
    producer_id: String,
    /// By number: the attempt that waits for its answer, and the payload.
    unanswered: BTreeMap<u64, (Option<u64>, Bytes)>,
}

/// Publishes until it is enough.
pub(super) async fn run(mut caller: Caller, manner: Manner) {
    let mut numbering = begin(&caller, manner);
    loop {
        // However it ended: what is not answered decides what is next.
        let ended = session(&mut caller, manner, &mut numbering).await;
        caller.ended(&ended);
        for (op, _) in numbering.unanswered.values_mut() {
            if let Some(op) = op.take() {
                caller
                    .scene
                    .outcome(op, &Outcome::Unknown("BROKEN".to_owned()));
            }
        }
        if !manner.has_ids() {
            numbering.unanswered.clear();
        }
        let is_answered = numbering.unanswered.is_empty();
        if caller.scene.enough.is_cancelled() && (is_answered || caller.gives_up()) {
            return;
        }
        caller.move_on();
        if !manner.has_ids() {
            numbering = begin(&caller, manner);
        }
        sleep(PAUSE).await;
    }
}

fn begin(caller: &Caller, manner: Manner) -> Numbering {
    Numbering {
        writer: caller.scene.writer(
            caller.identity,
            manner.path(),
            manner.is_strict(),
            manner.has_ids(),
        ),
        next: 0,
        producer_id: String::new(),
        unanswered: BTreeMap::new(),
    }
}

/// An open stream.
struct Session<'a> {
    caller: &'a mut Caller,
    manner: Manner,
    bearer: Bearer,
    shown_before: Option<Bearer>,
    numbering: &'a mut Numbering,
    requests: mpsc::Sender<PublishStreamRequest>,
    is_draining: bool,
    /// Something failed in a way that only another stream can mend.
    is_halted: bool,
}

async fn session(caller: &mut Caller, manner: Manner, numbering: &mut Numbering) -> Ended {
    let (requests, outgoing) = mpsc::channel(2 * WINDOW);
    requests.try_send(frame(Request::Open(open(caller, manner, numbering))))?;
    let bearer = caller.bearer();
    let mut publisher = caller.publisher();
    let call = publisher.publish_stream(showing(&bearer, ReceiverStream::new(outgoing)));
    let mut frames = timeout(SILENCE, call).await??.into_inner();
    let first = timeout(SILENCE, frames.message()).await??;
    let Some(Frame::Opened(opened)) = first.and_then(|first| first.frame) else {
        return Err("not opened".into());
    };
    // What is tested must be what the writer's path says.
    let wants_batches = manner.is_cumulative() && !manner.has_ids();
    if wants_batches && opened.path() != PublishPath::FastIngest {
        return Err("not by fast ingest".into());
    }
    numbering.producer_id = opened.producer_id;
    let mut session = Session {
        caller,
        manner,
        bearer,
        shown_before: None,
        numbering,
        requests,
        is_draining: false,
        is_halted: false,
    };
    session.send_again()?;
    session.serve(&mut frames).await
}

fn open(caller: &mut Caller, manner: Manner, numbering: &Numbering) -> PublishOpen {
    PublishOpen {
        stream: caller.scene.stream.clone(),
        ack_mode: match manner.is_cumulative() {
            true => PublishAckMode::Cumulative,
            false => PublishAckMode::PerMessage,
        }
        .into(),
        ordering: match manner.is_strict() {
            true => PublishOrdering::Strict,
            false => PublishOrdering::None,
        }
        .into(),
        max_in_flight: match manner.deadline() {
            Some(_) => 0,
            None => UNDER_WAY[caller.rng.usize(..UNDER_WAY.len())],
        },
        publish_timeout: TIMEOUT.try_into().ok(),
        heartbeat_interval: Duration::from_secs(1).try_into().ok(),
        producer_id: match (manner.has_ids(), numbering.producer_id.as_str()) {
            (false, _) => String::new(),
            (true, "") => format!("w{}", numbering.writer),
            (true, known) => known.to_owned(),
        },
        resume: manner.has_ids() && !numbering.producer_id.is_empty(),
        ..PublishOpen::default()
    }
}

fn frame(frame: Request) -> PublishStreamRequest {
    PublishStreamRequest { frame: Some(frame) }
}

impl Session<'_> {
    /// Sends what the stream before did not answer.
    fn send_again(&mut self) -> Ended {
        let numbers: Vec<u64> = self.numbering.unanswered.keys().copied().collect();
        for run in numbers.chunk_by(|a, b| a + 1 == *b) {
            self.send(run)?;
        }
        Ok(())
    }

    /// Sends messages whose numbers follow one another.
    fn send(&mut self, numbers: &[u64]) -> Ended {
        let Some(first_number) = numbers.first().copied() else {
            return Ok(());
        };
        let (scene, writer) = (&self.caller.scene, self.numbering.writer);
        let mut messages = Vec::new();
        for number in numbers {
            let Some((op, data)) = self.numbering.unanswered.get_mut(number) else {
                continue;
            };
            let key = Key {
                writer,
                counter: number - 1,
            };
            let invoked = scene.invoke(key, content(data).hash, self.manner.deadline(), None);
            *op = Some(invoked);
            messages.push(PublishRequest {
                subject: format!("{}.{writer}.{}", scene.stream, key.counter % 4),
                payload: Some(Payload::Data(data.clone())),
                ..PublishRequest::default()
            });
        }
        let messages = PublishFrame {
            first_number,
            messages,
        };
        Ok(self.requests.try_send(frame(Request::Messages(messages)))?)
    }

    /// Publishes until it is enough and everything is answered, or the stream ends.
    async fn serve(mut self, frames: &mut Streaming<PublishStreamResponse>) -> Ended {
        let mut next = Instant::now();
        let mut heard = Instant::now();
        loop {
            let is_enough = self.caller.scene.enough.is_cancelled();
            let is_idle = self.numbering.unanswered.is_empty();
            if is_idle && (is_enough || self.is_draining) || self.is_halted {
                return Ok(());
            }
            self.show()?;
            if heard.elapsed() > SILENCE {
                return Err("silence".into());
            }
            tokio::select! {
                biased;
                answer = frames.message() => {
                    heard = Instant::now();
                    let Some(answer) = answer? else { return Ok(()) };
                    self.take(answer)?;
                }
                () = sleep_until(next) => {
                    let room = WINDOW.saturating_sub(self.numbering.unanswered.len());
                    let rng = &mut self.caller.rng;
                    let count = match rng.u32(..LARGE) {
                        0 => rng.usize(0..=room),
                        _ => rng.usize(1..FRAME).min(room),
                    };
                    let pause = count.clamp(1, PAUSED) as f64 / self.caller.scene.rate();
                    next += Duration::from_secs_f64(pause);
                    if !is_enough && !self.is_draining {
                        self.publish_more(count)?;
                    }
                }
            }
        }
    }

    fn publish_more(&mut self, count: usize) -> Ended {
        let mut numbers = Vec::new();
        for _ in 0..count {
            let key = Key {
                writer: self.numbering.writer,
                counter: self.numbering.next,
            };
            let data = payload(key, &mut self.caller.rng);
            self.numbering.next += 1;
            self.numbering
                .unanswered
                .insert(self.numbering.next, (None, data));
            numbers.push(self.numbering.next);
        }
        self.send(&numbers)
    }

    fn take(&mut self, answer: PublishStreamResponse) -> Ended {
        match answer.frame {
            Some(Frame::Acks(acks)) => self.answered(&acks),
            Some(Frame::Draining(_)) => self.is_draining = true,
            Some(Frame::Pong(pong)) if pong.ping_id == SHOWN => self.shown_before = None,
            Some(Frame::Heartbeat(_)) => {
                self.requests
                    .try_send(frame(Request::Ping(Ping::default())))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Shows what the caller shows now, where that is new. What it showed before must be good until the gateway
    /// has heard that, which the answer to a ping tells.
    fn show(&mut self) -> Ended {
        if self.shown_before.is_some() || !self.caller.is_stale(&self.bearer) {
            return Ok(());
        }
        let new = self.caller.bearer();
        let bearer = new.text.to_string();
        self.shown_before = Some(std::mem::replace(&mut self.bearer, new));
        let credentials = Request::Credentials(UpdateCredentials { bearer });
        self.requests.try_send(frame(credentials))?;
        let ping = Ping { ping_id: SHOWN };
        Ok(self.requests.try_send(frame(Request::Ping(ping)))?)
    }

    fn answered(&mut self, acks: &PublishAcks) {
        for range in &acks.stored {
            for number in range.first_number..=range.last_number {
                let sequence = Some(range.first_sequence + (number - range.first_number));
                let duplicate = range.duplicate;
                // Of duplicates each range has one.
                self.settle(
                    number,
                    &Outcome::Stored {
                        sequence,
                        duplicate,
                    },
                );
            }
        }
        for failure in &acks.failed {
            for number in failure.first_number..=failure.last_number {
                self.failed(number, failure.status.as_ref());
            }
        }
        if !self.manner.is_cumulative() {
            return;
        }
        // Those that failed and wait for another stream are not sent.
        let settled = self.numbering.unanswered.range(..=acks.settled_through);
        let settled = settled.filter(|(_, (op, _))| op.is_some());
        let settled: Vec<u64> = settled.map(|(number, _)| *number).collect();
        for number in settled {
            self.settle(
                number,
                &Outcome::Stored {
                    sequence: None,
                    duplicate: false,
                },
            );
        }
    }

    fn settle(&mut self, number: u64, outcome: &Outcome) {
        if let Some((Some(op), _)) = self.numbering.unanswered.remove(&number) {
            self.caller.scene.outcome(op, outcome);
        }
    }

    /// What has an id and may be stored, or halts those behind it, is sent again on another stream.
    fn failed(&mut self, number: u64, status: Option<&ItemStatus>) {
        let reason = status.map_or("", |status| status.reason().as_str_name());
        let reason = reason.trim_start_matches("ERROR_REASON_").to_owned();
        let is_unknown = reason == "PUBLISH_OUTCOME_UNKNOWN";
        let outcome = match is_unknown {
            true => Outcome::Unknown(reason),
            false => Outcome::Refused(reason),
        };
        self.is_halted |= self.manner.is_strict() || self.manner.has_ids() && is_unknown;
        if self.manner.has_ids() && (is_unknown || self.manner.is_strict()) {
            if let Some((op, _)) = self.numbering.unanswered.get_mut(&number)
                && let Some(op) = op.take()
            {
                self.caller.scene.outcome(op, &outcome);
            }
        } else {
            self.settle(number, &outcome);
        }
    }
}
