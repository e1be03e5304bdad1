//! Tests of differences, changes and etags of consumer configurations.

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
fn priorities_and_samples_have_defaults_too() {
    let groups = || vec!["b".to_owned(), "a".to_owned()];
    let desired = ConsumerConfig {
        priority_groups: groups(),
        priority_policy: PriorityPolicy::PinnedClient,
        sample_freq: "50".into(),
        ..asked("C")
    };
    let existing = ConsumerConfig {
        priority_groups: groups().into_iter().rev().collect(),
        priority_policy: PriorityPolicy::PinnedClient,
        priority_timeout: DEFAULT_PRIORITY_TIMEOUT,
        sample_freq: "50%".into(),
        ..stored("C")
    };
    assert_eq!(names(&desired, &existing), [""; 0]);
    let expected = [
        "priority_groups",
        "priority_policy",
        "priority_timeout",
        "sample_freq",
    ];
    assert_eq!(names(&asked("C"), &existing), expected);
}

#[test]
fn a_pause_is_not_changed_by_updates() {
    let time = Some(prost_types::Timestamp::default());
    let existing = ConsumerConfig {
        pause_until: time,
        ..stored("C")
    };
    let sent = patched(&existing, &asked("C"), &update_mask(None).unwrap()).unwrap();
    assert_eq!(sent["pause_until"], "1970-01-01T00:00:00Z");
    assert_eq!(names(&asked("C"), &existing), [""; 0]);
    let paths = vec!["pause_until".to_owned()];
    assert!(update_mask(Some(&FieldMask { paths })).is_err());
}

#[test]
fn other_settings_are_differences() {
    let mut existing = ConsumerConfig {
        deliver_subject: "d".into(),
        deliver_policy: DeliverPolicy::New,
        ..stored("C")
    };
    existing.other.insert("rate_limit_bps".into(), json!(9));
    let expected = ["deliver_policy", "deliver_subject", "rate_limit_bps"];
    assert_eq!(names(&asked("C"), &existing), expected);
    assert_eq!(
        names(&asked(""), &stored("C")),
        ["durable_name", "inactive_threshold"]
    );
}

#[test]
fn an_update_leaves_names_and_unknown_settings() {
    let mut existing = stored("C");
    existing.other.insert("of_2030".into(), "100%".into());
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
        (&sent["of_2030"], &sent["ack_wait"]),
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
    // What says which consumer is meant, and what has requests of its own.
    let fixed = ["name", "durable_name", "pause_until"];
    for name in full.keys().filter(|key| !fixed.contains(&key.as_str())) {
        assert!(FIELDS.contains(&name.as_str()), "{name}");
    }
    for name in FIELDS {
        assert!(
            full.contains_key(*name) || exclusive.contains(name),
            "{name}"
        );
    }
}
