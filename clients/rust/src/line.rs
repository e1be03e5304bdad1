//! Opening a stream that goes both ways: a publish stream, or the session of a consumer or a reader.

use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::Codec;
use tonic::{Request, Streaming};

use crate::client::{Client, MAX_FRAME};
use crate::connection::Served;
use crate::error::Error;

/// How long the gateway may take to open a stream.
const OPENING: Duration = Duration::from_secs(10);

/// How many frames wait for the transport.
const FRAMES: usize = 4;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Line<Frame, Answer, Opened> {
    pub(crate) sender: mpsc::Sender<Frame>,
    pub(crate) answers: Streaming<Answer>,
    pub(crate) opened: Opened,
    pub(crate) served: Option<Served>,
}

/// Opens a stream by its first frame; `opened` finds in the first answer what the gateway says to that.
pub(crate) async fn open_line<C, Frame, Answer, Opened>(
    client: &Client,
    (method, codec): (PathAndQuery, C),
    open: Frame,
    opened: impl FnOnce(Answer) -> Option<Opened>,
) -> Result<Line<Frame, Answer, Opened>, Error>
where
    C: Codec<Encode = Frame, Decode = Answer>,
    Frame: Send + Sync + 'static,
    Answer: Send + Sync + 'static,
{
    let opening = async {
        let (sender, frames) = mpsc::channel(FRAMES);
        // There is room for it, and the other end is here.
        let _ = sender.try_send(open);
        let grpc = tonic::client::Grpc::new(client.connection());
        let mut grpc = grpc.max_decoding_message_size(MAX_FRAME);
        let request = Request::new(ReceiverStream::new(frames));
        let response = grpc.streaming(request, method, codec).await?;
        let served = response.extensions().get::<Served>().copied();
        let mut answers = response.into_inner();
        match answers.message().await?.and_then(opened) {
            Some(opened) => Ok(Line {
                sender,
                answers,
                opened,
                served,
            }),
            None => Err(Error::unavailable("the gateway has not opened the stream")),
        }
    };
    let late = |_| Err(Error::unavailable("no gateway opens the stream"));
    timeout(OPENING, opening).await.unwrap_or_else(late)
}
