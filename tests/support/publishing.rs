//! A publish stream as a caller has it, with a deadline on every wait.

use std::collections::BTreeMap;

use jetgate::proto::publish_stream_request::Frame as Request;
use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{
    ItemStatus, Ping, PublishAcks, PublishFrame, PublishOpen, PublishOpened, PublishRequest,
    PublishResume, PublishStreamRequest, PublishStreamResponse,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Clients, SOON, Wire};

/// Frames that wait to be sent; more make `send` wait.
const OUTGOING: usize = 4;

/// What became of a number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Stored in this stream with this sequence, or found there.
    Stored {
        stream: String,
        sequence: u64,
        duplicate: bool,
    },
    Failed(ItemStatus),
}

impl Outcome {
    /// The reason of the failure, without its prefix; "" when there is none.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Stored { .. } => String::new(),
            Self::Failed(status) => {
                let name = status.reason().as_str_name();
                name.trim_start_matches("ERROR_REASON_").to_owned()
            }
        }
    }

    /// The sequence; panics on a failure.
    #[track_caller]
    pub(crate) fn sequence(&self) -> u64 {
        match self {
            Self::Stored { sequence, .. } => *sequence,
            Self::Failed(status) => panic!("not stored: {status:?}"),
        }
    }
}

/// An open publish stream.
pub(crate) struct Publishing {
    /// `None` once the caller's side is ended.
    requests: Option<mpsc::Sender<PublishStreamRequest>>,
    frames: Streaming<PublishStreamResponse>,
    /// What the gateway said first.
    pub(crate) opened: PublishOpened,
    /// What became of each number, as far as it was answered.
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    /// Up to which number everything is settled.
    pub(crate) settled_through: u64,
    /// The last acks that came.
    pub(crate) last_acks: PublishAcks,
}

impl Publishing {
    /// Opens a stream that must open.
    pub(crate) async fn open(clients: &Clients, open: PublishOpen) -> Self {
        Self::try_open(clients, open).await.unwrap()
    }

    /// Opens a stream.
    pub(crate) async fn try_open(clients: &Clients, open: PublishOpen) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(OUTGOING);
        let request = PublishStreamRequest {
            frame: Some(Request::Open(open)),
        };
        requests.send(request).await.unwrap();
        let mut publisher = clients.publisher();
        let calling = publisher.publish_stream(ReceiverStream::new(outgoing));
        let frames = timeout(SOON, calling).await.expect("no answer")?;
        let mut frames = frames.into_inner();
        let first = timeout(SOON, frames.message()).await.expect("no frame")?;
        let Some(Frame::Opened(opened)) = first.and_then(|first| first.frame) else {
            panic!("the first frame is not opened");
        };
        Ok(Self {
            requests: Some(requests),
            frames,
            opened,
            outcomes: BTreeMap::new(),
            settled_through: 0,
            last_acks: PublishAcks::default(),
        })
    }

    /// Sends a frame; waits where HTTP/2 flow control says so.
    pub(crate) async fn send(&self, frame: Request) {
        let sending = self.send_whenever(frame);
        assert!(timeout(SOON, sending).await.expect("held for too long"));
    }

    /// Sends a frame however long that takes; false when the stream has ended.
    pub(crate) async fn send_whenever(&self, frame: Request) -> bool {
        let request = PublishStreamRequest { frame: Some(frame) };
        let requests = self.requests.as_ref().expect("the side is ended");
        requests.send(request).await.is_ok()
    }

    /// Sends messages with numbers from `first` on.
    pub(crate) async fn publish(&self, first: u64, messages: Vec<PublishRequest>) {
        self.send(Request::Messages(PublishFrame {
            first_number: first,
            messages,
        }))
        .await;
    }

    pub(crate) async fn resume(&self, through: u64) {
        self.send(Request::Resume(PublishResume { through })).await;
    }

    pub(crate) async fn ping(&self) {
        self.send(Request::Ping(Ping { ping_id: 7 })).await;
    }

    /// Ends the caller's side.
    pub(crate) fn half_close(&mut self) {
        self.requests = None;
    }

    /// The next frame; `None` at the end of the stream with OK.
    pub(crate) async fn frame(&mut self) -> Result<Option<Frame>, Status> {
        let frame = timeout(SOON, self.frames.message());
        let frame = frame.await.expect("no frame")?;
        let frame = frame.map(|frame| frame.frame.expect("an empty frame"));
        if let Some(Frame::Acks(acks)) = &frame {
            self.note(acks.clone());
        }
        Ok(frame)
    }

    /// Reads until a frame is as wanted.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(&Frame) -> Option<T>) -> T {
        loop {
            let frame = self.frame().await.unwrap().expect("the stream has ended");
            if let Some(found) = wanted(&frame) {
                return found;
            }
        }
    }

    /// Reads until this many numbers are answered, and returns what became of them.
    pub(crate) async fn answered(&mut self, count: usize) -> &BTreeMap<u64, Outcome> {
        while self.outcomes.len() < count {
            let frame = self.frame().await.unwrap();
            assert!(frame.is_some(), "ended after {}", self.outcomes.len());
        }
        &self.outcomes
    }

    /// Reads until everything up to a number is settled.
    pub(crate) async fn settled(&mut self, through: u64) {
        while self.settled_through < through {
            let frame = self.frame().await.unwrap();
            assert!(frame.is_some(), "ended at {}", self.settled_through);
        }
    }

    /// Reads to the end: the status of the stream.
    pub(crate) async fn end(&mut self) -> Result<(), Status> {
        while self.frame().await?.is_some() {}
        Ok(())
    }

    fn note(&mut self, acks: PublishAcks) {
        assert!(acks.settled_through >= self.settled_through, "{acks:?}");
        self.settled_through = acks.settled_through;
        for range in &acks.stored {
            for number in range.first_number..=range.last_number {
                let stored = Outcome::Stored {
                    stream: range.stream.clone(),
                    sequence: range.first_sequence + (number - range.first_number),
                    duplicate: range.duplicate,
                };
                let earlier = self.outcomes.insert(number, stored);
                assert_eq!(earlier, None, "{number} was answered twice");
            }
        }
        for failure in &acks.failed {
            for number in failure.first_number..=failure.last_number {
                let status = failure.status.clone().unwrap();
                let earlier = self.outcomes.insert(number, Outcome::Failed(status));
                assert_eq!(earlier, None, "{number} was answered twice");
            }
        }
        self.last_acks = acks;
    }
}

/// Asserts that the stream holds what the answers say, where each message's payload is its number: what
/// is stored, is there once and at its sequence; what surely failed is not there; what is unknown is
/// there at most once.
pub(crate) async fn assert_truthful(
    wire: &mut Wire,
    stream: &str,
    outcomes: &BTreeMap<u64, Outcome>,
) {
    let stored = stored_numbers(wire, stream).await;
    for (number, outcome) in outcomes {
        let places = stored.get(number).map_or(&[][..], Vec::as_slice);
        match outcome {
            Outcome::Stored { sequence, .. } => assert_eq!(places, [*sequence], "{number}"),
            Outcome::Failed(_) if outcome.reason() == "PUBLISH_OUTCOME_UNKNOWN" => {
                assert!(places.len() <= 1, "{number}: {places:?}");
            }
            Outcome::Failed(status) => assert!(places.is_empty(), "{number}: {status:?}"),
        }
    }
}

/// At which sequences each number is stored.
pub(crate) async fn stored_numbers(wire: &mut Wire, stream: &str) -> BTreeMap<u64, Vec<u64>> {
    let mut numbers: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for sequence in 1..=wire.count(stream).await {
        let payload = wire.stored(stream, sequence).await.payload;
        let number = String::from_utf8(payload.to_vec())
            .unwrap()
            .parse()
            .unwrap();
        numbers.entry(number).or_default().push(sequence);
    }
    numbers
}
