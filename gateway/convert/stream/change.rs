//! What is asked for against what exists: differences, changes and etags of stream configurations.

use prost_types::FieldMask;

use super::{check_subjects, kept};
use crate::convert::config::{
    Difference, Mask, compare, etag as etag_of, is_server_label, object, patch,
};
use crate::error::{Error, Reason, Result};
use crate::nats::api::{Discard, JsonObject, StreamConfig};

/// What an update can change, by JetStream's names.
const FIELDS: &[&str] = &[
    "description",
    "subjects",
    "retention",
    "storage",
    "num_replicas",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "max_msg_size",
    "max_consumers",
    "discard",
    "discard_new_per_subject",
    "duplicate_window",
    "no_ack",
    "placement",
    "compression",
    "first_seq",
    "metadata",
    "allow_msg_ttl",
    "allow_rollup_hdrs",
    "allow_msg_counter",
    "deny_delete",
    "deny_purge",
    "allow_direct",
    "sealed",
    "consumer_limits",
    "mirror",
    "sources",
    "subject_transform",
    "republish",
    "mirror_direct",
    "subject_delete_marker_ttl",
    "allow_atomic",
    "allow_batched",
    "allow_msg_schedules",
    "persist_mode",
];

/// Where a stream's messages come from.
const ORIGINS: &[&str] = &["subjects", "mirror", "sources"];

/// The mask of an `UpdateStreamRequest`.
pub fn update_mask(mask: Option<&FieldMask>) -> Result<Mask> {
    Mask::parse(mask, FIELDS, &["name"])
}

/// `existing` as it is to be sent, with the fields of `mask` as in `desired`.
pub fn patched(existing: &StreamConfig, desired: &StreamConfig, mask: &Mask) -> Result<JsonObject> {
    // Each may be changed without the others, so what counts is what results.
    if ORIGINS.iter().any(|field| mask.includes(field)) {
        let result = |field| {
            if mask.includes(field) {
                desired
            } else {
                existing
            }
        };
        check_subjects(
            !result("subjects").subjects.is_empty(),
            result("mirror").mirror.is_some(),
            !result("sources").sources.is_empty(),
        )?;
    }
    // JetStream would write the new number down and keep to the old one.
    if mask.includes("first_seq") && desired.first_seq.max(1) != existing.first_seq.max(1) {
        let error = Error::new(Reason::ImmutableField, "first_seq cannot be changed");
        return Err(error.at("config.first_seq"));
    }
    patch(existing, &kept::with_kept_parts(desired, existing), mask)
}

/// Where `existing` differs from `desired` once JetStream's defaults are filled in.
pub fn differences(desired: &StreamConfig, existing: &StreamConfig) -> Result<Vec<Difference>> {
    Ok(compare(
        object(&with_defaults(desired))?,
        object(&with_defaults(existing))?,
    ))
}

/// Changes whenever the configuration does.
pub fn etag(config: &StreamConfig) -> Result<String> {
    let mut config = config.clone();
    // Lists have fewer of these than other answers.
    config.metadata.retain(|key, _| !is_server_label(key));
    Ok(etag_of(object(&config)?))
}

/// In a form in which settings are equal if JetStream acts equally on them.
pub(super) fn with_defaults(config: &StreamConfig) -> StreamConfig {
    let mut config = config.clone();
    config.subjects.sort();
    config.num_replicas = config.num_replicas.max(1);
    config.first_seq = config.first_seq.max(1);
    for limit in [
        &mut config.max_msgs,
        &mut config.max_bytes,
        &mut config.max_msgs_per_subject,
    ] {
        *limit = limit.filter(|limit| *limit > 0);
    }
    for limit in [&mut config.max_msg_size, &mut config.max_consumers] {
        *limit = limit.filter(|limit| *limit > 0);
    }
    if config.subject_delete_marker_ttl > 0 {
        config.allow_msg_ttl = true;
    }
    // Markers and schedules are removed by rollups.
    let rolls_up = config.subject_delete_marker_ttl > 0 || config.allow_msg_schedules;
    if rolls_up && !config.allow_rollup_hdrs {
        (config.allow_rollup_hdrs, config.deny_purge) = (true, false);
    }
    if let Some(republish) = &mut config.republish
        && republish.src.is_empty()
    {
        ">".clone_into(&mut republish.src);
    }
    // JetStream takes it from the origin, where it can see that.
    if config
        .mirror
        .as_ref()
        .is_some_and(|it| it.external.is_none())
    {
        config.mirror_direct = false;
    }
    config
        .sources
        .sort_by_cached_key(|source| format!("{source:?}"));
    let window = config.duplicate_window().as_nanos();
    config.duplicate_window = u64::try_from(window).unwrap_or(u64::MAX);
    if config.sealed {
        config.max_age = 0;
        config.discard = Discard::New;
        (config.deny_delete, config.deny_purge) = (true, true);
        config.allow_rollup_hdrs = false;
    }
    if let Some(limits) = &mut config.consumer_limits {
        limits.inactive_threshold = limits.inactive_threshold.max(0);
        limits.max_ack_pending = limits.max_ack_pending.max(0);
    }
    config.metadata.retain(|key, _| !is_server_label(key));
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::api::{Republish, Retention, StreamSource};
    use serde_json::json;

    /// What nats-server 2.15.1 answers to a bare name and subject.
    fn stored() -> StreamConfig {
        serde_json::from_value(json!({
            "name": "S", "subjects": ["s.>"], "retention": "limits", "max_consumers": -1, "max_msgs": -1,
            "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1, "max_msg_size": -1, "discard": "old",
            "storage": "file", "num_replicas": 1, "duplicate_window": 120_000_000_000_u64, "compression": "none",
            "allow_direct": false, "mirror_direct": false, "sealed": false, "deny_delete": false,
            "deny_purge": false, "allow_rollup_hdrs": false, "consumer_limits": {}, "allow_msg_ttl": false,
            "metadata": {"_nats.level": "5", "_nats.req.level": "0", "_nats.ver": "2.15.1"},
        }))
        .unwrap()
    }

    fn asked() -> StreamConfig {
        StreamConfig {
            name: "S".into(),
            subjects: vec!["s.>".into()],
            ..StreamConfig::default()
        }
    }

    fn names(desired: &StreamConfig, existing: &StreamConfig) -> Vec<String> {
        differences(desired, existing)
            .unwrap()
            .into_iter()
            .map(|it| it.field)
            .collect()
    }

    fn mask(paths: &[&str]) -> Mask {
        let paths = paths.iter().map(ToString::to_string).collect();
        update_mask(Some(&FieldMask { paths })).unwrap()
    }

    #[test]
    fn the_server_s_defaults_are_no_differences() {
        assert_eq!(names(&asked(), &stored()), [""; 0]);

        let desired = StreamConfig {
            max_age: 10,
            subjects: vec!["b".into(), "a".into()],
            ..asked()
        };
        let existing = StreamConfig {
            max_age: 10,
            duplicate_window: 10,
            subjects: vec!["a".into(), "b".into()],
            first_seq: 1,
            ..stored()
        };
        assert_eq!(names(&desired, &existing), [""; 0]);
    }

    #[test]
    fn what_jetstream_adds_for_other_settings_is_no_difference() {
        let desired = StreamConfig {
            subject_delete_marker_ttl: 1_000_000_000,
            deny_purge: true,
            republish: Some(Republish {
                dest: "copy.>".into(),
                ..Republish::default()
            }),
            ..asked()
        };
        let mut existing = StreamConfig {
            subject_delete_marker_ttl: 1_000_000_000,
            allow_msg_ttl: true,
            allow_rollup_hdrs: true,
            republish: desired.republish.clone(),
            ..stored()
        };
        existing.republish.as_mut().unwrap().src = ">".into();
        assert_eq!(names(&desired, &existing), [""; 0]);

        let named = |name: &str| StreamSource {
            name: name.into(),
            ..StreamSource::default()
        };
        let desired = StreamConfig {
            sources: vec![named("A"), named("B")],
            ..asked()
        };
        let existing = StreamConfig {
            sources: vec![named("B"), named("A")],
            duplicate_window: 0,
            ..stored()
        };
        assert_eq!(names(&desired, &existing), [""; 0]);
        assert_eq!(names(&asked(), &existing), ["duplicate_window", "sources"]);

        let mirror = StreamConfig {
            mirror: Some(named("O")),
            subjects: vec![],
            ..asked()
        };
        let existing = StreamConfig {
            mirror_direct: true,
            ..mirror.clone()
        };
        assert_eq!(names(&mirror, &existing), [""; 0]);
    }

    #[test]
    fn other_settings_are_differences() {
        let mut existing = StreamConfig {
            max_msgs: Some(5),
            retention: Retention::WorkQueue,
            ..stored()
        };
        existing
            .other
            .insert("of_2030".into(), json!({"dest": "x"}));
        existing.metadata.insert("team".into(), "a".into());
        let expected = ["max_msgs", "metadata", "of_2030", "retention"];
        assert_eq!(names(&asked(), &existing), expected);
    }

    #[test]
    fn a_mask_changes_only_what_it_names() {
        let mut existing = StreamConfig {
            max_msgs: Some(5),
            ..stored()
        };
        existing.other.insert("of_2030".into(), true.into());
        let desired = StreamConfig {
            max_age: 1_000_000_000,
            ..asked()
        };

        let sent = patched(&existing, &desired, &mask(&["max_age"])).unwrap();
        assert_eq!(
            (&sent["max_age"], &sent["max_msgs"]),
            (&json!(1_000_000_000), &json!(5))
        );

        let sent = patched(&existing, &desired, &update_mask(None).unwrap()).unwrap();
        assert!(!sent.contains_key("max_msgs") && !sent.contains_key("duplicate_window"));
        assert_eq!(
            (&sent["of_2030"], &sent["name"]),
            (&json!(true), &json!("S"))
        );
        assert_eq!(sent["metadata"]["_nats.ver"], "2.15.1");
    }

    #[test]
    fn a_stream_keeps_a_source_of_messages() {
        let bare = StreamConfig {
            subjects: vec![],
            ..asked()
        };
        assert!(patched(&stored(), &bare, &update_mask(None).unwrap()).is_err());
        assert!(patched(&stored(), &bare, &mask(&["max_age"])).is_ok());

        let mut mirror = StreamConfig {
            subjects: vec![],
            ..stored()
        };
        mirror.mirror = Some(StreamSource::default());
        assert!(patched(&mirror, &bare, &mask(&["subjects"])).is_ok());
        // Without its origin it is a stream like others.
        assert!(patched(&mirror, &bare, &mask(&["mirror"])).is_err());
        assert!(patched(&mirror, &asked(), &mask(&["mirror", "subjects"])).is_ok());
        assert!(patched(&mirror, &asked(), &mask(&["subjects"])).is_err());
    }

    #[test]
    fn the_first_sequence_cannot_change() {
        let existing = StreamConfig {
            first_seq: 7,
            ..stored()
        };
        let error = patched(&existing, &asked(), &mask(&["first_seq"])).unwrap_err();
        assert_eq!(error.reason(), Reason::ImmutableField);
        assert!(
            patched(
                &stored(),
                &StreamConfig {
                    first_seq: 1,
                    ..asked()
                },
                &mask(&["first_seq"])
            )
            .is_ok()
        );
    }

    #[test]
    fn an_etag_follows_the_configuration_but_not_the_server() {
        let mut listed = stored();
        listed.metadata.remove("_nats.ver");
        assert_eq!(etag(&listed).unwrap(), etag(&stored()).unwrap());

        let mut changed = stored();
        changed.other.insert("of_2030".into(), true.into());
        assert_ne!(etag(&changed).unwrap(), etag(&stored()).unwrap());
    }

    #[test]
    fn every_setting_can_be_changed_but_the_name() {
        let full = object(
            &crate::convert::stream::to_api(
                Some(&crate::convert::stream::tests::full()),
                &crate::names::Reserved::new("_INBOX"),
            )
            .unwrap(),
        )
        .unwrap();
        let mut names: Vec<_> = full
            .keys()
            .filter(|key| *key != "name")
            .map(String::as_str)
            .collect();
        let mut fields = FIELDS.to_vec();
        names.sort_unstable();
        fields.sort_unstable();
        assert_eq!(names, fields);
        assert_eq!(full["name"], "S");
    }
}
