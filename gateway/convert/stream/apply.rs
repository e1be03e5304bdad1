//! What applying a configuration to an existing stream changes.

use super::change::{differences, update_mask};
use super::{check_subjects, kept};
use crate::convert::config::{Change, Difference, Plan, compare, object, patch};
use crate::error::{Error, Reason, Result};
use crate::nats::api::{JsonObject, Retention, StreamConfig};

const KEEP: &str =
    "keep the value, or create another stream with the new one and this stream among its sources";
const STAYS_ON: &str = "keep it switched on: JetStream does not switch it off again";
const MIRRORS: &str = "keep it, or remove it, which makes the copy a stream of its own; another copy is another stream";

/// How to change `existing` to `desired`.
pub fn plan(desired: &StreamConfig, existing: &StreamConfig) -> Result<Plan> {
    check_subjects(
        !desired.subjects.is_empty(),
        desired.mirror.is_some(),
        !desired.sources.is_empty(),
    )?;
    let desired = kept::with_kept_parts(desired, existing);
    let config = patch(existing, &desired, &update_mask(None)?)?;
    let desired = read(&config)?;
    let changes = differences(&desired, existing)?.into_iter();
    let changes = changes.map(|difference| Change {
        remedy: remedy(&difference, &desired, existing),
        difference,
    });
    Ok(Plan {
        changes: changes.collect(),
        config,
    })
}

/// A configuration that is to be sent.
pub fn read(config: &JsonObject) -> Result<StreamConfig> {
    serde_json::from_value(config.clone().into()).map_err(|error| {
        let message = format!("cannot read the configuration to be sent: {error}");
        Error::new(Reason::Internal, message)
    })
}

/// What a new stream is created with.
pub fn creation(desired: &StreamConfig) -> Result<Vec<Change>> {
    let differences = compare(object(desired)?, JsonObject::new()).into_iter();
    let changes = differences.map(|difference| Change {
        difference,
        remedy: None,
    });
    Ok(changes.collect())
}

fn remedy(
    difference: &Difference,
    desired: &StreamConfig,
    existing: &StreamConfig,
) -> Option<&'static str> {
    let was_on = difference.existing == true;
    match difference.field.as_str() {
        "storage" | "first_seq" | "allow_msg_counter" | "persist_mode" => Some(KEEP),
        "retention" => {
            let queue = [&desired.retention, &existing.retention].contains(&&Retention::WorkQueue);
            queue.then_some(KEEP)
        }
        "mirror" => desired.mirror.is_some().then_some(MIRRORS),
        "sealed" | "deny_delete" | "deny_purge" | "allow_msg_ttl" | "allow_msg_schedules" => {
            was_on.then_some(STAYS_ON)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(settings: serde_json::Value) -> StreamConfig {
        let mut config = json!({ "name": "S", "subjects": ["s"], "retention": "limits" });
        let settings = settings.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(settings);
        serde_json::from_value(config).unwrap()
    }

    /// The settings that change, each with whether it can.
    fn planned(desired: serde_json::Value, existing: serde_json::Value) -> Vec<(String, bool)> {
        let plan = plan(&config(desired), &config(existing)).unwrap();
        let changes = plan.changes.into_iter();
        changes
            .map(|it| (it.difference.field, it.remedy.is_none()))
            .collect()
    }

    fn change(field: &str, possible: bool) -> Vec<(String, bool)> {
        vec![(field.to_owned(), possible)]
    }

    #[test]
    fn nothing_changes_what_is_equal() {
        let existing = json!({ "max_msgs": -1, "of_2030": 1, "metadata": { "_nats.ver": "2" } });
        assert_eq!(planned(json!({}), existing), []);
        let sealed = json!({
            "sealed": true, "deny_delete": true, "deny_purge": true, "discard": "new",
            "duplicate_window": 5_000_000_000_u64,
        });
        let asked = json!({ "sealed": true, "max_age": 5_000_000_000_u64 });
        assert_eq!(planned(asked, sealed), []);
    }

    #[test]
    fn a_switch_goes_one_way() {
        for field in ["deny_delete", "deny_purge", "allow_msg_ttl"] {
            let on = || json!({ field: true });
            assert_eq!(planned(on(), json!({})), change(field, true));
            assert_eq!(planned(json!({}), on()), change(field, false));
        }
        let counter = json!({ "allow_msg_counter": true });
        assert_eq!(
            planned(counter, json!({})),
            change("allow_msg_counter", false)
        );
    }

    #[test]
    fn only_a_work_queue_keeps_its_retention() {
        let retention = |text: &str| json!({ "retention": text });
        let (queue, interest) = (retention("workqueue"), retention("interest"));
        assert_eq!(
            planned(interest.clone(), json!({})),
            change("retention", true)
        );
        assert_eq!(planned(interest, queue.clone()), change("retention", false));
        assert_eq!(planned(queue, json!({})), change("retention", false));
    }

    #[test]
    fn a_mirror_can_only_go() {
        let mirror = |name: &str| json!({ "subjects": [], "mirror": { "name": name } });
        assert_eq!(planned(mirror("B"), mirror("A")), change("mirror", false));
        let promoted = planned(json!({}), mirror("A"));
        assert!(
            promoted.contains(&("mirror".to_owned(), true)),
            "{promoted:?}"
        );
        assert!(plan(&config(json!({ "subjects": [] })), &config(json!({}))).is_err());
    }
}
