//! An open publish stream, and what the gateway lets be unanswered in it.

use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use super::State;
use super::book::Limits;
use crate::client::{Client, MAX_FRAME};
use crate::connection::Served;
use crate::error::Error;
use crate::v1;
use crate::v1::publish_stream_request::Frame;
use crate::v1::publish_stream_response::Frame as Answer;
use crate::wire::{PublishCodec, PublishFrame};

const METHOD: PathAndQuery =
    PathAndQuery::from_static("/jetgate.v1.PublisherService/PublishStream");

/// How long the gateway may take to open a stream.
const OPENING: Duration = Duration::from_secs(10);

/// How many frames wait for the transport.
const FRAMES: usize = 4;

/// What a frame may have beside the largest message.
const AROUND_A_MESSAGE: usize = 64 << 10;

/// An open stream.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sender: mpsc::Sender<PublishFrame>,
    pub(super) answers: Streaming<v1::PublishStreamResponse>,
    pub(super) opened: v1::PublishOpened,
    pub(super) served: Option<Served>,
}

/// Opens a stream.
pub(super) async fn open_line(client: Client, open: v1::PublishOpen) -> Result<Line, Error> {
    let opened = timeout(OPENING, try_open(&client, open)).await;
    opened.unwrap_or_else(|_| Err(Error::unavailable("no gateway opens the stream")))
}

async fn try_open(client: &Client, open: v1::PublishOpen) -> Result<Line, Error> {
    let (sender, frames) = mpsc::channel(FRAMES);
    // There is room for it, and the other end is here.
    let _ = sender.try_send(PublishFrame::Other(Frame::Open(open)));
    let mut grpc =
        tonic::client::Grpc::new(client.connection()).max_decoding_message_size(MAX_FRAME);
    let request = Request::new(ReceiverStream::new(frames));
    let response = grpc.streaming(request, METHOD, PublishCodec).await?;
    let served = response.extensions().get::<Served>().copied();
    let mut answers = response.into_inner();
    match answers.message().await?.and_then(|first| first.frame) {
        Some(Answer::Opened(opened)) => Ok(Line {
            sender,
            answers,
            opened,
            served,
        }),
        _ => Err(Error::unavailable("the gateway has not opened the stream")),
    }
}

/// What the gateway lets be unanswered.
pub(super) struct Window {
    messages: usize,
    bytes: usize,
    pub(super) largest: usize,
}

impl Window {
    pub(super) fn of(opened: &v1::PublishOpened) -> Self {
        Self {
            messages: opened.max_in_flight as usize,
            bytes: opened.max_in_flight_bytes as usize,
            largest: opened.max_message_bytes as usize + AROUND_A_MESSAGE,
        }
    }

    /// What may be sent now. Small room is not worth a frame while answers are under way that make it larger.
    pub(super) fn room(&self, state: &State) -> Option<Limits> {
        let book = &state.book;
        let room = Limits {
            messages: self.messages.saturating_sub(book.in_flight()),
            bytes: self.bytes.saturating_sub(book.in_flight_bytes()),
        };
        let worth = book.waiting().min(self.messages / 4);
        let is_worth_it =
            room.messages >= worth && room.messages > 0 && room.bytes > self.bytes / 4;
        match book.in_flight() {
            0 => Some(Limits {
                messages: self.messages.max(1),
                bytes: self.bytes,
            }),
            _ => is_worth_it.then_some(room),
        }
    }
}
