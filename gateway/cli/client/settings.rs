//! Configurations for people: what differs from JetStream's defaults, and what does not.

use std::{collections::HashSet, time::Duration};

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value};

use super::{json, output::one_line, quantity, vocabulary};
use crate::{
    cli::Failure,
    config::ByteSize,
    convert::{self, config::Difference},
    error,
    names::Reserved,
    nats::api,
    proto::{ConsumerConfig, StreamConfig},
};

/// A limit that is none.
const UNLIMITED: i64 = -1;

/// What is set in a configuration.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// What differs from the defaults.
    pub(super) chosen: Vec<Setting>,
    /// What does not.
    pub(super) default: Vec<Setting>,
}

/// The path of a field and its value.
pub(super) type Setting = (String, String);

impl Settings {
    /// The settings of a stream.
    pub(super) fn of_stream(config: &StreamConfig) -> Result<Self, Failure> {
        Self::new(config, &stream_differences(config).unwrap_or_default())
    }

    /// The settings of a consumer, whose defaults depend on its stream.
    pub(super) fn of_consumer(
        config: &ConsumerConfig,
        stream: Option<&StreamConfig>,
    ) -> Result<Self, Failure> {
        let differences = consumer_differences(config, stream).unwrap_or_default();
        Self::new(config, &differences)
    }

    fn new<M: prost::Name>(config: &M, differences: &[Difference]) -> Result<Self, Failure> {
        let differing: HashSet<&str> = differences.iter().map(|it| it.field.as_str()).collect();
        let message = json::dynamic(config)?;
        let mut settings = Self::default();
        for (field, value) in message.fields() {
            let is_chosen = NAMES.contains(&field.name())
                || differing.contains(field.name())
                // One filter is compared as a list of one.
                || (field.name() == "filter_subject" && differing.contains("filter_subjects"));
            let found = if is_chosen {
                &mut settings.chosen
            } else {
                &mut settings.default
            };
            describe(field.name(), &field, value, found);
        }
        Ok(settings)
    }
}

/// What every stream and consumer has chosen.
const NAMES: [&str; 4] = ["name", "durable_name", "subjects", "metadata"];

/// Where a stream differs from one that has nothing but a name and subjects.
fn stream_differences(config: &StreamConfig) -> error::Result<Vec<Difference>> {
    // Which subjects are reserved is the gateway's business: here they exist already.
    let reserved = Reserved::new("_INBOX");
    let bare = StreamConfig {
        name: config.name.clone(),
        subjects: config.subjects.clone(),
        ..StreamConfig::default()
    };
    let bare = convert::stream::to_api(Some(&bare), &reserved)?;
    let config = convert::stream::to_api(Some(config), &reserved)?;
    convert::stream::differences(&bare, &config)
}

/// Where a consumer differs from one that has nothing but a name.
fn consumer_differences(
    config: &ConsumerConfig,
    stream: Option<&StreamConfig>,
) -> error::Result<Vec<Difference>> {
    let stream = match stream {
        Some(_) => convert::stream::to_api(stream, &Reserved::new("_INBOX"))?,
        None => api::StreamConfig::default(),
    };
    let bare = ConsumerConfig {
        durable_name: config.durable_name.clone(),
        name: config.name.clone(),
        ..ConsumerConfig::default()
    };
    let bare = convert::consumer::to_api(Some(&bare))?;
    let config = convert::consumer::to_api(Some(config))?;
    convert::consumer::differences(&bare, &config, &stream)
}

fn describe(path: &str, field: &FieldDescriptor, value: &Value, found: &mut Vec<Setting>) {
    match value {
        Value::List(items) if items.iter().all(|item| shown(field, item).is_some()) => {
            let texts: Vec<_> = items.iter().filter_map(|item| shown(field, item)).collect();
            found.push((path.to_owned(), texts.join(", ")));
        }
        Value::List(items) => {
            for (number, item) in items.iter().enumerate() {
                describe(&format!("{path}[{number}]"), field, item, found);
            }
        }
        Value::Map(entries) => {
            let text = |(key, value): (&prost_reflect::MapKey, &Value)| {
                let (key, value) = (key.as_str()?, value.as_str()?);
                Some(one_line(&format!("{key}={value}")))
            };
            let mut texts: Vec<_> = entries.iter().filter_map(text).collect();
            texts.sort();
            found.push((path.to_owned(), texts.join(", ")));
        }
        value => match (shown(field, value), value.as_message()) {
            (Some(text), _) => found.push((path.to_owned(), text)),
            (None, Some(message)) => {
                for (field, value) in message.fields() {
                    let path = format!("{path}.{}", field.name());
                    describe(&path, &field, value, found);
                }
            }
            (None, None) => {}
        },
    }
}

/// A single value for people; nothing for a message with fields of its own.
fn shown(field: &FieldDescriptor, value: &Value) -> Option<String> {
    let whole = |number: i64| {
        if number == UNLIMITED {
            "no limit".to_owned()
        } else if let (true, Ok(bytes)) = (vocabulary::counts_bytes(field), u64::try_from(number)) {
            ByteSize::bytes(bytes).to_string()
        } else {
            number.to_string()
        }
    };
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::I32(number) => Some(whole((*number).into())),
        Value::I64(number) => Some(whole(*number)),
        Value::U32(number) => Some(number.to_string()),
        Value::U64(number) => Some(number.to_string()),
        Value::String(text) => Some(one_line(text)),
        Value::EnumNumber(number) => Some(json::enum_word(&field.kind(), *number).into_owned()),
        Value::Message(message) => time(message),
        _ => None,
    }
}

fn time(message: &DynamicMessage) -> Option<String> {
    match message.descriptor().full_name() {
        "google.protobuf.Duration" => {
            let time = message.transcode_to::<prost_types::Duration>().ok()?;
            let exact = Duration::try_from(time).ok().map(quantity::time);
            Some(exact.unwrap_or_else(|| time.to_string()))
        }
        "google.protobuf.Timestamp" => {
            let time = message.transcode_to::<prost_types::Timestamp>().ok()?;
            Some(time.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AckPolicy, ConsumerLimits, RetentionPolicy, StorageType, StreamSource};

    fn names(settings: &[Setting]) -> Vec<&str> {
        settings.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn time(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    #[test]
    fn what_differs_from_the_defaults_of_a_stream_is_told_apart() {
        let config = StreamConfig {
            name: "S".to_owned(),
            subjects: vec!["a".to_owned(), "b.>".to_owned()],
            retention: RetentionPolicy::WorkQueue.into(),
            storage: StorageType::File.into(),
            num_replicas: 1,
            max_msgs: Some(-1),
            max_bytes: Some(1 << 30),
            max_age: time(604_800),
            duplicate_window: time(120),
            consumer_limits: Some(ConsumerLimits {
                max_ack_pending: 5,
                ..Default::default()
            }),
            sources: vec![StreamSource {
                name: "O".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };

        let settings = Settings::of_stream(&config).unwrap();

        let text = |(name, value): &Setting| format!("{name}={value}");
        let chosen: Vec<_> = settings.chosen.iter().map(text).collect();
        assert_eq!(
            chosen,
            [
                "name=S",
                "subjects=a, b.>",
                "retention=workqueue",
                "max_bytes=1GiB",
                "max_age=7d",
                "consumer_limits.max_ack_pending=5",
                "sources[0].name=O",
            ]
        );
        let default: Vec<_> = settings.default.iter().map(text).collect();
        assert_eq!(
            default,
            [
                "storage=file",
                "num_replicas=1",
                "max_msgs=no limit",
                "duplicate_window=2m"
            ]
        );
    }

    #[test]
    fn what_differs_from_the_defaults_of_a_consumer_is_told_apart() {
        let config = ConsumerConfig {
            durable_name: "c".to_owned(),
            name: "c".to_owned(),
            filter_subject: "a".to_owned(),
            ack_policy: AckPolicy::Explicit.into(),
            ack_wait: time(30),
            max_deliver: Some(5),
            max_ack_pending: Some(1000),
            num_replicas: 3,
            ..Default::default()
        };
        let stream = StreamConfig {
            name: "S".to_owned(),
            num_replicas: 3,
            ..Default::default()
        };

        let settings = Settings::of_consumer(&config, Some(&stream)).unwrap();

        assert_eq!(
            names(&settings.chosen),
            ["durable_name", "name", "filter_subject", "max_deliver"]
        );
        assert_eq!(
            names(&settings.default),
            ["ack_policy", "ack_wait", "max_ack_pending", "num_replicas"]
        );
    }

    #[test]
    fn a_configuration_of_a_newer_gateway_is_shown_as_it_is() {
        let config = StreamConfig {
            name: "S".to_owned(),
            retention: 99,
            ..Default::default()
        };

        let settings = Settings::of_stream(&config).unwrap();

        assert_eq!(names(&settings.chosen), ["name"]);
        assert_eq!(
            settings.default,
            [("retention".to_owned(), "99".to_owned())]
        );
    }
}
