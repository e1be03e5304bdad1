//! Whether the contract has every setting of the pinned server: its source names them all, also
//! those that a test against a running server does not think of.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::nats::server_source;

/// The server's types, the contract's messages, and the settings that are none of the contract's.
const TYPES: &[(&str, &str, &[&str])] = &[
    ("StreamConfig", "StreamConfig", &[]),
    ("StreamSource", "StreamSource", &[]),
    ("ExternalStream", "ExternalStream", &[]),
    ("StreamConsumerSource", "StreamSourceConsumer", &[]),
    ("SubjectTransformConfig", "SubjectTransform", &[]),
    ("RePublish", "Republish", &[]),
    ("StreamConsumerLimits", "ConsumerLimits", &[]),
    // For moving leaders; the server refuses it in a stream's configuration.
    ("Placement", "Placement", &["preferred"]),
    ("ConsumerConfig", "ConsumerConfig", PUSH_AND_INTERNAL),
];

/// Settings of push consumers, which the gateway does not serve, and of the server's own.
const PUSH_AND_INTERNAL: &[&str] = &[
    "deliver_group",
    "deliver_subject",
    "direct",
    "flow_control",
    "idle_heartbeat",
    "rate_limit_bps",
    "sourcing",
];

const FILES: [&str; 3] = ["stream.go", "consumer.go", "jetstream_cluster.go"];

#[test]
fn the_contract_has_the_settings_of_the_pinned_server() {
    let sources: Option<Vec<_>> = FILES.into_iter().map(server_source::file).collect();
    let Some(sources) = sources else { return };
    let contract = contract();
    for (theirs, ours, left_out) in TYPES {
        let mut settings = sources
            .iter()
            .find_map(|source| settings(source, theirs))
            .unwrap_or_else(|| panic!("nats-server has no {theirs}"));
        for name in *left_out {
            assert!(settings.remove(*name), "{theirs} has no {name}");
        }
        assert_eq!(contract[*ours], settings, "{ours}");
    }
}

/// The names in JSON of a Go type's fields.
fn settings(source: &str, name: &str) -> Option<BTreeSet<String>> {
    let (_, rest) = source.split_once(&format!("\ntype {name} struct {{\n"))?;
    let (body, _) = rest.split_once("\n}")?;
    let tags = body
        .lines()
        .filter_map(|line| line.split_once("`json:\"").map(|(_, tag)| tag));
    let names = tags.map(|tag| tag.split(['"', ',']).next().unwrap_or_default().to_owned());
    Some(names.collect())
}

/// The fields of each message.
fn contract() -> BTreeMap<String, BTreeSet<String>> {
    let descriptors = FileDescriptorSet::decode(crate::proto::DESCRIPTORS).unwrap();
    let messages = descriptors.file.into_iter().flat_map(|it| it.message_type);
    let fields = messages.map(|message| {
        let names = message.field.iter().map(|it| it.name().to_owned());
        (message.name().to_owned(), names.collect())
    });
    fields.collect()
}
