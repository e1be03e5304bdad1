//! Comparison of configurations, and the etags that stand for them.

use std::fmt;

use serde_json::Value;

use crate::error::{Error, Reason};
use crate::nats::api::JsonObject;

/// The settings that are times, in nanoseconds.
const TIMES: &[&str] = &[
    "ack_wait",
    "backoff",
    "duplicate_window",
    "inactive_threshold",
    "max_age",
    "max_expires",
    "priority_timeout",
    "subject_delete_marker_ttl",
];

/// A setting in which what exists differs from what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// JetStream's name of the setting.
    pub field: String,
    /// Its value; null where it is not set.
    pub existing: Value,
    /// The value that was asked for; null where none was.
    pub desired: Value,
}

/// The error that something of this name exists with other settings. `what` is "stream ORDERS".
pub fn conflict(reason: Reason, what: &str, differences: &[Difference]) -> Error {
    let names: Vec<_> = differences.iter().map(|it| it.field.as_str()).collect();
    let facts: Vec<_> = differences.iter().map(ToString::to_string).collect();
    Error::new(
        reason,
        format!("{what} exists with other settings: {}", facts.join("; ")),
    )
    .with("differs", names.join(","))
}

/// Where the two differ. Both have the defaults filled in by the caller.
pub(crate) fn compare(desired: JsonObject, existing: JsonObject) -> Vec<Difference> {
    let (mut desired, existing) = (significant(desired), significant(existing));
    let mut differences = Vec::new();
    for (field, existing) in existing {
        let desired = desired.remove(&field).unwrap_or_default();
        if desired != existing {
            differences.push(Difference {
                field,
                existing,
                desired,
            });
        }
    }
    for (field, desired) in desired {
        differences.push(Difference {
            field,
            existing: Value::Null,
            desired,
        });
    }
    differences.sort_by(|one, other| one.field.cmp(&other.field));
    differences
}

/// A short text that changes with the configuration. Every gateway must find the same one, so
/// neither the order of the keys nor what is merely spelt out counts.
pub(crate) fn etag(config: JsonObject) -> String {
    let mut config = Value::Object(significant(config));
    config.sort_all_objects();
    format!("{:016x}", fnv1a(config.to_string().as_bytes()))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |value: &Value| match value {
            Value::Null => "not set".to_owned(),
            value => readable(&self.field, value),
        };
        let (existing, desired) = (said(&self.existing), said(&self.desired));
        write!(f, "{} is {existing} (asked for: {desired})", self.field)
    }
}

/// A value for people: times as requests have them, "604800s", and not in nanoseconds.
fn readable(setting: &str, value: &Value) -> String {
    match value {
        Value::Number(nanos) if TIMES.contains(&setting) => seconds(nanos.as_u64().unwrap_or(0)),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(|it| readable(setting, it)).collect();
            format!("[{}]", values.join(","))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(name, value)| format!("{name:?}:{}", readable(name, value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        value => value.to_string(),
    }
}

fn seconds(nanos: u64) -> String {
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    match nanos {
        0 => format!("{seconds}s"),
        _ => format!("{seconds}.{}s", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// Without what says the same as being left out.
fn significant(object: JsonObject) -> JsonObject {
    let kept = object.into_iter().map(|(key, value)| match value {
        Value::Object(nested) => (key, Value::Object(significant(nested))),
        value => (key, value),
    });
    kept.filter(|(_, value)| !is_empty(value)).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// The 64-bit FNV-1a hash; the standard library's may change between versions of Rust.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> JsonObject {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_spelt_out_is_no_difference() {
        let desired = object(json!({"a": 1, "nested": {}}));
        let existing =
            object(json!({"a": 1, "b": false, "c": 0, "d": "", "e": [], "nested": {"x": null}}));
        assert_eq!(compare(desired, existing), vec![]);
    }

    #[test]
    fn differences_name_both_values() {
        let desired = object(json!({"max_age": 5, "only_asked": true}));
        let existing = object(json!({"max_age": 7, "a_mirror": {"name": "M"}}));
        let differences = compare(desired, existing);
        let error = conflict(Reason::StreamExists, "stream S", &differences);
        assert_eq!(
            error.metadata("differs"),
            Some("a_mirror,max_age,only_asked")
        );
        assert_eq!(
            error.message(),
            "stream S exists with other settings: a_mirror is {\"name\":\"M\"} (asked for: not set); \
             max_age is 0.000000007s (asked for: 0.000000005s); only_asked is not set (asked for: true)"
        );
    }

    #[test]
    fn times_are_for_people() {
        for (setting, value, expected) in [
            ("max_age", json!(604_800_000_000_000_u64), "604800s"),
            ("ack_wait", json!(1_500_000_000), "1.5s"),
            (
                "backoff",
                json!([1_000_000_000, 2_000_000_000_u64]),
                "[1s,2s]",
            ),
            (
                "consumer_limits",
                json!({ "inactive_threshold": 5_000_000_000_u64 }),
                r#"{"inactive_threshold":5s}"#,
            ),
            ("max_msgs", json!(5_000_000_000_u64), "5000000000"),
        ] {
            assert_eq!(readable(setting, &value), expected);
        }
    }

    #[test]
    fn an_etag_is_the_same_everywhere() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let one = object(json!({"b": {"y": 1, "x": 2}, "a": 1, "c": false}));
        let other = object(json!({"a": 1, "b": {"x": 2, "y": 1}}));
        assert_eq!(etag(one), etag(other));
        assert_ne!(etag(object(json!({"a": 1}))), etag(object(json!({"a": 2}))));
    }
}
