//! `jetgate stream apply`.

use std::path::Path;
use std::{env, fs};

use serde_json::json;
use tempfile::TempDir;

use super::{REFUSED, USAGE, orders};
use crate::support::{Jetgate, start};

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/examples/user-events.yaml"
);

fn example() -> String {
    fs::read_to_string(EXAMPLE).unwrap()
}

/// The outcomes and the names behind them.
fn outcomes(stdout: &str) -> Vec<String> {
    let lines = stdout.lines().filter(|line| !line.starts_with(' '));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect()
}

#[tokio::test]
async fn the_example_is_created_then_unchanged() {
    let (nats, gateway) = start().await;
    let jetgate = Jetgate::at(gateway.public());
    let mut wire = nats.wire().await;

    let planned = jetgate
        .run(["stream", "apply", "-f", EXAMPLE, "--dry-run"])
        .await
        .ok();
    assert_eq!(
        outcomes(&planned),
        [
            "CREATED stream USER_EVENTS",
            "CREATED consumer USER_EVENTS/user-event-processor"
        ]
    );
    assert!(planned.contains(" max_age: 7d\n"), "{planned}");
    assert_eq!(jetgate.run(["stream", "ls", "-o", "json"]).await.ok(), "");

    let created = jetgate.run(["stream", "apply", "-f", EXAMPLE]).await.ok();
    assert_eq!(outcomes(&created), outcomes(&planned));
    let info = wire.stream_info("USER_EVENTS").await;
    assert_eq!(info["config"]["max_age"], 604_800_000_000_000_u64);
    assert_eq!(info["config"]["max_bytes"], 1 << 30);
    let info = wire
        .consumer_info("USER_EVENTS", "user-event-processor")
        .await;
    assert_eq!(info["config"]["max_deliver"], 5);

    let again = jetgate
        .run(["stream", "apply", "-f", EXAMPLE, "-o", "json"])
        .await
        .objects();
    assert_eq!(again.len(), 2);
    for resource in &again {
        assert_eq!(resource["outcome"], "UNCHANGED");
        assert_eq!(resource["changes"], json!([]));
    }
    assert_eq!(
        (&again[0]["kind"], &again[1]["kind"]),
        (&json!("stream"), &json!("consumer"))
    );
}

#[tokio::test]
async fn changes_are_planned_then_made() {
    let (nats, gateway) = start().await;
    let jetgate = Jetgate::at(gateway.public());
    let mut wire = nats.wire().await;
    jetgate.run(["stream", "apply", "-f", EXAMPLE]).await.ok();
    let changed = example().replace("max_age: 7d", "max_age: 1d");

    let planned = jetgate
        .run_with(["stream", "apply", "-f", "-", "--dry-run"], &changed)
        .await
        .ok();
    assert!(planned.contains(" max_age: 7d -> 1d\n"), "{planned}");
    let info = wire.stream_info("USER_EVENTS").await;
    assert_eq!(info["config"]["max_age"], 604_800_000_000_000_u64);

    let made = jetgate
        .run_with(["stream", "apply", "-f", "-"], &changed)
        .await
        .ok();
    assert_eq!(made, planned);
    assert_eq!(
        outcomes(&made),
        [
            "UPDATED stream USER_EVENTS",
            "UNCHANGED consumer USER_EVENTS/user-event-processor"
        ]
    );
    let info = wire.stream_info("USER_EVENTS").await;
    assert_eq!(info["config"]["max_age"], 86_400_000_000_000_u64);
}

#[tokio::test]
async fn what_cannot_be_changed_fails_and_the_rest_is_applied() {
    let (nats, gateway) = start().await;
    let jetgate = Jetgate::at(gateway.public());
    let mut wire = nats.wire().await;
    jetgate.run(["stream", "apply", "-f", EXAMPLE]).await.ok();
    let changed = example()
        .replace("storage: file", "storage: memory")
        .replace("max_deliver: 5", "max_deliver: 7");

    let ran = jetgate
        .run_with(["stream", "apply", "-f", "-", "--dry-run"], &changed)
        .await;
    let (planned, _) = ran.failed(REFUSED);
    assert!(
        planned.contains("storage: file -> memory (impossible: keep"),
        "{planned}"
    );

    let ran = jetgate
        .run_with(["stream", "apply", "-f", "-"], &changed)
        .await;
    let (stdout, stderr) = ran.failed(REFUSED);
    assert_eq!(
        outcomes(&stdout),
        [
            "FAILED stream USER_EVENTS",
            "UPDATED consumer USER_EVENTS/user-event-processor"
        ]
    );
    assert!(
        stderr.starts_with("jetgate: stream USER_EVENTS: IMMUTABLE_FIELD: "),
        "{stderr}"
    );
    assert!(stderr.contains("1 of 2 was not applied"), "{stderr}");
    let info = wire
        .consumer_info("USER_EVENTS", "user-event-processor")
        .await;
    assert_eq!(info["config"]["max_deliver"], 7);
}

#[tokio::test]
async fn programs_learn_why_something_failed() {
    let (_nats, _gateway, _wire, jetgate) = orders(0).await;
    let file = "consumers: [{stream: NOPE, durable_name: c}]";

    let ran = jetgate
        .run_with(["stream", "apply", "-f", "-", "-o", "json"], file)
        .await;

    let (stdout, _) = ran.failed(REFUSED);
    let object: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(object["outcome"], "FAILED");
    assert_eq!(object["reason"], "STREAM_NOT_FOUND");
    assert_eq!(
        (&object["stream"], &object["consumer"]),
        (&json!("NOPE"), &json!("c"))
    );
}

#[tokio::test]
async fn a_file_with_a_mistake_says_where_and_changes_nothing() {
    let (_nats, gateway) = start().await;
    let jetgate = Jetgate::at(gateway.public());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("streams.yaml");
    let good = folder.path().join("good.yaml");
    fs::write(&good, "streams: [{name: GOOD, subjects: [good]}]").unwrap();
    let name = |path: &Path| path.display().to_string();

    for (text, mistake) in [
        (
            "streams:\n  - name: S\n    max_agee: 7d\n",
            ":3:5: unknown key max_agee, did you mean `max_age`?",
        ),
        (
            "streams:\n  - name: S\n    max_age: soon\n",
            ":3:14: max_age: \"soon\" is not a time",
        ),
        ("streams:\n  - name: S\n   - name: T\n", ":3:"),
        (
            "streams:\n  - {name: S}\nstreams: []\n",
            ":3:1: streams is there twice",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let command = ["stream", "apply", "-f", &name(&good), "-f", &name(&file)];
        let (stdout, stderr) = jetgate.run(command).await.failed(USAGE);
        assert_eq!(stdout, "");
        let expected = format!("{}{mistake}", name(&file));
        assert!(stderr.contains(&expected), "no {expected} in {stderr}");
    }
    let missing = ["stream", "apply", "-f", "/nowhere.yaml"];
    let (_, stderr) = jetgate.run(missing).await.failed(USAGE);
    assert!(stderr.contains("cannot read /nowhere.yaml"), "{stderr}");
    assert_eq!(jetgate.run(["stream", "ls", "-o", "json"]).await.ok(), "");
}

#[tokio::test]
async fn what_is_shown_as_json_is_applied_without_a_change() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    wire.create_stream(
        json!({"name": "COPY", "retention": "workqueue", "max_msg_size": 1024,
        "duplicate_window": 1_500_000_000_u64, "metadata": {"team": "a"},
        "sources": [{"name": "ORDERS", "filter_subject": "orders.new"}]}),
    )
    .await;
    wire.create_consumer(
        "COPY",
        json!({"durable_name": "c", "ack_policy": "explicit", "backoff": [1_000_000_000_u64], "max_deliver": 3}),
    )
    .await;
    let stream = jetgate
        .run(["stream", "info", "COPY", "-o", "json"])
        .await
        .object();
    let consumer = jetgate
        .run(["consumer", "info", "COPY", "c", "-o", "json"])
        .await
        .object();
    let mut described = consumer["config"].clone();
    described["stream"] = "COPY".into();
    let file = json!({"streams": [stream["config"]], "consumers": [described]}).to_string();

    let applied = jetgate
        .run_with(["stream", "apply", "-f", "-"], &file)
        .await
        .ok();

    assert_eq!(
        outcomes(&applied),
        ["UNCHANGED stream COPY", "UNCHANGED consumer COPY/c"]
    );
}

#[tokio::test]
async fn everything_is_applied_though_nobody_reads_what_is_printed() {
    let (_nats, gateway) = start().await;
    let jetgate = Jetgate::at(gateway.public());
    let items: Vec<_> = (0..50)
        .map(|number| {
            json!({"name": format!("S{number}"), "subjects": [format!("s.{number}")],
            "storage": "memory"})
        })
        .collect();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("many.yaml");
    fs::write(&file, json!({ "streams": items }).to_string()).unwrap();

    let line = format!(
        "set -o pipefail; jetgate stream apply -f {} | true",
        file.display()
    );
    jetgate.shell(&line).await.ok();

    let streams = jetgate.run(["stream", "ls", "-o", "json"]).await.objects();
    assert_eq!(streams.len(), 50);
}
