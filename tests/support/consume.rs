//! A `Consume` as its caller sees it, with a deadline on every wait.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jetgate::proto::acknowledgement::Target;
use jetgate::proto::consume_open::Source;
use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::consume_response::Frame;
use jetgate::proto::{
    AckKind, Acknowledgement, ConsumeOpen, ConsumeRequest, ConsumeResponse, DeliveryRange,
    Draining, FlowLimits, FlowUpdate, Ping, ReceivedMessage, SessionHeartbeat, SessionOpened,
    SettleFrame, SettleResult, StallReason,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::consuming::{CONSUMER, STREAM, time};
use super::{Clients, SOON};

/// Frames that may wait to be sent: more than any test sends at a time.
const UNSENT: usize = 10_000;

/// A session of the consumer with a heartbeat every second.
pub(crate) fn open() -> ConsumeOpen {
    ConsumeOpen {
        stream: STREAM.to_owned(),
        source: Some(Source::Consumer(CONSUMER.to_owned())),
        heartbeat_interval: time(Duration::from_secs(1)),
        ..ConsumeOpen::default()
    }
}

/// The same with room for this many messages.
pub(crate) fn open_window(messages: u32) -> ConsumeOpen {
    let flow = FlowLimits {
        max_outstanding_messages: Some(messages),
        max_outstanding_bytes: None,
    };
    ConsumeOpen {
        flow: Some(flow),
        ..open()
    }
}

/// What to say of the deliveries with these numbers.
pub(crate) fn range(kind: AckKind, first: u64, last: u64) -> Acknowledgement {
    Acknowledgement {
        kind: kind as i32,
        target: Some(Target::Range(DeliveryRange { first, last })),
        ..Acknowledgement::default()
    }
}

/// A `Consume`. It ends, unannounced, with this value.
pub(crate) struct Consume {
    requests: Option<mpsc::Sender<ConsumeRequest>>,
    frames: Streaming<ConsumeResponse>,
    /// The first frame; empty until there was one.
    pub(crate) opened: SessionOpened,
    /// Frames that came while others were waited for.
    passed: VecDeque<Frame>,
    left: Vec<ReceivedMessage>,
    settle_ids: u64,
}

impl Consume {
    /// Begins the call and sends nothing.
    pub(crate) async fn begin(clients: &Clients) -> Self {
        Self::try_begin(clients, None).await.unwrap()
    }

    /// Begins the call, where `first` is said without waiting for an answer.
    async fn try_begin(clients: &Clients, first: Option<ConsumeOpen>) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(UNSENT);
        if let Some(open) = first {
            let frame = Some(Request::Open(open));
            requests.send(ConsumeRequest { frame }).await.unwrap();
        }
        let outgoing = ReceiverStream::new(outgoing);
        let mut subscriber = clients.subscriber();
        let call = timeout(SOON, subscriber.consume(outgoing)).await;
        let frames = call.expect("no answer")?.into_inner();
        Ok(Self {
            requests: Some(requests),
            frames,
            opened: SessionOpened::default(),
            passed: VecDeque::new(),
            left: Vec::new(),
            settle_ids: 0,
        })
    }

    /// Opens a session and waits for its first frame.
    pub(crate) async fn open(clients: &Clients, open: ConsumeOpen) -> Self {
        Self::try_open(clients, open).await.unwrap()
    }

    /// The same where it may be refused.
    pub(crate) async fn try_open(clients: &Clients, open: ConsumeOpen) -> Result<Self, Status> {
        let mut consume = Self::try_begin(clients, None).await?;
        consume.send(Request::Open(open));
        consume.until_opened().await?;
        Ok(consume)
    }

    /// Opens a session as most clients do, which do not wait for the response's headers.
    pub(crate) async fn open_at_once(clients: &Clients, open: ConsumeOpen) -> Self {
        Self::try_open_at_once(clients, open).await.unwrap()
    }

    /// The same where it may be refused.
    pub(crate) async fn try_open_at_once(
        clients: &Clients,
        open: ConsumeOpen,
    ) -> Result<Self, Status> {
        let mut consume = Self::try_begin(clients, Some(open)).await?;
        consume.until_opened().await?;
        Ok(consume)
    }

    async fn until_opened(&mut self) -> Result<(), Status> {
        match self.try_frame().await? {
            Some(Frame::Opened(opened)) => self.opened = opened,
            other => panic!("the first frame is not opened: {other:?}"),
        }
        Ok(())
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: Request) {
        self.send_request(ConsumeRequest { frame: Some(frame) });
    }

    /// Sends a frame that is empty.
    pub(crate) fn send_nothing(&self) {
        self.send_request(ConsumeRequest { frame: None });
    }

    fn send_request(&self, request: ConsumeRequest) {
        let requests = self.requests.as_ref().expect("not half-closed");
        match requests.try_send(request) {
            // Where the call has ended, the next frame that is waited for says so.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => panic!("the gateway takes no frames"),
        }
    }

    /// Says that nothing more will be said.
    pub(crate) fn half_close(&mut self) {
        self.requests = None;
    }

    pub(crate) fn ping(&self, ping_id: u64) {
        self.send(Request::Ping(Ping { ping_id }));
    }

    pub(crate) fn drain(&self) {
        self.send(Request::Drain(jetgate::proto::Drain {}));
    }

    /// Changes the window.
    pub(crate) fn resize(&self, messages: u32) {
        self.send(Request::Flow(FlowUpdate {
            max_outstanding_messages: Some(messages),
            max_outstanding_bytes: None,
        }));
    }

    /// Settles without waiting for anything.
    pub(crate) fn say(&self, acknowledgements: Vec<Acknowledgement>) {
        self.send(Request::Settle(SettleFrame {
            acknowledgements,
            ..SettleFrame::default()
        }));
    }

    /// Settles, and waits for the answer.
    pub(crate) async fn settle(
        &mut self,
        acknowledgements: Vec<Acknowledgement>,
        confirm: bool,
    ) -> SettleResult {
        self.settle_ids += 1;
        let settle_id = self.settle_ids;
        self.send(Request::Settle(SettleFrame {
            settle_id,
            acknowledgements,
            confirm,
        }));
        let settled = self.settled().await;
        assert_eq!(settled.settle_id, settle_id);
        settled
    }

    /// Acks these deliveries and waits until JetStream has confirmed it.
    pub(crate) async fn ack(&mut self, messages: &[ReceivedMessage]) {
        let items = messages
            .iter()
            .map(|message| range(AckKind::Ack, message.delivery_id, 0))
            .collect();
        for result in self.settle(items, true).await.results {
            assert_eq!(result.code, 0, "{result:?}");
        }
    }

    /// The next frame, `None` at the end.
    pub(crate) async fn try_frame(&mut self) -> Result<Option<Frame>, Status> {
        if let Some(passed) = self.passed.pop_front() {
            return Ok(Some(passed));
        }
        self.next().await
    }

    async fn next(&mut self) -> Result<Option<Frame>, Status> {
        let frame = timeout(SOON, self.frames.message()).await;
        let frame = frame.expect("no frame for longer than any heartbeat interval")?;
        Ok(frame.map(|frame| frame.frame.expect("a frame that this test does not know")))
    }

    /// The first frame of a kind. Others stay, but for heartbeats.
    async fn first<T>(&mut self, what: &str, pick: impl Fn(&Frame) -> Option<T>) -> T {
        if let Some(place) = self.passed.iter().position(|frame| pick(frame).is_some()) {
            let frame = self.passed.remove(place);
            return frame.as_ref().and_then(pick).expect("it was just there");
        }
        let picking = async {
            loop {
                let frame = self.next().await.unwrap();
                let frame = frame.unwrap_or_else(|| panic!("the end instead of {what}"));
                if let Some(picked) = pick(&frame) {
                    return picked;
                }
                if !matches!(frame, Frame::Heartbeat(_)) {
                    self.passed.push_back(frame);
                }
            }
        };
        let picked = timeout(2 * SOON, picking).await;
        picked.unwrap_or_else(|_| panic!("no {what}"))
    }

    /// The next answer to a settle frame.
    pub(crate) async fn settled(&mut self) -> SettleResult {
        let pick = |frame: &Frame| match frame {
            Frame::Settled(settled) => Some(settled.clone()),
            _ => None,
        };
        self.first("answer", pick).await
    }

    /// The next answer to a ping.
    pub(crate) async fn pong(&mut self) -> u64 {
        let pick = |frame: &Frame| match frame {
            Frame::Pong(pong) => Some(pong.ping_id),
            _ => None,
        };
        self.first("pong", pick).await
    }

    /// The announcement that the gateway will end the session.
    pub(crate) async fn draining(&mut self) -> Draining {
        let pick = |frame: &Frame| match frame {
            Frame::Draining(draining) => Some(draining.clone()),
            _ => None,
        };
        self.first("draining", pick).await
    }

    /// As many messages, which may take several batches.
    pub(crate) async fn messages(&mut self, count: usize) -> Vec<ReceivedMessage> {
        let mut messages = std::mem::take(&mut self.left);
        while messages.len() < count {
            let pick = |frame: &Frame| match frame {
                Frame::Messages(batch) => Some(batch.messages.clone()),
                _ => None,
            };
            messages.extend(self.first("messages", pick).await);
        }
        self.left = messages.split_off(count);
        messages
    }

    /// Acks all that comes until this many different messages have come, and returns them in the order
    /// of their first delivery.
    pub(crate) async fn consume(&mut self, count: usize) -> Vec<ReceivedMessage> {
        let (mut seen, mut messages) = (HashSet::new(), Vec::new());
        while seen.len() < count {
            for message in self.messages(1).await {
                self.say(vec![range(AckKind::Ack, message.delivery_id, 0)]);
                if seen.insert(message.stream_sequence) {
                    messages.push(message);
                }
            }
        }
        messages
    }

    /// The next heartbeat, before which no messages may come.
    pub(crate) async fn heartbeat(&mut self) -> SessionHeartbeat {
        assert_eq!(self.left, [], "messages before the heartbeat");
        loop {
            match self.try_frame().await.unwrap() {
                Some(Frame::Heartbeat(heartbeat)) => return heartbeat,
                Some(Frame::Pong(_)) => {}
                other => panic!("{other:?} instead of a heartbeat"),
            }
        }
    }

    /// The first heartbeat that gives this reason, before which no messages may come.
    pub(crate) async fn stalled_by(&mut self, reason: StallReason) -> SessionHeartbeat {
        let stalling = async {
            loop {
                let heartbeat = self.heartbeat().await;
                if heartbeat.stall_reason() == reason {
                    return heartbeat;
                }
            }
        };
        let stalled = timeout(2 * SOON, stalling).await;
        stalled.unwrap_or_else(|_| panic!("no heartbeat says {reason:?}"))
    }

    /// How the session ends: `Ok` or an error. Heartbeats before that are passed over.
    pub(crate) async fn end(&mut self) -> Result<(), Status> {
        let ending = async {
            loop {
                match self.try_frame().await {
                    Ok(None) => return Ok(()),
                    Ok(Some(Frame::Heartbeat(_) | Frame::Pong(_))) => {}
                    Ok(Some(other)) => panic!("{other:?} instead of the end"),
                    Err(status) => return Err(status),
                }
            }
        };
        timeout(3 * SOON, ending).await.expect("it does not end")
    }
}
