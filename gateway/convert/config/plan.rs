//! What applying a configuration to an existing stream or consumer changes, and what it cannot change.

use serde_json::Value;

use super::Difference;
use crate::error::{Error, Reason, Result};
use crate::nats::api::JsonObject;
use crate::proto;

/// How to bring what exists to what is asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configuration to send.
    pub config: JsonObject,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// One setting that changes.
#[derive(Clone, Debug)]
pub struct Change {
    /// The setting with both values.
    pub difference: Difference,
    /// What to do instead, where JetStream does not make this change.
    pub remedy: Option<&'static str>,
}

impl Plan {
    /// Refuses a plan with impossible changes, naming all of them: JetStream would name the first.
    /// `what` is "stream ORDERS".
    pub fn check(&self, what: &str) -> Result<()> {
        let impossible = || self.changes.iter().filter(|it| it.remedy.is_some());
        let names: Vec<_> = impossible()
            .map(|it| it.difference.field.as_str())
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let names = names.join(",");
        let message = format!("{what} exists, and these settings cannot be changed: {names}");
        let error = Error::new(Reason::ImmutableField, message).with("fields", names);
        Err(impossible().fold(error, |error, it| {
            let field = format!("config.{}", it.difference.field);
            let remedy = it.remedy.unwrap_or_default();
            error.violation(field, format!("{}: {remedy}", it.difference))
        }))
    }
}

/// The changes as callers see them.
pub fn shown(changes: &[Change]) -> Vec<proto::FieldChange> {
    let shown = changes.iter().map(|it| proto::FieldChange {
        field: it.difference.field.clone(),
        old_value: text(&it.difference.existing),
        new_value: text(&it.difference.desired),
        possible: it.remedy.is_none(),
        remedy: it.remedy.unwrap_or_default().to_owned(),
    });
    shown.collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(field: &str, remedy: Option<&'static str>) -> Change {
        Change {
            difference: Difference {
                field: field.to_owned(),
                existing: Value::Null,
                desired: json!({"a": 1}),
            },
            remedy,
        }
    }

    #[test]
    fn every_impossible_change_is_named() {
        let mut plan = Plan {
            config: JsonObject::new(),
            changes: vec![change("max_age", None)],
        };
        assert!(plan.check("stream S").is_ok());
        plan.changes.push(change("first_seq", Some("leave it")));
        plan.changes.push(change("storage", Some("leave it")));
        let error = plan.check("stream S").unwrap_err();
        assert_eq!(error.reason(), Reason::ImmutableField);
        assert_eq!(error.metadata("fields"), Some("first_seq,storage"));
    }

    #[test]
    fn values_are_json_and_unset_ones_are_empty() {
        let shown = shown(&[change("mirror", Some("leave it")), change("max_age", None)]);
        assert_eq!(
            (shown[0].old_value.as_str(), shown[0].new_value.as_str()),
            ("", r#"{"a":1}"#)
        );
        assert_eq!((shown[0].possible, shown[1].possible), (false, true));
    }
}
