//! Streams: configurations from callers to JetStream, and what JetStream reports to callers.
//!
//! Comparison and change of configurations stand in `stream/change.rs`, what concerns other streams in
//! `stream/source.rs`.

use std::time::Duration;

use super::config::{
    choice, cluster, count, description, duration, limit, metadata, nanos, own_labels,
};
use crate::error::{Error, Result};
use crate::names::{Reserved, StreamName, StreamSubject};
use crate::nats::api;
use crate::proto;

mod apply;
mod change;
mod kept;
pub mod reach;
mod source;

pub use apply::{creation, plan, read};
pub use change::{differences, etag, patched, update_mask};

/// JetStream takes no shorter `max_age` and `duplicate_window`.
const SHORTEST_AGE: Duration = Duration::from_millis(100);

/// JetStream takes no shorter `subject_delete_marker_ttl`.
const SHORTEST_MARKER: Duration = Duration::from_secs(1);

/// JetStream takes no more replicas.
const MOST_REPLICAS: u32 = 5;

/// The configuration of a `CreateStreamRequest`.
pub fn to_create(
    config: Option<&proto::StreamConfig>,
    reserved: &Reserved,
) -> Result<api::StreamConfig> {
    let config = to_api(config, reserved)?;
    check_subjects(
        !config.subjects.is_empty(),
        config.mirror.is_some(),
        !config.sources.is_empty(),
    )?;
    if config.sealed {
        return Err(Error::invalid(
            "config.sealed",
            "a stream can be sealed only by an update",
        ));
    }
    Ok(config)
}

/// A configuration as JetStream takes it. Every field that is set is checked; what a stream must
/// have is checked by [`to_create`] and [`patched`].
pub fn to_api(
    config: Option<&proto::StreamConfig>,
    reserved: &Reserved,
) -> Result<api::StreamConfig> {
    let config = config.ok_or_else(|| Error::invalid("config", "is required"))?;
    Ok(api::StreamConfig {
        name: StreamName::parse("config.name", &config.name)?.into(),
        description: description(&config.description)?,
        subjects: subjects(&config.subjects, reserved)?,
        retention: retention(config.retention)?,
        storage: storage(config.storage)?,
        discard: discard(config.discard)?,
        compression: compression(config.compression)?,
        num_replicas: replicas(config.num_replicas)?.max(1),
        max_msgs: limit("config.max_msgs", config.max_msgs)?,
        max_bytes: limit("config.max_bytes", config.max_bytes)?,
        max_age: max_age(config.max_age.as_ref())?,
        max_msgs_per_subject: limit("config.max_msgs_per_subject", config.max_msgs_per_subject)?,
        max_msg_size: limit("config.max_msg_size", config.max_msg_size)?,
        max_consumers: limit("config.max_consumers", config.max_consumers)?,
        discard_new_per_subject: config.discard_new_per_subject,
        duplicate_window: nanos(
            "config.duplicate_window",
            config.duplicate_window.as_ref(),
            SHORTEST_AGE,
        )?,
        no_ack: config.no_ack,
        placement: config.placement.as_ref().and_then(placement),
        first_seq: config.first_seq,
        metadata: metadata(&config.metadata)?,
        allow_msg_ttl: config.allow_msg_ttl,
        allow_rollup_hdrs: config.allow_rollup_hdrs,
        allow_msg_counter: config.allow_msg_counter,
        deny_delete: config.deny_delete,
        deny_purge: config.deny_purge,
        allow_direct: config.allow_direct,
        sealed: config.sealed,
        consumer_limits: config
            .consumer_limits
            .as_ref()
            .map(consumer_limits)
            .transpose()?,
        mirror: config
            .mirror
            .as_ref()
            .map(|mirror| source::source("config.mirror", mirror, reserved))
            .transpose()?,
        sources: sources(&config.sources, reserved)?,
        subject_transform: config
            .subject_transform
            .as_ref()
            .map(source::subject_transform)
            .transpose()?,
        republish: config
            .republish
            .as_ref()
            .map(|republish| source::republish(republish, reserved))
            .transpose()?,
        mirror_direct: config.mirror_direct,
        subject_delete_marker_ttl: nanos(
            "config.subject_delete_marker_ttl",
            config.subject_delete_marker_ttl.as_ref(),
            SHORTEST_MARKER,
        )?,
        allow_atomic: config.allow_atomic,
        allow_batched: config.allow_batched,
        allow_msg_schedules: config.allow_msg_schedules,
        persist_mode: source::persist_mode(config.persist_mode)?,
        other: api::JsonObject::new(),
    })
}

/// A stream as JetStream reports it.
pub fn from_info(info: api::StreamInfo) -> Result<proto::Stream> {
    Ok(proto::Stream {
        etag: etag(&info.config)?,
        config: Some(from_config(&info.config)),
        create_time: info.created,
        state: Some(state(info.state)),
        cluster: cluster(info.cluster),
        domain: info.domain,
        mirror: info.mirror.map(source::state),
        sources: info.sources.into_iter().map(source::state).collect(),
    })
}

/// A configuration as callers see it; the server's own labels are left out, so that it can be sent
/// back as it is.
pub fn from_config(config: &api::StreamConfig) -> proto::StreamConfig {
    proto::StreamConfig {
        name: config.name.clone(),
        description: config.description.clone(),
        subjects: config.subjects.clone(),
        retention: shown_retention(&config.retention).into(),
        storage: shown_storage(&config.storage).into(),
        num_replicas: config.num_replicas,
        max_msgs: config.max_msgs,
        max_bytes: config.max_bytes,
        max_age: duration(config.max_age),
        max_msgs_per_subject: config.max_msgs_per_subject,
        max_msg_size: config.max_msg_size,
        max_consumers: config.max_consumers,
        discard: shown_discard(&config.discard).into(),
        discard_new_per_subject: config.discard_new_per_subject,
        duplicate_window: duration(config.duplicate_window),
        no_ack: config.no_ack,
        placement: config.placement.as_ref().and_then(shown_placement),
        compression: shown_compression(&config.compression).into(),
        first_seq: config.first_seq,
        metadata: own_labels(&config.metadata),
        allow_msg_ttl: config.allow_msg_ttl,
        allow_rollup_hdrs: config.allow_rollup_hdrs,
        allow_msg_counter: config.allow_msg_counter,
        deny_delete: config.deny_delete,
        deny_purge: config.deny_purge,
        allow_direct: config.allow_direct,
        sealed: config.sealed,
        consumer_limits: config.consumer_limits.as_ref().and_then(shown_limits),
        mirror: config.mirror.as_ref().map(source::shown_source),
        sources: config.sources.iter().map(source::shown_source).collect(),
        subject_transform: config.subject_transform.as_ref().map(source::shown),
        republish: config.republish.as_ref().map(source::shown_republish),
        mirror_direct: config.mirror_direct,
        subject_delete_marker_ttl: duration(config.subject_delete_marker_ttl),
        allow_atomic: config.allow_atomic,
        allow_batched: config.allow_batched,
        allow_msg_schedules: config.allow_msg_schedules,
        persist_mode: source::shown_persist_mode(&config.persist_mode).into(),
    }
}

fn state(state: api::StreamState) -> proto::StreamState {
    let is_empty = state.messages == 0;
    proto::StreamState {
        messages: state.messages,
        bytes: state.bytes,
        // A stream that never held a message reports 0 for both.
        first_sequence: if is_empty {
            state.last_seq.saturating_add(1)
        } else {
            state.first_seq
        },
        last_sequence: state.last_seq,
        first_time: state.first_ts.filter(|_| !is_empty),
        last_time: state.last_ts.filter(|_| !is_empty),
        subject_count: state.num_subjects,
        deleted_count: state.num_deleted,
        consumer_count: state.consumer_count,
    }
}

/// A mirror has no subjects, a stream with sources may have some, and every other one must. JetStream
/// would take the stream's name for a subject where there is none.
fn check_subjects(has_subjects: bool, is_mirror: bool, has_sources: bool) -> Result<()> {
    let why = match (has_subjects, is_mirror) {
        (true, true) => "must be empty for a mirror",
        (false, false) if !has_sources => "must name at least one subject",
        _ => return Ok(()),
    };
    Err(Error::invalid("config.subjects", why))
}

fn sources(sources: &[proto::StreamSource], reserved: &Reserved) -> Result<Vec<api::StreamSource>> {
    let checked = sources
        .iter()
        .enumerate()
        .map(|(index, it)| source::source(&format!("config.sources[{index}]"), it, reserved));
    checked.collect()
}

fn subjects(subjects: &[String], reserved: &Reserved) -> Result<Vec<String>> {
    let checked = subjects.iter().enumerate().map(|(index, subject)| {
        let field = format!("config.subjects[{index}]");
        StreamSubject::parse(&field, subject, reserved).map(String::from)
    });
    checked.collect()
}

/// Unlike the other times, `max_age` may be 0: for ever.
fn max_age(time: Option<&prost_types::Duration>) -> Result<u64> {
    let set = time.filter(|time| (time.seconds, time.nanos) != (0, 0));
    nanos("config.max_age", set, SHORTEST_AGE)
}

fn replicas(number: u32) -> Result<u32> {
    if number > MOST_REPLICAS {
        return Err(Error::invalid("config.num_replicas", "must be at most 5"));
    }
    Ok(number)
}

fn placement(placement: &proto::Placement) -> Option<api::Placement> {
    let placement = api::Placement {
        cluster: placement.cluster.clone(),
        tags: placement.tags.clone(),
        other: api::JsonObject::new(),
    };
    Some(placement).filter(|it| *it != api::Placement::default())
}

fn shown_placement(placement: &api::Placement) -> Option<proto::Placement> {
    let (cluster, tags) = (placement.cluster.clone(), placement.tags.clone());
    let placement = proto::Placement { cluster, tags };
    Some(placement).filter(|it| *it != proto::Placement::default())
}

fn consumer_limits(limits: &proto::ConsumerLimits) -> Result<api::ConsumerLimits> {
    let field = "config.consumer_limits.inactive_threshold";
    let threshold = nanos(field, limits.inactive_threshold.as_ref(), Duration::ZERO)?;
    let pending = i64::from(limits.max_ack_pending);
    Ok(api::ConsumerLimits {
        inactive_threshold: threshold.cast_signed(),
        max_ack_pending: count("config.consumer_limits.max_ack_pending", pending)?,
        other: api::JsonObject::new(),
    })
}

fn shown_limits(limits: &api::ConsumerLimits) -> Option<proto::ConsumerLimits> {
    let limits = proto::ConsumerLimits {
        inactive_threshold: duration(limits.inactive_threshold.max(0).cast_unsigned()),
        max_ack_pending: i32::try_from(limits.max_ack_pending).unwrap_or(i32::MAX),
    };
    Some(limits).filter(|it| *it != proto::ConsumerLimits::default())
}

fn retention(number: i32) -> Result<api::Retention> {
    use proto::RetentionPolicy as Policy;
    Ok(match choice("config.retention", number)? {
        Policy::Unspecified | Policy::Limits => api::Retention::Limits,
        Policy::Interest => api::Retention::Interest,
        Policy::WorkQueue => api::Retention::WorkQueue,
    })
}

fn shown_retention(retention: &api::Retention) -> proto::RetentionPolicy {
    match retention {
        api::Retention::Limits => proto::RetentionPolicy::Limits,
        api::Retention::Interest => proto::RetentionPolicy::Interest,
        api::Retention::WorkQueue => proto::RetentionPolicy::WorkQueue,
        api::Retention::Other(_) => proto::RetentionPolicy::Unspecified,
    }
}

fn storage(number: i32) -> Result<api::Storage> {
    use proto::StorageType as Type;
    Ok(match choice("config.storage", number)? {
        Type::Unspecified | Type::File => api::Storage::File,
        Type::Memory => api::Storage::Memory,
    })
}

fn shown_storage(storage: &api::Storage) -> proto::StorageType {
    match storage {
        api::Storage::File => proto::StorageType::File,
        api::Storage::Memory => proto::StorageType::Memory,
        api::Storage::Other(_) => proto::StorageType::Unspecified,
    }
}

fn discard(number: i32) -> Result<api::Discard> {
    use proto::DiscardPolicy as Policy;
    Ok(match choice("config.discard", number)? {
        Policy::Unspecified | Policy::Old => api::Discard::Old,
        Policy::New => api::Discard::New,
    })
}

fn shown_discard(discard: &api::Discard) -> proto::DiscardPolicy {
    match discard {
        api::Discard::Old => proto::DiscardPolicy::Old,
        api::Discard::New => proto::DiscardPolicy::New,
        api::Discard::Other(_) => proto::DiscardPolicy::Unspecified,
    }
}

fn compression(number: i32) -> Result<api::Compression> {
    use proto::Compression as Kind;
    Ok(match choice("config.compression", number)? {
        Kind::Unspecified | Kind::None => api::Compression::None,
        Kind::S2 => api::Compression::S2,
    })
}

fn shown_compression(compression: &api::Compression) -> proto::Compression {
    match compression {
        api::Compression::None => proto::Compression::None,
        api::Compression::S2 => proto::Compression::S2,
        api::Compression::Other(_) => proto::Compression::Unspecified,
    }
}

#[cfg(test)]
mod tests;
