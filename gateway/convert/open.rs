//! What a caller asks of a session, checked: one form for `Subscribe` and `Consume`.

use std::ops::RangeInclusive;
use std::time::Duration;

mod reading;

use super::received::payload_format;
use super::time::span;
use crate::error::{Error, Reason, Result};
use crate::names::StreamName;
use crate::proto::consume_open::Source as RequestedSource;
use crate::proto::subscribe_request::Source as SubscribedSource;
use crate::proto::{
    ConsumeOpen, FlowLimits, FlowUpdate, Gap, GapPolicy, Lease, OnSessionEnd, PayloadFormat,
    SubscribeRequest,
};
use crate::subscription::StopAt;
use crate::subscription::config::Config;
use crate::subscription::in_flight::Amount;
pub use reading::{Priority, Reading, Source, priority};

/// Heartbeats are at least and at most this far apart.
const HEARTBEATS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Deliveries are kept for a caller at work at least and at most this long.
const LEASES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));

/// The fields of a window.
const MESSAGES: &str = "flow.max_outstanding_messages";
const BYTES: &str = "flow.max_outstanding_bytes";

/// Responses can be made no larger than this.
const LARGEST_RESPONSE: u64 = 256 * 1024 * 1024;

/// A session to open.
#[derive(Debug)]
pub struct Open {
    /// The stream to read.
    pub stream: StreamName,
    /// What to read with.
    pub source: Source,
    /// How to deliver.
    pub settings: Settings,
    /// The tokens of what the caller holds already.
    pub held: Vec<String>,
}

/// How a session delivers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The window.
    pub window: Amount,
    /// The longest time without an event.
    pub heartbeat: Duration,
    /// In which field payloads are returned.
    pub format: PayloadFormat,
    /// What becomes of unsettled deliveries when the caller is gone.
    pub on_session_end: OnSessionEnd,
    /// The largest message batch.
    pub max_batch_bytes: u64,
    /// Where to end.
    pub stop_at: Option<StopAt>,
    /// What to do where messages are missing.
    pub on_gap: GapPolicy,
    /// For how long deliveries are kept for a caller that is at work, where that is wanted.
    pub lease: Option<Duration>,
    /// The largest window.
    largest: Amount,
}

/// The gateway's own limits and defaults.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Those of sessions.
    pub sessions: Config,
    /// The largest response unless the caller raises it.
    pub max_response_bytes: u64,
}

/// What both calls ask for, in the form of the one that can ask for more.
impl From<SubscribeRequest> for ConsumeOpen {
    fn from(request: SubscribeRequest) -> Self {
        let source = request.source.map(|source| match source {
            SubscribedSource::Consumer(name) => RequestedSource::Consumer(name),
            SubscribedSource::Ordered(ordered) => RequestedSource::Ordered(ordered),
            SubscribedSource::Ephemeral(ephemeral) => RequestedSource::Ephemeral(ephemeral),
        });
        Self {
            stream: request.stream,
            source,
            flow: request.flow,
            payload_format: request.payload_format,
            heartbeat_interval: request.heartbeat_interval,
            on_session_end: request.on_session_end,
            max_response_bytes: request.max_response_bytes,
            held: request.held,
            resume_token: request.resume_token,
            stop_at: request.stop_at,
            on_gap: request.on_gap,
            priority: request.priority,
            lease: None,
            client_name: request.client_name,
        }
    }
}

impl Open {
    /// Checks what is asked for.
    pub fn check(open: ConsumeOpen, limits: &Limits) -> Result<Self> {
        let source = reading::source(&open)?;
        let settings = Settings {
            lease: lease(open.lease, &source)?,
            largest: limits.largest(),
            window: limits.window(open.flow.unwrap_or_default())?,
            heartbeat: limits.heartbeat(open.heartbeat_interval)?,
            format: format(open.payload_format)?,
            on_session_end: OnSessionEnd::try_from(open.on_session_end)
                .map_err(|_| Error::invalid("on_session_end", "is not a value of OnSessionEnd"))?,
            max_batch_bytes: limits.response_size(open.max_response_bytes)?,
            stop_at: reading::stop_at(open.stop_at)?,
            on_gap: reading::gap_policy(open.on_gap)?,
        };
        Ok(Self {
            stream: StreamName::parse("stream", &open.stream)?,
            held: held(open.held, &source, settings.window)?,
            source,
            settings,
        })
    }
}

impl Settings {
    /// Whether a session can go on where messages are missing.
    pub fn judge(&self, gap: Gap) -> Result<()> {
        if self.on_gap != GapPolicy::Fail {
            return Ok(());
        }
        let text = "messages are missing, and on_gap is GAP_POLICY_FAIL";
        let first = gap.first_available_sequence;
        Err(Error::new(Reason::PositionLost, text)
            .with("last_sequence", gap.last_sequence)
            .with("first_available_sequence", first)
            .with("stream_recreated", gap.stream_recreated))
    }

    /// The window that a caller wants from now on.
    pub fn resized(&self, flow: FlowUpdate) -> Result<Amount> {
        let window = Amount {
            messages: flow
                .max_outstanding_messages
                .unwrap_or(self.window.messages),
            bytes: flow.max_outstanding_bytes.unwrap_or(self.window.bytes),
        };
        within(
            window.messages.into(),
            0..=self.largest.messages.into(),
            MESSAGES,
        )?;
        within(window.bytes, 0..=self.largest.bytes, BYTES)?;
        Ok(window)
    }
}

impl Limits {
    fn window(&self, flow: FlowLimits) -> Result<Amount> {
        let config = &self.sessions;
        let most = self.largest();
        let messages = flow
            .max_outstanding_messages
            .unwrap_or(config.max_outstanding_messages);
        let bytes = flow
            .max_outstanding_bytes
            .unwrap_or(config.max_outstanding_bytes.as_u64());
        within(messages.into(), 1..=most.messages.into(), MESSAGES)?;
        within(bytes, 1..=most.bytes, BYTES)?;
        Ok(Amount { messages, bytes })
    }

    fn largest(&self) -> Amount {
        Amount {
            messages: self.sessions.max_window_messages,
            bytes: self.sessions.max_window_bytes.as_u64(),
        }
    }

    fn heartbeat(&self, interval: Option<prost_types::Duration>) -> Result<Duration> {
        let Some(interval) = interval else {
            return Ok(self.sessions.heartbeat_interval);
        };
        let interval = span(interval).unwrap_or_default();
        if interval < HEARTBEATS.0 || interval > HEARTBEATS.1 {
            return Err(Error::invalid(
                "heartbeat_interval",
                "must be from 1 s to 5 min",
            ));
        }
        Ok(interval)
    }

    /// The largest response that a caller asks for, or the gateway's own.
    pub fn response_size(&self, bytes: u64) -> Result<u64> {
        match bytes {
            0 => Ok(self.max_response_bytes),
            1..=LARGEST_RESPONSE => Ok(bytes),
            _ => Err(Error::invalid(
                "max_response_bytes",
                "must be at most 256 MiB",
            )),
        }
    }
}

fn lease(lease: Option<Lease>, source: &Source) -> Result<Option<Duration>> {
    let Lease { auto_extend, max } = lease.unwrap_or_default();
    if auto_extend && matches!(source, Source::Ordered(_)) {
        let text = "does not go with ordered: nothing is acknowledged there";
        return Err(Error::invalid("lease.auto_extend", text));
    }
    let max = max.map(|max| span(max).unwrap_or_default());
    match (auto_extend, max) {
        (false, None) => Ok(None),
        (true, Some(max)) if max >= LEASES.0 && max <= LEASES.1 => Ok(Some(max)),
        (true, _) => Err(Error::invalid("lease.max", "must be from 1 s to 24 h")),
        (false, Some(_)) => Err(Error::invalid("lease.max", "goes with auto_extend only")),
    }
}

fn held(held: Vec<String>, source: &Source, window: Amount) -> Result<Vec<String>> {
    if !held.is_empty() && matches!(source, Source::Ordered(_)) {
        let text = "does not go with ordered: nothing is acknowledged there";
        return Err(Error::invalid("held", text));
    }
    if held.len() > window.messages as usize {
        let text = format!(
            "must not have more than the {} of the window",
            window.messages
        );
        return Err(Error::invalid("held", text));
    }
    Ok(held)
}

fn within(number: u64, range: RangeInclusive<u64>, field: &str) -> Result<()> {
    if range.contains(&number) {
        return Ok(());
    }
    let text = format!("must be from {} to {}", range.start(), range.end());
    Err(Error::invalid(field, text))
}

/// In which field a caller wants payloads.
pub fn format(number: i32) -> Result<PayloadFormat> {
    payload_format(number)
        .ok_or_else(|| Error::invalid("payload_format", "is not a value of PayloadFormat"))
}
