//! The beginning of a session: it attaches to its consumer and says what is in force. That of a
//! `Consume` waits for the first frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::adopting::Adopted;
use super::caller::{Caller, refusal, unexpected};
use super::ending::Phase;
use super::heartbeat::Clock;
use super::in_flight::InFlight;
use super::labels::Labeller;
use super::link::Connection;
use super::settling::Settling;
use super::source::{Seat, Source};
use super::stop::Stop;
use super::waiting::Waiting;
use super::{Frame, Session, Shared, permit};
use crate::alarm::Alarm;
use crate::convert::open::{Limits, Open};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::memory::Arriving;
use crate::output::Output;
use crate::proto::consume_request::Frame as Requested;
use crate::proto::{
    ConsumeOpen, ConsumeRequest, FlowLimits, SessionKind, SessionOpened, StallReason,
};
use crate::sessions::{self, Description};
use crate::token::Origin;

/// How long the first frame may take, and then to attach.
const OPENING: Duration = Duration::from_secs(10);

/// How old the consumer's info may be that a session begins with: thousands may open one after the other.
const FRESHNESS: Duration = Duration::from_millis(250);

/// The age at which a session ends is met give or take this share, so that many do not end at once.
const AGE_JITTER: f64 = 0.1;

/// Serves a `Consume` from its first frame to its end.
pub async fn consume(
    shared: Shared,
    limits: Limits,
    who: sessions::Caller,
    mut requests: Streaming<ConsumeRequest>,
    room: Option<Arriving>,
    out: Output<Frame>,
) {
    let draining = shared.sessions.draining().clone();
    let open = tokio::select! {
        biased;
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
    let caller = Caller::new(requests, limits.sessions.ping_within, room);
    let deadline = Deadline::within(OPENING);
    // Boxed: the task of an idle session need not keep the room that opening takes.
    let opening = Session::open(shared, open, who, Some(Box::new(caller)), out, deadline);
    // Its error is the stream's end already.
    if let Ok(session) = Box::pin(opening).await {
        session.run().await;
    }
}

impl Session {
    /// Opens a session: attaches to the consumer and tells the caller. An error is also the end of `out`.
    pub async fn open(
        shared: Shared,
        open: Open,
        who: sessions::Caller,
        caller: Option<Box<Caller>>,
        out: Output<Frame>,
        deadline: Deadline,
    ) -> Result<Box<Self>> {
        // Kept until the end is said: without it the caller would see none.
        let way = out.clone();
        let opened = Self::attach(shared, open, who, caller, out, deadline).await;
        opened.inspect_err(|error| way.end(Err(error.clone())))
    }

    async fn attach(
        shared: Shared,
        open: Open,
        who: sessions::Caller,
        caller: Option<Box<Caller>>,
        out: Output<Frame>,
        deadline: Deadline,
    ) -> Result<Box<Self>> {
        let (access, trace) = (who.access.clone(), who.trace.clone());
        permit::may_open(&access, &open.stream, &open.source)?;
        let registration = shared.sessions.register(Description {
            kind: match caller {
                Some(_) => SessionKind::Consume,
                None => SessionKind::Subscribe,
            },
            caller: who,
            stream: open.stream.as_str().into(),
            consumer: open.source.consumer().into(),
            window: open.settings.window,
        })?;
        let account = shared.nats.account(deadline).await?;
        // The ack floor tells which of those that are held are settled.
        let freshness = match open.held.is_empty() {
            true => FRESHNESS,
            false => Duration::ZERO,
        };
        let mut source = Source::new(
            &shared.nats,
            account.fingerprint(),
            access.owner(),
            open.stream,
            open.source,
            freshness,
        )?;
        let settings = open.settings;
        let attached = source.attach_first(&shared.nats, deadline).await?;
        permit::may_attach(&access, source.stream(), &attached.facts)?;
        if let Some(gap) = attached.gap
            && let Err(error) = settings.judge(gap)
        {
            super::source::delete(&shared.nats, source.stream(), &attached.facts.consumer).await;
            return Err(error);
        }
        let labeller = Labeller::new(account, registration.route, trace);
        let jitter = 1.0 - AGE_JITTER + 2.0 * AGE_JITTER * fastrand::f64();
        let mut session = Box::new(Self {
            heartbeat: Clock::new(settings.heartbeat),
            alarm: Alarm::default(),
            info: None,
            settling: Settling::new(shared.nats.request_connection()),
            answers: VecDeque::new(),
            has_answered: false,
            phase: Phase::Delivering,
            ends_at: Instant::now() + shared.max_stream_age.mul_f64(jitter),
            book: InFlight::new(settings.window),
            origin: Arc::new(Origin::new(
                source.stream().as_str(),
                attached.facts.consumer.as_str(),
            )),
            held: Waiting::default(),
            room: shared.budget.room(),
            gap: None,
            is_outdated: false,
            slot: None,
            probe: None,
            backoff: Duration::ZERO,
            pull_at: Instant::now(),
            oversized: None,
            asked_at: Instant::now(),
            delivered_at: Instant::now(),
            position: attached.facts.position,
            pending: attached.facts.pending,
            stall: StallReason::Unspecified,
            facts: attached.facts.clone(),
            stop: settings.stop_at.map(Stop::new),
            is_stopping: false,
            link: Connection::Attached(attached),
            metrics: shared.metrics.consuming.session_opened(),
            shared,
            settings,
            source,
            registration,
            changes: access.changes(),
            expiry: access.expiry(),
            is_expiring: false,
            access,
            caller,
            out,
            labeller,
        });
        let adopted = session.adopt(open.held)?;
        session.send(Frame::Opened(session.opened(adopted)));
        Ok(session)
    }

    fn opened(&self, adopted: Adopted) -> SessionOpened {
        let terms = &self.facts.terms;
        let window = self.settings.window;
        SessionOpened {
            session_id: self.registration.id(),
            stream: self.source.stream().to_string(),
            consumer: self.facts.consumer.to_string(),
            flow: Some(FlowLimits {
                max_outstanding_messages: Some(window.messages),
                max_outstanding_bytes: Some(window.bytes),
            }),
            heartbeat_interval: self.settings.heartbeat.try_into().ok(),
            ack_wait: terms
                .has_acks()
                .then_some(terms.ack_wait)
                .and_then(|wait| wait.try_into().ok()),
            ack_policy: terms.ack_policy as i32,
            resumed: self.source.resumption() as i32,
            resume_token: self.resume_token(),
            priority: self.facts.seat.as_ref().map(Seat::shown),
            ping_within: self
                .caller
                .as_ref()
                .and_then(|caller| caller.ping_within.try_into().ok()),
            held: adopted.held,
            not_held: adopted.not_held,
        }
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
