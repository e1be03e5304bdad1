//! How a publish stream begins: the first frame, the stream that it names, and the values in force.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Streaming;

use super::answers::{Answers, Style};
use super::backlog::Backlog;
use super::ledger::{Ledger, Rules};
use super::way::Way;
use super::{Reading, Session, Shared, Words, unreadable};
use crate::alarm::Alarm;
use crate::convert::publish_stream::{Terms, terms};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::{Pipeline, StreamFacts};
use crate::output::Output;
use crate::proto::publish_stream_request::Frame as Request;
use crate::proto::publish_stream_response::Frame;
use crate::proto::{
    PublishAckMode, PublishOnError, PublishOpen, PublishOpened, PublishOrdering,
    PublishStreamRequest, PublishStreamResponse,
};

/// How long the first frame, and looking up the stream that it names, may take each.
const OPENING: Duration = Duration::from_secs(10);

type Requests = Streaming<PublishStreamRequest>;
type Out = Output<PublishStreamResponse>;

/// Opens a stream, or says with which error it ends.
pub(super) async fn open(
    shared: Shared,
    mut requests: Requests,
    out: Out,
) -> Result<Session, (Error, Out)> {
    let draining = shared.sessions.draining().clone();
    let agreeing = async {
        let open = first_frame(&mut requests).await?;
        let terms = terms(open, &shared.config)?;
        let facts = named_stream(&shared, &terms).await?;
        Ok((terms, facts, shared.sessions.register()?))
    };
    let agreed = tokio::select! {
        agreed = agreeing => agreed,
        () = draining.cancelled() => Err(super::ending::draining()),
        // Nobody hears the error.
        () = out.closed() => Err(Error::new(Reason::Internal, "the caller is gone")),
    };
    let (terms, facts, registration) = match agreed {
        Ok(agreed) => agreed,
        Err(error) => return Err((error, out)),
    };

    let nats = shared.outlet.nats();
    let rules = rules(&terms);
    let way = Way::Pipelined(Pipeline::new(nats, facts.clone()));
    let mut session = Session {
        ledger: Ledger::new(terms.window, rules, Answers::new(style(&terms))),
        reserved: nats.reserved().clone(),
        registration,
        requests,
        reading: Reading::On,
        out,
        way,
        backlog: Backlog::default(),
        heard_at: Instant::now(),
        beat_at: Instant::now() + terms.heartbeat,
        cut_off_at: None,
        alarm: Alarm::default(),
        words: Words::default(),
        terms,
        shared,
    };
    session.send(Frame::Opened(session.opened(rules, facts)));
    Ok(session)
}

/// The error of a frame that may not come now.
pub(super) fn unexpected(text: &str) -> Error {
    Error::new(Reason::UnexpectedFrame, text)
}

async fn first_frame(requests: &mut Requests) -> Result<PublishOpen> {
    let frame = tokio::time::timeout(OPENING, requests.message()).await;
    let frame = frame.map_err(|_| unexpected("no open came within 10 s"))?;
    match frame {
        Ok(Some(PublishStreamRequest {
            frame: Some(Request::Open(open)),
        })) => Ok(open),
        Ok(_) => Err(unexpected("the first frame must be open")),
        Err(status) => Err(unreadable(&status)
            .unwrap_or_else(|| Error::new(Reason::Internal, "the caller is gone"))),
    }
}

async fn named_stream(shared: &Shared, terms: &Terms) -> Result<Option<StreamFacts>> {
    let Some(name) = &terms.stream else {
        return Ok(None);
    };
    let nats = shared.outlet.nats();
    let facts = nats.stream_facts(name, Deadline::within(OPENING)).await?;
    facts.refuse_without_acks()?;
    Ok(Some(facts))
}

fn rules(terms: &Terms) -> Rules {
    let is_strict = terms.ordering == PublishOrdering::Strict;
    let halts = terms.on_error == PublishOnError::Halt;
    Rules {
        one_at_a_time: is_strict,
        halts_on_failure: halts,
        halts_on_doubt: halts || is_strict,
    }
}

fn style(terms: &Terms) -> Style {
    match terms.ack_mode {
        PublishAckMode::Cumulative => Style::Cumulative,
        _ => Style::PerMessage(terms.stream.as_ref().map(ToString::to_string)),
    }
}

impl Session {
    fn opened(&self, rules: Rules, facts: Option<StreamFacts>) -> PublishOpened {
        let terms = &self.terms;
        let largest = self.shared.outlet.nats().max_payload().unwrap_or_default();
        PublishOpened {
            session_id: format!("{:x}", self.registration.route.session),
            path: self.way.path(rules.one_at_a_time) as i32,
            ack_mode: terms.ack_mode as i32,
            ordering: terms.ordering as i32,
            on_error: terms.on_error as i32,
            max_in_flight: terms.window.messages,
            max_in_flight_bytes: terms.window.bytes,
            max_message_bytes: largest as u64,
            publish_timeout: terms.timeout.try_into().ok(),
            heartbeat_interval: terms.heartbeat.try_into().ok(),
            ping_within: self.shared.config.ping_within.try_into().ok(),
            producer_id: terms.producer.clone().unwrap_or_default(),
            duplicate_window: facts.and_then(|facts| facts.duplicate_window.try_into().ok()),
        }
    }
}
