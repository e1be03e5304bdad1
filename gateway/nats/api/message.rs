//! Requests about what a stream holds: reading, counting and removing messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wire::{is_false, is_zero};
use super::{Time, wire};

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

/// The answer to `STREAM.MSG.GET`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredMessageAnswer {
    /// The message.
    pub message: StoredMessage,
}

/// A message as the stream keeps it, whatever bytes its publisher put into it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct StoredMessage {
    /// The subject.
    pub subject: String,
    /// The place in the stream.
    pub seq: u64,
    /// The headers as they came, with the line `NATS/1.0`, in base64; empty without headers.
    pub hdrs: String,
    /// The payload in base64.
    pub data: String,
    /// When the message was stored.
    #[serde(with = "wire::time")]
    pub time: Time,
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

    #[test]
    fn a_stored_message_is_read() {
        let text = r#"{"message":{"subject":"p.a","seq":1,"hdrs":"TkFUUy8xLjANCkE6IGINCg0K",
            "data":"aGVsbG8=","time":"2026-11-23T07:42:29.955297711Z"}}"#;
        let message = serde_json::from_str::<StoredMessageAnswer>(text)
            .unwrap()
            .message;
        assert_eq!((message.seq, message.data.as_str()), (1, "aGVsbG8="));
        assert_eq!(message.time.unwrap().nanos, 955_297_711);
    }
}
