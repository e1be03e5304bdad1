//! Which field of a configuration JetStream means when it refuses one: it says so in words only.

use crate::error::Error;

/// Words of JetStream's about streams, each with the field that they blame.
const STREAM: &[(&str, &str)] = &[
    ("duplicates window", "duplicate_window"),
    ("max age", "max_age"),
    ("roll-ups require", "allow_rollup_hdrs"),
    ("counter stream cannot use discard", "discard"),
    ("counter stream cannot use message TTLs", "allow_msg_ttl"),
    (
        "counter stream cannot use message schedules",
        "allow_msg_schedules",
    ),
    ("counter stream can only use limits", "retention"),
    ("discard new per subject", "discard_new_per_subject"),
    ("subject delete marker", "subject_delete_marker_ttl"),
    ("message scheduling", "allow_msg_schedules"),
    ("also schedule messages", "allow_msg_schedules"),
    ("async persist mode", "persist_mode"),
    ("metadata exceeds", "metadata"),
    ("duplicate subjects", "subjects"),
    ("capturing all subjects", "subjects"),
    ("can not contain subjects", "subjects"),
    ("overlap with an existing", "subjects"),
    ("overlaps with", "subjects"),
    ("contain other sources", "sources"),
    ("first sequence configured", "first_seq"),
    ("also calculate counters", "allow_msg_counter"),
    ("also use atomic publishing", "allow_atomic"),
    ("also use batch publishing", "allow_batched"),
    ("must have max message size", "max_msg_size"),
    ("stream max bytes", "max_bytes"),
    ("requires max bytes", "max_bytes"),
    ("replicas", "num_replicas"),
    ("stream transform", "subject_transform"),
    ("republish", "republish"),
    ("mirror", "mirror"),
    ("source", "sources"),
];

/// Words of JetStream's about consumers.
const CONSUMER: &[(&str, &str)] = &[
    ("max ack pending", "max_ack_pending"),
    ("max request batch", "max_batch"),
    ("max request expires", "max_expires"),
    ("max waiting", "max_waiting"),
    ("inactive threshold", "inactive_threshold"),
    ("metadata exceeds", "metadata"),
    ("backoff", "backoff"),
    ("ack wait", "ack_wait"),
    ("explicit ack", "ack_policy"),
    ("ack policy", "ack_policy"),
    ("replay policy", "replay_policy"),
    ("delivery policy", "deliver_policy"),
    ("deliver all", "deliver_policy"),
    ("sampling", "sample_freq"),
    ("replica", "num_replicas"),
    ("priority group", "priority_groups"),
    ("PriorityGroup", "priority_groups"),
    ("PinnedTTL", "priority_timeout"),
    ("subject filter", "filter_subjects"),
    ("FilterSubjects", "filter_subjects"),
    ("filter", "filter_subject"),
];

/// The error of a stream's configuration, with the field that it blames.
pub fn of_stream(error: Error) -> Error {
    at_field(error, STREAM)
}

/// The error of a consumer's configuration, with the field that it blames.
pub fn of_consumer(error: Error) -> Error {
    at_field(error, CONSUMER)
}

fn at_field(error: Error, words: &[(&str, &str)]) -> Error {
    let said = error.metadata("description").unwrap_or_default();
    let found = words.iter().find(|(text, _)| said.contains(text));
    match found {
        Some((_, field)) => error.at(format!("config.{field}")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;
    use tonic::Status;
    use tonic_types::StatusExt as _;

    fn blamed(error: Error) -> Option<String> {
        let request = Status::from(error).get_details_bad_request()?;
        Some(request.field_violations[0].field.clone())
    }

    #[test]
    fn the_first_words_that_fit_decide() {
        let said =
            |text: &str| Error::new(Reason::RejectedByJetstream, text).with("description", text);
        let of_stream = |text| blamed(of_stream(said(text)));
        let of_consumer = |text| blamed(of_consumer(said(text)));
        for (field, expected) in [
            (
                of_stream("duplicates window can not be larger then max age"),
                "config.duplicate_window",
            ),
            (
                of_stream("stream mirrors can not also contain other sources"),
                "config.sources",
            ),
            (
                of_stream("mirror subject filters can not overlap"),
                "config.mirror",
            ),
            (
                of_consumer("consumer subject filters cannot overlap"),
                "config.filter_subjects",
            ),
        ] {
            assert_eq!(field.as_deref(), Some(expected));
        }
        assert_eq!(of_stream("something new"), None);
        assert_eq!(
            blamed(super::of_stream(Error::new(Reason::Internal, "backoff"))),
            None
        );
    }
}
