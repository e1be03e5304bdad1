//! Messages of the contract as JSON: its field names, the words of `vocabulary.rs`, numbers as numbers.
//!
//! Every field is there, also where it has its default, but for what can be unset and is.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};
use serde_json::{Map, Value as Json};

use super::vocabulary;
use crate::cli::Failure;

/// A message as JSON.
pub(super) fn json<M: prost::Name>(message: &M) -> Result<Json, Failure> {
    Ok(object(&dynamic(message)?))
}

/// A message that says which fields it has.
pub(super) fn dynamic<M: prost::Name>(message: &M) -> Result<DynamicMessage, Failure> {
    let mut dynamic = DynamicMessage::new(vocabulary::descriptor::<M>()?);
    dynamic.transcode_from(message).map_err(Failure::other)?;
    Ok(dynamic)
}

fn object(message: &DynamicMessage) -> Json {
    let fields = message.descriptor();
    let fields = fields.fields().filter(|field| is_shown(message, field));
    let entries = fields.map(|field| {
        let value = message.get_field(&field);
        (field.name().to_owned(), of_field(&field, &value))
    });
    Json::Object(entries.collect())
}

fn is_shown(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    message.has_field(field) || !field.supports_presence()
}

fn of_field(field: &FieldDescriptor, value: &Value) -> Json {
    match value {
        Value::List(items) => items
            .iter()
            .map(|item| scalar(&field.kind(), item))
            .collect(),
        Value::Map(entries) => {
            let kind = match field.kind() {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other,
            };
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (key_text(key), scalar(&kind, value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        value => scalar(&field.kind(), value),
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn scalar(kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::I32(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        Value::U64(value) => (*value).into(),
        Value::F32(value) => (*value).into(),
        Value::F64(value) => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
        Value::EnumNumber(number) => enum_word(kind, *number).into_owned().into(),
        Value::Message(message) => {
            well_known(message).map_or_else(|| object(message), Json::String)
        }
        // Neither stands inside of another one.
        Value::List(_) | Value::Map(_) => Json::Null,
    }
}

/// The word for an enum's number; the number where a newer gateway has one more.
pub(super) fn enum_word(kind: &Kind, number: i32) -> Cow<'static, str> {
    let value = kind.as_enum().and_then(|it| it.get_value(number));
    value.map_or_else(
        || number.to_string().into(),
        |value| vocabulary::word(&value).into(),
    )
}

/// A duration (`604800s`) or a timestamp, as everyone writes them in JSON.
fn well_known(message: &DynamicMessage) -> Option<String> {
    match message.descriptor().full_name() {
        "google.protobuf.Duration" => {
            let time = message.transcode_to::<prost_types::Duration>().ok()?;
            Some(time.to_string())
        }
        "google.protobuf.Timestamp" => {
            let time = message.transcode_to::<prost_types::Timestamp>().ok()?;
            Some(time.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::proto;

    #[test]
    fn every_field_has_its_name_and_a_value_that_programs_can_use() {
        let stream = proto::Stream {
            config: Some(proto::StreamConfig {
                name: "S".to_owned(),
                retention: proto::RetentionPolicy::WorkQueue.into(),
                max_age: Some(prost_types::Duration {
                    seconds: 90,
                    nanos: 500_000_000,
                }),
                metadata: [("a".to_owned(), "b".to_owned())].into(),
                ..Default::default()
            }),
            create_time: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 0,
            }),
            state: Some(proto::StreamState {
                messages: u64::MAX,
                ..Default::default()
            }),
            ..Default::default()
        };

        let json = super::json(&stream).unwrap();

        assert_eq!(json["config"]["retention"], "workqueue");
        assert_eq!(json["config"]["storage"], "unspecified");
        assert_eq!(json["config"]["max_age"], "90.500s");
        assert_eq!(json["config"]["metadata"], json!({"a": "b"}));
        assert_eq!(json["config"]["subjects"], json!([]));
        assert_eq!(json["config"].get("max_msgs"), None);
        assert_eq!(json["state"]["messages"], u64::MAX);
        assert_eq!(json["state"]["bytes"], 0);
        assert_eq!(json["create_time"], "1970-01-01T00:00:01Z");
        assert_eq!(json.get("cluster"), None);
    }

    #[test]
    fn payloads_are_text_or_base64() {
        use proto::received_message::Payload;
        let message = |payload| proto::ReceivedMessage {
            payload: Some(payload),
            ..Default::default()
        };

        let text = super::json(&message(Payload::Text("ä".to_owned()))).unwrap();
        let data = super::json(&message(Payload::Data(vec![255, 0].into()))).unwrap();

        assert_eq!((&text["text"], text.get("data")), (&json!("ä"), None));
        assert_eq!((&data["data"], data.get("text")), (&json!("/wA="), None));
    }
}
