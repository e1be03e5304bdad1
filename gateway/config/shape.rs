//! What the value of a key looks like, learnt from the type that reads it.
//!
//! [`Probe`] is a deserializer that holds no value: it follows a path of keys, and notes what the type at its end asks
//! for. So the types alone say what can be configured, and what is made from this cannot say anything else.

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error as _, Expected, MapAccess, Visitor,
        value::{BorrowedStrDeserializer, Error},
    },
    forward_to_deserialize_any,
};

use super::Config;

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// More keys.
    Section(&'static [&'static str]),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second.
    Integer(i64, u64),
    /// Any number.
    Number,
    /// Text; what is expected of it.
    Text(String),
    /// A number or text; what is expected of it.
    NumberOrText(String),
}

impl Shape {
    /// That of the key at `path`; `None` where there is no such key.
    pub(super) fn at(path: &[&'static str]) -> Option<Self> {
        let mut found = None;
        let probe = Probe {
            path,
            found: &mut found,
        };
        // There is no value, so this ends in an error, once it was said what is wanted.
        match Config::deserialize(probe) {
            Ok(_) | Err(_) => found,
        }
    }
}

struct Probe<'a> {
    path: &'a [&'static str],
    found: &'a mut Option<Shape>,
}

impl Probe<'_> {
    fn found<T>(self, shape: Shape) -> Result<T, Error> {
        if self.path.is_empty() {
            *self.found = Some(shape);
        }
        Err(Error::custom("asked, not read"))
    }
}

macro_rules! found {
    ($($method:ident => $shape:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
            self.found($shape)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    found! {
        deserialize_bool => Shape::Boolean;
        deserialize_i8 => Shape::Integer(i8::MIN.into(), 127);
        deserialize_i16 => Shape::Integer(i16::MIN.into(), 32_767);
        deserialize_i32 => Shape::Integer(i32::MIN.into(), 2_147_483_647);
        deserialize_i64 => Shape::Integer(i64::MIN, i64::MAX.unsigned_abs());
        deserialize_u8 => Shape::Integer(0, u8::MAX.into());
        deserialize_u16 => Shape::Integer(0, u16::MAX.into());
        deserialize_u32 => Shape::Integer(0, u32::MAX.into());
        deserialize_u64 => Shape::Integer(0, u64::MAX);
        deserialize_f32 => Shape::Number;
        deserialize_f64 => Shape::Number;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.found(Shape::Text((&visitor as &dyn Expected).to_string()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.found(Shape::NumberOrText((&visitor as &dyn Expected).to_string()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        words: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.found(Shape::Choice(words))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.path.split_first() {
            None => self.found(Shape::Section(keys)),
            Some((key, path)) => visitor.visit_map(Way {
                key: Some(key),
                probe: Probe {
                    path,
                    found: self.found,
                },
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A map of one key, behind which the probe goes on.
struct Way<'a> {
    key: Option<&'static str>,
    probe: Probe<'a>,
}

impl<'de> MapAccess<'de> for Way<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let key = self.key.take().map(BorrowedStrDeserializer::new);
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Probe {
            path: self.probe.path,
            found: self.probe.found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(expected: &str) -> Option<Shape> {
        Some(Shape::Text(expected.to_owned()))
    }

    #[test]
    fn is_what_the_types_ask_for() {
        let at = Shape::at;

        assert!(matches!(at(&[]), Some(Shape::Section(keys)) if keys.contains(&"server")));
        assert!(matches!(
            at(&["log"]),
            Some(Shape::Section(&["format", "filter"]))
        ));
        assert_eq!(
            at(&["log", "format"]),
            Some(Shape::Choice(&["pretty", "json"]))
        );
        assert_eq!(at(&["server", "reflection"]), Some(Shape::Boolean));
        assert_eq!(
            at(&["server", "max_concurrent_streams"]),
            Some(Shape::Integer(0, u32::MAX.into()))
        );
        assert_eq!(at(&["traces", "sample_ratio"]), Some(Shape::Number));
        assert_eq!(at(&["shutdown", "drain"]), text("a duration"));
        assert_eq!(at(&["nats", "domain"]), text("a string"));
        assert!(matches!(
            at(&["server", "max_request_bytes"]),
            Some(Shape::NumberOrText(expected)) if expected.starts_with("a size")
        ));
    }

    #[test]
    fn of_what_is_no_key_there_is_none() {
        assert_eq!(Shape::at(&["servers"]), None);
        assert_eq!(Shape::at(&["log", "level"]), None);
        assert_eq!(Shape::at(&["log", "format", "pretty"]), None);
    }
}
