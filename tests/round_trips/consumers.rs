//! Consumers: configurations that are valid come back with JetStream's defaults filled in, and equal
//! when they are written again.

use fastrand::Rng;
use jetgate::proto::{
    AckPolicy, ApplyConsumerRequest, ApplyOutcome, ConsumerConfig, CreateConsumerRequest,
    DeleteConsumerRequest, DeliverPolicy, GetConsumerRequest, PriorityPolicy, ReplayPolicy,
    UpdateConsumerRequest,
};
use prost_types::{Duration, Timestamp};
use serde_json::json;

use super::{Findings, cases, choice, labels, limit, maybe, past, text, time, unless_set};
use crate::support::{Gateway, start_with_stream};

const STREAM: &str = "S";

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// A configuration that a stream with limits takes.
fn valid(rng: &mut Rng, seed: u64) -> ConsumerConfig {
    let name = format!("c{seed}");
    let mut config = ConsumerConfig {
        description: text(rng),
        deliver_policy: choice(rng, 6),
        ack_policy: choice(rng, 3),
        ack_wait: maybe(rng, |rng| time(rng, 1)),
        max_deliver: limit(rng, 5),
        max_ack_pending: limit(rng, 1),
        replay_policy: choice(rng, 2),
        headers_only: rng.bool(),
        max_waiting: rng.i64(0..600),
        max_batch: rng.i64(0..600),
        max_expires: maybe(rng, |rng| time(rng, 1)),
        max_bytes: rng.i64(0..1_000_000),
        inactive_threshold: maybe(rng, |rng| time(rng, 100_000)),
        num_replicas: rng.u32(..2),
        mem_storage: rng.bool(),
        metadata: labels(rng),
        priority_policy: choice(rng, 4),
        pause_until: maybe(rng, |rng| Timestamp {
            seconds: 2_500_000_000 + rng.i64(0..1_000),
            nanos: rng.i32(0..1_000_000_000),
        }),
        sample_freq: rng.u32(..=100),
        ..ConsumerConfig::default()
    };
    match rng.u8(..3) {
        0 => config.name = name,
        1 => config.durable_name = name,
        _ => (config.name, config.durable_name) = (name.clone(), name),
    }
    match rng.u8(..3) {
        0 => config.filter_subject = "s.a.*".into(),
        1 => config.filter_subjects = vec!["s.a".to_owned(), "s.b.>".to_owned()],
        _ => {}
    }
    match config.deliver_policy() {
        DeliverPolicy::ByStartSequence => config.opt_start_seq = rng.u64(1..100),
        DeliverPolicy::ByStartTime => config.opt_start_time = Some(past(rng)),
        DeliverPolicy::LastPerSubject if config.filter_subjects.is_empty() => {
            config.filter_subject = "s.>".into();
        }
        _ => {}
    }
    if config.priority_policy() as i32 > PriorityPolicy::None as i32 {
        config.priority_groups = vec!["jobs/1".to_owned()];
        config.priority_timeout = maybe(rng, |rng| time(rng, 1));
    }
    if config.ack_policy() == AckPolicy::None {
        config.max_ack_pending = None;
        config.ack_wait = None;
    } else if rng.bool() {
        config.backoff = (0..rng.usize(1..4)).map(|_| time(rng, 1)).collect();
    }
    config
}

/// The same once JetStream has filled in what is not set.
fn filled_in(config: &ConsumerConfig) -> ConsumerConfig {
    let has_acks = config.ack_policy() != AckPolicy::None;
    let is_durable = !config.durable_name.is_empty();
    let name = if is_durable {
        &config.durable_name
    } else {
        &config.name
    };
    let mut filled = ConsumerConfig {
        name: name.clone(),
        deliver_policy: unless_set(config.deliver_policy, DeliverPolicy::All as i32),
        ack_policy: unless_set(config.ack_policy, AckPolicy::Explicit as i32),
        replay_policy: unless_set(config.replay_policy, ReplayPolicy::Instant as i32),
        priority_policy: unless_set(config.priority_policy, PriorityPolicy::None as i32),
        max_deliver: config.max_deliver.or(Some(-1)),
        max_waiting: if config.max_waiting == 0 {
            512
        } else {
            config.max_waiting
        },
        ..config.clone()
    };
    if has_acks {
        filled.ack_wait = config
            .backoff
            .first()
            .copied()
            .or(config.ack_wait)
            .or_else(|| seconds(30));
        filled.max_ack_pending = config.max_ack_pending.or(Some(1_000));
    }
    if !is_durable {
        filled.inactive_threshold = config.inactive_threshold.or_else(|| seconds(5));
    }
    if config.priority_policy() == PriorityPolicy::PinnedClient {
        filled.priority_timeout = config.priority_timeout.or_else(|| seconds(120));
    }
    filled
}

async fn create(gateway: &Gateway, config: &ConsumerConfig) -> ConsumerConfig {
    let request = CreateConsumerRequest {
        stream: STREAM.to_owned(),
        config: Some(config.clone()),
    };
    let created = gateway.consumers().create_consumer(request).await;
    let created = created.unwrap_or_else(|status| panic!("{status:?}\n{config:#?}"));
    created.into_inner().consumer.unwrap().config.unwrap()
}

async fn read(gateway: &Gateway, consumer: &str) -> ConsumerConfig {
    let (stream, consumer) = (STREAM.to_owned(), consumer.to_owned());
    let request = GetConsumerRequest { stream, consumer };
    let read = gateway.consumers().get_consumer(request).await.unwrap();
    read.into_inner().consumer.unwrap().config.unwrap()
}

async fn delete(gateway: &Gateway, consumer: &str) {
    let (stream, consumer) = (STREAM.to_owned(), consumer.to_owned());
    let request = DeleteConsumerRequest { stream, consumer };
    gateway.consumers().delete_consumer(request).await.unwrap();
}

#[tokio::test]
async fn what_is_written_is_read() {
    let stream = json!({ "name": STREAM, "subjects": ["s.>"] });
    let (_nats, gateway, _wire) = start_with_stream(stream).await;
    let mut findings = Findings::default();
    for (seed, mut rng) in cases() {
        let config = valid(&mut rng, seed);

        let created = create(&gateway, &config).await;
        findings.equal("created", seed, &created, &filled_in(&config));
        findings.equal("read", seed, &read(&gateway, &created.name).await, &created);

        // It is equal to itself: nothing is refused, and nothing changes.
        findings.equal(
            "created again",
            seed,
            &create(&gateway, &config).await,
            &created,
        );
        let request = ApplyConsumerRequest {
            stream: STREAM.to_owned(),
            config: Some(config.clone()),
            ..ApplyConsumerRequest::default()
        };
        let applied = gateway
            .consumers()
            .apply_consumer(request)
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
        let request = UpdateConsumerRequest {
            stream: STREAM.to_owned(),
            config: Some(created.clone()),
            ..UpdateConsumerRequest::default()
        };
        gateway.consumers().update_consumer(request).await.unwrap();
        findings.equal(
            "updated",
            seed,
            &read(&gateway, &created.name).await,
            &created,
        );

        // What was read makes the same consumer.
        delete(&gateway, &created.name).await;
        findings.equal(
            "made anew",
            seed,
            &create(&gateway, &created).await,
            &created,
        );
        delete(&gateway, &created.name).await;
    }
    findings.assert_none();
}
