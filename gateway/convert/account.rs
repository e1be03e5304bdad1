//! What `GetInfo` says of the NATS server and the gateway's account.

use async_nats::ServerInfo;

use crate::nats::api;
use crate::proto;

/// What later versions of nats-server brought, each with the API level that it needs.
const FEATURES: &[(&str, u32)] = &[
    ("allow_msg_ttl", 1),
    ("subject_delete_marker_ttl", 1),
    ("pause_consumer", 1),
    ("priority_groups", 1),
    ("allow_atomic", 2),
    ("allow_msg_counter", 2),
    ("allow_msg_schedules", 2),
    ("persist_mode", 2),
    ("priority_policy_prioritized", 2),
    ("allow_batched", 4),
    ("reset_consumer", 4),
    ("source_consumer", 4),
];

/// The server and the account, as far as JetStream answered.
pub fn nats_info(server: ServerInfo, account: Option<api::AccountInfo>) -> proto::NatsInfo {
    let has_answered = account.is_some();
    let account = account.unwrap_or_default();
    let tiers = account.tiers.into_iter();
    proto::NatsInfo {
        server_name: server.server_name,
        server_version: server.version,
        api_level: account.api.level,
        domain: account.domain,
        streams: account.usage.streams,
        consumers: account.usage.consumers,
        features: features(account.api.level),
        usage: has_answered.then(|| usage(account.usage)),
        tiers: tiers.map(|(name, tier)| (name, usage(tier))).collect(),
    }
}

fn features(level: u32) -> Vec<proto::Feature> {
    let feature = |(name, needed): &(&str, u32)| proto::Feature {
        name: (*name).to_owned(),
        api_level: *needed,
        available: *needed <= level,
    };
    FEATURES.iter().map(feature).collect()
}

fn usage(usage: api::AccountUsage) -> proto::AccountUsage {
    let limits = usage.limits;
    proto::AccountUsage {
        memory_bytes: usage.memory,
        storage_bytes: usage.storage,
        reserved_memory_bytes: usage.reserved_memory,
        reserved_storage_bytes: usage.reserved_storage,
        streams: usage.streams,
        consumers: usage.consumers,
        limits: Some(proto::AccountLimits {
            max_memory_bytes: limits.max_memory,
            max_storage_bytes: limits.max_storage,
            max_streams: limits.max_streams,
            max_consumers: limits.max_consumers,
            max_ack_pending: limits.max_ack_pending,
            memory_max_stream_bytes: limits.memory_max_stream_bytes,
            storage_max_stream_bytes: limits.storage_max_stream_bytes,
            max_bytes_required: limits.max_bytes_required,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_there_from_its_level_on() {
        let available = |level| {
            let features = features(level).into_iter();
            features.filter(|it| it.available).count()
        };
        assert_eq!((available(0), available(1)), (0, 4));
        assert_eq!(available(5), FEATURES.len());
    }

    #[test]
    fn an_account_that_did_not_answer_is_not_taken_for_an_empty_one() {
        let silent = nats_info(ServerInfo::default(), None);
        assert_eq!((silent.usage, silent.api_level), (None, 0));
        assert!(silent.features.iter().all(|it| !it.available));
    }
}
