use proptest::prelude::*;

use super::*;
use crate::{
    cli::client::json,
    proto::{AckPolicy, RetentionPolicy, StorageType},
};

fn read(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    if let Err(failure) = manifest.add("file.yaml", text) {
        panic!("{failure:?}");
    }
    manifest
}

/// The lines of what is wrong, without the first.
fn mistakes(text: &str) -> Vec<String> {
    let failure = Manifest::default().add("f", text).unwrap_err();
    let text = failure.to_string();
    text.lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[test]
fn streams_and_consumers_have_the_fields_of_the_contract() {
    let manifest = read(
        r#"
streams:
  - name: USER_EVENTS
    subjects: ["users.*", users.*.events]
    retention: workqueue
    storage: STORAGE_TYPE_MEMORY
    max_msgs: -1
    max_bytes: 1GiB
    max_age: 7d
    num_replicas: 3
    allow_direct: true
    metadata: {version: 1.10, team: no}
    sources:
      - name: OTHER
        opt_start_time: 2026-01-31T12:00:00Z
---
consumers:
  - stream: USER_EVENTS
    durable_name: worker
    ack_policy: explicit
    ack_wait: 30s
    backoff: [1s, 1m30s]
"#,
    );

    let [stream] = &manifest.streams[..] else {
        panic!("{manifest:?}");
    };
    assert_eq!(stream.subjects, ["users.*", "users.*.events"]);
    assert_eq!(stream.retention(), RetentionPolicy::WorkQueue);
    assert_eq!(stream.storage(), StorageType::Memory);
    assert_eq!(
        (stream.max_msgs, stream.max_bytes),
        (Some(-1), Some(1 << 30))
    );
    assert_eq!(stream.max_age, seconds(604_800));
    assert_eq!(stream.num_replicas, 3);
    assert!(stream.allow_direct);
    assert_eq!(stream.metadata["version"], "1.10");
    assert_eq!(stream.metadata["team"], "no");
    assert_eq!(
        stream.sources[0].opt_start_time.unwrap().seconds,
        1_769_860_800
    );
    let [(of, consumer)] = &manifest.consumers[..] else {
        panic!("{manifest:?}");
    };
    assert_eq!(of, "USER_EVENTS");
    assert_eq!(consumer.ack_policy(), AckPolicy::Explicit);
    assert_eq!(consumer.ack_wait, seconds(30));
    assert_eq!(Some(consumer.backoff[1]), seconds(90));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let mistakes = mistakes(
        "streams:
  - name: S
    subjects: s
    max_agee: 7d
    max_age: soon
    retention: work
    max_bytes: 1 parsec
    max_msgs: 1GiB
    num_replicas: -1
    allow_direct: yes
    placement: [a]
    max_msg_size: 99999999999
consumers:
  - durable_name: c
    ack_wait:
  - stream: S
queues: []
",
    );

    let expected = [
        "f:3:15: subjects: expected a list",
        "f:4:5: unknown key max_agee, did you mean `max_age`?",
        "f:5:14: max_age: \"soon\" is not a time such as 30s, 7d or 1h30m",
        "f:6:16: retention: \"work\" is not one of limits, interest, workqueue",
        "f:7:16: max_bytes: \"1 parsec\" is not a size such as 1048576 or 8MiB that fits",
        "f:8:15: max_msgs: \"1GiB\" is not a whole number that fits",
        "f:9:19: num_replicas: \"-1\" is not a whole number that fits",
        "f:10:19: allow_direct: \"yes\" is not true or false",
        "f:11:16: placement: expected keys and values",
        "f:12:19: max_msg_size: \"99999999999\" is not a size such as 1048576 or 8MiB that fits",
        "f:14:5: a consumer needs the stream that it reads",
        "f:16:5: a consumer needs a durable_name or a name",
        "f:17:1: unknown key queues",
    ];
    for line in expected {
        assert!(
            mistakes.iter().any(|it| it == line),
            "no {line} in {mistakes:#?}"
        );
    }
    let empty = "ack_wait has no value: leave the key out for the default";
    assert!(
        mistakes.iter().any(|it| it.ends_with(empty)),
        "{mistakes:#?}"
    );
    assert_eq!(mistakes.len(), expected.len() + 1, "{mistakes:#?}");
}

#[test]
fn an_empty_file_describes_nothing() {
    for text in ["", "---\n", "# nothing\n", "streams: []\n"] {
        assert_eq!(read(text), Manifest::default(), "{text:?}");
    }
}

#[test]
fn files_add_up() {
    let mut manifest = read("streams: [{name: A}]");
    manifest.add("other", "streams: [{name: B}]").unwrap();

    let names: Vec<_> = manifest.streams.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
}

proptest! {
    /// What `--output json` prints of a configuration can be applied as it is.
    #[test]
    fn what_is_printed_is_read_back(
        name in "[A-Z]{1,8}",
        subjects in proptest::collection::vec("[a-z]{1,5}(\\.[*>])?", 0..3),
        retention in 1..=3_i32,
        max_bytes in proptest::option::of(-1..i64::MAX),
        age in proptest::option::of((0..1_000_000_i64, 0..1_000_000_000_i32)),
        start in proptest::option::of(0..4_000_000_000_i64),
        label in "\\PC{0,12}",
        deny_delete: bool,
    ) {
        let config = StreamConfig {
            name,
            subjects,
            retention,
            storage: 1,
            discard: 1,
            compression: 1,
            persist_mode: 1,
            max_bytes,
            max_age: age.map(|(seconds, nanos)| prost_types::Duration { seconds, nanos }),
            sources: start.into_iter().map(|seconds| crate::proto::StreamSource {
                name: "O".to_owned(),
                opt_start_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                ..Default::default()
            }).collect(),
            metadata: [("label".to_owned(), label)].into(),
            deny_delete,
            ..Default::default()
        };
        let printed = json::json(&config).unwrap();
        let text = serde_json::json!({ "streams": [printed] }).to_string();
        prop_assert_eq!(read(&text).streams, vec![config]);
    }
}
