//! What JetStream says of the gateway's account.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire;

/// The answer to `INFO`: the account's use and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountInfo {
    /// What is used, and may be.
    #[serde(flatten)]
    pub usage: AccountUsage,
    /// The JetStream domain; empty without domains.
    pub domain: String,
    /// What the answering server's API offers.
    pub api: ApiLevel,
    /// The same by the number of replicas, where limits are set by that.
    #[serde(deserialize_with = "wire::nullable")]
    pub tiers: BTreeMap<String, AccountUsage>,
}

/// What an account uses, and may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountUsage {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Bytes in memory that streams have reserved.
    pub reserved_memory: u64,
    /// Bytes on disk that streams have reserved.
    pub reserved_storage: u64,
    /// How many streams there are.
    pub streams: u64,
    /// How many consumers there are.
    pub consumers: u64,
    /// The limits.
    pub limits: AccountLimits,
}

/// What the answering server's API offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiLevel {
    /// 1 is nats-server 2.11, 2 is 2.12, 4 is 2.14, 5 is 2.15.
    pub level: u32,
}

/// The limits of an account; -1 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Bytes in memory.
    pub max_memory: i64,
    /// Bytes on disk.
    pub max_storage: i64,
    /// How many streams there may be.
    pub max_streams: i64,
    /// How many consumers there may be.
    pub max_consumers: i64,
    /// The largest `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory; 0 is none, too.
    pub memory_max_stream_bytes: i64,
    /// Bytes of one stream on disk; 0 is none, too.
    pub storage_max_stream_bytes: i64,
    /// Whether every stream must have `max_bytes`.
    pub max_bytes_required: bool,
}
