//! Requests about what a stream holds: reading, counting and removing messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stream::{is_false, is_zero};
use super::wire;

/// Asks to remove messages: all, or those that the fields leave. `seq` and `keep` exclude each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purge {
    /// Only messages whose subject matches.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// Only messages below this sequence.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// All but this many of the newest.
    #[serde(skip_serializing_if = "is_zero")]
    pub keep: u64,
}

/// The answer to `STREAM.PURGE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Purged {
    /// How many messages were removed.
    pub purged: u64,
}

/// Asks for one message: by its sequence, or by a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetMessage {
    /// The sequence, or the first one that may be returned.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
    /// The last message whose subject matches.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_by_subj: String,
    /// The first message from `seq` on whose subject matches.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_by_subj: String,
}

/// Asks to remove one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeleteMessage {
    /// Its sequence.
    pub seq: u64,
    /// Whether its bytes may stay on disk for a while.
    #[serde(skip_serializing_if = "is_false")]
    pub no_erase: bool,
}

/// Asks `STREAM.INFO` for the subjects of the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetSubjects {
    /// Which subjects.
    pub subjects_filter: String,
    /// How many to skip.
    pub offset: u64,
}

/// The answer of `STREAM.INFO` as far as it concerns subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SubjectPage {
    /// How many subjects match.
    pub total: u64,
    /// Holds the subjects.
    pub state: SubjectCounts,
}

/// How many messages there are of each subject: at most 100,000, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SubjectCounts {
    /// Left out by JetStream where there are none.
    #[serde(deserialize_with = "wire::nullable")]
    pub subjects: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_unset_is_not_sent() {
        assert_eq!(serde_json::to_value(Purge::default()).unwrap(), json!({}));
        let next = GetMessage {
            seq: 4,
            next_by_subj: "a.>".into(),
            ..GetMessage::default()
        };
        assert_eq!(
            serde_json::to_value(next).unwrap(),
            json!({"seq": 4, "next_by_subj": "a.>"})
        );
    }

    #[test]
    fn a_stream_without_messages_has_no_subjects() {
        let text = r#"{"total":0,"state":{"messages":0,"num_subjects":0}}"#;
        let page: SubjectPage = serde_json::from_str(text).unwrap();
        assert_eq!(page, SubjectPage::default());
    }
}
