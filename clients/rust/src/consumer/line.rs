//! Opening a session, of a consumer or of a reader.

use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::client::{Client, MAX_FRAME};
use crate::connection::Served;
use crate::error::Error;
use crate::v1::consume_request::Frame;
use crate::v1::{ConsumeOpen, ConsumeRequest, SessionOpened};
use crate::wire::{ConsumeFrame, ConsumeResponse};

const METHOD: PathAndQuery = PathAndQuery::from_static("/jetgate.v1.SubscriberService/Consume");

/// How long the gateway may take to open a session.
const OPENING: Duration = Duration::from_secs(10);

/// How many frames wait for the transport.
const FRAMES: usize = 4;

/// A session that was opened.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sender: mpsc::Sender<ConsumeRequest>,
    pub(crate) answers: Streaming<ConsumeResponse>,
    pub(crate) opened: Box<SessionOpened>,
    pub(crate) served: Option<Served>,
}

/// Opens a session.
pub(crate) async fn open_line(client: Client, open: ConsumeOpen) -> Result<Line, Error> {
    let opened = timeout(OPENING, async {
        let (sender, frames) = mpsc::channel(FRAMES);
        // There is room for it, and the other end is here.
        let _ = sender.try_send(ConsumeRequest {
            frame: Some(Frame::Open(open)),
        });
        let grpc = tonic::client::Grpc::new(client.connection());
        let mut grpc = grpc.max_decoding_message_size(MAX_FRAME);
        let request = Request::new(ReceiverStream::new(frames));
        let codec = ProstCodec::<ConsumeRequest, ConsumeResponse>::default();
        let response = grpc.streaming(request, METHOD, codec).await?;
        let served = response.extensions().get::<Served>().copied();
        let mut answers = response.into_inner();
        match answers.message().await?.and_then(|first| first.frame) {
            Some(ConsumeFrame::Opened(opened)) => Ok(Line {
                sender,
                answers,
                opened,
                served,
            }),
            _ => Err(Error::unavailable("the gateway has not opened the session")),
        }
    });
    let late = |_| Err(Error::unavailable("no gateway opens the session"));
    opened.await.unwrap_or_else(late)
}
