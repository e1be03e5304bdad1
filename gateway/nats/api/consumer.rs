//! Consumers in JetStream's API: configuration and state.

use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::{is_false, is_zero};
use super::{ClusterInfo, JsonObject, Time, wire};

/// The configuration of a consumer. The policies are always sent: JetStream takes a missing ack
/// policy as none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerConfig {
    /// The name; also a durable one's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The name where the consumer is durable, otherwise empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub durable_name: String,
    /// What the consumer is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it takes, where that is several filters.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub filter_subjects: Vec<String>,
    /// What it takes, where that is one filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Where it starts.
    pub deliver_policy: DeliverPolicy,
    /// The first sequence.
    #[serde(skip_serializing_if = "is_zero")]
    pub opt_start_seq: u64,
    /// The first time.
    #[serde(with = "wire::time", skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Time,
    /// What is acknowledged.
    pub ack_policy: AckPolicy,
    /// How long a delivery may stay without an acknowledgement, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub ack_wait: u64,
    /// How many times a message is delivered; -1 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_deliver: i64,
    /// How long to wait before each further delivery, in nanoseconds.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub backoff: Vec<u64>,
    /// How many deliveries may be without an acknowledgement; -1 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    /// How fast stored messages are replayed.
    pub replay_policy: ReplayPolicy,
    /// Whether payloads are left out.
    #[serde(skip_serializing_if = "is_false")]
    pub headers_only: bool,
    /// How many pulls may wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_waiting: i64,
    /// The most messages that one pull may ask for; 0 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_batch: i64,
    /// The longest time that one pull may wait, in nanoseconds; 0 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_expires: u64,
    /// The most bytes that one pull may ask for; 0 is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes: i64,
    /// How long the consumer stays unused, in nanoseconds; 0 is for ever.
    #[serde(skip_serializing_if = "is_zero")]
    pub inactive_threshold: u64,
    /// On how many servers; 0 leaves it to the stream.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_replicas: u32,
    /// Whether its state is kept in memory whatever the stream's storage.
    #[serde(skip_serializing_if = "is_false")]
    pub mem_storage: bool,
    /// Free labels; those of the prefix `_nats.` are the server's.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub metadata: BTreeMap<String, String>,
    /// Where a push consumer sends messages; empty for pull consumers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
    /// Until when the consumer is paused.
    #[serde(with = "wire::time", skip_serializing_if = "Option::is_none")]
    pub pause_until: Time,
    /// Groups of clients.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub priority_groups: Vec<String>,
    /// Whom of a group messages go to.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority_policy: PriorityPolicy,
    /// How long a client that does not pull stays pinned, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority_timeout: u64,
    /// Of how many acknowledgements in a hundred there is a metric, perhaps with a `%`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_freq: String,
    /// Every other setting, kept as it was read.
    #[serde(flatten)]
    pub other: JsonObject,
}

impl ConsumerConfig {
    /// Whether it is a push consumer, which the gateway does not serve.
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Whether it stays until it is deleted.
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// Its filters, whichever field holds them; none is all of the stream.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let single = Some(self.filter_subject.as_str()).filter(|filter| !filter.is_empty());
        single
            .into_iter()
            .chain(self.filter_subjects.iter().map(String::as_str))
    }

    /// How long a delivery may stay without an acknowledgement; `None` where it needs none.
    pub fn ack_wait(&self) -> Option<Duration> {
        time(self.ack_wait)
    }

    /// How long each further delivery may.
    pub fn backoff(&self) -> Vec<Duration> {
        self.backoff
            .iter()
            .copied()
            .map(Duration::from_nanos)
            .collect()
    }

    /// The longest time that one pull may wait; `None` is no limit.
    pub fn max_expires(&self) -> Option<Duration> {
        time(self.max_expires)
    }
}

/// Where a consumer starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliverPolicy {
    /// At the first message.
    #[default]
    All,
    /// At the last message.
    Last,
    /// Behind the last message.
    New,
    /// At a sequence.
    ByStartSequence,
    /// At a time.
    ByStartTime,
    /// At the last message of each subject.
    LastPerSubject,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// What a consumer takes as acknowledged. The default is JetStream's own for a missing field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckPolicy {
    /// Everything as soon as it is delivered.
    #[default]
    None,
    /// A message and all before it.
    All,
    /// Each message by itself.
    Explicit,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// How fast stored messages are replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayPolicy {
    /// As fast as possible.
    #[default]
    Instant,
    /// As fast as they were published.
    Original,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Whom of a priority group messages go to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorityPolicy {
    /// Whoever pulls first.
    #[default]
    None,
    /// Some only where enough messages wait.
    Overflow,
    /// One client.
    PinnedClient,
    /// The best priority that pulls.
    Prioritized,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Asks to create or to change a consumer. `C` is [`ConsumerConfig`] or a [`JsonObject`].
#[derive(Clone, Debug, Serialize)]
pub struct CreateConsumer<'a, C> {
    /// The stream that it reads.
    pub stream_name: &'a str,
    /// The configuration.
    pub config: &'a C,
    /// Whether it may exist.
    pub action: ConsumerAction,
}

/// Whether the consumer of a request may or must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerAction {
    /// It must not exist with other settings.
    Create,
    /// It must exist.
    Update,
}

/// The answer to `CONSUMER.INFO` and `CONSUMER.CREATE`.
#[derive(Clone, Debug, Deserialize)]
pub struct ConsumerInfo {
    /// The stream that it reads.
    pub stream_name: String,
    /// The name.
    pub name: String,
    /// When the consumer was created.
    #[serde(deserialize_with = "wire::known_time")]
    pub created: Timestamp,
    /// The configuration, with JetStream's defaults filled in.
    pub config: ConsumerConfig,
    /// The last delivery.
    #[serde(default)]
    pub delivered: SequenceInfo,
    /// Everything up to here is acknowledged.
    #[serde(default)]
    pub ack_floor: SequenceInfo,
    /// How many messages are delivered and not acknowledged.
    #[serde(default)]
    pub num_ack_pending: u64,
    /// How many messages were delivered more than once and are not acknowledged.
    #[serde(default)]
    pub num_redelivered: u64,
    /// How many pulls wait.
    #[serde(default)]
    pub num_waiting: u64,
    /// How many messages match and were never delivered.
    #[serde(default)]
    pub num_pending: u64,
    /// The servers that hold it.
    #[serde(default)]
    pub cluster: Option<ClusterInfo>,
    /// Whether someone receives what a push consumer sends.
    #[serde(default)]
    pub push_bound: bool,
    /// Whether it is paused.
    #[serde(default)]
    pub paused: bool,
    /// How long the pause lasts, in nanoseconds.
    #[serde(default)]
    pub pause_remaining: i64,
    /// Who is served in each priority group.
    #[serde(default, deserialize_with = "wire::nullable")]
    pub priority_groups: Vec<PriorityGroupInfo>,
}

/// Who is served in a priority group.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PriorityGroupInfo {
    /// The group.
    pub group: String,
    /// The client that its messages are pinned to; empty while there is none.
    pub pinned_client_id: String,
    /// Since when.
    #[serde(with = "wire::time")]
    pub pinned_ts: Time,
}

/// A place in a consumer and in its stream.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SequenceInfo {
    /// Counts the consumer's deliveries.
    pub consumer_seq: u64,
    /// The message's sequence in the stream.
    pub stream_seq: u64,
    /// When the place was last moved.
    #[serde(with = "wire::time")]
    pub last_active: Time,
}

/// The answer to `CONSUMER.LIST`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConsumerPage {
    /// How many consumers the stream has.
    pub total: u64,
    /// How many the page skips.
    pub offset: u64,
    /// The consumers of the page.
    #[serde(deserialize_with = "wire::nullable")]
    pub consumers: Vec<ConsumerInfo>,
    /// Consumers of the page whose leader did not answer.
    #[serde(deserialize_with = "wire::nullable")]
    pub missing: Vec<String>,
}

fn time(nanos: u64) -> Option<Duration> {
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_always_sent() {
        let config = ConsumerConfig {
            name: "C".into(),
            ..ConsumerConfig::default()
        };
        let request = CreateConsumer {
            stream_name: "S",
            config: &config,
            action: ConsumerAction::Create,
        };
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            serde_json::json!({
                "stream_name": "S",
                "action": "create",
                "config": {"name": "C", "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant"},
            })
        );
    }

    #[test]
    fn reads_a_push_consumer_and_what_it_does_not_know() {
        let text = r#"{"stream_name":"S","name":"C","created":"2026-11-23T07:42:29Z","config":{"name":"C","ack_policy":"flow_control",
            "deliver_policy":"by_start_sequence","deliver_subject":"d","flow_control":true},
            "delivered":{"consumer_seq":2,"stream_seq":4}}"#;
        let info: ConsumerInfo = serde_json::from_str(text).unwrap();
        assert!(info.config.is_push() && !info.config.is_durable());
        assert_eq!(
            info.config.ack_policy,
            AckPolicy::Other("flow_control".into())
        );
        assert_eq!(info.delivered.stream_seq, 4);
        let json = serde_json::to_value(&info.config).unwrap();
        assert_eq!(
            (&json["flow_control"], &json["ack_policy"]),
            (&true.into(), &"flow_control".into())
        );
    }
}
