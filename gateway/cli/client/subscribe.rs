//! `jetgate sub`: prints messages as they come.
//!
//! Without a consumer it reads the stream in order, which changes nothing and uses up no delivery
//! attempt. Of a consumer it takes only what it prints, and acknowledges that.

mod consuming;
mod message;
mod ordered;

use std::time::{Duration, SystemTime};

use clap::{ArgGroup, Args};
use prost_types::Timestamp;

use super::{connection::ConnectionArgs, output::OutputArgs, quantity};
use crate::{
    cli::Failure,
    proto::{DeliverPolicy, OrderedConsumer},
};

/// Arguments of `jetgate sub`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("start").conflicts_with("consumer"))]
pub struct SubArgs {
    /// The stream to read
    stream: String,
    /// Take messages from this consumer and acknowledge what is printed
    #[arg(long, short, value_name = "NAME")]
    consumer: Option<String>,
    /// Leave what is printed unacknowledged: it counts as an attempt, and comes again
    #[arg(long, requires = "consumer")]
    no_ack: bool,
    /// Only messages whose subject matches; may be repeated
    #[arg(long = "filter", value_name = "SUBJECT", conflicts_with = "consumer")]
    filters: Vec<String>,
    /// Begin at this sequence
    #[arg(long, value_name = "SEQUENCE", group = "start")]
    from_seq: Option<u64>,
    /// Begin at this time: 2026-01-31T12:00:00Z, or so long ago: 1h
    #[arg(long, value_name = "TIME", group = "start", value_parser = since)]
    since: Option<Timestamp>,
    /// Begin with the last message
    #[arg(long, group = "start")]
    last: bool,
    /// Begin with the last message of each subject
    #[arg(long, group = "start")]
    last_per_subject: bool,
    /// Begin with the next message
    #[arg(long, group = "start")]
    new: bool,
    /// End after so many messages
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// End when there are no more messages, instead of waiting for new ones
    #[arg(long)]
    until_end: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
struct Stop {
    left: Option<u64>,
    at_end: bool,
}

impl SubArgs {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let stop = Stop {
            left: self.count,
            at_end: self.until_end,
        };
        if stop.is_reached() {
            return Ok(());
        }
        let connection = self.connection.connect().await?;
        let output = self.output.open();
        match &self.consumer {
            None => ordered::read(&connection, &self.stream, self.ordered(), stop, output).await,
            Some(consumer) => {
                let from = consuming::From {
                    stream: &self.stream,
                    consumer,
                    acknowledge: !self.no_ack,
                };
                consuming::consume(&connection, &from, stop, output).await
            }
        }
    }

    fn ordered(&self) -> OrderedConsumer {
        let policy = match self {
            Self {
                from_seq: Some(_), ..
            } => DeliverPolicy::ByStartSequence,
            Self { since: Some(_), .. } => DeliverPolicy::ByStartTime,
            Self { last: true, .. } => DeliverPolicy::Last,
            Self {
                last_per_subject: true,
                ..
            } => DeliverPolicy::LastPerSubject,
            Self { new: true, .. } => DeliverPolicy::New,
            _ => DeliverPolicy::All,
        };
        OrderedConsumer {
            filter_subjects: self.filters.clone(),
            deliver_policy: policy.into(),
            opt_start_seq: self.from_seq.unwrap_or_default(),
            opt_start_time: self.since,
            ..OrderedConsumer::default()
        }
    }
}

impl Stop {
    /// Counts a message.
    fn count(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    fn is_reached(&self) -> bool {
        self.left == Some(0)
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago: Duration = quantity::parse_time(text)
        .map_err(|_| "expected a time such as 2026-01-31T12:00:00Z, or how long ago: 1h")?;
    let time = SystemTime::now().checked_sub(ago);
    time.map(Timestamp::from)
        .ok_or_else(|| "is too long ago".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_an_age() {
        let now = Timestamp::from(SystemTime::now()).seconds;
        let ago = since("1h").unwrap();
        assert!((now - 3610..=now - 3590).contains(&ago.seconds));
        assert_eq!(since("1970-01-01T00:01:00Z").unwrap().seconds, 60);
        assert!(since("yesterday").is_err());
    }
}
