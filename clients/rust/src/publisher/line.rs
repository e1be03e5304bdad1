//! The stream of a publisher.

use http::uri::PathAndQuery;

use crate::client::Client;
use crate::error::Error;
use crate::line;
use crate::v1;
use crate::v1::publish_stream_request::Frame;
use crate::v1::publish_stream_response::Frame as Answer;
use crate::wire::{PublishCodec, PublishFrame};

const METHOD: PathAndQuery =
    PathAndQuery::from_static("/jetgate.v1.PublisherService/PublishStream");

/// An open publish stream.
pub(super) type Line = line::Line<PublishFrame, v1::PublishStreamResponse, v1::PublishOpened>;

/// Opens a publish stream.
pub(super) async fn open_line(client: Client, open: v1::PublishOpen) -> Result<Line, Error> {
    let open = PublishFrame::Other(Frame::Open(open));
    let call = (METHOD, PublishCodec);
    line::open_line(&client, call, open, |first| match first.frame {
        Some(Answer::Opened(opened)) => Some(opened),
        _ => None,
    })
    .await
}
