//! What a stream does with messages of others and passes on of its own: mirrors, sources, subject
//! transforms and republishing.

use serde::{Deserialize, Serialize};

use super::wire::{is_false, is_zero};
use super::{ApiError, JsonObject, Time, wire};

/// Where a stream gets messages of another one from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSource {
    /// The other stream.
    pub name: String,
    /// Its first sequence to be copied.
    #[serde(skip_serializing_if = "is_zero")]
    pub opt_start_seq: u64,
    /// The time from which messages are copied.
    #[serde(with = "wire::time", skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Time,
    /// Which messages.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Which messages, and how their subjects change.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "wire::nullable"
    )]
    pub subject_transforms: Vec<SubjectTransform>,
    /// Where the other stream is, when not in the same account and domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// The consumer of the other stream that copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<SourceConsumer>,
    /// Every other setting, kept as it was read.
    #[serde(flatten)]
    pub other: JsonObject,
}

/// How far a stream has copied another one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SourceInfo {
    /// The other stream.
    pub name: String,
    /// Which messages.
    pub filter_subject: String,
    /// Where it is.
    pub external: Option<ExternalStream>,
    /// How many messages are still to be copied.
    pub lag: u64,
    /// How long ago it was last heard of, in nanoseconds; -1 is never.
    pub active: i64,
    /// What keeps messages from being copied.
    pub error: Option<ApiError>,
}

/// A stream in another account or domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalStream {
    /// What the subjects of its API begin with.
    pub api: String,
    /// What the subjects begin with on which its messages arrive.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver: String,
}

/// The consumer that copies messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceConsumer {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it delivers to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
}

/// How subjects change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectTransform {
    /// Which subjects; empty is all.
    pub src: String,
    /// What they become.
    pub dest: String,
}

/// How stored messages are published again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Republish {
    /// Which messages; empty is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    /// Where to.
    pub dest: String,
    /// Whether payloads are left out.
    #[serde(skip_serializing_if = "is_false")]
    pub headers_only: bool,
    /// Every other setting, kept as it was read.
    #[serde(flatten)]
    pub other: JsonObject,
}

/// When a stream acknowledges a publish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistMode {
    /// Once the message is written.
    #[default]
    Default,
    /// Perhaps before.
    Async,
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_source_is_read_and_written_as_it_was() {
        let value = json!({
            "name": "O", "opt_start_time": "2020-01-01T00:00:00.123456789Z", "filter_subject": "o.1",
            "external": {"api": "$JS.hub.API", "deliver": "d"}, "of_2030": {"x": 1},
        });
        let source: StreamSource = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(source.external.as_ref().unwrap().api, "$JS.hub.API");
        assert_eq!(serde_json::to_value(source).unwrap(), value);
    }

    #[test]
    fn modes_of_later_versions_survive() {
        let mode: PersistMode = serde_json::from_value(json!("sometimes")).unwrap();
        assert_eq!(mode, PersistMode::Other("sometimes".into()));
        assert_eq!(serde_json::to_value(PersistMode::Async).unwrap(), "async");
    }
}
