//! What a consumer reads, where it starts and how fast: the same for stored and for ordered ones.

use std::ops::Range;

use prost_types::Timestamp;

use crate::convert::config::choice;
use crate::error::{Error, Result};
use crate::names::SubjectFilter;
use crate::nats::api;
use crate::proto;

/// The seconds of the years 1 to 9999, which RFC 3339 can write; the first of them is "never".
const YEARS: Range<i64> = -62_135_596_799..253_402_300_800;

/// Where a consumer is asked to start.
pub(super) struct Start {
    pub(super) deliver_policy: i32,
    pub(super) sequence: u64,
    pub(super) time: Option<Timestamp>,
}

impl Start {
    /// The deliver policy, once sequence and time are set exactly with the policies that need them.
    /// `prefix` is what the paths of the fields begin with.
    pub(super) fn checked(&self, prefix: &str) -> Result<api::DeliverPolicy> {
        let policy = deliver_policy(&format!("{prefix}deliver_policy"), self.deliver_policy)?;
        check_presence(
            self.sequence != 0,
            policy == api::DeliverPolicy::ByStartSequence,
            &format!("{prefix}opt_start_seq"),
            "DELIVER_POLICY_BY_START_SEQUENCE",
        )?;
        let field = format!("{prefix}opt_start_time");
        check_presence(
            self.time.is_some(),
            policy == api::DeliverPolicy::ByStartTime,
            &field,
            "DELIVER_POLICY_BY_START_TIME",
        )?;
        check_time(&field, self.time.as_ref())?;
        Ok(policy)
    }
}

/// Checks a list of filters.
pub(super) fn filters(field: &str, filters: &[String]) -> Result<Vec<String>> {
    let checked = filters.iter().enumerate().map(|(index, filter)| {
        SubjectFilter::parse(&format!("{field}[{index}]"), filter).map(String::from)
    });
    checked.collect()
}

fn deliver_policy(field: &str, number: i32) -> Result<api::DeliverPolicy> {
    use proto::DeliverPolicy as Policy;
    Ok(match choice(field, number)? {
        Policy::Unspecified | Policy::All => api::DeliverPolicy::All,
        Policy::Last => api::DeliverPolicy::Last,
        Policy::New => api::DeliverPolicy::New,
        Policy::ByStartSequence => api::DeliverPolicy::ByStartSequence,
        Policy::ByStartTime => api::DeliverPolicy::ByStartTime,
        Policy::LastPerSubject => api::DeliverPolicy::LastPerSubject,
    })
}

/// The policy as callers see it.
pub(super) fn shown_deliver_policy(policy: &api::DeliverPolicy) -> proto::DeliverPolicy {
    match policy {
        api::DeliverPolicy::All => proto::DeliverPolicy::All,
        api::DeliverPolicy::Last => proto::DeliverPolicy::Last,
        api::DeliverPolicy::New => proto::DeliverPolicy::New,
        api::DeliverPolicy::ByStartSequence => proto::DeliverPolicy::ByStartSequence,
        api::DeliverPolicy::ByStartTime => proto::DeliverPolicy::ByStartTime,
        api::DeliverPolicy::LastPerSubject => proto::DeliverPolicy::LastPerSubject,
        api::DeliverPolicy::Other(_) => proto::DeliverPolicy::Unspecified,
    }
}

/// Checks how fast stored messages are replayed.
pub(super) fn replay_policy(field: &str, number: i32) -> Result<api::ReplayPolicy> {
    use proto::ReplayPolicy as Policy;
    Ok(match choice(field, number)? {
        Policy::Unspecified | Policy::Instant => api::ReplayPolicy::Instant,
        Policy::Original => api::ReplayPolicy::Original,
    })
}

/// The policy as callers see it.
pub(super) fn shown_replay_policy(policy: &api::ReplayPolicy) -> proto::ReplayPolicy {
    match policy {
        api::ReplayPolicy::Instant => proto::ReplayPolicy::Instant,
        api::ReplayPolicy::Original => proto::ReplayPolicy::Original,
        api::ReplayPolicy::Other(_) => proto::ReplayPolicy::Unspecified,
    }
}

fn check_presence(is_set: bool, is_needed: bool, field: &str, policy: &str) -> Result<()> {
    match (is_set, is_needed) {
        (false, true) => Err(Error::invalid(field, format!("is required with {policy}"))),
        (true, false) => Err(Error::invalid(field, format!("is only for {policy}"))),
        _ => Ok(()),
    }
}

/// Checks that a time can be written for JetStream.
pub(in crate::convert) fn check_time(field: &str, time: Option<&Timestamp>) -> Result<()> {
    let in_range = |time: &Timestamp| {
        YEARS.contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
    };
    if time.is_none_or(in_range) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        "must be a time in the years 1 to 9999",
    ))
}
