//! Tests of the conversion of consumers.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn minimal() -> proto::ConsumerConfig {
    proto::ConsumerConfig {
        durable_name: "C".into(),
        ..proto::ConsumerConfig::default()
    }
}

/// A configuration in which every field is set that may be set together.
pub(super) fn full() -> proto::ConsumerConfig {
    proto::ConsumerConfig {
        durable_name: "C".into(),
        name: "C".into(),
        description: "all of it".into(),
        filter_subjects: vec!["a.*".into(), "$KV.b.>".into()],
        filter_subject: String::new(),
        deliver_policy: proto::DeliverPolicy::ByStartSequence.into(),
        opt_start_seq: 1,
        opt_start_time: None,
        ack_policy: proto::AckPolicy::All.into(),
        ack_wait: duration(2),
        max_deliver: Some(3),
        backoff: vec![duration(4).unwrap(), duration(5).unwrap()],
        max_ack_pending: Some(6),
        replay_policy: proto::ReplayPolicy::Original.into(),
        headers_only: true,
        max_waiting: 7,
        max_batch: 8,
        max_expires: duration(9_000_000),
        max_bytes: 10,
        inactive_threshold: duration(11),
        num_replicas: 3,
        mem_storage: true,
        metadata: HashMap::from([("team".into(), "a".into())]),
        priority_groups: vec!["g".into()],
        priority_policy: proto::PriorityPolicy::PinnedClient.into(),
        priority_timeout: duration(12),
        pause_until: Some(prost_types::Timestamp {
            seconds: 13,
            nanos: 0,
        }),
        sample_freq: 14,
    }
}

/// The field that `change` makes invalid.
fn refused(change: impl FnOnce(&mut proto::ConsumerConfig)) -> String {
    let mut config = minimal();
    change(&mut config);
    let error = to_api(Some(&config)).unwrap_err();
    error.message().split(": ").next().unwrap().to_owned()
}

#[test]
fn every_field_comes_back() {
    assert_eq!(from_config(&to_api(Some(&full())).unwrap()), full());
}

#[test]
fn acknowledgements_are_explicit_unless_asked_otherwise() {
    let config = to_api(Some(&minimal())).unwrap();
    assert_eq!(
        serde_json::to_value(config).unwrap(),
        serde_json::json!({
            "name": "C", "durable_name": "C", "deliver_policy": "all", "ack_policy": "explicit",
            "replay_policy": "instant", "max_deliver": -1,
        })
    );
}

#[test]
fn a_name_alone_is_ephemeral() {
    let config = proto::ConsumerConfig {
        name: "E".into(),
        ..Default::default()
    };
    assert!(!to_api(Some(&config)).unwrap().is_durable());
    assert_eq!(refused(|it| it.durable_name.clear()), "config.name");
    assert_eq!(refused(|it| it.name = "other".into()), "config.name");
    assert_eq!(
        refused(|it| it.durable_name = "a.b".into()),
        "config.durable_name"
    );
}

#[test]
fn a_start_comes_with_its_policy() {
    use proto::DeliverPolicy as Policy;
    let time = Some(prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    });
    let sequence = "config.opt_start_seq";
    assert_eq!(refused(|it| it.opt_start_seq = 4), sequence);
    assert_eq!(
        refused(|it| it.deliver_policy = Policy::ByStartSequence.into()),
        sequence
    );
    assert_eq!(
        refused(|it| it.opt_start_time = time),
        "config.opt_start_time"
    );
    assert_eq!(
        refused(|it| it.deliver_policy = Policy::ByStartTime.into()),
        "config.opt_start_time"
    );
    let broken = Some(prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: -1,
    });
    assert_eq!(
        refused(|it| {
            it.deliver_policy = Policy::ByStartTime.into();
            it.opt_start_time = broken;
        }),
        "config.opt_start_time"
    );
}

#[test]
fn an_ordered_read_has_filters_and_a_start() {
    let ordered = |deliver_policy: proto::DeliverPolicy, opt_start_seq| proto::OrderedConsumer {
        deliver_policy: deliver_policy.into(),
        opt_start_seq,
        ..Default::default()
    };
    let all = ordered_config(&ordered(proto::DeliverPolicy::Unspecified, 0)).unwrap();
    assert_eq!(all, api::ConsumerConfig::default());
    let last = ordered_config(&ordered(proto::DeliverPolicy::LastPerSubject, 0)).unwrap();
    assert_eq!(last.filter_subjects, [">"]);

    let error = ordered_config(&ordered(proto::DeliverPolicy::All, 1)).unwrap_err();
    assert!(error.message().starts_with("opt_start_seq: "), "{error}");
    let filters = proto::OrderedConsumer {
        filter_subjects: vec!["a".into(), "".into()],
        ..Default::default()
    };
    assert!(
        ordered_config(&filters)
            .unwrap_err()
            .message()
            .starts_with("filter_subjects[1]: ")
    );
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(
        refused(|it| it.description = "x".repeat(4097)),
        "config.description"
    );
    assert_eq!(
        refused(|it| it.filter_subject = "a..b".into()),
        "config.filter_subject"
    );
    assert_eq!(
        refused(|it| it.filter_subjects.push("a.>.b".into())),
        "config.filter_subjects[0]"
    );
    assert_eq!(refused(|it| it.deliver_policy = 7), "config.deliver_policy");
    assert_eq!(refused(|it| it.ack_policy = 4), "config.ack_policy");
    assert_eq!(refused(|it| it.replay_policy = -1), "config.replay_policy");
    assert_eq!(
        refused(|it| it.ack_wait = Some(Default::default())),
        "config.ack_wait"
    );
    assert_eq!(refused(|it| it.max_deliver = Some(0)), "config.max_deliver");
    assert_eq!(
        refused(|it| it.backoff.push(Default::default())),
        "config.backoff[0]"
    );
    assert_eq!(
        refused(|it| it.max_ack_pending = Some(0)),
        "config.max_ack_pending"
    );
    assert_eq!(refused(|it| it.max_waiting = -1), "config.max_waiting");
    assert_eq!(refused(|it| it.max_batch = -1), "config.max_batch");
    assert_eq!(refused(|it| it.max_bytes = -1), "config.max_bytes");
    assert_eq!(
        refused(|it| it.max_expires = duration(999_999)),
        "config.max_expires"
    );
    assert_eq!(refused(|it| it.num_replicas = 6), "config.num_replicas");
    assert_eq!(refused(|it| it.sample_freq = 101), "config.sample_freq");
    let never = prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    };
    assert_eq!(
        refused(|it| it.pause_until = Some(never)),
        "config.pause_until"
    );
    let label = ("_nats.x".to_owned(), "1".to_owned());
    assert_eq!(refused(|it| it.metadata.extend([label])), "config.metadata");
    assert_eq!(
        refused(|it| {
            it.filter_subject = "a".into();
            it.filter_subjects.push("b".into());
        }),
        "config.filter_subject"
    );
    assert!(to_api(None).is_err());
}

#[test]
fn backoff_needs_as_many_deliveries() {
    let wait = duration(1).unwrap();
    let waits = |most| proto::ConsumerConfig {
        backoff: vec![wait, wait],
        max_deliver: most,
        ..minimal()
    };
    assert_eq!(to_api(Some(&waits(None))).unwrap().max_deliver, -1);
    assert_eq!(to_api(Some(&waits(Some(2)))).unwrap().max_deliver, 2);
    assert!(to_api(Some(&waits(Some(1)))).is_err());
}

#[test]
fn groups_and_policies_need_each_other() {
    let pinned = i32::from(proto::PriorityPolicy::PinnedClient);
    let groups = "config.priority_groups";
    assert_eq!(refused(|it| it.priority_policy = pinned), groups);
    assert_eq!(refused(|it| it.priority_groups.push("g".into())), groups);
    assert_eq!(
        refused(|it| it.priority_timeout = duration(1)),
        "config.priority_timeout"
    );
    let named = |it: &mut proto::ConsumerConfig| {
        it.priority_policy = pinned;
        it.priority_groups.push("a.b".into());
    };
    assert_eq!(refused(named), "config.priority_groups[0]");
    assert_eq!(
        refused(|it| it.priority_policy = 9),
        "config.priority_policy"
    );
}

#[test]
fn a_pause_has_an_end() {
    let info = |paused| -> api::ConsumerInfo {
        serde_json::from_value(serde_json::json!({
            "stream_name": "S", "name": "C", "created": "2026-11-23T07:42:29Z", "config": {},
            "paused": paused,
            "pause_remaining": 1_500_000_000,
        }))
        .unwrap()
    };
    let state = |paused| from_info(info(paused)).unwrap().state.unwrap();
    assert_eq!(state(true).pause_remaining, duration(1_500_000_000));
    assert_eq!(state(false).pause_remaining, None);
}

prop_compose! {
    fn valid()(
        name in "[A-Za-z0-9_-]{1,20}",
        durable: bool,
        filter_subjects in prop::collection::vec("[a-z]{1,5}(\\.([a-z]{1,5}|\\*)){0,3}", 0..4),
        policies in (0..7, 0..4, 0..3),
        start in (1..u64::MAX, 0..253_402_300_800_i64, 0..1_000_000_000),
        numbers in (0..i64::MAX, 0..i64::MAX, 0..i64::MAX, 0..=5_u32),
        max_deliver in prop_oneof![Just(None), Just(Some(-1)), (4..i64::MAX).prop_map(Some)],
        max_ack_pending in prop_oneof![Just(None), Just(Some(-1)), (1..i64::MAX).prop_map(Some)],
        times in (1..i64::MAX, 1_000_000..i64::MAX, 1..i64::MAX),
        backoff in prop::collection::vec(1..i64::MAX, 0..4),
        flags: (bool, bool),
    ) -> proto::ConsumerConfig {
        let time = |nanos: i64| duration(nanos.unsigned_abs());
        proto::ConsumerConfig {
            durable_name: if durable { name.clone() } else { String::new() },
            name,
            filter_subjects,
            deliver_policy: policies.0,
            opt_start_seq: if policies.0 == 4 { start.0 } else { 0 },
            opt_start_time: (policies.0 == 5)
                .then_some(prost_types::Timestamp { seconds: start.1, nanos: start.2 }),
            ack_policy: policies.1,
            replay_policy: policies.2,
            max_waiting: numbers.0,
            max_batch: numbers.1,
            max_bytes: numbers.2,
            num_replicas: numbers.3,
            max_deliver,
            max_ack_pending,
            ack_wait: time(times.0),
            max_expires: time(times.1),
            inactive_threshold: time(times.2),
            backoff: backoff.into_iter().filter_map(time).collect(),
            headers_only: flags.0,
            mem_storage: flags.1,
            ..proto::ConsumerConfig::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_shown_can_be_sent_again(config in valid()) {
        let sent = to_api(Some(&config)).unwrap();
        let shown = from_config(&sent);
        prop_assert_eq!(&to_api(Some(&shown)).unwrap(), &sent);
        prop_assert!(differences(&sent, &sent, &api::StreamConfig::default()).unwrap().is_empty());

        let json = serde_json::to_string(&sent).unwrap();
        prop_assert_eq!(serde_json::from_str::<api::ConsumerConfig>(&json).unwrap(), sent);
    }

    #[test]
    fn a_full_update_sends_what_a_creation_would(existing in valid(), desired in valid()) {
        let existing = to_api(Some(&existing)).unwrap();
        let mut desired = to_api(Some(&desired)).unwrap();
        desired.name.clone_from(&existing.name);
        desired.durable_name.clone_from(&existing.durable_name);
        let sent = patched(&existing, &desired, &update_mask(None).unwrap()).unwrap();
        prop_assert_eq!(serde_json::Value::Object(sent), serde_json::to_value(desired).unwrap());
    }
}
