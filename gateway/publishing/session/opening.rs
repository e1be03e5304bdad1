//! How a publish stream begins: the first frame, the stream that it names, and the values in force.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Streaming;

use super::answers::{Answers, Style};
use super::backlog::Backlog;
use super::ledger::{Ledger, Rules};
use super::spans::Spans;
use super::stamps::Stamps;
use super::way::Way;
use super::{Counted, Reading, Session, Share, Shared, Words, unreadable};
use crate::alarm::Alarm;
use crate::convert::publish_stream::{Reader, Terms, terms};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::memory::Arriving;
use crate::names::StreamName;
use crate::nats::{FastIngest, Halts, Nats, Pipeline, StreamFacts};
use crate::output::Output;
use crate::proto::publish_stream_request::Frame as Request;
use crate::proto::publish_stream_response::Frame;
use crate::proto::{
    PublishAckMode, PublishOnError, PublishOpen, PublishOpened, PublishOrdering,
    PublishStreamRequest, PublishStreamResponse, SessionKind,
};
use crate::sessions::{Caller, Description};

/// How long the first frame, and looking up the stream that it names, may take each.
const OPENING: Duration = Duration::from_secs(10);

type Requests = Streaming<PublishStreamRequest>;
type Out = Output<PublishStreamResponse>;

/// Opens a stream, or says with which error it ends.
pub(super) async fn open(
    shared: Shared,
    who: Caller,
    mut requests: Requests,
    room: Option<Arriving>,
    out: Out,
) -> Result<Session, (Error, Out)> {
    let draining = shared.sessions.draining().clone();
    let (access, trace) = (who.access.clone(), who.trace.clone());
    let agreeing = async {
        let open = first_frame(&mut requests).await?;
        let who = who
            .named(&open.client_name)
            .map_err(|error| error.inside("open"))?;
        let terms = terms(open, &shared.config)?;
        let facts = named_stream(&shared, &terms).await?;
        let registration = shared.sessions.register(Description {
            kind: SessionKind::PublishStream,
            caller: who,
            stream: terms.stream.as_ref().map_or("", StreamName::as_str).into(),
            consumer: "".into(),
            window: terms.window,
        })?;
        Ok((terms, facts, registration))
    };
    let agreed = tokio::select! {
        biased;
        agreed = agreeing => agreed,
        () = draining.cancelled() => Err(super::ending::draining()),
        // Nobody hears the error.
        () = out.closed() => Err(Error::new(Reason::Internal, "the caller is gone")),
    };
    let (terms, facts, registration) = match agreed {
        Ok(agreed) => agreed,
        Err(error) => return Err((error, out)),
    };

    let messages = access.account().and_then(|account| account.in_flight());
    let share = Share::of(&shared.budget, messages);
    let (changes, expiry) = (access.changes(), access.expiry());
    let nats = shared.outlet.nats();
    let (way, rules) = way(nats, &terms, facts.clone());
    let metrics = &shared.outlet.metrics;
    let counted = Counted {
        _open: metrics.stream_opened(),
        in_flight: metrics.in_flight(0),
    };
    let mut session = Session {
        stored: 0,
        stamps: Stamps::default(),
        trace,
        spans: Spans::default(),
        counted,
        ledger: Ledger::new(terms.window, rules, Answers::new(style(&terms))),
        registration,
        changes,
        expiry,
        access,
        requests,
        reading: Reading::On,
        out,
        way,
        backlog: Backlog::new(
            Reader::new(terms.producer.clone(), nats.reserved().clone()),
            room,
        ),
        share,
        held_since: None,
        told: false,
        heard_at: Instant::now(),
        beat_at: Instant::now() + terms.heartbeat,
        ends_at: Instant::now() + jittered(shared.config.max_stream_age),
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

/// Give or take a tenth, so that streams that were opened together do not end together.
fn jittered(age: Duration) -> Duration {
    age.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// How messages go, and what one that fails does.
fn way(nats: &Nats, terms: &Terms, facts: Option<StreamFacts>) -> (Way, Rules) {
    let is_strict = terms.ordering == PublishOrdering::Strict;
    let halts = terms.on_error == PublishOnError::Halt;
    let rules = Rules {
        one_at_a_time: is_strict,
        halts_on_failure: halts,
        halts_on_doubt: halts || is_strict,
    };
    match terms.stream.clone().zip(facts) {
        Some((name, facts)) if goes_fast(nats, terms, &facts) => {
            let halts = Halts {
                on_failure: rules.halts_on_failure,
                on_doubt: rules.halts_on_doubt,
            };
            let rules = Rules {
                one_at_a_time: false,
                ..rules
            };
            let fast = FastIngest::new(nats, (name, facts), halts, terms.window.messages);
            (Way::FastIngest(Box::new(fast)), rules)
        }
        bound => (Way::Pipelined(Box::new(Pipeline::new(nats, bound))), rules),
    }
}

/// Whether batches can carry the messages. On a replicated stream, none can carry ids that the stream
/// may know. Over an import the server waits two minutes for the answer to each message.
fn goes_fast(nats: &Nats, terms: &Terms, facts: &StreamFacts) -> bool {
    let config = &facts.config;
    terms.ack_mode == PublishAckMode::Cumulative
        && config.allow_batched
        && !nats.is_imported()
        && !(terms.resumes && config.num_replicas > 1)
}

fn style(terms: &Terms) -> Style {
    let named = terms.stream.as_ref().map(ToString::to_string);
    match terms.ack_mode {
        PublishAckMode::Cumulative => Style::Cumulative(named),
        _ => Style::PerMessage(named),
    }
}

impl Session {
    fn opened(&self, rules: Rules, facts: Option<StreamFacts>) -> PublishOpened {
        let terms = &self.terms;
        let largest = self.shared.outlet.nats().max_payload().unwrap_or_default();
        PublishOpened {
            session_id: self.registration.id(),
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
