//! The beginning of a `Consume`: its first frame opens the session.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Streaming;

use super::caller::{Caller, refusal, unexpected};
use super::{Frame, Session, Shared};
use crate::convert::open::{Limits, Open};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::output::Output;
use crate::proto::consume_request::Frame as Requested;
use crate::proto::{ConsumeOpen, ConsumeRequest};
use crate::sessions;

/// How long the first frame may take, and then to attach.
const OPENING: Duration = Duration::from_secs(10);

/// Serves a `Consume` from its first frame to its end.
pub async fn consume(
    shared: Shared,
    limits: Limits,
    who: sessions::Caller,
    mut requests: Streaming<ConsumeRequest>,
    out: Output<Frame>,
) {
    let draining = shared.sessions.draining().clone();
    let open = tokio::select! {
        open = first_frame(&mut requests) => open,
        () = draining.cancelled() => {
            Err(Error::new(Reason::Draining, "the gateway is shutting down"))
        }
        () = out.closed() => return,
    };
    let (open, who) = match open.and_then(|open| check(open, &limits, who)) {
        Ok(checked) => checked,
        Err(error) => return out.end(Err(error)),
    };
    let caller = Caller::new(requests, limits.sessions.ping_within);
    let deadline = Deadline::within(OPENING);
    // Its error is the stream's end already.
    if let Ok(session) =
        Session::open(shared, open, who, Some(Box::new(caller)), out, deadline).await
    {
        session.run().await;
    }
}

async fn first_frame(requests: &mut Streaming<ConsumeRequest>) -> Result<ConsumeOpen> {
    let Ok(frame) = timeout(OPENING, requests.message()).await else {
        return Err(unexpected("no `open` came within 10 s"));
    };
    match frame {
        Ok(Some(ConsumeRequest {
            frame: Some(Requested::Open(open)),
        })) => Ok(open),
        Ok(Some(_)) => Err(unexpected("the first frame must be `open`")),
        Ok(None) => Err(unexpected("the call ended without `open`")),
        Err(status) => Err(refusal(&status).unwrap_or_else(|| unexpected("the call broke off"))),
    }
}

fn check(
    open: ConsumeOpen,
    limits: &Limits,
    who: sessions::Caller,
) -> Result<(Open, sessions::Caller)> {
    let who = who.named(&open.client_name);
    let checked = who.and_then(|who| Ok((Open::check(open, limits)?, who)));
    checked.map_err(|error| error.inside("open"))
}
