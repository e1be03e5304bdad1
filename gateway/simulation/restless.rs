//! A consumer that does all that a caller of `Consume` may: it changes its window, gives back, takes its time,
//! asks for more of it, drains its session, and leaves without a word.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jetgate_faults::callers::Scene;
use jetgate_faults::history::Event;
use jetgate_faults::payload::content;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::proto::acknowledgement::Target;
use crate::proto::consume_open::Source;
use crate::proto::consume_request::Frame as Request;
use crate::proto::consume_response::Frame;
use crate::proto::received_message::Payload;
use crate::proto::subscriber_service_client::SubscriberServiceClient;
use crate::proto::{
    AckKind, Acknowledgement, ConsumeOpen, ConsumeRequest, DeliveryRange, Drain, FlowLimits,
    FlowUpdate, Lease, MessageBatch, Ping, SettleFrame, SettleResult,
};

/// Its consumer, which it shares with nobody.
pub(super) const ROLE: &str = "restless";

/// The longest silence of a session that has a heartbeat each second.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it takes over a message, between two steps and between two sessions, in milliseconds.
const WORK: std::ops::Range<u64> = 0..1_500;
const STEP: std::ops::Range<u64> = 20..300;
const PAUSE: Duration = Duration::from_millis(100);

/// Windows that it asks for; 0 pauses.
const WINDOWS: std::ops::Range<u32> = 0..40;

/// A delivery that is not settled.
struct Held {
    id: u64,
    sequence: u64,
    done_at: Instant,
}

/// A session.
struct Session<'a> {
    scene: &'a Scene,
    rng: &'a mut Rng,
    consumer: String,
    number: u64,
    requests: mpsc::Sender<ConsumeRequest>,
    held: Vec<Held>,
    /// What was acknowledged by each frame, in the order of its items.
    asked: HashMap<u64, Vec<u64>>,
    settle_ids: u64,
    is_draining: bool,
}

/// Consumes until it is over.
pub(super) async fn run(scene: Arc<Scene>, mut rng: Rng) {
    while !scene.over.is_cancelled() {
        // However it ended: the next session goes on.
        let _ = session(&scene, &mut rng).await;
        sleep(PAUSE).await;
    }
}

async fn session(scene: &Scene, rng: &mut Rng) -> Option<()> {
    let gateway = &scene.gateways[rng.usize(..scene.gateways.len())];
    let (requests, outgoing) = mpsc::channel(256);
    let known = scene.consumers.lock().ok()?.get(ROLE).cloned();
    let consumer = known.unwrap_or_default();
    let open = ConsumeOpen {
        stream: scene.stream.clone(),
        source: Some(Source::Consumer(consumer.clone())),
        flow: Some(FlowLimits {
            max_outstanding_messages: Some(rng.u32(1..40)),
            max_outstanding_bytes: None,
        }),
        heartbeat_interval: Duration::from_secs(1).try_into().ok(),
        lease: Some(Lease {
            auto_extend: rng.bool(),
            max: None,
        }),
        ..ConsumeOpen::default()
    };
    say(&requests, Request::Open(open))?;
    let mut client = SubscriberServiceClient::with_origin(gateway.connect(), gateway.origin());
    let call = client.consume(ReceiverStream::new(outgoing));
    let mut frames = timeout(SILENCE, call).await.ok()?.ok()?.into_inner();
    let mut session = Session {
        scene,
        consumer,
        number: scene.session(),
        requests,
        held: Vec::new(),
        asked: HashMap::new(),
        settle_ids: 0,
        is_draining: false,
        rng,
    };
    let mut step = Instant::now();
    loop {
        let frame = tokio::select! {
            biased;
            () = scene.over.cancelled() => return None,
            () = sleep_until(step) => {
                session.step()?;
                step = Instant::now() + Duration::from_millis(session.rng.u64(STEP));
                continue;
            }
            frame = timeout(SILENCE, frames.message()) => frame.ok()?.ok()?,
        };
        match frame?.frame {
            Some(Frame::Messages(batch)) => session.receive(batch),
            Some(Frame::Settled(settled)) => session.settled(&settled),
            Some(Frame::Heartbeat(_)) => say(&session.requests, Request::Ping(Ping::default()))?,
            Some(Frame::Draining(_)) => session.is_draining = true,
            _ => {}
        }
    }
}

fn say(requests: &mpsc::Sender<ConsumeRequest>, frame: Request) -> Option<()> {
    let request = ConsumeRequest { frame: Some(frame) };
    requests.try_send(request).ok()
}

impl Session<'_> {
    fn receive(&mut self, batch: MessageBatch) {
        for message in batch.messages {
            let payload = match &message.payload {
                Some(Payload::Data(data)) => data.as_ref(),
                _ => &[],
            };
            let work = Duration::from_millis(self.rng.u64(WORK));
            self.held.push(Held {
                id: message.delivery_id,
                sequence: message.stream_sequence,
                done_at: Instant::now() + work,
            });
            self.scene.recorder.record(Event::Delivered {
                consumer: self.consumer.clone(),
                session: self.number,
                sequence: message.stream_sequence,
                consumer_sequence: message.consumer_sequence,
                attempt: message.delivery_attempt,
                content: content(payload),
                subject: message.subject,
            });
        }
    }

    /// Does something; `None` is to leave.
    fn step(&mut self) -> Option<()> {
        match self.rng.u32(..60) {
            0 => return None,
            1 if !self.is_draining => {
                self.is_draining = true;
                return say(&self.requests, Request::Drain(Drain {}));
            }
            2..6 => {
                let window = FlowUpdate {
                    max_outstanding_messages: Some(self.rng.u32(WINDOWS)),
                    max_outstanding_bytes: None,
                };
                return say(&self.requests, Request::Flow(window));
            }
            _ => {}
        }
        let now = Instant::now();
        let (done, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.done_at <= now);
        self.held = held;
        self.settle(done)
    }

    fn settle(&mut self, done: Vec<Held>) -> Option<()> {
        if done.is_empty() {
            return Some(());
        }
        let (mut items, mut asked) = (Vec::new(), Vec::new());
        for held in done {
            let kind = match self.rng.u32(..20) {
                0 => AckKind::Nak,
                1 => AckKind::InProgress,
                _ => AckKind::Ack,
            };
            // 0 is the sequence of no message.
            asked.push(if kind == AckKind::Ack {
                held.sequence
            } else {
                0
            });
            let range = DeliveryRange {
                first: held.id,
                last: held.id,
            };
            items.push(Acknowledgement {
                target: Some(Target::Range(range)),
                kind: kind.into(),
                ..Acknowledgement::default()
            });
            if kind == AckKind::InProgress {
                let done_at = Instant::now() + Duration::from_millis(self.rng.u64(WORK));
                self.held.push(Held { done_at, ..held });
            }
        }
        self.settle_ids += 1;
        let confirm = self.rng.bool();
        if confirm {
            self.asked.insert(self.settle_ids, asked);
        }
        let settle = SettleFrame {
            settle_id: self.settle_ids,
            acknowledgements: items,
            confirm,
        };
        say(&self.requests, Request::Settle(settle))
    }

    /// What was confirmed must not come again.
    fn settled(&mut self, settled: &SettleResult) {
        let asked = self.asked.remove(&settled.settle_id).unwrap_or_default();
        for (sequence, result) in asked.into_iter().zip(&settled.results) {
            if sequence != 0 && result.code == 0 {
                let consumer = self.consumer.clone();
                self.scene
                    .recorder
                    .record(Event::Acked { consumer, sequence });
            }
        }
    }
}
