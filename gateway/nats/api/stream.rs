//! Streams in JetStream's API: configuration and state.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::{is_false, is_zero};
use super::{
    ClusterInfo, JsonObject, PersistMode, Republish, SourceInfo, StreamSource, SubjectTransform,
    Time, wire,
};

/// How long JetStream remembers message ids where nothing is said, in nanoseconds: 2 minutes.
const DEFAULT_WINDOW: u64 = 120_000_000_000;

/// The configuration of a stream. Limits of 0 and of -1 are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamConfig {
    /// The name.
    pub name: String,
    /// What the stream is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The subjects that it takes.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub subjects: Vec<String>,
    /// When messages are removed.
    pub retention: Retention,
    /// Where messages are kept.
    pub storage: Storage,
    /// What goes when a limit is reached.
    pub discard: Discard,
    /// How messages are kept on disk.
    pub compression: Compression,
    /// On how many servers.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_replicas: u32,
    /// The most messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_msgs: Option<i64>,
    /// The most bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<i64>,
    /// How long a message is kept, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_age: u64,
    /// The most messages per subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_msgs_per_subject: Option<i64>,
    /// The largest message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_msg_size: Option<i32>,
    /// The most consumers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_consumers: Option<i32>,
    /// With `Discard::New`, whether a full subject refuses messages.
    #[serde(skip_serializing_if = "is_false")]
    pub discard_new_per_subject: bool,
    /// How long message ids are remembered, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicate_window: u64,
    /// Whether publishes are never acknowledged.
    #[serde(skip_serializing_if = "is_false")]
    pub no_ack: bool,
    /// Which servers may hold the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The first sequence.
    #[serde(skip_serializing_if = "is_zero")]
    pub first_seq: u64,
    /// Free labels; those of the prefix `_nats.` are the server's.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub metadata: BTreeMap<String, String>,
    /// Whether messages may have a ttl of their own.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_ttl: bool,
    /// Whether messages may purge older ones.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_rollup_hdrs: bool,
    /// Whether every message increments a counter.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_counter: bool,
    /// Whether single messages cannot be deleted.
    #[serde(skip_serializing_if = "is_false")]
    pub deny_delete: bool,
    /// Whether the stream cannot be purged.
    #[serde(skip_serializing_if = "is_false")]
    pub deny_purge: bool,
    /// Whether every replica answers reads by sequence.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_direct: bool,
    /// Whether nothing can be added or removed.
    #[serde(skip_serializing_if = "is_false")]
    pub sealed: bool,
    /// Defaults and bounds for the stream's consumers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_limits: Option<ConsumerLimits>,
    /// The stream that this one is a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    /// The streams whose messages are stored in this one, too.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub sources: Vec<StreamSource>,
    /// How subjects change before messages are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransform>,
    /// How stored messages are published again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    /// Whether a mirror answers direct reads in its origin's place.
    #[serde(skip_serializing_if = "is_false")]
    pub mirror_direct: bool,
    /// How long a marker stays where a subject's last message was removed, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub subject_delete_marker_ttl: u64,
    /// Whether batches can be stored all or none.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_atomic: bool,
    /// Whether messages can be published in fast batches.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_batched: bool,
    /// Whether messages can be stored that publish others later.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_msg_schedules: bool,
    /// When a publish is acknowledged.
    #[serde(skip_serializing_if = "is_zero")]
    pub persist_mode: PersistMode,
    /// Every other setting, kept as it was read.
    #[serde(flatten)]
    pub other: JsonObject,
}

impl StreamConfig {
    /// Whether messages come from other streams.
    pub fn has_sources(&self) -> bool {
        self.mirror.is_some() || !self.sources.is_empty()
    }

    /// How long message ids are remembered, with JetStream's default, which does not hold for streams
    /// that get messages from others: they remember none.
    pub fn duplicate_window(&self) -> Duration {
        Duration::from_nanos(match (self.duplicate_window, self.max_age) {
            (0, _) if self.has_sources() => 0,
            (0, 0) => DEFAULT_WINDOW,
            (0, age) => age.min(DEFAULT_WINDOW),
            (window, _) => window,
        })
    }
}

/// When a stream removes messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// When a limit is reached.
    #[default]
    Limits,
    /// When every interested consumer has acknowledged it.
    Interest,
    /// When it is acknowledged.
    WorkQueue,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Where a stream keeps messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In memory.
    Memory,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// What a stream does at a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// Removes the oldest messages.
    #[default]
    Old,
    /// Refuses new messages.
    New,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// How a stream's messages are kept on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Compressed with S2.
    S2,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Which servers may hold a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// The NATS cluster; empty is any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Tags that the servers must have.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub tags: Vec<String>,
    /// Every other setting, kept as it was read.
    #[serde(flatten)]
    pub other: JsonObject,
}

/// Defaults and bounds for the consumers of a stream; 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerLimits {
    /// For the consumers' setting of this name, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub inactive_threshold: i64,
    /// For the consumers' setting of this name.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    /// Every other setting, kept as it was read.
    #[serde(flatten)]
    pub other: JsonObject,
}

/// The answer to `STREAM.INFO`, `STREAM.CREATE` and `STREAM.UPDATE`.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamInfo {
    /// The configuration, with JetStream's defaults filled in.
    pub config: StreamConfig,
    /// When the stream was created.
    #[serde(default, with = "wire::time")]
    pub created: Time,
    /// What the stream holds.
    #[serde(default)]
    pub state: StreamState,
    /// The JetStream domain; empty without domains.
    #[serde(default)]
    pub domain: String,
    /// The servers that hold it.
    #[serde(default)]
    pub cluster: Option<ClusterInfo>,
    /// How a mirror keeps up.
    #[serde(default)]
    pub mirror: Option<SourceInfo>,
    /// How the sources are kept up with.
    #[serde(default, deserialize_with = "wire::nullable")]
    pub sources: Vec<SourceInfo>,
}

/// What a stream holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// How many messages.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The first message's sequence.
    pub first_seq: u64,
    /// When the first message was stored.
    #[serde(with = "wire::time")]
    pub first_ts: Time,
    /// The last message's sequence.
    pub last_seq: u64,
    /// When the last message was stored.
    #[serde(with = "wire::time")]
    pub last_ts: Time,
    /// How many different subjects.
    pub num_subjects: u64,
    /// How many messages between first and last are deleted.
    pub num_deleted: u64,
    /// How many consumers.
    pub consumer_count: u32,
}

/// The answer to `STREAM.LIST`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StreamPage {
    /// How many streams there are.
    pub total: u64,
    /// How many the page skips.
    pub offset: u64,
    /// The streams of the page.
    #[serde(deserialize_with = "wire::nullable")]
    pub streams: Vec<StreamInfo>,
    /// Streams of the page whose leader did not answer.
    #[serde(deserialize_with = "wire::nullable")]
    pub missing: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unset_is_not_sent_but_policies_are() {
        let config = StreamConfig {
            name: "S".into(),
            ..StreamConfig::default()
        };
        let json = serde_json::to_value(config).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "name": "S", "retention": "limits", "storage": "file", "discard": "old", "compression": "none",
            })
        );
    }

    #[test]
    fn unknown_settings_and_values_survive() {
        let text = r#"{"name":"S","retention":"workqueue","discard":"sideways","of_2030":{"name":"M"},
            "placement":{"cluster":"C","preferred":"n1"},"subjects":null,"metadata":null}"#;
        let config: StreamConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.retention, Retention::WorkQueue);
        assert_eq!(config.discard, Discard::Other("sideways".into()));

        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(json["of_2030"]["name"], "M");
        assert_eq!(json["placement"]["preferred"], "n1");
        assert_eq!(json["discard"], "sideways");
        assert_eq!(
            serde_json::from_value::<StreamConfig>(json).unwrap(),
            config
        );
    }

    #[test]
    fn reads_what_a_server_sends() {
        let text = r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","total":0,"offset":0,"limit":0,
            "config":{"name":"P","subjects":["p.>"],"retention":"limits","max_consumers":-1,"max_msgs":-1,
            "max_age":0,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,
            "compression":"none","allow_direct":false,"consumer_limits":{},"metadata":{"_nats.ver":"2.15.1"}},
            "created":"2026-11-23T07:42:29.879545299Z","state":{"messages":1,"bytes":60,"first_seq":1,
            "first_ts":"2026-11-23T07:42:29.955297711Z","last_seq":1,"last_ts":"0001-01-01T00:00:00Z",
            "num_subjects":1,"consumer_count":9},"cluster":{"leader":"NABG"},"ts":"2026-11-23T07:42:30Z"}"#;
        let info: StreamInfo = serde_json::from_str(text).unwrap();
        assert_eq!(info.config.duplicate_window, 120_000_000_000);
        assert_eq!(info.config.max_msgs, Some(-1));
        assert!(info.state.first_ts.is_some() && info.state.last_ts.is_none());
        assert_eq!(info.cluster.unwrap().leader, "NABG");
    }

    #[test]
    fn ids_are_remembered_for_the_default_time() {
        let window = |duplicate_window, max_age| {
            StreamConfig {
                duplicate_window,
                max_age,
                ..StreamConfig::default()
            }
            .duplicate_window()
        };
        assert_eq!(window(0, 0), Duration::from_secs(120));
        assert_eq!(window(0, 7), Duration::from_nanos(7));
        assert_eq!(window(5, 7), Duration::from_nanos(5));
        let sourced = StreamConfig {
            sources: vec![StreamSource::default()],
            ..StreamConfig::default()
        };
        assert_eq!(sourced.duplicate_window(), Duration::ZERO);
    }
}
