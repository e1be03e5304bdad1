//! How JetStream writes times, missing lists and what is not set.

use prost_types::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Whether a number is what JetStream takes for unset.
pub(super) fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// Whether a flag is not set.
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Go writes an empty list as null.
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A time that is always there.
pub(super) fn known_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// RFC 3339 times, in which the zero time of Go stands for "never".
pub(super) mod time {
    use prost_types::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// The second at which Go's clock begins: 0001-01-01T00:00:00Z.
    const NEVER: i64 = -62_135_596_800;

    pub(in super::super) fn serialize<S>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
    {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let time: Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(Some(time).filter(|time| time.seconds > NEVER))
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(default, with = "super::time", skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        #[serde(default, skip_serializing, deserialize_with = "super::nullable")]
        list: Vec<u8>,
    }

    fn read(text: &str) -> Times {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn go_s_zero_time_is_none() {
        assert_eq!(
            read(r#"{"at":"0001-01-01T00:00:00Z","list":null}"#).at,
            None
        );
        assert_eq!(
            read("{}"),
            Times {
                at: None,
                list: vec![]
            }
        );
        assert!(serde_json::from_str::<Times>(r#"{"at":"yesterday"}"#).is_err());
    }

    #[test]
    fn times_keep_their_nanoseconds_and_zones() {
        let text = r#"{"at":"2024-01-02T03:04:05.123456789Z"}"#;
        let times = read(text);
        assert_eq!(times.at.unwrap().nanos, 123_456_789);
        assert_eq!(serde_json::to_string(&times).unwrap(), text);
        assert_eq!(
            read(r#"{"at":"2024-01-02T05:04:05.123456789+02:00"}"#),
            times
        );
    }
}
