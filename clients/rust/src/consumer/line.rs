//! The session of a consumer or of a reader.

use http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::client::Client;
use crate::error::Error;
use crate::line;
use crate::v1::consume_request::Frame;
use crate::v1::{ConsumeOpen, ConsumeRequest, SessionOpened};
use crate::wire::{ConsumeFrame, ConsumeResponse};

const METHOD: PathAndQuery = PathAndQuery::from_static("/jetgate.v1.SubscriberService/Consume");

/// An open session.
pub(crate) type Line = line::Line<ConsumeRequest, ConsumeResponse, Box<SessionOpened>>;

/// Opens a session.
pub(crate) async fn open_line(client: Client, open: ConsumeOpen) -> Result<Line, Error> {
    let open = ConsumeRequest {
        frame: Some(Frame::Open(open)),
    };
    let call = (METHOD, ProstCodec::default());
    line::open_line(&client, call, open, |first: ConsumeResponse| {
        match first.frame {
            Some(ConsumeFrame::Opened(opened)) => Some(opened),
            _ => None,
        }
    })
    .await
}
