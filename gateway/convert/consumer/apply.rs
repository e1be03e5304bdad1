//! What applying a configuration to an existing consumer changes.

use super::change::{differences, patched, update_mask};
use crate::convert::config::{Change, Difference, Plan, compare, object};
use crate::error::{Error, Reason, Result};
use crate::nats::api::{ConsumerConfig, JsonObject, StreamConfig};

/// What JetStream does not change once a consumer exists.
const IMMUTABLE: &[&str] = &[
    "ack_policy",
    "deliver_policy",
    "durable_name",
    "max_waiting",
    "mem_storage",
    "opt_start_seq",
    "opt_start_time",
    "replay_policy",
];

const KEEP: &str = "keep the value, or delete the consumer and create it again: by a start sequence \
    of one more than its ack_floor it goes on where it was";

/// A configuration that is to be sent.
pub fn read(config: &JsonObject) -> Result<ConsumerConfig> {
    serde_json::from_value(config.clone().into()).map_err(|error| {
        let message = format!("cannot read the configuration to be sent: {error}");
        Error::new(Reason::Internal, message)
    })
}

/// How to change `existing`, a consumer of `stream`, to `desired`.
pub fn plan(
    desired: &ConsumerConfig,
    existing: &ConsumerConfig,
    stream: &StreamConfig,
) -> Result<Plan> {
    let config = patched(existing, desired, &update_mask(None)?)?;
    let next = read(&config)?;
    let mut differences = differences(&next, existing, stream)?;
    // An update keeps the names, so it would leave this as it is without a word.
    if desired.is_durable() != existing.is_durable() {
        differences.push(Difference {
            field: "durable_name".to_owned(),
            existing: existing.durable_name.clone().into(),
            desired: desired.durable_name.clone().into(),
        });
        differences.sort_by(|one, other| one.field.cmp(&other.field));
    }
    let changes = differences.into_iter().map(|difference| Change {
        remedy: IMMUTABLE
            .contains(&difference.field.as_str())
            .then_some(KEEP),
        difference,
    });
    Ok(Plan {
        changes: changes.collect(),
        config,
    })
}

/// What a new consumer is created with.
pub fn creation(desired: &ConsumerConfig) -> Result<Vec<Change>> {
    let differences = compare(object(desired)?, JsonObject::new()).into_iter();
    let changes = differences.map(|difference| Change {
        difference,
        remedy: None,
    });
    Ok(changes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(settings: serde_json::Value) -> ConsumerConfig {
        let mut config = json!({ "name": "C", "durable_name": "C", "ack_policy": "explicit" });
        let settings = settings.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(settings);
        serde_json::from_value(config).unwrap()
    }

    /// The settings that change, each with whether it can.
    fn planned(desired: serde_json::Value) -> Vec<(String, bool)> {
        let existing = config(json!({ "max_waiting": 512, "max_ack_pending": 1000, "of_2030": 1 }));
        let plan = plan(&config(desired), &existing, &StreamConfig::default()).unwrap();
        let changes = plan.changes.into_iter();
        changes
            .map(|it| (it.difference.field, it.remedy.is_none()))
            .collect()
    }

    #[test]
    fn says_what_can_be_changed() {
        assert_eq!(planned(json!({})), []);
        let settings = json!({ "max_deliver": 3, "filter_subject": "a", "ack_policy": "all" });
        let expected = [
            ("ack_policy".to_owned(), false),
            ("filter_subjects".to_owned(), true),
            ("max_deliver".to_owned(), true),
        ];
        assert_eq!(planned(settings), expected);
    }

    #[test]
    fn a_durable_consumer_stays_durable() {
        let expected = [("durable_name".to_owned(), false)];
        assert_eq!(planned(json!({ "durable_name": "" })), expected);
    }
}
