//! `google.protobuf.Value` as compact JSON.
//!
//! Its numbers are doubles; whole ones are written without a fraction, as callers wrote them.

use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// Doubles hold every whole number up to this one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Encodes a value. Numbers that JSON cannot write, and values without a kind, are INVALID_ARGUMENT.
pub fn encode(field: &str, value: prost_types::Value) -> Result<Vec<u8>> {
    let value = convert(field, value)?;
    Ok(value.to_string().into_bytes())
}

fn convert(field: &str, value: prost_types::Value) -> Result<Value> {
    let kind = value
        .kind
        .ok_or_else(|| Error::invalid(field, "has a value without a kind"))?;
    Ok(match kind {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::StringValue(value) => Value::String(value),
        Kind::NumberValue(value) => Value::Number(number(field, value)?),
        Kind::ListValue(list) => {
            let items = list.values.into_iter().map(|item| convert(field, item));
            Value::Array(items.collect::<Result<_>>()?)
        }
        Kind::StructValue(fields) => {
            let members = fields.fields.into_iter();
            let members = members.map(|(name, item)| Ok((name, convert(field, item)?)));
            Value::Object(members.collect::<Result<Map<_, _>>>()?)
        }
    })
}

fn number(field: &str, value: f64) -> Result<Number> {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Ok(Number::from(value as i64));
    }
    Number::from_f64(value)
        .ok_or_else(|| Error::invalid(field, "has a number that JSON cannot write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(kind: Kind) -> Result<String> {
        let value = prost_types::Value { kind: Some(kind) };
        encode("json", value).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        assert_eq!(encoded(Kind::NumberValue(1.0)).unwrap(), "1");
        assert_eq!(encoded(Kind::NumberValue(-0.5)).unwrap(), "-0.5");
        assert_eq!(encoded(Kind::NumberValue(1e300)).unwrap(), "1e+300");
        assert!(encoded(Kind::NumberValue(f64::NAN)).is_err());
    }

    #[test]
    fn a_value_without_a_kind_is_refused() {
        let empty = prost_types::Value { kind: None };
        let list = prost_types::ListValue {
            values: vec![empty],
        };
        assert!(encoded(Kind::ListValue(list)).is_err());
    }
}
