//! Values that are never printed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroize as _;

/// What stands in the place of a secret wherever the configuration is shown.
const REDACTED: &str = "[redacted]";

/// A string that shows itself as `[redacted]` in logs, errors and printed configuration.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself: for handing to the library that needs it, never for printing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Our copy leaves nothing in memory.
impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `String`: its error for another type would quote the value, and a password that
        // somebody forgot to quote in TOML is a number.
        let Ok(Value::Text(value)) = Value::deserialize(deserializer) else {
            return Err(de::Error::custom("expected a string in quotes"));
        };
        if value == REDACTED {
            // Somebody runs what `config print` wrote.
            return Err(de::Error::custom(
                "the value was redacted when printed: give the real one",
            ));
        }
        Ok(Self(value))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Other(de::IgnoredAny),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing() {
        let secret = Secret::new("hunter2");

        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn errors_do_not_quote_the_value() {
        let error = serde_json::from_str::<Secret>("12345").unwrap_err();

        assert!(!error.to_string().contains("12345"), "{error}");
    }

    #[test]
    fn refuses_its_own_redacted_form() {
        assert!(serde_json::from_str::<Secret>("\"[redacted]\"").is_err());
    }
}
