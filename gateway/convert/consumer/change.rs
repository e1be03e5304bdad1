//! What is asked for against what exists: differences, changes and etags of consumer configurations.

use prost_types::FieldMask;

use crate::convert::config::{
    Difference, Mask, compare, etag as etag_of, is_server_label, object, patch,
};
use crate::error::{Error, Result};
use crate::nats::api::{
    AckPolicy, ConsumerConfig, JsonObject, PriorityPolicy, Retention, StreamConfig,
};

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
    "priority_groups",
    "priority_policy",
    "priority_timeout",
    "sample_freq",
];

/// Two ways to say the same; JetStream refuses both together.
const FILTERS: &[&str] = &["filter_subjects", "filter_subject"];

/// JetStream's own defaults; times in nanoseconds.
const DEFAULT_ACK_WAIT: u64 = 30_000_000_000;
const DEFAULT_MAX_ACK_PENDING: i64 = 1000;
const DEFAULT_MAX_WAITING: i64 = 512;
const DEFAULT_EPHEMERAL_THRESHOLD: u64 = 5_000_000_000;
const DEFAULT_PRIORITY_TIMEOUT: u64 = 120_000_000_000;

/// The mask of an `UpdateConsumerRequest`.
pub fn update_mask(mask: Option<&FieldMask>) -> Result<Mask> {
    // JetStream ignores an update that leaves a pause out, so that one could be made but not ended.
    if mask.is_some_and(|mask| mask.paths.iter().any(|path| path == "pause_until")) {
        let why = "pause_until is changed by PauseConsumer and ResumeConsumer";
        return Err(Error::invalid("update_mask", why));
    }
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

    config.priority_groups.sort();
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == 0 {
        config.priority_timeout = DEFAULT_PRIORITY_TIMEOUT;
    }
    let digits = config.sample_freq.trim_end_matches('%').len();
    config.sample_freq.truncate(digits);
    if config.sample_freq == "0" {
        config.sample_freq.clear();
    }

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
mod tests;
