//! The JSON of JetStream's API, as types of our own: what async-nats has drops fields that it does
//! not know, and a configuration that is read, changed and written back must not lose any.
//!
//! Unset fields are left out of what is sent, because JetStream refuses unknown and null ones.

use prost_types::Timestamp;
use serde::{Deserialize, Serialize};

mod account;
mod advisory;
mod consumer;
mod control;
mod message;
mod source;
mod stream;
mod wire;

pub use account::{AccountInfo, AccountLimits, AccountUsage, ApiLevel};
pub use advisory::{GIVEN_UP, GivenUp, GivenUpKind};
pub use consumer::{
    AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, ConsumerPage, CreateConsumer,
    DeliverPolicy, PriorityGroupInfo, PriorityPolicy, ReplayPolicy, SequenceInfo,
};
pub use control::{Done, Pause, Paused, Reset, Unpin, WasReset};
pub use message::{
    DeleteMessage, GetMessage, GetSubjects, Purge, Purged, StoredMessage, StoredMessageAnswer,
    SubjectCounts, SubjectPage,
};
pub use source::{
    ExternalStream, PersistMode, Republish, SourceConsumer, SourceInfo, StreamSource,
    SubjectTransform,
};
pub use stream::{
    Compression, ConsumerLimits, Discard, Placement, Retention, Storage, StreamConfig, StreamInfo,
    StreamPage, StreamState,
};

/// Settings as JetStream sends them, by name.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;

/// An error of the API. Programs look at `err_code` only; `code` merely resembles HTTP's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiError {
    /// The class of the error, unreliable.
    pub code: u16,
    /// What went wrong.
    pub err_code: u64,
    /// The same for people.
    pub description: String,
}

/// The answer to a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PubAck {
    /// The stream that took the message.
    pub stream: String,
    /// The message's place in it.
    pub seq: u64,
    /// Whether the message was stored before, under the same id.
    pub duplicate: bool,
    /// The JetStream domain; empty without domains.
    pub domain: String,
    /// The counter's value after a message that increments one.
    pub val: Option<String>,
}

/// The answer to a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Deleted {
    /// Whether it was deleted.
    pub success: bool,
}

/// Asks for a page of streams or consumers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetPage {
    /// How many to skip.
    pub offset: u64,
    /// Only streams that take this subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

/// The Raft group behind a stream or consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClusterInfo {
    /// The NATS cluster; empty on a single server.
    pub name: String,
    /// The leader; empty while there is none.
    pub leader: String,
    /// Since when it leads.
    #[serde(with = "wire::time", skip_serializing)]
    pub leader_since: Time,
    /// The other members.
    #[serde(deserialize_with = "wire::nullable")]
    pub replicas: Vec<PeerInfo>,
}

/// One follower of a Raft group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PeerInfo {
    /// The server's name.
    pub name: String,
    /// Whether it has everything the leader has.
    pub current: bool,
    /// Whether the leader has lost contact with it.
    pub offline: bool,
    /// How many operations it is behind.
    pub lag: u64,
    /// How long ago the leader last heard of it, in nanoseconds; nothing positive is never.
    pub active: i64,
}

/// A time on the wire; JetStream's zero time is `None`.
type Time = Option<Timestamp>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_subject_names_none() {
        let json = serde_json::to_string(&GetPage {
            offset: 4,
            ..GetPage::default()
        })
        .unwrap();
        assert_eq!(json, r#"{"offset":4}"#);
    }
}
