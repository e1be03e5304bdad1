//! Parts of a stream's configuration that callers do not see, and that an update must not lose.

use crate::convert::config::is_server_label;
use crate::nats::api::{JsonObject, StreamConfig, StreamSource};

/// `desired` with those parts of its settings that callers do not see, as they exist.
pub(super) fn with_kept_parts(desired: &StreamConfig, existing: &StreamConfig) -> StreamConfig {
    let mut desired = desired.clone();
    let labels = existing
        .metadata
        .iter()
        .filter(|(key, _)| is_server_label(key));
    desired
        .metadata
        .extend(labels.map(|(key, value)| (key.clone(), value.clone())));
    if let Some(placement) = existing.placement.as_ref()
        && !placement.other.is_empty()
    {
        let kept = desired.placement.get_or_insert_default();
        kept.other.clone_from(&placement.other);
    }
    if let Some(limits) = existing.consumer_limits.as_ref()
        && !limits.other.is_empty()
    {
        let kept = desired.consumer_limits.get_or_insert_default();
        kept.other.clone_from(&limits.other);
    }
    if let (Some(desired), Some(existing)) = (&mut desired.republish, &existing.republish) {
        desired.other.clone_from(&existing.other);
    }
    let origins = existing.mirror.iter().chain(&existing.sources);
    for source in desired.mirror.iter_mut().chain(&mut desired.sources) {
        if let Some(other) = kept_of(source, origins.clone()) {
            source.other.clone_from(other);
        }
    }
    desired
}

/// The same source is the one of the same stream with the same filter.
fn kept_of<'a>(
    source: &StreamSource,
    mut existing: impl Iterator<Item = &'a StreamSource>,
) -> Option<&'a JsonObject> {
    let same = |it: &&StreamSource| {
        it.name == source.name
            && it.external == source.external
            && it.filter_subject == source.filter_subject
    };
    existing.find(same).map(|it| &it.other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(value: serde_json::Value) -> StreamConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_callers_do_not_see_stays() {
        let existing = config(json!({
            "metadata": {"_nats.ver": "2.15.1", "team": "a"},
            "placement": {"cluster": "C", "of_2030": 1}, "consumer_limits": {"of_2030": 2},
            "republish": {"dest": "x", "of_2030": 3},
            "sources": [{"name": "A", "of_2030": 4}, {"name": "B", "of_2030": 5}],
        }));
        let desired = config(json!({
            "republish": {"dest": "y"}, "sources": [{"name": "B"}, {"name": "NEW"}],
        }));
        let kept = serde_json::to_value(with_kept_parts(&desired, &existing)).unwrap();
        assert_eq!(kept["metadata"], json!({"_nats.ver": "2.15.1"}));
        assert_eq!(kept["placement"], json!({"of_2030": 1}));
        assert_eq!(kept["consumer_limits"], json!({"of_2030": 2}));
        assert_eq!(kept["republish"], json!({"dest": "y", "of_2030": 3}));
        let sources = json!([{"name": "B", "of_2030": 5}, {"name": "NEW"}]);
        assert_eq!(kept["sources"], sources);
    }
}
