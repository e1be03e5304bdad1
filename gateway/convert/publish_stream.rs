//! A `PublishOpen` as the terms of a publish stream, with every check that needs no NATS.

mod reader;

use std::time::Duration;

use super::batch::mints;
use super::time::span;
use crate::error::{Error, Result};
use crate::names::{MessageId, StreamName};
use crate::proto::{PublishAckMode, PublishOnError, PublishOpen, PublishOrdering};
use crate::publishing::Config;
use crate::subscription::in_flight::Amount;
pub use reader::Reader;

/// The longest producer id that callers choose, and with what the gateway adds to it: a number behind
/// it still makes a message id.
const LONGEST_PRODUCER_ID: (usize, usize) = (200, 217);

/// Messages have at least and at most this time.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(600));

/// Heartbeats are at least and at most this far apart.
const HEARTBEATS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What a caller asked for, checked.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The stream of all messages, where one is named.
    pub stream: Option<StreamName>,
    /// How messages are answered.
    pub ack_mode: PublishAckMode,
    /// Whether they wait for one another.
    pub ordering: PublishOrdering,
    /// What one that fails does.
    pub on_error: PublishOnError,
    /// What may be unanswered.
    pub window: Amount,
    /// How long a message may take.
    pub timeout: Duration,
    /// The longest time without a frame.
    pub heartbeat: Duration,
    /// Whose numbers make message ids.
    pub producer: Option<String>,
    /// Whether these may be ids of an earlier stream.
    pub resumes: bool,
}

/// Reads what a caller asks for.
pub fn terms(open: PublishOpen, config: &Config) -> Result<Terms> {
    let stream = match open.stream.as_str() {
        "" => None,
        name => Some(StreamName::parse("open.stream", name)?),
    };
    let ack_mode = ack_mode(open.ack_mode)?;
    let ordering = ordering(open.ordering)?;
    let needs_stream =
        ack_mode == PublishAckMode::Cumulative || ordering == PublishOrdering::Strict;
    if needs_stream && stream.is_none() {
        let why = "is required with PUBLISH_ACK_MODE_CUMULATIVE and PUBLISH_ORDERING_STRICT";
        return Err(Error::invalid("open.stream", why));
    }
    Ok(Terms {
        stream,
        ack_mode,
        ordering,
        on_error: on_error(open.on_error, ordering)?,
        window: Amount {
            messages: most(
                "open.max_in_flight",
                open.max_in_flight,
                config.max_in_flight,
                config.max_window_messages,
            )?,
            bytes: most(
                "open.max_in_flight_bytes",
                open.max_in_flight_bytes,
                config.max_in_flight_bytes.as_u64(),
                config.max_window_bytes.as_u64(),
            )?,
        },
        timeout: time(
            "open.publish_timeout",
            open.publish_timeout,
            config.timeout,
            TIMEOUTS,
        )?,
        heartbeat: time(
            "open.heartbeat_interval",
            open.heartbeat_interval,
            config.heartbeat_interval,
            HEARTBEATS,
        )?,
        resumes: open.resume,
        producer: producer(
            &open.producer_id,
            open.resume,
            mints(open.mint_message_ids, config.mint_message_id)
                .map_err(|error| error.inside("open"))?,
        )?,
    })
}

fn ack_mode(number: i32) -> Result<PublishAckMode> {
    match PublishAckMode::try_from(number) {
        Ok(PublishAckMode::Unspecified) => Ok(PublishAckMode::PerMessage),
        Ok(mode) => Ok(mode),
        Err(_) => Err(not_a_value("open.ack_mode", "PublishAckMode")),
    }
}

fn ordering(number: i32) -> Result<PublishOrdering> {
    match PublishOrdering::try_from(number) {
        Ok(PublishOrdering::Unspecified) => Ok(PublishOrdering::None),
        Ok(ordering) => Ok(ordering),
        Err(_) => Err(not_a_value("open.ordering", "PublishOrdering")),
    }
}

fn on_error(number: i32, ordering: PublishOrdering) -> Result<PublishOnError> {
    match PublishOnError::try_from(number) {
        Ok(PublishOnError::Unspecified) if ordering == PublishOrdering::Strict => {
            Ok(PublishOnError::Halt)
        }
        Ok(PublishOnError::Unspecified) => Ok(PublishOnError::Continue),
        Ok(on_error) => Ok(on_error),
        Err(_) => Err(not_a_value("open.on_error", "PublishOnError")),
    }
}

fn not_a_value(field: &str, of: &str) -> Error {
    Error::invalid(field, format!("is not a value of {of}"))
}

/// What is asked for, at most `limit`; 0 is `default`.
fn most<T>(field: &str, asked: T, default: T, limit: T) -> Result<T>
where
    T: Copy + Default + PartialOrd + std::fmt::Display,
{
    if asked == T::default() {
        return Ok(default);
    }
    match asked <= limit {
        true => Ok(asked),
        false => Err(Error::invalid(field, format!("must be at most {limit}"))),
    }
}

fn time(
    field: &str,
    asked: Option<prost_types::Duration>,
    default: Duration,
    (least, most): (Duration, Duration),
) -> Result<Duration> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    match span(asked) {
        Some(time) if (least..=most).contains(&time) => Ok(time),
        _ => Err(Error::invalid(
            field,
            format!("must be from {least:?} to {most:?}"),
        )),
    }
}

/// Whose numbers make message ids: a numbering that is gone on with, or a new one, which has a part of
/// its own so that it meets the ids of no other.
fn producer(id: &str, resume: bool, mint: bool) -> Result<Option<String>> {
    let field = "open.producer_id";
    let longest = match resume {
        true => LONGEST_PRODUCER_ID.1,
        false => LONGEST_PRODUCER_ID.0,
    };
    if id.is_empty() {
        return match resume {
            true => Err(Error::invalid(field, "is required with resume")),
            false => Ok(mint.then(own_part)),
        };
    }
    MessageId::parse(field, id)?;
    if id.len() > longest {
        return Err(Error::invalid(
            field,
            format!("must be at most {longest} characters"),
        ));
    }
    Ok(Some(match resume {
        true => id.to_owned(),
        false => format!("{id}.{}", own_part()),
    }))
}

/// 16 hexadecimal digits that nobody else has.
fn own_part() -> String {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    format!("{random:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Reserved;
    use crate::proto::PublishRequest;
    use crate::publishing::MintMessageId;

    fn read(open: PublishOpen) -> Result<Terms> {
        terms(open, &Config::default())
    }

    fn field(open: PublishOpen) -> String {
        let message = read(open).unwrap_err().message().to_owned();
        message.split(": ").next().unwrap().to_owned()
    }

    fn strict() -> PublishOpen {
        PublishOpen {
            stream: "S".to_owned(),
            ordering: PublishOrdering::Strict as i32,
            ..PublishOpen::default()
        }
    }

    #[test]
    fn defaults_are_the_gateways() {
        let terms = read(PublishOpen::default()).unwrap();
        assert_eq!(
            (terms.ack_mode, terms.ordering, terms.on_error),
            (
                PublishAckMode::PerMessage,
                PublishOrdering::None,
                PublishOnError::Continue
            )
        );
        assert_eq!(terms.window.messages, 1_024);
        assert_eq!(terms.timeout, Duration::from_secs(10));
        assert_eq!(terms.producer, None);
    }

    #[test]
    fn a_strict_stream_halts_unless_told_otherwise() {
        assert_eq!(read(strict()).unwrap().on_error, PublishOnError::Halt);
        let open = PublishOpen {
            on_error: PublishOnError::Continue as i32,
            ..strict()
        };
        assert_eq!(read(open).unwrap().on_error, PublishOnError::Continue);
    }

    #[test]
    fn wrong_fields_are_named() {
        let second = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let open = PublishOpen::default;
        for (expected, open) in [
            (
                "open.stream",
                PublishOpen {
                    stream: String::new(),
                    ..strict()
                },
            ),
            (
                "open.stream",
                PublishOpen {
                    stream: "a.b".to_owned(),
                    ..open()
                },
            ),
            (
                "open.stream",
                PublishOpen {
                    ack_mode: 2,
                    ..open()
                },
            ),
            (
                "open.ack_mode",
                PublishOpen {
                    ack_mode: 9,
                    ..open()
                },
            ),
            (
                "open.ordering",
                PublishOpen {
                    ordering: 9,
                    ..open()
                },
            ),
            (
                "open.on_error",
                PublishOpen {
                    on_error: 9,
                    ..open()
                },
            ),
            (
                "open.max_in_flight",
                PublishOpen {
                    max_in_flight: 16_385,
                    ..open()
                },
            ),
            (
                "open.max_in_flight_bytes",
                PublishOpen {
                    max_in_flight_bytes: 1 << 40,
                    ..open()
                },
            ),
            (
                "open.publish_timeout",
                PublishOpen {
                    publish_timeout: second(601),
                    ..open()
                },
            ),
            (
                "open.heartbeat_interval",
                PublishOpen {
                    heartbeat_interval: second(0),
                    ..open()
                },
            ),
            (
                "open.producer_id",
                PublishOpen {
                    producer_id: "a b".to_owned(),
                    ..open()
                },
            ),
            (
                "open.producer_id",
                PublishOpen {
                    producer_id: "p".repeat(201),
                    ..open()
                },
            ),
            (
                "open.producer_id",
                PublishOpen {
                    resume: true,
                    ..open()
                },
            ),
        ] {
            assert_eq!(field(open), expected);
        }
    }

    #[test]
    fn a_numbering_meets_the_ids_of_no_other_until_it_is_resumed() {
        let named = |id: &str, resume| {
            let open = PublishOpen {
                producer_id: id.to_owned(),
                resume,
                ..PublishOpen::default()
            };
            read(open).unwrap().producer.unwrap()
        };
        let longest = "p".repeat(200);
        let first = named(&longest, false);
        assert_ne!(first, named(&longest, false));
        assert_eq!(named(&first, true), first);

        let reserved = Reserved::new("_INBOX");
        let request = PublishRequest {
            subject: "a".to_owned(),
            ..PublishRequest::default()
        };
        let mut reader = Reader::new(Some(first.clone()), reserved);
        let message = reader.read(request, u64::MAX).unwrap();
        assert_eq!(
            message.id.unwrap().as_str(),
            format!("{first}:{}", u64::MAX)
        );
    }

    #[test]
    fn ids_are_made_where_they_are_asked_for() {
        let open = PublishOpen {
            mint_message_ids: true,
            ..PublishOpen::default()
        };
        assert_eq!(read(open.clone()).unwrap().producer.unwrap().len(), 16);

        let never = Config {
            mint_message_id: MintMessageId::Never,
            ..Config::default()
        };
        assert!(terms(open, &never).is_err());
        let always = Config {
            mint_message_id: MintMessageId::Always,
            ..Config::default()
        };
        let made = terms(PublishOpen::default(), &always).unwrap().producer;
        assert!(made.is_some());
    }
}
