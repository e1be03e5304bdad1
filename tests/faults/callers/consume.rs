//! Consumes, acknowledges in the same stream, and takes along what it holds to the next.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::settling::{acked, delivered};
use super::{ACK_WAIT, Caller, Ended, PAUSE, SILENCE, showing};
use crate::access::Bearer;
use crate::proto::acknowledgement::Target;
use crate::proto::consume_open::Source;
use crate::proto::consume_request::Frame as Request;
use crate::proto::consume_response::Frame;
use crate::proto::{
    AckKind, Acknowledgement, ConsumeOpen, ConsumeRequest, ConsumeResponse, DeliveryRange,
    FlowLimits, Ping, ReceivedMessage, SessionOpened, SettleFrame, SettleResult, UpdateCredentials,
};

/// The ping that follows fresh credentials.
const SHOWN: u64 = 1;

/// How many deliveries may be out, of one caller or another: a small window is all taken when a fault begins.
const WINDOWS: [u32; 2] = [4, 64];

/// How many frames may wait to be sent.
const UNSENT: usize = 256;

/// A delivery that is not confirmed, and when it came.
struct Held {
    token: String,
    consumer: String,
    sequence: u64,
    came: Instant,
}

/// Consumes until it is over.
pub(super) async fn run(mut caller: Caller, role: &str) {
    let mut held = Vec::new();
    let window = WINDOWS[caller.rng.usize(..WINDOWS.len())];
    while !caller.scene.over.is_cancelled() {
        // However it ended: the next session goes on.
        let ended = session(&caller, role, window, &mut held).await;
        caller.ended(&ended);
        caller.move_on();
        sleep(PAUSE).await;
    }
}

/// An open session.
struct Session<'a> {
    caller: &'a Caller,
    number: u64,
    bearer: Bearer,
    shown_before: Option<Bearer>,
    requests: mpsc::Sender<ConsumeRequest>,
    held: &'a mut Vec<Held>,
    /// Which messages an answer is awaited for, by settle_id.
    asked: HashMap<u64, Vec<(String, u64)>>,
    settle_ids: u64,
}

async fn session(caller: &Caller, role: &str, window: u32, held: &mut Vec<Held>) -> Ended {
    let consumer = caller.scene.consumer(role);
    held.retain(|held| held.came.elapsed() < ACK_WAIT && held.consumer == consumer);
    held.truncate(window as usize);
    let (requests, outgoing) = mpsc::channel(UNSENT);
    requests.try_send(frame(Request::Open(ConsumeOpen {
        stream: caller.scene.stream.clone(),
        source: Some(Source::Consumer(consumer)),
        flow: Some(FlowLimits {
            max_outstanding_messages: Some(window),
            max_outstanding_bytes: None,
        }),
        heartbeat_interval: Duration::from_secs(1).try_into().ok(),
        held: held.iter().map(|held| held.token.clone()).collect(),
        ..ConsumeOpen::default()
    })))?;
    let bearer = caller.bearer();
    let mut subscriber = caller.subscriber();
    let call = subscriber.consume(showing(&bearer, ReceiverStream::new(outgoing)));
    let mut frames = timeout(SILENCE, call).await??.into_inner();
    let first = timeout(SILENCE, frames.message()).await??;
    let Some(Frame::Opened(opened)) = first.and_then(|first| first.frame) else {
        return Err("not opened".into());
    };
    let mut session = Session {
        number: caller.scene.session(),
        caller,
        bearer,
        shown_before: None,
        requests,
        held,
        asked: HashMap::new(),
        settle_ids: 0,
    };
    session.take_over(&opened)?;
    session.serve(&mut frames).await
}

fn frame(frame: Request) -> ConsumeRequest {
    ConsumeRequest { frame: Some(frame) }
}

impl Session<'_> {
    /// Acknowledges what this session has from the one before. What is not held any more comes again.
    fn take_over(&mut self, opened: &SessionOpened) -> Ended {
        self.held
            .retain(|held| !opened.not_held.contains(&held.token));
        for (held, renewed) in self.held.iter_mut().zip(&opened.held) {
            held.token.clone_from(renewed);
        }
        let messages = self
            .held
            .iter()
            .map(|held| (held.consumer.clone(), held.sequence));
        let messages: Vec<_> = messages.collect();
        let items = self.held.iter().map(|held| Acknowledgement {
            target: Some(Target::AckToken(held.token.clone())),
            kind: AckKind::Ack.into(),
            ..Acknowledgement::default()
        });
        let items: Vec<_> = items.collect();
        self.settle(messages, items)
    }

    async fn serve(mut self, frames: &mut Streaming<ConsumeResponse>) -> Ended {
        let over = self.caller.scene.over.clone();
        let mut is_draining = false;
        loop {
            self.caller.scene.awake().await;
            self.show()?;
            if is_draining && self.asked.is_empty() {
                return Ok(());
            }
            let answer = tokio::select! {
                biased;
                () = over.cancelled() => return Ok(()),
                answer = timeout(SILENCE, frames.message()) => answer??,
            };
            match answer.and_then(|answer| answer.frame) {
                Some(Frame::Messages(batch)) => self.receive(&batch.messages)?,
                Some(Frame::Settled(settled)) => self.settled(&settled),
                Some(Frame::Draining(_)) => is_draining = true,
                Some(Frame::Pong(pong)) if pong.ping_id == SHOWN => self.shown_before = None,
                Some(Frame::Heartbeat(_)) => {
                    self.requests
                        .try_send(frame(Request::Ping(Ping::default())))?;
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
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

    fn receive(&mut self, messages: &[ReceivedMessage]) -> Ended {
        delivered(self.caller, self.number, messages);
        let came = Instant::now();
        self.held.extend(messages.iter().map(|message| Held {
            token: message.ack_token.clone(),
            consumer: message.consumer.clone(),
            sequence: message.stream_sequence,
            came,
        }));
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
            return Ok(());
        };
        let range = DeliveryRange {
            first: first.delivery_id,
            last: last.delivery_id,
        };
        let all = messages.iter();
        let all = all.map(|message| (message.consumer.clone(), message.stream_sequence));
        let item = Acknowledgement {
            target: Some(Target::Range(range)),
            kind: AckKind::Ack.into(),
            ..Acknowledgement::default()
        };
        self.settle(all.collect(), vec![item])
    }

    fn settle(
        &mut self,
        messages: Vec<(String, u64)>,
        acknowledgements: Vec<Acknowledgement>,
    ) -> Ended {
        if messages.is_empty() {
            return Ok(());
        }
        self.settle_ids += 1;
        self.asked.insert(self.settle_ids, messages);
        let settle = SettleFrame {
            settle_id: self.settle_ids,
            acknowledgements,
            confirm: true,
        };
        Ok(self.requests.try_send(frame(Request::Settle(settle)))?)
    }

    /// A range that failed in part says how many, not which: nothing of it counts as confirmed.
    fn settled(&mut self, settled: &SettleResult) {
        let Some(messages) = self.asked.remove(&settled.settle_id) else {
            return;
        };
        let results = &settled.results;
        let by_item = results.len() == messages.len();
        let mut done: BTreeMap<(String, u64), bool> = BTreeMap::new();
        for (place, message) in messages.into_iter().enumerate() {
            let result = results.get(if by_item { place } else { 0 });
            done.insert(message, result.is_some_and(|result| result.code == 0));
        }
        for ((consumer, sequence), _) in done.iter().filter(|(_, is_done)| **is_done) {
            acked(self.caller, consumer, *sequence);
        }
        // What failed comes again by itself.
        self.held
            .retain(|held| !done.contains_key(&(held.consumer.clone(), held.sequence)));
    }
}
