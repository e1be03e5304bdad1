//! From YAML to messages of the contract: the descriptors say which keys there are and what they take.
//!
//! Every mistake is noted, and reading goes on behind it.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

use super::yaml::{Entry, Mistake, Node, Place, Value as Yaml};
use crate::{
    cli::client::{quantity, vocabulary},
    config::{ByteSize, suggestion},
};

/// Reads nodes and remembers what was wrong with them.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) mistakes: Vec<Mistake>,
}

impl Reading {
    /// A message whose fields are the keys of a mapping.
    pub(super) fn message<'a>(
        &mut self,
        descriptor: MessageDescriptor,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for entry in entries {
            let Some(field) = descriptor.get_field_by_name(&entry.key) else {
                let fields: Vec<_> = descriptor.fields().collect();
                self.unknown_key(entry, fields.iter().map(FieldDescriptor::name));
                continue;
            };
            if let Some(value) = self.field(&field, &entry.node) {
                message.set_field(&field, value);
            }
        }
        message
    }

    /// Notes a key that there is not.
    pub(super) fn unknown_key<'a>(&mut self, entry: &Entry, known: impl Iterator<Item = &'a str>) {
        let what = format!("unknown key {}{}", entry.key, suggestion(&entry.key, known));
        self.note(entry.place, what);
    }

    /// The entries of a mapping.
    pub(super) fn mapping<'a>(&mut self, what: &str, node: &'a Node) -> Option<&'a [Entry]> {
        match &node.value {
            Yaml::Mapping(entries) => Some(entries),
            _ => self.expected(what, "keys and values", node),
        }
    }

    /// The items of a list.
    pub(super) fn list<'a>(&mut self, what: &str, node: &'a Node) -> Option<&'a [Node]> {
        match &node.value {
            Yaml::List(items) => Some(items),
            _ => self.expected(what, "a list", node),
        }
    }

    /// Text.
    pub(super) fn text<'a>(&mut self, what: &str, node: &'a Node) -> Option<&'a str> {
        match &node.value {
            Yaml::Text(text) => Some(text),
            _ => self.expected(what, "text", node),
        }
    }

    /// Notes a mistake.
    pub(super) fn note(&mut self, place: Place, what: impl Into<String>) {
        self.mistakes.push(Mistake::new(place, what));
    }

    fn expected<T>(&mut self, what: &str, expected: &str, node: &Node) -> Option<T> {
        let message = match node.value {
            Yaml::Nothing => format!("{what} has no value: leave the key out for the default"),
            _ => format!("{what}: expected {expected}"),
        };
        self.note(node.place, message);
        None
    }

    fn field(&mut self, field: &FieldDescriptor, node: &Node) -> Option<Value> {
        if field.is_map() {
            return self.map(field, node).map(Value::Map);
        }
        if !field.is_list() {
            return self.single(field, node);
        }
        let items = self.list(field.name(), node)?;
        let values = items.iter().filter_map(|item| self.single(field, item));
        Some(Value::List(values.collect()))
    }

    /// A map; all of the contract have text for keys.
    fn map(&mut self, field: &FieldDescriptor, node: &Node) -> Option<HashMap<MapKey, Value>> {
        let entries = self.mapping(field.name(), node)?;
        let value = field.kind().as_message()?.map_entry_value_field();
        let pairs = entries.iter().filter_map(|entry| {
            let value = self.single(&value, &entry.node)?;
            Some((MapKey::String(entry.key.clone()), value))
        });
        Some(pairs.collect())
    }

    fn single(&mut self, field: &FieldDescriptor, node: &Node) -> Option<Value> {
        if let Kind::Message(message) = field.kind()
            && !is_well_known(&message)
        {
            let entries = self.mapping(field.name(), node)?;
            return Some(Value::Message(self.message(message, entries)));
        }
        let text = self.text(field.name(), node)?;
        match scalar(field, text) {
            Ok(value) => Some(value),
            Err(expected) => {
                let what = format!("{}: {text:?} is not {expected}", field.name());
                self.note(node.place, what);
                None
            }
        }
    }
}

fn is_well_known(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("google.protobuf.")
}

/// What a text says as a value of this field, or what was expected.
fn scalar(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    match field.kind() {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bool => {
            let flag = text.parse().map_err(|_| "true or false")?;
            Ok(Value::Bool(flag))
        }
        Kind::Enum(descriptor) => word(&descriptor, text),
        Kind::Message(message) => time(&message, text),
        kind => number(field, &kind, text),
    }
}

fn word(descriptor: &EnumDescriptor, text: &str) -> Result<Value, String> {
    let number = vocabulary::number(descriptor, text);
    let number =
        number.ok_or_else(|| format!("one of {}", vocabulary::words(descriptor).join(", ")))?;
    Ok(Value::EnumNumber(number))
}

fn time(message: &MessageDescriptor, text: &str) -> Result<Value, String> {
    let mut value = DynamicMessage::new(message.clone());
    let transcoded = if message.full_name() == "google.protobuf.Duration" {
        let expected = || "a time such as 30s, 7d or 1h30m".to_owned();
        let time = quantity::parse_time(text).map_err(|_| expected())?;
        let time = prost_types::Duration::try_from(time).map_err(|_| expected())?;
        value.transcode_from(&time)
    } else {
        let expected = || "a point in time such as 2026-01-31T12:00:00Z".to_owned();
        let time: prost_types::Timestamp = text.parse().map_err(|_| expected())?;
        value.transcode_from(&time)
    };
    transcoded.map_err(|error| error.to_string())?;
    Ok(Value::Message(value))
}

/// A whole number, which may have a unit where it counts bytes.
fn number(field: &FieldDescriptor, kind: &Kind, text: &str) -> Result<Value, String> {
    let sized = text.parse::<ByteSize>().ok();
    let sized = sized.filter(|_| vocabulary::counts_bytes(field));
    let number = sized.map_or_else(|| text.parse().ok(), |size| Some(i128::from(size.as_u64())));
    let value = number.and_then(|number| match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number.try_into().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number.try_into().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => number.try_into().ok().map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => number.try_into().ok().map(Value::U64),
        _ => None,
    });
    value.ok_or_else(|| {
        if vocabulary::counts_bytes(field) {
            "a size such as 1048576 or 8MiB that fits".to_owned()
        } else {
            "a whole number that fits".to_owned()
        }
    })
}
