//! Tests of the conversion of streams.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn reserved() -> Reserved {
    Reserved::new("_INBOX")
}

fn minimal() -> proto::StreamConfig {
    proto::StreamConfig {
        name: "S".into(),
        subjects: vec!["s.>".into()],
        ..proto::StreamConfig::default()
    }
}

/// A configuration in which every field is set.
pub(super) fn full() -> proto::StreamConfig {
    proto::StreamConfig {
        name: "S".into(),
        description: "all of it".into(),
        subjects: vec!["s.*".into(), "t".into()],
        retention: proto::RetentionPolicy::Interest.into(),
        storage: proto::StorageType::Memory.into(),
        num_replicas: 3,
        max_msgs: Some(1),
        max_bytes: Some(2),
        max_age: duration(3_000_000_000),
        max_msgs_per_subject: Some(4),
        max_msg_size: Some(5),
        max_consumers: Some(6),
        discard: proto::DiscardPolicy::New.into(),
        discard_new_per_subject: true,
        duplicate_window: duration(1_000_000_000),
        no_ack: true,
        placement: Some(proto::Placement {
            cluster: "C".into(),
            tags: vec!["ssd".into()],
        }),
        compression: proto::Compression::S2.into(),
        first_seq: 7,
        metadata: HashMap::from([("team".into(), "a".into())]),
        allow_msg_ttl: true,
        allow_rollup_hdrs: true,
        allow_msg_counter: true,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        sealed: true,
        consumer_limits: Some(proto::ConsumerLimits {
            inactive_threshold: duration(8_000_000_000),
            max_ack_pending: 9,
        }),
        mirror: Some(source("M")),
        sources: vec![source("A"), source("B")],
        subject_transform: Some(transform("s.*", "t.{{wildcard(1)}}")),
        republish: Some(proto::Republish {
            src: "s.>".into(),
            dest: "copy.>".into(),
            headers_only: true,
        }),
        mirror_direct: true,
        subject_delete_marker_ttl: duration(1_000_000_000),
        allow_atomic: true,
        allow_batched: true,
        allow_msg_schedules: true,
        persist_mode: proto::PersistMode::Async.into(),
    }
}

/// A source in which every field is set that may be set together.
fn source(name: &str) -> proto::StreamSource {
    proto::StreamSource {
        name: name.into(),
        opt_start_seq: 2,
        opt_start_time: None,
        filter_subject: String::new(),
        subject_transforms: vec![transform("a.>", "b.>"), transform("c", "")],
        external: Some(proto::ExternalStream {
            api: "$JS.hub.API".into(),
            deliver: "from.hub".into(),
        }),
        consumer: None,
    }
}

fn transform(src: &str, dest: &str) -> proto::SubjectTransform {
    proto::SubjectTransform {
        src: src.into(),
        dest: dest.into(),
    }
}

/// The field that `change` makes invalid.
fn refused(change: impl FnOnce(&mut proto::StreamConfig)) -> String {
    let mut config = minimal();
    change(&mut config);
    let error = to_create(Some(&config), &reserved()).unwrap_err();
    error.message().split(": ").next().unwrap().to_owned()
}

#[test]
fn every_field_comes_back() {
    let config = to_api(Some(&full()), &reserved()).unwrap();
    assert_eq!(from_config(&config), full());
}

#[test]
fn defaults_are_sent_where_jetstream_s_own_are_not_meant() {
    let config = to_create(Some(&minimal()), &reserved()).unwrap();
    let json = serde_json::to_value(config).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "name": "S", "subjects": ["s.>"], "retention": "limits", "storage": "file",
            "discard": "old", "compression": "none", "num_replicas": 1,
        })
    );
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(refused(|it| it.name.clear()), "config.name");
    assert_eq!(refused(|it| it.name = "a.b".into()), "config.name");
    assert_eq!(
        refused(|it| it.description = "x".repeat(4097)),
        "config.description"
    );
    assert_eq!(refused(|it| it.subjects.clear()), "config.subjects");
    assert_eq!(
        refused(|it| it.subjects.push(">".into())),
        "config.subjects[1]"
    );
    assert_eq!(
        refused(|it| it.subjects.push("$JS.API.>".into())),
        "config.subjects[1]"
    );
    assert_eq!(refused(|it| it.retention = 9), "config.retention");
    assert_eq!(refused(|it| it.storage = -1), "config.storage");
    assert_eq!(refused(|it| it.discard = 3), "config.discard");
    assert_eq!(refused(|it| it.compression = 3), "config.compression");
    assert_eq!(refused(|it| it.num_replicas = 6), "config.num_replicas");
    assert_eq!(refused(|it| it.max_msgs = Some(0)), "config.max_msgs");
    assert_eq!(refused(|it| it.max_bytes = Some(-2)), "config.max_bytes");
    assert_eq!(
        refused(|it| it.max_msg_size = Some(0)),
        "config.max_msg_size"
    );
    assert_eq!(
        refused(|it| it.max_consumers = Some(0)),
        "config.max_consumers"
    );
    assert_eq!(
        refused(|it| it.max_age = duration(99_999_999)),
        "config.max_age"
    );
    assert_eq!(
        refused(|it| it.duplicate_window = duration(1)),
        "config.duplicate_window"
    );
    assert_eq!(refused(|it| it.sealed = true), "config.sealed");
    let label = ("_nats.ver".to_owned(), "1".to_owned());
    assert_eq!(refused(|it| it.metadata.extend([label])), "config.metadata");
    let limits = proto::ConsumerLimits {
        max_ack_pending: -1,
        ..Default::default()
    };
    assert_eq!(
        refused(|it| it.consumer_limits = Some(limits)),
        "config.consumer_limits.max_ack_pending"
    );
    assert!(to_create(None, &reserved()).is_err());
}

/// The field of a source that `change` makes invalid.
fn refused_source(change: impl FnOnce(&mut proto::StreamSource)) -> String {
    let mut bad = source("A");
    change(&mut bad);
    let field = refused(|it| it.sources = vec![source("B"), bad]);
    field.strip_prefix("config.sources[1].").unwrap().to_owned()
}

#[test]
fn what_is_wrong_with_a_source_is_named() {
    let time = Some(prost_types::Timestamp::default());
    assert_eq!(refused_source(|it| it.name.clear()), "name");
    assert_eq!(
        refused_source(|it| it.opt_start_time = time),
        "opt_start_time"
    );
    let filter = |it: &mut proto::StreamSource| it.filter_subject = "a".into();
    assert_eq!(refused_source(filter), "filter_subject");
    let bad = |it: &mut proto::StreamSource| it.subject_transforms[1].dest = "a..b".into();
    assert_eq!(refused_source(bad), "subject_transforms[1].dest");
    let api = |text: &str| refused_source(|it| it.external.as_mut().unwrap().api = text.into());
    assert_eq!(api(""), "external.api");
    assert_eq!(api("$JS.API"), "external.api");
    assert_eq!(api("_INBOX.x"), "external.api");
    let deliver = |it: &mut proto::StreamSource| {
        it.external.as_mut().unwrap().deliver = "$SYS.x".into();
    };
    assert_eq!(refused_source(deliver), "external.deliver");
    let consumer = |name: &str, subject: &str| proto::StreamSourceConsumer {
        name: name.into(),
        deliver_subject: subject.into(),
    };
    let with = |it: &mut proto::StreamSource, consumer| {
        (it.opt_start_seq, it.consumer) = (0, Some(consumer));
    };
    let named = |it: &mut proto::StreamSource| with(it, consumer("a.b", "d"));
    assert_eq!(refused_source(named), "consumer.name");
    let there = |it: &mut proto::StreamSource| with(it, consumer("c", "_INBOX.d"));
    assert_eq!(refused_source(there), "consumer.deliver_subject");
    let both = |it: &mut proto::StreamSource| it.consumer = Some(consumer("c", "d"));
    assert_eq!(refused_source(both), "consumer");
}

#[test]
fn what_is_passed_on_goes_nowhere_reserved() {
    let republish = |dest: &str| {
        let republish = proto::Republish {
            dest: dest.into(),
            ..Default::default()
        };
        refused(|it| it.republish = Some(republish))
    };
    for bad in ["$JS.API.>", "_INBOX.>", "{{wildcard(1)}}.x", ""] {
        assert_eq!(republish(bad), "config.republish.dest", "{bad}");
    }
    let nowhere = transform("s.>", "");
    assert_eq!(
        refused(|it| it.subject_transform = Some(nowhere)),
        "config.subject_transform.dest"
    );
    assert_eq!(
        refused(|it| it.subject_delete_marker_ttl = duration(999_999_999)),
        "config.subject_delete_marker_ttl"
    );
    assert_eq!(refused(|it| it.persist_mode = 3), "config.persist_mode");
}

#[test]
fn a_mirror_has_no_subjects_of_its_own() {
    let mirror = Some(source("M"));
    assert_eq!(refused(|it| it.mirror = mirror.clone()), "config.subjects");
    for bare in [
        proto::StreamConfig {
            mirror,
            ..minimal()
        },
        proto::StreamConfig {
            sources: vec![source("A")],
            ..minimal()
        },
    ] {
        let subjects = vec![];
        let config = proto::StreamConfig { subjects, ..bare };
        assert!(to_create(Some(&config), &reserved()).is_ok());
    }
}

#[test]
fn no_age_is_for_ever() {
    let config = proto::StreamConfig {
        max_age: Some(Default::default()),
        ..minimal()
    };
    assert_eq!(to_create(Some(&config), &reserved()).unwrap().max_age, 0);
}

#[test]
fn an_empty_stream_begins_behind_its_end() {
    let fresh = state(api::StreamState::default());
    assert_eq!((fresh.first_sequence, fresh.last_sequence), (1, 0));
    let time = Some(prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    });
    let purged = state(api::StreamState {
        last_seq: 9,
        last_ts: time,
        ..Default::default()
    });
    assert_eq!((purged.first_sequence, purged.last_time), (10, None));
}

#[test]
fn callers_do_not_see_the_server_s_labels() {
    let mut config = to_api(Some(&minimal()), &reserved()).unwrap();
    config.metadata.insert("_nats.ver".into(), "2.15.1".into());
    assert!(from_config(&config).metadata.is_empty());
}

prop_compose! {
    fn limits()(limit in prop_oneof![Just(None), Just(Some(-1)), (1..i32::MAX).prop_map(Some)]) -> Option<i32> {
        limit
    }
}

prop_compose! {
    fn valid()(
        name in "[A-Za-z0-9_-]{1,20}",
        subjects in prop::collection::vec("[a-z]{1,5}(\\.([a-z]{1,5}|\\*)){0,3}", 1..4),
        enums in (0..4, 0..3, 0..3, 0..3),
        num_replicas in 0..=5_u32,
        limits in (limits(), limits(), limits(), limits(), limits()),
        times in (100_000_000..=i64::MAX, 100_000_000..=i64::MAX),
        flags in prop::array::uniform8(any::<bool>()),
        metadata in prop::collection::hash_map("[a-z]{1,5}", ".{0,5}", 0..3),
        first_seq: u64,
    ) -> proto::StreamConfig {
        proto::StreamConfig {
            name,
            subjects,
            retention: enums.0,
            storage: enums.1,
            discard: enums.2,
            compression: enums.3,
            num_replicas,
            max_msgs: limits.0.map(i64::from),
            max_bytes: limits.1.map(i64::from),
            max_msgs_per_subject: limits.2.map(i64::from),
            max_msg_size: limits.3,
            max_consumers: limits.4,
            max_age: duration(times.0.unsigned_abs()),
            duplicate_window: duration(times.1.unsigned_abs()),
            no_ack: flags[0],
            allow_msg_ttl: flags[1],
            allow_rollup_hdrs: flags[2],
            allow_msg_counter: flags[3],
            deny_delete: flags[4],
            deny_purge: flags[5],
            allow_direct: flags[6],
            discard_new_per_subject: flags[7],
            metadata,
            first_seq,
            ..proto::StreamConfig::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_shown_can_be_sent_again(config in valid()) {
        let sent = to_create(Some(&config), &reserved()).unwrap();
        let shown = from_config(&sent);
        prop_assert_eq!(&to_create(Some(&shown), &reserved()).unwrap(), &sent);
        prop_assert!(differences(&sent, &sent).unwrap().is_empty());

        let json = serde_json::to_string(&sent).unwrap();
        prop_assert_eq!(serde_json::from_str::<api::StreamConfig>(&json).unwrap(), sent);
    }

    #[test]
    fn a_full_update_sends_what_a_creation_would(existing in valid(), desired in valid()) {
        let existing = to_create(Some(&existing), &reserved()).unwrap();
        let mut desired = to_create(Some(&desired), &reserved()).unwrap();
        desired.first_seq = existing.first_seq;
        desired.name.clone_from(&existing.name);
        let sent = patched(&existing, &desired, &update_mask(None).unwrap()).unwrap();
        prop_assert_eq!(serde_json::Value::Object(sent), serde_json::to_value(desired).unwrap());
    }
}
