//! The contract has every setting that JetStream has, and passes each on as it is.

mod pull_consumers;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use serde_json::Value;

/// Messages of the contract by name, each with its fields and the messages that those hold.
struct Contract(BTreeMap<String, BTreeMap<String, Option<String>>>);

impl Contract {
    fn read() -> Self {
        let descriptors = FileDescriptorSet::decode(jetgate::proto::DESCRIPTORS).unwrap();
        let files = descriptors.file.iter();
        let messages = files.flat_map(|file| &file.message_type).map(|message| {
            let fields = message.field.iter().map(|field| {
                let inner = (field.r#type() == Type::Message)
                    .then(|| field.type_name().rsplit('.').next().unwrap().to_owned());
                (field.name().to_owned(), inner)
            });
            (message.name().to_owned(), fields.collect())
        });
        Self(messages.collect())
    }

    /// Notes in `seen` which fields of a message a JSON object has, and panics when the message
    /// lacks one.
    fn compare(&self, message: &str, json: &Value, seen: &mut Seen) {
        let fields = &self.0[message];
        for (key, value) in json.as_object().unwrap() {
            let inner = fields
                .get(key)
                .unwrap_or_else(|| panic!("{message} lacks {key}: {value}"));
            seen.insert((message.to_owned(), key.clone()));
            // Times, durations and maps are messages that are no objects in JetStream's JSON, or
            // whose keys are free.
            let Some(inner) = inner.as_ref().filter(|it| self.is_object(it)) else {
                continue;
            };
            let values = value
                .as_array()
                .map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
            for value in values {
                self.compare(inner, value, seen);
            }
        }
    }

    fn is_object(&self, message: &str) -> bool {
        self.0.contains_key(message) && !["Duration", "Timestamp"].contains(&message)
    }

    /// The fields of these messages, as a test that sets all of them must have seen them.
    fn all(&self, messages: &[&str]) -> Seen {
        let fields = messages.iter().flat_map(|message| {
            let names = self.0[*message].keys();
            names.map(|name| ((*message).to_owned(), name.clone()))
        });
        fields.collect()
    }
}

/// Pairs of message and field.
type Seen = BTreeSet<(String, String)>;
