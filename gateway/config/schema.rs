//! The JSON Schema of the configuration file, for editors, and for charts that take the same keys.

use serde_json::{Map, Value, json};

use super::{Config, shape::Shape};

/// As `humantime` reads it: "1m 30s".
const DURATION: &str = r"^\s*([0-9]+\s*[a-z]+\s*)+$";

/// As [`super::ByteSize`] reads it, in any case: "8MiB".
const SIZE: &str = r"^\s*[0-9]+\s*([KkMmGg][Ii]?)?[Bb]?\s*$";

/// Every section and key: its type, its default where it has one, and nothing else is allowed.
pub(super) fn schema() -> Value {
    // As in `load`: a type that could not be written would have no defaults, which the tests would notice.
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut schema = at(&mut Vec::new(), &defaults);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Configuration of jetgate");
    schema
}

fn at(path: &mut Vec<&'static str>, default: &Value) -> Value {
    let Some(shape) = Shape::at(path) else {
        return json!(false);
    };
    let mut schema = match shape {
        Shape::Section(keys) => return section(path, keys, default),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Number => json!({ "type": "number" }),
        Shape::Text(expected) if expected == "a duration" => {
            json!({ "type": "string", "pattern": DURATION })
        }
        Shape::Text(_) => json!({ "type": "string" }),
        Shape::NumberOrText(expected) if expected.starts_with("a size") => {
            json!({ "type": ["string", "integer"], "pattern": SIZE, "minimum": 0 })
        }
        // Secrets, which quote in no error what they were given.
        Shape::NumberOrText(_) => json!({ "type": "string" }),
    };
    if !default.is_null() {
        schema["default"] = default.clone();
    }
    schema
}

fn section(path: &mut Vec<&'static str>, keys: &[&'static str], defaults: &Value) -> Value {
    let mut properties = Map::new();
    for key in keys {
        path.push(key);
        properties.insert((*key).to_owned(), at(path, &defaults[*key]));
        path.pop();
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::{super::load::known_keys, *};

    fn of_key<'a>(schema: &'a Value, key: &str) -> &'a Value {
        key.split('.')
            .fold(schema, |schema, key| &schema["properties"][key])
    }

    #[test]
    fn has_every_key_with_its_default() {
        let (schema, defaults) = (schema(), serde_json::to_value(Config::default()).unwrap());

        for key in known_keys() {
            let of_key = of_key(&schema, &key);
            let is_typed = of_key.get("type").or_else(|| of_key.get("enum")).is_some();
            assert!(is_typed, "{key}: {of_key}");
            let default = &defaults
                .pointer(&format!("/{}", key.replace('.', "/")))
                .unwrap();
            assert_eq!(
                of_key.get("default").unwrap_or(&Value::Null),
                *default,
                "{key}"
            );
        }
    }

    #[test]
    fn says_what_a_key_may_hold() {
        let schema = schema();

        assert_eq!(
            of_key(&schema, "publish.mint_message_id")["enum"],
            json!(["unary", "always", "never"])
        );
        assert_eq!(of_key(&schema, "server.reflection")["type"], "boolean");
        assert_eq!(of_key(&schema, "nats.password")["type"], "string");
        assert_eq!(of_key(&schema, "limits.bytes_per_second")["pattern"], SIZE);
        assert_eq!(of_key(&schema, "log")["additionalProperties"], false);
    }
}
