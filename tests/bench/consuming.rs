//! A caller's side of a `Consume` session.

use std::time::Duration;

use crate::proto::consume_open::Source;
use crate::proto::consume_request::Frame;
use crate::proto::consume_response::Frame as Event;
use crate::proto::subscriber_service_client::SubscriberServiceClient;
use crate::proto::{ConsumeOpen, ConsumeRequest, ConsumeResponse, FlowLimits, Ping, SettleFrame};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::Result;
use crate::stage::STREAM;

/// How often a caller that has nothing to say shows that it lives.
const PING: Duration = Duration::from_secs(15);

/// Frames that wait to be sent.
const UNSENT: usize = 16;

/// An open session; dropping it is a half-close.
pub(crate) struct Session {
    events: Streaming<ConsumeResponse>,
    settlements: mpsc::Sender<SettleFrame>,
}

impl Session {
    /// Opens one.
    pub(crate) async fn open(
        mut client: SubscriberServiceClient<Channel>,
        consumer: &str,
        window: u32,
    ) -> Result<Self> {
        let (settlements, unsent) = mpsc::channel(UNSENT);
        let open = ConsumeOpen {
            stream: STREAM.to_owned(),
            source: Some(Source::Consumer(consumer.to_owned())),
            flow: Some(FlowLimits {
                max_outstanding_messages: Some(window),
                max_outstanding_bytes: None,
            }),
            ..ConsumeOpen::default()
        };
        let frames = stream::unfold(Some((Some(open), unsent)), async |state| {
            let (open, mut unsent) = state?;
            let frame = match open {
                Some(open) => Frame::Open(open),
                None => next_frame(&mut unsent).await?,
            };
            let request = ConsumeRequest { frame: Some(frame) };
            Some((request, Some((None, unsent))))
        });
        let events = client.consume(frames).await?.into_inner();
        Ok(Self {
            events,
            settlements,
        })
    }

    /// What happens next; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        Ok(match self.events.message().await? {
            Some(event) => event.frame,
            None => None,
        })
    }

    /// Settles deliveries.
    pub(crate) async fn settle(&self, frame: SettleFrame) -> Result<()> {
        Ok(self.settlements.send(frame).await?)
    }
}

async fn next_frame(unsent: &mut mpsc::Receiver<SettleFrame>) -> Option<Frame> {
    match timeout(PING, unsent.recv()).await {
        Ok(settlement) => settlement.map(Frame::Settle),
        Err(_) => Some(Frame::Ping(Ping::default())),
    }
}
