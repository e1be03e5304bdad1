//! Consumers: configurations from callers to JetStream, and what JetStream reports to callers.
//!
//! Comparison and change of configurations stand in `consumer/change.rs`, what a consumer reads and
//! where it starts in `consumer/reading.rs`.

use std::time::Duration;

use prost_types::Timestamp;

use super::config::{
    POSITIVE, choice, cluster, count, description, duration, limit, metadata, nanos, own_labels,
};
use crate::error::{Error, Result};
use crate::names::{ConsumerName, SubjectFilter};
use crate::nats::api;
use crate::proto;

mod apply;
mod change;
mod control;
mod ephemeral;
mod priority;
pub(super) mod reading;
mod wanted;

pub use apply::{creation, plan, read};
pub use change::{differences, etag, patched, update_mask};
pub use control::{pause, paused, reset, unpin};
pub use ephemeral::ephemeral_config;
pub use priority::shown_policy as shown_priority_policy;
use reading::{Start, replay_policy, shown_deliver_policy, shown_replay_policy};
pub use wanted::Wanted;

/// JetStream takes no shorter `max_expires`.
const SHORTEST_EXPIRY: Duration = Duration::from_millis(1);

/// JetStream takes no more replicas.
const MOST_REPLICAS: u32 = 5;

/// A configuration as JetStream takes it; every field that is set is checked.
pub fn to_api(config: Option<&proto::ConsumerConfig>) -> Result<api::ConsumerConfig> {
    let config = config.ok_or_else(|| Error::invalid("config", "is required"))?;
    let (filter_subject, filter_subjects) = filters(config)?;
    let start = Start {
        deliver_policy: config.deliver_policy,
        sequence: config.opt_start_seq,
        time: config.opt_start_time,
    };
    let backoff = backoff(&config.backoff)?;
    Ok(api::ConsumerConfig {
        name: name(config)?.into(),
        durable_name: config.durable_name.clone(),
        description: description(&config.description)?,
        filter_subjects,
        filter_subject,
        deliver_policy: start.checked("config.")?,
        opt_start_seq: config.opt_start_seq,
        opt_start_time: config.opt_start_time,
        ack_policy: checked_ack_policy(config.ack_policy)?,
        ack_wait: nanos("config.ack_wait", config.ack_wait.as_ref(), POSITIVE)?,
        max_deliver: max_deliver(config.max_deliver, backoff.len())?,
        backoff,
        max_ack_pending: limit("config.max_ack_pending", config.max_ack_pending)?.unwrap_or(0),
        replay_policy: replay_policy("config.replay_policy", config.replay_policy)?,
        headers_only: config.headers_only,
        max_waiting: count("config.max_waiting", config.max_waiting)?,
        max_batch: count("config.max_batch", config.max_batch)?,
        max_expires: nanos(
            "config.max_expires",
            config.max_expires.as_ref(),
            SHORTEST_EXPIRY,
        )?,
        max_bytes: count("config.max_bytes", config.max_bytes)?,
        inactive_threshold: nanos(
            "config.inactive_threshold",
            config.inactive_threshold.as_ref(),
            POSITIVE,
        )?,
        num_replicas: replicas(config.num_replicas)?,
        mem_storage: config.mem_storage,
        metadata: metadata(&config.metadata)?,
        pause_until: pause_until(config.pause_until)?,
        priority_groups: priority::groups(config)?,
        priority_policy: priority::policy(config.priority_policy)?,
        priority_timeout: priority::timeout(config)?,
        sample_freq: sample_freq(config.sample_freq)?,
        deliver_subject: String::new(),
        other: api::JsonObject::new(),
    })
}

/// What an ordered read is to be created with, but for what every one of them has in common. Errors
/// name the fields of [`proto::OrderedConsumer`].
pub fn ordered_config(ordered: &proto::OrderedConsumer) -> Result<api::ConsumerConfig> {
    let start = Start {
        deliver_policy: ordered.deliver_policy,
        sequence: ordered.opt_start_seq,
        time: ordered.opt_start_time,
    };
    let deliver_policy = start.checked("")?;
    let mut filter_subjects = reading::filters("filter_subjects", &ordered.filter_subjects)?;
    // JetStream wants to be told that the last message of every subject is meant.
    if filter_subjects.is_empty() && deliver_policy == api::DeliverPolicy::LastPerSubject {
        filter_subjects.push(">".to_owned());
    }
    Ok(api::ConsumerConfig {
        filter_subjects,
        deliver_policy,
        opt_start_seq: ordered.opt_start_seq,
        opt_start_time: ordered.opt_start_time,
        replay_policy: replay_policy("replay_policy", ordered.replay_policy)?,
        headers_only: ordered.headers_only,
        ..api::ConsumerConfig::default()
    })
}

/// A consumer as JetStream reports it. A push consumer is shown as far as the fields allow.
pub fn from_info(info: api::ConsumerInfo) -> Result<proto::Consumer> {
    Ok(proto::Consumer {
        etag: etag(&info.config)?,
        config: Some(from_config(&info.config)),
        create_time: Some(info.created),
        state: Some(proto::ConsumerState {
            delivered: Some(sequences(info.delivered)),
            ack_floor: Some(sequences(info.ack_floor)),
            num_ack_pending: info.num_ack_pending,
            num_redelivered: info.num_redelivered,
            num_waiting: info.num_waiting,
            num_pending: info.num_pending,
            paused: info.paused,
            pause_remaining: info
                .paused
                .then(|| duration(info.pause_remaining.max(0).cast_unsigned()))
                .flatten(),
            priority_groups: info.priority_groups.into_iter().map(group).collect(),
        }),
        cluster: cluster(info.cluster),
        stream: info.stream_name,
        name: info.name,
    })
}

/// A configuration as callers see it; the server's own labels are left out, so that it can be sent
/// back as it is.
pub fn from_config(config: &api::ConsumerConfig) -> proto::ConsumerConfig {
    let set = |limit: i64| Some(limit).filter(|limit| *limit != 0);
    proto::ConsumerConfig {
        durable_name: config.durable_name.clone(),
        name: config.name.clone(),
        description: config.description.clone(),
        filter_subjects: config.filter_subjects.clone(),
        filter_subject: config.filter_subject.clone(),
        deliver_policy: shown_deliver_policy(&config.deliver_policy).into(),
        opt_start_seq: config.opt_start_seq,
        opt_start_time: config.opt_start_time,
        ack_policy: ack_policy(config).into(),
        ack_wait: duration(config.ack_wait),
        max_deliver: set(config.max_deliver),
        backoff: config
            .backoff
            .iter()
            .map(|wait| duration(*wait).unwrap_or_default())
            .collect(),
        max_ack_pending: set(config.max_ack_pending),
        replay_policy: shown_replay_policy(&config.replay_policy).into(),
        headers_only: config.headers_only,
        max_waiting: config.max_waiting,
        max_batch: config.max_batch,
        max_expires: duration(config.max_expires),
        max_bytes: config.max_bytes,
        inactive_threshold: duration(config.inactive_threshold),
        num_replicas: config.num_replicas,
        mem_storage: config.mem_storage,
        metadata: own_labels(&config.metadata),
        priority_groups: config.priority_groups.clone(),
        priority_policy: priority::shown_policy(&config.priority_policy).into(),
        priority_timeout: duration(config.priority_timeout),
        pause_until: config.pause_until,
        sample_freq: shown_sample_freq(&config.sample_freq),
    }
}

/// What a consumer takes as acknowledged; unspecified is a policy that the gateway does not know.
pub fn ack_policy(config: &api::ConsumerConfig) -> proto::AckPolicy {
    match &config.ack_policy {
        api::AckPolicy::Explicit => proto::AckPolicy::Explicit,
        api::AckPolicy::All => proto::AckPolicy::All,
        api::AckPolicy::None => proto::AckPolicy::None,
        api::AckPolicy::Other(_) => proto::AckPolicy::Unspecified,
    }
}

fn name(config: &proto::ConsumerConfig) -> Result<ConsumerName> {
    let (durable, name) = (&config.durable_name, &config.name);
    if durable.is_empty() && name.is_empty() {
        return Err(Error::invalid(
            "config.name",
            "name or durable_name is required",
        ));
    }
    if durable.is_empty() {
        return ConsumerName::parse("config.name", name);
    }
    if !name.is_empty() && name != durable {
        return Err(Error::invalid(
            "config.name",
            "must be equal to durable_name",
        ));
    }
    ConsumerName::parse("config.durable_name", durable)
}

fn filters(config: &proto::ConsumerConfig) -> Result<(String, Vec<String>)> {
    if config.filter_subject.is_empty() {
        let several = reading::filters("config.filter_subjects", &config.filter_subjects)?;
        return Ok((String::new(), several));
    }
    if !config.filter_subjects.is_empty() {
        let why = "must not be set together with filter_subjects";
        return Err(Error::invalid("config.filter_subject", why));
    }
    let filter = SubjectFilter::parse("config.filter_subject", &config.filter_subject)?;
    Ok((filter.into(), Vec::new()))
}

fn backoff(waits: &[prost_types::Duration]) -> Result<Vec<u64>> {
    let checked = waits
        .iter()
        .enumerate()
        .map(|(index, wait)| nanos(&format!("config.backoff[{index}]"), Some(wait), POSITIVE));
    checked.collect()
}

/// JetStream uses the last wait of `backoff` again and again, so a limit may be higher than its
/// length, but not lower.
fn max_deliver(most: Option<i64>, waits: usize) -> Result<i64> {
    let most = limit("config.max_deliver", most)?.unwrap_or(-1);
    if most > 0 && usize::try_from(most).is_ok_and(|most| most < waits) {
        let why = format!("must be at least {waits}, the length of backoff");
        return Err(Error::invalid("config.max_deliver", why));
    }
    Ok(most)
}

fn replicas(number: u32) -> Result<u32> {
    if number > MOST_REPLICAS {
        return Err(Error::invalid("config.num_replicas", "must be at most 5"));
    }
    Ok(number)
}

fn pause_until(time: Option<Timestamp>) -> Result<Option<Timestamp>> {
    reading::check_time("config.pause_until", time.as_ref())?;
    Ok(time)
}

fn sample_freq(percent: u32) -> Result<String> {
    match percent {
        0 => Ok(String::new()),
        1..=100 => Ok(percent.to_string()),
        _ => Err(Error::invalid("config.sample_freq", "must be at most 100")),
    }
}

/// JetStream takes numbers above 100 and means all by them.
fn shown_sample_freq(text: &str) -> u32 {
    let percent = text.trim_end_matches('%').parse::<u32>();
    percent.unwrap_or_default().min(100)
}

fn group(info: api::PriorityGroupInfo) -> proto::PriorityGroupState {
    proto::PriorityGroupState {
        group: info.group,
        pinned_client_id: info.pinned_client_id,
        pinned_time: info.pinned_ts,
    }
}

fn sequences(info: api::SequenceInfo) -> proto::SequencePair {
    proto::SequencePair {
        consumer_sequence: info.consumer_seq,
        stream_sequence: info.stream_seq,
        last_active: info.last_active,
    }
}

fn checked_ack_policy(number: i32) -> Result<api::AckPolicy> {
    use proto::AckPolicy as Policy;
    Ok(match choice("config.ack_policy", number)? {
        Policy::Unspecified | Policy::Explicit => api::AckPolicy::Explicit,
        Policy::All => api::AckPolicy::All,
        Policy::None => api::AckPolicy::None,
    })
}

#[cfg(test)]
mod tests;
