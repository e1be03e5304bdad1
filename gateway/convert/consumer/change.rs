//! What is asked for against what exists: differences, changes and etags of consumer configurations.

use prost_types::FieldMask;

use crate::convert::config::{
    Difference, Mask, compare, etag as etag_of, is_server_label, object, patch,
};
use crate::error::Result;
use crate::nats::api::{AckPolicy, ConsumerConfig, JsonObject, Retention, StreamConfig};

/// What an update can change, by JetStream's names.
const FIELDS: &[&str] = &[
    "description",
    "filter_subjects",
    "filter_subject",
    "deliver_policy",
    "opt_start_seq",
    "opt_start_time",
    "ack_policy",
    "ack_wait",
    "max_deliver",
    "backoff",
    "max_ack_pending",
    "replay_policy",
    "headers_only",
    "max_waiting",
    "max_batch",
    "max_expires",
    "max_bytes",
    "inactive_threshold",
    "num_replicas",
    "mem_storage",
    "metadata",
];

/// Two ways to say the same; JetStream refuses both together.
const FILTERS: &[&str] = &["filter_subjects", "filter_subject"];

/// JetStream's own defaults; times in nanoseconds.
const DEFAULT_ACK_WAIT: u64 = 30_000_000_000;
const DEFAULT_MAX_ACK_PENDING: i64 = 1000;
const DEFAULT_MAX_WAITING: i64 = 512;
const DEFAULT_EPHEMERAL_THRESHOLD: u64 = 5_000_000_000;

/// The mask of an `UpdateConsumerRequest`.
pub fn update_mask(mask: Option<&FieldMask>) -> Result<Mask> {
    Ok(Mask::parse(mask, FIELDS, &["name", "durable_name"])?.join(FILTERS))
}

/// `existing` as it is to be sent, with the fields of `mask` as in `desired`. Names stay: JetStream
/// would make a durable consumer ephemeral that is updated without `durable_name`.
pub fn patched(
    existing: &ConsumerConfig,
    desired: &ConsumerConfig,
    mask: &Mask,
) -> Result<JsonObject> {
    let mut desired = desired.clone();
    let labels = existing
        .metadata
        .iter()
        .filter(|(key, _)| is_server_label(key));
    desired
        .metadata
        .extend(labels.map(|(key, value)| (key.clone(), value.clone())));
    patch(existing, &desired, mask)
}

/// Where `existing` differs from `desired` once the defaults are filled in, which depend on the
/// stream.
pub fn differences(
    desired: &ConsumerConfig,
    existing: &ConsumerConfig,
    stream: &StreamConfig,
) -> Result<Vec<Difference>> {
    let (desired, existing) = (
        with_defaults(desired, stream),
        with_defaults(existing, stream),
    );
    Ok(compare(object(&desired)?, object(&existing)?))
}

/// Changes whenever the configuration does.
pub fn etag(config: &ConsumerConfig) -> Result<String> {
    let mut config = config.clone();
    // Lists have fewer of these than other answers.
    config.metadata.retain(|key, _| !is_server_label(key));
    Ok(etag_of(object(&config)?))
}

/// In a form in which settings are equal if JetStream acts equally on them.
fn with_defaults(config: &ConsumerConfig, stream: &StreamConfig) -> ConsumerConfig {
    let mut config = config.clone();
    let limits = stream.consumer_limits.clone().unwrap_or_default();

    config.filter_subjects = config.filters().map(str::to_owned).collect();
    config.filter_subjects.sort();
    config.filter_subject.clear();
    config.metadata.retain(|key, _| !is_server_label(key));
    // A pause is made and ended by requests of its own.
    config.pause_until = None;

    config.max_deliver = if config.max_deliver > 0 {
        config.max_deliver
    } else {
        -1
    };
    match (config.backoff.first(), config.ack_wait) {
        (Some(first), _) => config.ack_wait = *first,
        (None, 0) if config.ack_policy != AckPolicy::None => config.ack_wait = DEFAULT_ACK_WAIT,
        _ => {}
    }
    config.max_ack_pending = match config.max_ack_pending {
        0 if limits.max_ack_pending > 0 => limits.max_ack_pending,
        0 if config.ack_policy != AckPolicy::None => DEFAULT_MAX_ACK_PENDING,
        pending => pending.max(-1),
    };
    if config.max_waiting <= 0 && !config.is_push() {
        config.max_waiting = DEFAULT_MAX_WAITING;
    }
    if config.inactive_threshold == 0 {
        config.inactive_threshold = match u64::try_from(limits.inactive_threshold) {
            Ok(limit) if limit > 0 => limit,
            _ if config.is_durable() => 0,
            _ => DEFAULT_EPHEMERAL_THRESHOLD,
        };
    }
    if config.num_replicas == 0 {
        config.num_replicas = default_replicas(&config, stream);
    }
    config
}

fn default_replicas(config: &ConsumerConfig, stream: &StreamConfig) -> u32 {
    // Only where every message waits for its consumers does an ephemeral one matter as much.
    if !config.is_durable() && stream.retention == Retention::Limits {
        return 1;
    }
    stream.num_replicas.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::api::{ConsumerLimits, DeliverPolicy};
    use serde_json::json;

    fn stream() -> StreamConfig {
        StreamConfig {
            num_replicas: 1,
            ..StreamConfig::default()
        }
    }

    /// What nats-server 2.15.1 answers to a bare name.
    fn stored(durable_name: &str) -> ConsumerConfig {
        serde_json::from_value(json!({
            "durable_name": durable_name, "name": "C", "deliver_policy": "all",
            "ack_policy": "explicit", "ack_wait": 30_000_000_000_u64, "max_deliver": -1,
            "replay_policy": "instant", "max_waiting": 512, "max_ack_pending": 1000, "num_replicas": 0,
            "inactive_threshold": if durable_name.is_empty() { 5_000_000_000_u64 } else { 0 },
            "metadata": {"_nats.level": "5", "_nats.req.level": "0", "_nats.ver": "2.15.1"},
        }))
        .unwrap()
    }

    fn asked(durable_name: &str) -> ConsumerConfig {
        ConsumerConfig {
            name: "C".into(),
            durable_name: durable_name.into(),
            ack_policy: AckPolicy::Explicit,
            max_deliver: -1,
            ..ConsumerConfig::default()
        }
    }

    fn names(desired: &ConsumerConfig, existing: &ConsumerConfig) -> Vec<String> {
        let differences = differences(desired, existing, &stream()).unwrap();
        differences.into_iter().map(|it| it.field).collect()
    }

    fn mask(paths: &[&str]) -> Mask {
        let paths = paths.iter().map(ToString::to_string).collect();
        update_mask(Some(&FieldMask { paths })).unwrap()
    }

    #[test]
    fn the_server_s_defaults_are_no_differences() {
        assert_eq!(names(&asked("C"), &stored("C")), [""; 0]);
        assert_eq!(names(&asked(""), &stored("")), [""; 0]);
        assert_eq!(
            names(
                &ConsumerConfig {
                    num_replicas: 1,
                    ..asked("C")
                },
                &stored("C")
            ),
            [""; 0]
        );
    }

    #[test]
    fn backoff_sets_the_first_wait() {
        let desired = ConsumerConfig {
            backoff: vec![1, 5],
            ack_wait: 60,
            ..asked("C")
        };
        let existing = ConsumerConfig {
            backoff: vec![1, 5],
            ack_wait: 1,
            ..stored("C")
        };
        assert_eq!(names(&desired, &existing), [""; 0]);
        let error = names(&asked("C"), &existing);
        assert_eq!(error, ["ack_wait", "backoff"]);
    }

    #[test]
    fn a_consumer_without_acks_waits_for_none() {
        let existing: ConsumerConfig = serde_json::from_value(json!({
            "name": "C", "deliver_policy": "all", "ack_policy": "none", "max_deliver": -1,
            "replay_policy": "instant", "max_waiting": 512, "inactive_threshold": 5_000_000_000_u64,
            "num_replicas": 0,
        }))
        .unwrap();
        let desired = ConsumerConfig {
            ack_policy: AckPolicy::None,
            ..asked("")
        };
        assert_eq!(names(&desired, &existing), [""; 0]);
    }

    #[test]
    fn the_stream_s_limits_are_the_consumer_s_defaults() {
        let limits = ConsumerLimits {
            inactive_threshold: 20_000_000_000,
            max_ack_pending: 7,
            ..ConsumerLimits::default()
        };
        let stream = StreamConfig {
            consumer_limits: Some(limits),
            num_replicas: 3,
            ..stream()
        };
        let existing = ConsumerConfig {
            max_ack_pending: 7,
            inactive_threshold: 20_000_000_000,
            num_replicas: 3,
            ..stored("C")
        };
        assert_eq!(
            differences(&asked("C"), &existing, &stream).unwrap(),
            vec![]
        );
    }

    #[test]
    fn filters_are_a_set_however_they_are_written() {
        let one = ConsumerConfig {
            filter_subject: "a".into(),
            ..asked("C")
        };
        let list = ConsumerConfig {
            filter_subjects: vec!["a".into()],
            ..stored("C")
        };
        assert_eq!(names(&one, &list), [""; 0]);
        assert_eq!(names(&asked("C"), &list), ["filter_subjects"]);
    }

    #[test]
    fn other_settings_are_differences() {
        let mut existing = ConsumerConfig {
            deliver_subject: "d".into(),
            deliver_policy: DeliverPolicy::New,
            ..stored("C")
        };
        existing
            .other
            .insert("priority_groups".into(), json!(["g"]));
        let expected = ["deliver_policy", "deliver_subject", "priority_groups"];
        assert_eq!(names(&asked("C"), &existing), expected);
        assert_eq!(
            names(&asked(""), &stored("C")),
            ["durable_name", "inactive_threshold"]
        );
    }

    #[test]
    fn an_update_leaves_names_and_unknown_settings() {
        let mut existing = stored("C");
        existing.other.insert("sample_freq".into(), "100%".into());
        let desired = ConsumerConfig {
            ack_wait: 5,
            ..asked("")
        };

        let sent = patched(&existing, &desired, &update_mask(None).unwrap()).unwrap();
        assert_eq!(
            (&sent["durable_name"], &sent["name"]),
            (&json!("C"), &json!("C"))
        );
        assert_eq!(
            (&sent["sample_freq"], &sent["ack_wait"]),
            (&json!("100%"), &json!(5))
        );
        assert!(!sent.contains_key("max_ack_pending"));
        assert_eq!(sent["metadata"]["_nats.ver"], "2.15.1");
    }

    #[test]
    fn one_kind_of_filter_replaces_the_other() {
        let existing = ConsumerConfig {
            filter_subjects: vec!["a".into(), "b".into()],
            ..stored("C")
        };
        let desired = ConsumerConfig {
            filter_subject: "c".into(),
            ..asked("C")
        };
        let sent = patched(&existing, &desired, &mask(&["filter_subject"])).unwrap();
        assert_eq!(sent["filter_subject"], "c");
        assert!(!sent.contains_key("filter_subjects"));
    }

    #[test]
    fn an_etag_follows_the_configuration_but_not_the_server() {
        let mut listed = stored("C");
        listed.metadata.remove("_nats.ver");
        assert_eq!(etag(&listed).unwrap(), etag(&stored("C")).unwrap());
        assert_ne!(etag(&stored("")).unwrap(), etag(&stored("C")).unwrap());
    }

    #[test]
    fn every_setting_can_be_changed_but_the_names() {
        let full = crate::convert::consumer::tests::full();
        let full = object(&crate::convert::consumer::to_api(Some(&full)).unwrap()).unwrap();
        // The fields that exclude each other.
        let exclusive = ["filter_subject", "opt_start_time"];
        for name in full
            .keys()
            .filter(|key| !["name", "durable_name"].contains(&key.as_str()))
        {
            assert!(FIELDS.contains(&name.as_str()), "{name}");
        }
        for name in FIELDS {
            assert!(
                full.contains_key(*name) || exclusive.contains(name),
                "{name}"
            );
        }
    }
}
