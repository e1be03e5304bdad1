//! Configurations with one mistake each: INVALID_ARGUMENT at its field, whether the gateway finds it or
//! JetStream does.

use jetgate::proto::{
    ConsumerConfig, ConsumerLimits, CreateConsumerRequest, CreateStreamRequest, DeliverPolicy,
    DiscardPolicy, ExternalStream, PersistMode, PriorityPolicy, Republish, RetentionPolicy,
    StorageType, StreamConfig, StreamSource, SubjectTransform,
};
use prost_types::{Duration, Timestamp};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{start, start_with_stream};

type Mistake<C> = (&'static str, fn(&mut C));

fn millis(millis: i64) -> Option<Duration> {
    Some(Duration {
        seconds: millis / 1_000,
        nanos: (millis % 1_000) as i32 * 1_000_000,
    })
}

fn far() -> Timestamp {
    Timestamp {
        seconds: 300_000_000_000,
        nanos: 0,
    }
}

fn source() -> StreamSource {
    StreamSource {
        name: "ORIGIN".to_owned(),
        ..StreamSource::default()
    }
}

fn mirror(config: &mut StreamConfig) -> &mut StreamSource {
    config.subjects.clear();
    config.mirror.insert(source())
}

fn transform(src: &str, dest: &str) -> SubjectTransform {
    SubjectTransform {
        src: src.to_owned(),
        dest: dest.to_owned(),
    }
}

/// What is wrong with a stream's configuration, and where.
const STREAM: &[Mistake<StreamConfig>] = &[
    ("config.name", |it| it.name = "a.b".into()),
    ("config.name", |it| it.name.clear()),
    ("config.description", |it| {
        it.description = "x".repeat(5_000)
    }),
    ("config.subjects", |it| it.subjects.clear()),
    ("config.subjects[0]", |it| it.subjects[0] = "a..b".into()),
    ("config.subjects[1]", |it| {
        it.subjects.push("$JS.API.>".to_owned())
    }),
    ("config.subjects", |it| {
        it.subjects.push(it.subjects[0].clone())
    }),
    ("config.retention", |it| it.retention = 9),
    ("config.storage", |it| it.storage = 9),
    ("config.discard", |it| it.discard = 9),
    ("config.compression", |it| it.compression = -1),
    ("config.persist_mode", |it| it.persist_mode = 9),
    ("config.num_replicas", |it| it.num_replicas = 6),
    ("config.max_msgs", |it| it.max_msgs = Some(0)),
    ("config.max_bytes", |it| it.max_bytes = Some(-2)),
    ("config.max_msgs_per_subject", |it| {
        it.max_msgs_per_subject = Some(0)
    }),
    ("config.max_msg_size", |it| it.max_msg_size = Some(0)),
    ("config.max_consumers", |it| it.max_consumers = Some(-9)),
    ("config.max_age", |it| it.max_age = millis(99)),
    ("config.max_age", |it| it.max_age = millis(-1_000)),
    ("config.duplicate_window", |it| {
        it.duplicate_window = millis(1)
    }),
    ("config.duplicate_window", |it| {
        it.max_age = millis(1_000);
        it.duplicate_window = millis(2_000);
    }),
    ("config.discard_new_per_subject", |it| {
        it.discard_new_per_subject = true
    }),
    ("config.discard_new_per_subject", |it| {
        it.discard = DiscardPolicy::New as i32;
        it.discard_new_per_subject = true;
    }),
    ("config.allow_rollup_hdrs", |it| {
        it.allow_rollup_hdrs = true;
        it.deny_purge = true;
    }),
    ("config.metadata", |it| {
        it.metadata.insert("_nats.level".to_owned(), "1".to_owned());
    }),
    ("config.metadata", |it| {
        it.metadata.insert("large".to_owned(), "x".repeat(200_000));
    }),
    ("config.sealed", |it| it.sealed = true),
    ("config.subject_delete_marker_ttl", |it| {
        it.subject_delete_marker_ttl = millis(999)
    }),
    ("config.subject_delete_marker_ttl", |it| {
        mirror(it);
        it.subject_delete_marker_ttl = millis(1_000);
    }),
    ("config.consumer_limits.inactive_threshold", |it| {
        let inactive_threshold = millis(-1);
        it.consumer_limits = Some(ConsumerLimits {
            inactive_threshold,
            max_ack_pending: 0,
        });
    }),
    ("config.consumer_limits.max_ack_pending", |it| {
        it.consumer_limits = Some(ConsumerLimits {
            inactive_threshold: None,
            max_ack_pending: -1,
        });
    }),
    ("config.discard", |it| {
        it.allow_msg_counter = true;
        it.discard = DiscardPolicy::New as i32;
    }),
    ("config.allow_msg_ttl", |it| {
        (it.allow_msg_counter, it.allow_msg_ttl) = (true, true)
    }),
    ("config.retention", |it| {
        it.allow_msg_counter = true;
        it.retention = RetentionPolicy::Interest as i32;
    }),
    ("config.allow_msg_schedules", |it| {
        it.allow_msg_schedules = true;
        it.discard = DiscardPolicy::New as i32;
    }),
    ("config.allow_msg_schedules", |it| {
        it.allow_msg_schedules = true;
        it.sources.push(source());
    }),
    ("config.persist_mode", |it| {
        it.persist_mode = PersistMode::Async as i32;
        it.storage = StorageType::Memory as i32;
    }),
    ("config.persist_mode", |it| {
        it.persist_mode = PersistMode::Async as i32;
        it.allow_atomic = true;
    }),
    ("config.subjects", |it| it.mirror = Some(source())),
    ("config.mirror.name", |it| mirror(it).name.clear()),
    ("config.sources", |it| {
        mirror(it);
        it.sources.push(source());
    }),
    ("config.first_seq", |it| {
        mirror(it);
        it.first_seq = 7;
    }),
    ("config.allow_msg_counter", |it| {
        mirror(it);
        it.allow_msg_counter = true;
    }),
    ("config.allow_atomic", |it| {
        mirror(it);
        it.allow_atomic = true;
    }),
    ("config.allow_batched", |it| {
        mirror(it);
        it.allow_batched = true;
    }),
    ("config.mirror.opt_start_time", |it| {
        let mirror = mirror(it);
        mirror.opt_start_seq = 1;
        mirror.opt_start_time = Some(Timestamp::default());
    }),
    ("config.mirror.opt_start_time", |it| {
        mirror(it).opt_start_time = Some(far())
    }),
    ("config.mirror.filter_subject", |it| {
        mirror(it).filter_subject = "a..b".into()
    }),
    ("config.mirror.external.api", |it| {
        let api = "no prefix".to_owned();
        mirror(it).external = Some(ExternalStream {
            api,
            deliver: String::new(),
        });
    }),
    ("config.mirror", |it| {
        mirror(it).subject_transforms = vec![transform("a.>", ""), transform("a.b", "")];
    }),
    ("config.sources[1].name", |it| {
        it.sources = vec![source(), StreamSource::default()]
    }),
    ("config.sources", |it| it.sources = vec![source(), source()]),
    ("config.sources[0].filter_subject", |it| {
        let mut source = source();
        source.filter_subject = "a".into();
        source.subject_transforms.push(transform("a", "b"));
        it.sources.push(source);
    }),
    ("config.subject_transform.dest", |it| {
        it.subject_transform = Some(transform("m.*", "x..y"));
    }),
    ("config.subject_transform", |it| {
        it.subject_transform = Some(transform("m.*", "x.{{wildcard(7)}}"));
    }),
    ("config.republish.dest", |it| {
        it.republish = Some(Republish::default())
    }),
    ("config.republish.dest", |it| {
        let dest = "$JS.API.STREAM.DELETE.x".to_owned();
        it.republish = Some(Republish {
            dest,
            ..Republish::default()
        });
    }),
];

/// What is wrong with a consumer's configuration, and where.
const CONSUMER: &[Mistake<ConsumerConfig>] = &[
    ("config.name", |it| it.durable_name.clear()),
    ("config.durable_name", |it| it.durable_name = "a.b".into()),
    ("config.name", |it| it.name = "other".into()),
    ("config.description", |it| {
        it.description = "x".repeat(5_000)
    }),
    ("config.filter_subject", |it| {
        it.filter_subject = "a..b".into()
    }),
    ("config.filter_subjects[0]", |it| {
        it.filter_subjects = vec![">.a".to_owned()]
    }),
    ("config.filter_subjects", |it| {
        it.filter_subjects = vec!["s.>".to_owned(), "s.a".to_owned()];
    }),
    ("config.filter_subject", |it| {
        it.filter_subject = "s.a".into();
        it.filter_subjects = vec!["s.b".to_owned()];
    }),
    ("config.deliver_policy", |it| it.deliver_policy = 9),
    ("config.deliver_policy", |it| {
        it.deliver_policy = DeliverPolicy::LastPerSubject as i32
    }),
    ("config.opt_start_seq", |it| it.opt_start_seq = 5),
    ("config.opt_start_seq", |it| {
        it.deliver_policy = DeliverPolicy::ByStartSequence as i32
    }),
    ("config.opt_start_time", |it| {
        it.deliver_policy = DeliverPolicy::ByStartTime as i32
    }),
    ("config.opt_start_time", |it| {
        it.deliver_policy = DeliverPolicy::ByStartTime as i32;
        it.opt_start_time = Some(far());
    }),
    ("config.ack_policy", |it| it.ack_policy = 9),
    ("config.ack_wait", |it| it.ack_wait = millis(0)),
    ("config.max_deliver", |it| it.max_deliver = Some(0)),
    ("config.max_deliver", |it| {
        it.max_deliver = Some(1);
        it.backoff = vec![
            Duration {
                seconds: 1,
                nanos: 0
            };
            2
        ];
    }),
    ("config.backoff[0]", |it| {
        it.backoff = vec![Duration {
            seconds: -1,
            nanos: 0,
        }]
    }),
    ("config.max_ack_pending", |it| it.max_ack_pending = Some(0)),
    ("config.replay_policy", |it| it.replay_policy = 9),
    ("config.max_waiting", |it| it.max_waiting = -1),
    ("config.max_batch", |it| it.max_batch = -1),
    ("config.max_expires", |it| {
        it.max_expires = Some(Duration {
            seconds: 0,
            nanos: 1,
        })
    }),
    ("config.max_bytes", |it| it.max_bytes = -1),
    ("config.inactive_threshold", |it| {
        it.inactive_threshold = millis(0)
    }),
    ("config.num_replicas", |it| it.num_replicas = 6),
    ("config.metadata", |it| {
        it.metadata.insert("_nats.ver".to_owned(), String::new());
    }),
    ("config.metadata", |it| {
        it.metadata.insert("large".to_owned(), "x".repeat(200_000));
    }),
    ("config.priority_policy", |it| it.priority_policy = 9),
    ("config.priority_groups", |it| {
        it.priority_policy = PriorityPolicy::Overflow as i32
    }),
    ("config.priority_groups", |it| {
        it.priority_groups = vec!["g".to_owned()]
    }),
    ("config.priority_groups[0]", |it| {
        it.priority_policy = PriorityPolicy::Overflow as i32;
        it.priority_groups = vec!["a group".to_owned()];
    }),
    ("config.priority_timeout", |it| {
        it.priority_timeout = millis(1_000)
    }),
    ("config.pause_until", |it| it.pause_until = Some(far())),
    ("config.sample_freq", |it| it.sample_freq = 101),
];

/// What is wrong with the answer to a mistake.
fn misjudged(answer: Result<(), Status>, field: &str, number: usize) -> Option<String> {
    let Err(status) = answer else {
        return Some(format!("mistake {number} at {field} is taken"));
    };
    let blamed = status.get_details_bad_request();
    let blamed = blamed.and_then(|it| it.field_violations.into_iter().next());
    let blamed = blamed.map(|it| it.field);
    let is_right = status.code() == Code::InvalidArgument && blamed.as_deref() == Some(field);
    (!is_right).then(|| format!("mistake {number} at {field}: {blamed:?} {status:?}"))
}

#[tokio::test]
async fn a_stream_s_mistake_is_named_by_its_field() {
    let (_nats, gateway) = start().await;
    let mut misjudgements = Vec::new();
    for (number, (field, spoil)) in STREAM.iter().enumerate() {
        let mut config = StreamConfig {
            name: "M".to_owned(),
            subjects: vec!["m.*".to_owned()],
            ..StreamConfig::default()
        };
        spoil(&mut config);
        let config = Some(config);
        let mut streams = gateway.streams();
        let answer = streams.create_stream(CreateStreamRequest { config }).await;
        misjudgements.extend(misjudged(answer.map(|_| ()), field, number));
    }
    assert!(misjudgements.is_empty(), "{}", misjudgements.join("\n"));
}

#[tokio::test]
async fn a_consumer_s_mistake_is_named_by_its_field() {
    let stream = json!({ "name": "S", "subjects": ["s.>"] });
    let (_nats, gateway, _wire) = start_with_stream(stream).await;
    let mut misjudgements = Vec::new();
    for (number, (field, spoil)) in CONSUMER.iter().enumerate() {
        let mut config = ConsumerConfig {
            durable_name: "m".to_owned(),
            ..ConsumerConfig::default()
        };
        spoil(&mut config);
        let request = CreateConsumerRequest {
            stream: "S".to_owned(),
            config: Some(config),
        };
        let answer = gateway.consumers().create_consumer(request).await;
        misjudgements.extend(misjudged(answer.map(|_| ()), field, number));
    }
    assert!(misjudgements.is_empty(), "{}", misjudgements.join("\n"));
}
