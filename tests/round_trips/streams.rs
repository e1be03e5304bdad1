//! Streams: configurations that are valid come back with JetStream's defaults filled in, and equal
//! when they are written again.

use std::time::Duration;

use fastrand::Rng;
use jetgate::proto::{
    ApplyOutcome, ApplyStreamRequest, Compression, ConsumerLimits, CreateStreamRequest,
    DeleteStreamRequest, DiscardPolicy, ExternalStream, GetStreamRequest, PersistMode, Placement,
    Republish, RetentionPolicy, StorageType, StreamConfig, StreamSource, StreamSourceConsumer,
    SubjectTransform, UpdateStreamRequest,
};
use serde_json::json;

use super::{Findings, cases, choice, labels, limit, maybe, past, text, time, unless_set};
use crate::support::{Gateway, start};

/// JetStream's window where `max_age` is not shorter.
const WINDOW: Duration = Duration::from_secs(120);

/// A configuration that a single server takes.
fn valid(rng: &mut Rng, seed: u64) -> StreamConfig {
    let name = format!("S{seed}");
    let mut config = StreamConfig {
        subjects: (0..rng.usize(1..4))
            .map(|it| format!("s{seed}.{it}.*"))
            .collect(),
        name,
        description: text(rng),
        retention: choice(rng, 3),
        storage: choice(rng, 2),
        discard: choice(rng, 2),
        compression: choice(rng, 2),
        persist_mode: choice(rng, 2),
        num_replicas: rng.u32(..2),
        max_msgs: limit(rng, 1),
        max_bytes: limit(rng, 10_000),
        max_msgs_per_subject: limit(rng, 1),
        max_msg_size: limit(rng, 100),
        max_consumers: limit(rng, 1),
        max_age: maybe(rng, |rng| time(rng, 100)),
        no_ack: rng.bool(),
        first_seq: rng.u64(..1_000),
        metadata: labels(rng),
        allow_msg_ttl: rng.bool(),
        allow_rollup_hdrs: rng.bool(),
        allow_direct: rng.bool(),
        allow_atomic: rng.bool(),
        allow_batched: rng.bool(),
        allow_msg_counter: rng.u8(..4) == 0,
        allow_msg_schedules: rng.u8(..4) == 0,
        deny_delete: rng.bool(),
        deny_purge: rng.bool(),
        placement: maybe(rng, placement),
        consumer_limits: maybe(rng, |rng| ConsumerLimits {
            inactive_threshold: maybe(rng, |rng| time(rng, 1)),
            max_ack_pending: rng.i32(0..100),
        }),
        subject_transform: maybe(rng, |rng| transform(rng, seed)),
        republish: maybe(rng, |rng| republish(rng, seed)),
        subject_delete_marker_ttl: maybe(rng, |rng| time(rng, 1_000)),
        ..StreamConfig::default()
    };
    config.duplicate_window = maybe(rng, |rng| time(rng, 100));
    match rng.u8(..4) {
        0 => make_mirror(rng, &mut config),
        1 => {
            config.sources = (0..rng.usize(1..4))
                .map(|place| source(rng, place))
                .collect()
        }
        _ => {}
    }
    mend(rng, &mut config);
    config
}

fn placement(rng: &mut Rng) -> Placement {
    Placement {
        cluster: maybe(rng, |_| "C".to_owned()).unwrap_or_default(),
        tags: (0..rng.usize(..3)).map(|it| format!("tag{it}")).collect(),
    }
}

fn transform(rng: &mut Rng, seed: u64) -> SubjectTransform {
    SubjectTransform {
        src: format!("s{seed}.*.*"),
        dest: format!(
            "t{seed}.{{{{wildcard({})}}}}.{{{{wildcard(1)}}}}",
            rng.u8(1..3)
        ),
    }
}

fn republish(rng: &mut Rng, seed: u64) -> Republish {
    Republish {
        src: maybe(rng, |_| ">".to_owned()).unwrap_or_default(),
        dest: format!("copy{seed}.>"),
        headers_only: rng.bool(),
    }
}

fn source(rng: &mut Rng, place: usize) -> StreamSource {
    let mut source = StreamSource {
        name: format!("ORIGIN{place}"),
        ..StreamSource::default()
    };
    match rng.u8(..5) {
        0 => source.opt_start_seq = rng.u64(1..100),
        1 => source.opt_start_time = Some(past(rng)),
        2 => {
            source.consumer = Some(StreamSourceConsumer {
                name: format!("copy{place}"),
                deliver_subject: format!("deliver{place}.{}", rng.u32(..)),
            });
            return source;
        }
        _ => {}
    }
    match rng.u8(..3) {
        0 => source.filter_subject = "origin.*".into(),
        1 => {
            let dest = maybe(rng, |_| "moved.{{wildcard(1)}}".to_owned());
            source.subject_transforms = vec![SubjectTransform {
                src: "origin.*".to_owned(),
                dest: dest.unwrap_or_default(),
            }];
        }
        _ => {}
    }
    source.external = maybe(rng, |rng| ExternalStream {
        api: "$JS.hub.API".to_owned(),
        deliver: maybe(rng, |_| "deliver.hub".to_owned()).unwrap_or_default(),
    });
    source
}

fn make_mirror(rng: &mut Rng, config: &mut StreamConfig) {
    config.subjects.clear();
    config.mirror = Some(source(rng, 0));
    config.mirror_direct = rng.bool();
    config.first_seq = 0;
    config.subject_transform = None;
    config.subject_delete_marker_ttl = None;
    config.allow_msg_counter = false;
    config.allow_msg_schedules = false;
    config.allow_atomic = false;
    config.allow_batched = false;
}

/// Takes out what does not go together.
fn mend(rng: &mut Rng, config: &mut StreamConfig) {
    let has_age = config.max_age.as_ref().map(nanos);
    if let (Some(age), Some(window)) = (has_age, config.duplicate_window.as_ref())
        && nanos(window) > age
    {
        config.duplicate_window = config.max_age;
    }
    if !config.sources.is_empty() {
        config.allow_msg_schedules = false;
    }
    if config.allow_msg_counter {
        config.discard = DiscardPolicy::Old as i32;
        config.retention = RetentionPolicy::Limits as i32;
        config.allow_msg_ttl = false;
        config.allow_msg_schedules = false;
        config.subject_delete_marker_ttl = None;
    }
    if config.allow_msg_schedules {
        config.discard = DiscardPolicy::Old as i32;
    }
    config.discard_new_per_subject = config.discard == DiscardPolicy::New as i32
        && config.max_msgs_per_subject.is_some_and(|most| most > 0)
        && rng.bool();
    let rolls_up = config.allow_msg_schedules || config.subject_delete_marker_ttl.is_some();
    if config.allow_rollup_hdrs || rolls_up {
        config.deny_purge = false;
    }
    if config.storage == StorageType::Memory as i32 || config.allow_atomic {
        config.persist_mode = PersistMode::Default as i32;
    }
}

fn nanos(time: &prost_types::Duration) -> i64 {
    time.seconds * 1_000_000_000 + i64::from(time.nanos)
}

/// The same once JetStream has filled in what is not set.
fn filled_in(config: &StreamConfig) -> StreamConfig {
    let unlimited = |limit: Option<i64>| limit.or(Some(-1));
    let mut filled = StreamConfig {
        retention: unless_set(config.retention, RetentionPolicy::Limits as i32),
        storage: unless_set(config.storage, StorageType::File as i32),
        discard: unless_set(config.discard, DiscardPolicy::Old as i32),
        compression: unless_set(config.compression, Compression::None as i32),
        persist_mode: unless_set(config.persist_mode, PersistMode::Default as i32),
        num_replicas: config.num_replicas.max(1),
        max_msgs: unlimited(config.max_msgs),
        max_bytes: unlimited(config.max_bytes),
        max_msgs_per_subject: unlimited(config.max_msgs_per_subject),
        max_msg_size: config.max_msg_size.or(Some(-1)),
        max_consumers: config.max_consumers.or(Some(-1)),
        ..config.clone()
    };
    let copies = config.mirror.is_some() || !config.sources.is_empty();
    if config.duplicate_window.is_none() && !copies {
        let age = config.max_age.map(|age| Duration::try_from(age).unwrap());
        let window = age.map_or(WINDOW, |age| age.min(WINDOW));
        filled.duplicate_window = Some(window.try_into().unwrap());
    }
    if config.subject_delete_marker_ttl.is_some() {
        filled.allow_msg_ttl = true;
    }
    if config.subject_delete_marker_ttl.is_some() || config.allow_msg_schedules {
        filled.allow_rollup_hdrs = true;
    }
    if let Some(republish) = &mut filled.republish
        && republish.src.is_empty()
    {
        ">".clone_into(&mut republish.src);
    }
    // JetStream takes it from the origin, where it can see that.
    if config
        .mirror
        .as_ref()
        .is_some_and(|it| it.external.is_none())
    {
        filled.mirror_direct = false;
    }
    // Nothing in it says nothing.
    filled.placement = filled.placement.filter(|it| *it != Placement::default());
    filled.consumer_limits = filled
        .consumer_limits
        .filter(|it| *it != ConsumerLimits::default());
    filled
}

async fn create(gateway: &Gateway, config: &StreamConfig) -> StreamConfig {
    let request = CreateStreamRequest {
        config: Some(config.clone()),
    };
    let created = gateway.streams().create_stream(request).await;
    let created = created.unwrap_or_else(|status| panic!("{status:?}\n{config:#?}"));
    created.into_inner().stream.unwrap().config.unwrap()
}

async fn read(gateway: &Gateway, stream: &str) -> StreamConfig {
    let stream = stream.to_owned();
    let read = gateway
        .streams()
        .get_stream(GetStreamRequest { stream })
        .await;
    read.unwrap().into_inner().stream.unwrap().config.unwrap()
}

async fn delete(gateway: &Gateway, stream: &str) {
    let stream = stream.to_owned();
    let request = DeleteStreamRequest { stream };
    gateway.streams().delete_stream(request).await.unwrap();
}

#[tokio::test]
async fn what_is_written_is_read() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    for place in 0..3 {
        let name = format!("ORIGIN{place}");
        wire.create_stream(json!({ "name": name, "subjects": [format!("origin{place}.>")] }))
            .await;
    }
    let mut findings = Findings::default();
    for (seed, mut rng) in cases() {
        let config = valid(&mut rng, seed);

        let created = create(&gateway, &config).await;
        findings.equal("created", seed, &created, &filled_in(&config));
        findings.equal("read", seed, &read(&gateway, &config.name).await, &created);

        // It is equal to itself: nothing is refused, and nothing changes.
        findings.equal(
            "created again",
            seed,
            &create(&gateway, &config).await,
            &created,
        );
        let request = ApplyStreamRequest {
            config: Some(config.clone()),
            ..ApplyStreamRequest::default()
        };
        let applied = gateway
            .streams()
            .apply_stream(request)
            .await
            .unwrap()
            .into_inner();
        let unchanged = (ApplyOutcome::Unchanged, vec![]);
        findings.equal(
            "applied",
            seed,
            &(applied.outcome(), applied.changes),
            &unchanged,
        );
        let request = UpdateStreamRequest {
            config: Some(created.clone()),
            ..UpdateStreamRequest::default()
        };
        gateway.streams().update_stream(request).await.unwrap();
        findings.equal(
            "updated",
            seed,
            &read(&gateway, &config.name).await,
            &created,
        );

        // What was read makes the same stream.
        delete(&gateway, &config.name).await;
        findings.equal(
            "made anew",
            seed,
            &create(&gateway, &created).await,
            &created,
        );
        delete(&gateway, &config.name).await;
    }
    findings.assert_none();
}
