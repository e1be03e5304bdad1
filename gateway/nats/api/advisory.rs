//! What JetStream tells of messages that it gives up (ADR-2 advisories).

use prost_types::Timestamp;
use serde::Deserialize;

use super::wire;

/// The subjects on which messages are given up: delivered too often, and terminated or removed.
pub const GIVEN_UP: [&str; 2] = [
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
];

/// A message was given up.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GivenUp {
    /// How.
    #[serde(rename = "type")]
    pub kind: GivenUpKind,
    /// The advisory's own id.
    pub id: String,
    /// When.
    #[serde(deserialize_with = "wire::known_time")]
    pub timestamp: Timestamp,
    /// The message's stream.
    pub stream: String,
    /// The consumer that gave it up.
    pub consumer: String,
    /// The message's place in the stream.
    pub stream_seq: u64,
    /// How many times it was delivered.
    #[serde(default)]
    pub deliveries: u64,
    /// What was said when it was terminated.
    #[serde(default)]
    pub reason: String,
    /// The JetStream domain; empty without domains.
    #[serde(default)]
    pub domain: String,
}

/// How a message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum GivenUpKind {
    /// Delivered as many times as it may be.
    #[serde(rename = "io.nats.jetstream.advisory.v1.max_deliver")]
    MaxDeliver,
    /// Terminated by whoever received it, or removed from its stream.
    #[serde(rename = "io.nats.jetstream.advisory.v1.terminated")]
    Terminated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_server_sends() {
        let text = r#"{"type":"io.nats.jetstream.advisory.v1.max_deliver","id":"AbC1",
            "timestamp":"2026-11-23T07:42:29.879545299Z","stream":"S","consumer":"c",
            "stream_seq":7,"deliveries":5,"domain":"hub"}"#;
        let advisory: GivenUp = serde_json::from_str(text).unwrap();
        assert_eq!(advisory.kind, GivenUpKind::MaxDeliver);
        assert_eq!((advisory.stream_seq, advisory.deliveries), (7, 5));
        assert_eq!(
            (advisory.reason.as_str(), advisory.domain.as_str()),
            ("", "hub")
        );

        let text = r#"{"type":"io.nats.jetstream.advisory.v1.terminated","id":"AbC2",
            "timestamp":"2026-11-23T07:42:29Z","stream":"S","consumer":"c","consumer_seq":9,
            "stream_seq":7,"deliveries":1,"reason":"broken"}"#;
        let advisory: GivenUp = serde_json::from_str(text).unwrap();
        assert_eq!(advisory.kind, GivenUpKind::Terminated);
        assert_eq!(advisory.reason, "broken");

        for other in ["{}", "", r#"{"type":"io.nats.jetstream.advisory.v1.nak"}"#] {
            assert!(serde_json::from_str::<GivenUp>(other).is_err(), "{other}");
        }
    }
}
