//! Update masks: which fields of a configuration change, and the configuration that results.

use prost_types::FieldMask;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Reason, Result};
use crate::nats::api::JsonObject;

/// Which fields an update changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Vec<&'static str>);

impl Mask {
    /// Checks `mask` against the names of `fields`; without a mask all of them change. Names in
    /// `identity` may stand in a mask, but say what is updated and do not change.
    pub fn parse(
        mask: Option<&FieldMask>,
        fields: &'static [&'static str],
        identity: &[&str],
    ) -> Result<Self> {
        let Some(mask) = mask else {
            return Ok(Self(fields.to_vec()));
        };
        // Callers that found nothing to change must not replace everything.
        if mask.paths.is_empty() {
            return Err(Error::invalid(
                "update_mask",
                "must name a field, or be left out",
            ));
        }
        let mut names = Vec::with_capacity(mask.paths.len());
        for path in &mask.paths {
            match fields.iter().find(|field| *field == path) {
                Some(field) => names.push(*field),
                None if identity.contains(&path.as_str()) => {}
                None => return Err(unknown(path)),
            }
        }
        Ok(Self(names))
    }

    /// Whether this field changes.
    pub fn includes(&self, field: &str) -> bool {
        self.0.contains(&field)
    }

    /// Lets fields that only make sense together change together.
    #[must_use]
    pub fn join(mut self, fields: &'static [&'static str]) -> Self {
        if fields.iter().any(|field| self.includes(field)) {
            self.0.extend(fields);
        }
        self
    }
}

/// `existing` with the fields of `mask` as in `desired`. What stands in neither mask nor types of
/// the gateway stays as it is.
pub(crate) fn patch(
    existing: &impl Serialize,
    desired: &impl Serialize,
    mask: &Mask,
) -> Result<JsonObject> {
    let (mut patched, desired) = (object(existing)?, object(desired)?);
    for field in &mask.0 {
        match desired.get(*field) {
            Some(value) => patched.insert((*field).to_owned(), value.clone()),
            // JetStream fills in its default for what is not sent.
            None => patched.remove(*field),
        };
    }
    Ok(patched)
}

/// A configuration as JSON.
pub(crate) fn object(config: &impl Serialize) -> Result<JsonObject> {
    match serde_json::to_value(config) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Error::new(
            Reason::Internal,
            "a configuration cannot be written as JSON",
        )),
    }
}

fn unknown(path: &str) -> Error {
    Error::invalid(
        "update_mask",
        format!("{path:?} is no field of the configuration"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FIELDS: &[&str] = &["a", "b", "c"];

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        }
    }

    fn parse(paths: &[&str]) -> Result<Mask> {
        Mask::parse(Some(&mask(paths)), FIELDS, &["name"])
    }

    #[test]
    fn a_mask_names_known_fields() {
        assert_eq!(parse(&["b", "name"]).unwrap(), Mask(vec!["b"]));
        assert_eq!(
            Mask::parse(None, FIELDS, &[]).unwrap(),
            Mask(vec!["a", "b", "c"])
        );
        for bad in [&["x"][..], &["a.b"], &["A"], &["*"], &[""], &[]] {
            let error = parse(bad).unwrap_err();
            assert!(error.message().starts_with("update_mask: "), "{bad:?}");
        }
    }

    #[test]
    fn joined_fields_change_together() {
        assert!(parse(&["a"]).unwrap().join(&["a", "c"]).includes("c"));
        assert!(!parse(&["b"]).unwrap().join(&["a", "c"]).includes("c"));
    }

    #[test]
    fn only_what_the_mask_names_changes() {
        let existing = json!({"a": 1, "b": 2, "new_in_2030": {"x": 1}});
        let desired = json!({"a": 9, "c": 3});
        let all = Mask::parse(None, FIELDS, &[]).unwrap();

        let patched = patch(&existing, &desired, &parse(&["a"]).unwrap()).unwrap();
        assert_eq!(
            Value::Object(patched),
            json!({"a": 9, "b": 2, "new_in_2030": {"x": 1}})
        );
        let patched = patch(&existing, &desired, &all).unwrap();
        assert_eq!(
            Value::Object(patched),
            json!({"a": 9, "c": 3, "new_in_2030": {"x": 1}})
        );
    }
}
