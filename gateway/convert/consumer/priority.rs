//! Priority groups: which clients of a consumer get its messages.

use crate::convert::config::{POSITIVE, choice, nanos};
use crate::error::{Error, Result};
use crate::names::GroupName;
use crate::nats::api;
use crate::proto;

/// The groups, which need a policy as the policy needs groups.
pub(super) fn groups(config: &proto::ConsumerConfig) -> Result<Vec<String>> {
    let field = "config.priority_groups";
    let has_policy = policy(config.priority_policy)? != api::PriorityPolicy::None;
    match (has_policy, config.priority_groups.is_empty()) {
        (true, true) => return Err(Error::invalid(field, "is required with a priority_policy")),
        (false, false) => return Err(Error::invalid(field, "needs a priority_policy")),
        _ => {}
    }
    let groups = config.priority_groups.iter().enumerate();
    let checked = groups.map(|(index, name)| GroupName::parse(&format!("{field}[{index}]"), name));
    checked.map(|name| name.map(String::from)).collect()
}

/// How long a client stays pinned.
pub(super) fn timeout(config: &proto::ConsumerConfig) -> Result<u64> {
    let field = "config.priority_timeout";
    let is_none = policy(config.priority_policy)? == api::PriorityPolicy::None;
    if is_none && config.priority_timeout.is_some() {
        return Err(Error::invalid(field, "needs a priority_policy"));
    }
    nanos(field, config.priority_timeout.as_ref(), POSITIVE)
}

/// Whom of a group messages go to.
pub(super) fn policy(number: i32) -> Result<api::PriorityPolicy> {
    use proto::PriorityPolicy as Policy;
    Ok(match choice("config.priority_policy", number)? {
        Policy::Unspecified | Policy::None => api::PriorityPolicy::None,
        Policy::Overflow => api::PriorityPolicy::Overflow,
        Policy::PinnedClient => api::PriorityPolicy::PinnedClient,
        Policy::Prioritized => api::PriorityPolicy::Prioritized,
    })
}

/// The policy as callers see it.
pub fn shown_policy(policy: &api::PriorityPolicy) -> proto::PriorityPolicy {
    match policy {
        api::PriorityPolicy::None => proto::PriorityPolicy::None,
        api::PriorityPolicy::Overflow => proto::PriorityPolicy::Overflow,
        api::PriorityPolicy::PinnedClient => proto::PriorityPolicy::PinnedClient,
        api::PriorityPolicy::Prioritized => proto::PriorityPolicy::Prioritized,
        api::PriorityPolicy::Other(_) => proto::PriorityPolicy::Unspecified,
    }
}
