//! What a session reads with, where it begins and ends, and its place among others.

use std::time::SystemTime;

use crate::convert::config::choice;
use crate::convert::consumer::reading::check_time;
use crate::convert::consumer::{ephemeral_config, ordered_config};
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, GroupName};
use crate::nats::api::ConsumerConfig;
use crate::nats::pull::Place;
use crate::proto::consume_open::Source as RequestedSource;
use crate::proto::stop_at::Position;
use crate::proto::{self, ConsumeOpen, GapPolicy, PriorityOptions};
use crate::subscription::StopAt;
use crate::token::ResumeToken;

/// The last of the priorities that JetStream knows.
const LAST_PRIORITY: u32 = 9;

/// What to read a stream with.
#[derive(Debug)]
pub enum Source {
    /// A consumer that exists.
    Consumer {
        /// Its name.
        name: ConsumerName,
        /// The session's place, where the consumer has priority groups.
        priority: Option<Priority>,
    },
    /// Consumers of the gateway's own, without acknowledgements.
    Ordered(Reading),
    /// A consumer of the gateway's own.
    Ephemeral(Reading),
}

impl Source {
    /// The consumer's name; empty where the gateway makes it.
    pub fn consumer(&self) -> &str {
        match self {
            Self::Consumer { name, .. } => name.as_str(),
            Self::Ordered(_) | Self::Ephemeral(_) => "",
        }
    }
}

/// A read by consumers of the gateway's own.
#[derive(Debug)]
pub struct Reading {
    /// What the consumers are made of.
    pub config: Box<ConsumerConfig>,
    /// Where the read goes on.
    pub resume: Option<ResumeToken>,
}

/// A place in a priority group.
#[derive(Clone, Debug, Default)]
pub struct Priority {
    /// The place; an empty group is the consumer's only one.
    pub place: Place,
    /// The pin that the caller got before; empty is none.
    pub pin_id: String,
}

/// What is asked for, with what only some sources have.
pub(super) fn source(open: &ConsumeOpen) -> Result<Source> {
    match &open.source {
        None => {
            let text = "must be consumer, ordered or ephemeral";
            Err(Error::invalid("source", text))
        }
        Some(RequestedSource::Consumer(name)) => {
            check_needs_own_consumer(open)?;
            let priority = priority(open.priority.as_ref())?;
            if priority.as_ref().is_some_and(|it| !it.pin_id.is_empty()) {
                return Err(Error::invalid("priority.pin_id", "is for Fetch only"));
            }
            Ok(Source::Consumer {
                name: ConsumerName::parse("consumer", name)?,
                priority,
            })
        }
        Some(RequestedSource::Ordered(ordered)) => {
            let config = ordered_config(ordered).map_err(|error| error.inside("ordered"))?;
            Ok(Source::Ordered(reading(open, config)?))
        }
        Some(RequestedSource::Ephemeral(ephemeral)) => {
            let config = ephemeral_config(ephemeral).map_err(|error| error.inside("ephemeral"))?;
            Ok(Source::Ephemeral(reading(open, config)?))
        }
    }
}

/// Others read from the same consumer, whose position is JetStream's.
fn check_needs_own_consumer(open: &ConsumeOpen) -> Result<()> {
    let needed = "needs an ordered or ephemeral source";
    if !open.resume_token.is_empty() {
        return Err(Error::invalid("resume_token", needed));
    }
    if open.stop_at.is_some() {
        return Err(Error::invalid("stop_at", needed));
    }
    if open.on_gap != GapPolicy::Unspecified as i32 {
        return Err(Error::invalid("on_gap", needed));
    }
    Ok(())
}

fn reading(open: &ConsumeOpen, config: ConsumerConfig) -> Result<Reading> {
    if open.priority.is_some() {
        return Err(Error::invalid("priority", "needs a consumer that exists"));
    }
    let resume = match open.resume_token.as_str() {
        "" => None,
        token => Some(ResumeToken::decode(token).ok_or_else(invalid_token)?),
    };
    Ok(Reading {
        config: Box::new(config),
        resume,
    })
}

/// Where to end.
pub(super) fn stop_at(stop: Option<proto::StopAt>) -> Result<Option<StopAt>> {
    let Some(stop) = stop else { return Ok(None) };
    let stop = match stop.position {
        None => {
            let text = "must be last, sequence or time";
            return Err(Error::invalid("stop_at", text));
        }
        Some(Position::Last(true)) => StopAt::Last,
        Some(Position::Last(false)) => {
            return Err(Error::invalid("stop_at.last", "must be true"));
        }
        Some(Position::Sequence(0)) => {
            return Err(Error::invalid("stop_at.sequence", "must be at least 1"));
        }
        Some(Position::Sequence(sequence)) => StopAt::Sequence(sequence),
        Some(Position::Time(time)) => {
            check_time("stop_at.time", Some(&time))?;
            let text = "must be a time in the years 1 to 9999";
            let time =
                SystemTime::try_from(time).map_err(|_| Error::invalid("stop_at.time", text))?;
            StopAt::Time(time)
        }
    };
    Ok(Some(stop))
}

/// What to do where messages are missing.
pub(super) fn gap_policy(number: i32) -> Result<GapPolicy> {
    Ok(match choice("on_gap", number)? {
        GapPolicy::Unspecified => GapPolicy::Report,
        policy => policy,
    })
}

/// A place in a priority group; whether the consumer has it turns out later.
pub fn priority(options: Option<&PriorityOptions>) -> Result<Option<Priority>> {
    let Some(options) = options else {
        return Ok(None);
    };
    if !options.group.is_empty() {
        GroupName::parse("priority.group", &options.group)?;
    }
    if options.priority > LAST_PRIORITY {
        return Err(Error::invalid("priority.priority", "must be at most 9"));
    }
    // JetStream reads signed numbers.
    for (field, number) in [
        ("priority.min_pending", options.min_pending),
        ("priority.min_ack_pending", options.min_ack_pending),
    ] {
        if i64::try_from(number).is_err() {
            return Err(Error::invalid(field, "must be less than 2^63"));
        }
    }
    Ok(Some(Priority {
        place: Place {
            group: options.group.clone(),
            priority: options.priority.into(),
            min_pending: options.min_pending,
            min_ack_pending: options.min_ack_pending,
        },
        pin_id: options.pin_id.clone(),
    }))
}

fn invalid_token() -> Error {
    let text = "this is not a resume token that the gateway made";
    Error::new(Reason::InvalidToken, text).at("resume_token")
}
