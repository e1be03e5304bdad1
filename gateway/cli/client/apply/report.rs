//! What became of each stream and consumer, as it is applied.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};

use crate::{
    cli::{
        Failure,
        client::{
            call_error::CallError,
            output::{Output, one_line, unless_reader_left},
            quantity, vocabulary,
        },
    },
    config::ByteSize,
    proto::{ApplyOutcome, ConsumerConfig, FieldChange, StreamConfig},
};

/// What was done, or would be.
pub(super) struct Applied {
    pub(super) outcome: ApplyOutcome,
    pub(super) changes: Vec<FieldChange>,
}

/// What is applied: a stream, or a consumer of one.
struct Resource<'a> {
    stream: &'a str,
    consumer: Option<&'a str>,
}

/// Tells what became of each, and remembers whether something failed.
pub(super) struct Report {
    output: Output,
    dry_run: bool,
    applied: usize,
    failed: usize,
}

impl Report {
    pub(super) fn new(output: Output, dry_run: bool) -> Self {
        Self {
            output,
            dry_run,
            applied: 0,
            failed: 0,
        }
    }

    pub(super) fn stream(
        &mut self,
        stream: &str,
        applied: Result<Applied, CallError>,
    ) -> Result<(), Failure> {
        let consumer = None;
        self.tell::<StreamConfig>(&Resource { stream, consumer }, applied)
    }

    pub(super) fn consumer(
        &mut self,
        stream: &str,
        consumer: &str,
        applied: Result<Applied, CallError>,
    ) -> Result<(), Failure> {
        let consumer = Some(consumer);
        self.tell::<ConsumerConfig>(&Resource { stream, consumer }, applied)
    }

    /// Fails when something could not be applied.
    pub(super) fn finish(self) -> Result<(), Failure> {
        if self.failed == 0 {
            return Ok(());
        }
        let what = if self.dry_run {
            "cannot be applied"
        } else {
            "was not applied"
        };
        let (failed, all) = (self.failed, self.failed + self.applied);
        Err(Failure::other(format!("{failed} of {all} {what}")))
    }

    fn tell<C: prost::Name>(
        &mut self,
        resource: &Resource<'_>,
        applied: Result<Applied, CallError>,
    ) -> Result<(), Failure> {
        let is_possible = |it: &Applied| it.changes.iter().all(|change| change.possible);
        let succeeded = applied.as_ref().is_ok_and(is_possible);
        if succeeded {
            self.applied += 1;
        } else {
            self.failed += 1;
        }
        let said = if self.output.is_json() {
            self.say_json(resource, &applied)
        } else {
            self.say_text::<C>(resource, &applied)
        };
        if let Err(error) = applied {
            let _closed = writeln!(io::stderr(), "jetgate: {}: {error}", resource.name());
        }
        // Whether anybody reads it or not, the rest is to be applied.
        unless_reader_left(said.and_then(|()| self.output.flush()))
    }

    fn say_json(
        &mut self,
        resource: &Resource<'_>,
        applied: &Result<Applied, CallError>,
    ) -> Result<(), Failure> {
        let parsed = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let mut object = json!({
            "kind": resource.kind(),
            "stream": resource.stream,
            "outcome": outcome(applied),
            "dry_run": self.dry_run,
        });
        if let Some(consumer) = resource.consumer {
            object["consumer"] = consumer.into();
        }
        match applied {
            Ok(applied) => {
                let changes = applied.changes.iter().map(|change| {
                    json!({
                        "field": change.field,
                        "old_value": parsed(&change.old_value),
                        "new_value": parsed(&change.new_value),
                        "possible": change.possible,
                        "remedy": change.remedy,
                    })
                });
                object["changes"] = changes.collect();
            }
            Err(error) => {
                object["reason"] = error.reason().into();
                object["message"] = error.to_string().into();
            }
        }
        self.output.object(&object)
    }

    fn say_text<C: prost::Name>(
        &mut self,
        resource: &Resource<'_>,
        applied: &Result<Applied, CallError>,
    ) -> Result<(), Failure> {
        let outcome = outcome(applied);
        self.output
            .line(&format!("{outcome:9}  {}", resource.name()))?;
        let Ok(applied) = applied else {
            return Ok(());
        };
        // What was created has all that stands in the file.
        if applied.outcome == ApplyOutcome::Created && !self.dry_run {
            return Ok(());
        }
        let descriptor = vocabulary::descriptor::<C>()?;
        for change in &applied.changes {
            let field = descriptor.get_field_by_name(&change.field);
            self.output.line(&sentence(change, field.as_ref()))?;
        }
        Ok(())
    }
}

impl Resource<'_> {
    fn kind(&self) -> &'static str {
        if self.consumer.is_some() {
            "consumer"
        } else {
            "stream"
        }
    }

    fn name(&self) -> String {
        let name = self.consumer.map(|consumer| format!("/{consumer}"));
        format!(
            "{} {}{}",
            self.kind(),
            self.stream,
            name.unwrap_or_default()
        )
    }
}

fn outcome(applied: &Result<Applied, CallError>) -> &'static str {
    let Ok(applied) = applied else {
        return "FAILED";
    };
    if applied.changes.iter().any(|change| !change.possible) {
        return "FAILED";
    }
    match applied.outcome {
        ApplyOutcome::Created => "CREATED",
        ApplyOutcome::Updated => "UPDATED",
        ApplyOutcome::Unchanged => "UNCHANGED",
        ApplyOutcome::Unspecified => "UNKNOWN",
    }
}

/// `max_age: 1d -> 7d`
fn sentence(change: &FieldChange, field: Option<&FieldDescriptor>) -> String {
    let shown = |text: &str| match serde_json::from_str(text) {
        Ok(value) => shown(&value, field),
        Err(_) => "not set".to_owned(),
    };
    let (old, new) = (shown(&change.old_value), shown(&change.new_value));
    let mut text = format!("             {}: ", change.field);
    if change.old_value.is_empty() {
        text.push_str(&new);
    } else {
        text.push_str(&format!("{old} -> {new}"));
    }
    if !change.possible {
        text.push_str(&format!(" (impossible: {})", one_line(&change.remedy)));
    }
    text
}

/// A value of JetStream's JSON for people: there times are in nanoseconds.
fn shown(value: &Value, field: Option<&FieldDescriptor>) -> String {
    match (value, value.as_u64()) {
        (Value::Null, _) => "not set".to_owned(),
        (Value::String(text), _) => one_line(text),
        (Value::Array(items), _) => {
            let items = items.iter().map(|item| shown(item, field));
            items.collect::<Vec<_>>().join(", ")
        }
        (_, Some(nanos)) if field.is_some_and(is_time) => {
            quantity::time(Duration::from_nanos(nanos))
        }
        (_, Some(bytes)) if field.is_some_and(vocabulary::counts_bytes) => {
            ByteSize::bytes(bytes).to_string()
        }
        _ => one_line(&value.to_string()),
    }
}

fn is_time(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(kind) if kind.full_name() == "google.protobuf.Duration")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: &str, old: &str, new: &str) -> String {
        let change = FieldChange {
            field: field.to_owned(),
            old_value: old.to_owned(),
            new_value: new.to_owned(),
            possible: true,
            remedy: String::new(),
        };
        let descriptor = vocabulary::descriptor::<StreamConfig>().unwrap();
        let field = descriptor.get_field_by_name(field);
        sentence(&change, field.as_ref()).trim().to_owned()
    }

    #[test]
    fn changes_are_told_as_they_are_written() {
        assert_eq!(
            said("max_age", "86400000000000", "604800000000000"),
            "max_age: 1d -> 7d"
        );
        assert_eq!(said("max_bytes", "", "1073741824"), "max_bytes: 1GiB");
        assert_eq!(said("max_msgs", "5", ""), "max_msgs: 5 -> not set");
        assert_eq!(
            said("subjects", r#"["a"]"#, r#"["a","b"]"#),
            "subjects: a -> a, b"
        );
        assert_eq!(
            said("storage", r#""file""#, r#""memory""#),
            "storage: file -> memory"
        );
    }

    #[test]
    fn what_cannot_be_changed_comes_with_what_to_do() {
        let change = FieldChange {
            field: "storage".to_owned(),
            old_value: "\"file\"".to_owned(),
            new_value: "\"memory\"".to_owned(),
            possible: false,
            remedy: "keep it".to_owned(),
        };

        assert_eq!(
            sentence(&change, None).trim(),
            "storage: file -> memory (impossible: keep it)"
        );
    }
}
