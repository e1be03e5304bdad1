//! `jetgate pub`.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::{REFUSED, orders};

#[tokio::test]
async fn the_payload_is_an_argument_a_file_or_stdin() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("payload");
    fs::write(&file, [0, 255, b'\n']).unwrap();

    assert_eq!(
        jetgate.run(["pub", "orders.new", "hello"]).await.ok(),
        "stored in ORDERS at 1\n"
    );
    jetgate
        .run_with(["pub", "orders.new", "-"], "two\nlines\n")
        .await
        .ok();
    jetgate
        .run(["pub", "orders.new", "--file", file.to_str().unwrap()])
        .await
        .ok();
    jetgate.run(["pub", "orders.new"]).await.ok();

    for (sequence, payload) in [
        (1, &b"hello"[..]),
        (2, b"two\nlines\n"),
        (3, &[0, 255, b'\n']),
        (4, b""),
    ] {
        assert_eq!(wire.stored("ORDERS", sequence).await.payload, payload);
    }
}

#[tokio::test]
async fn headers_id_and_ttl_go_with_the_message() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    wire.create_stream(json!({"name": "TTL", "subjects": ["ttl"], "allow_msg_ttl": true}))
        .await;
    let command = [
        "pub",
        "ttl",
        "x",
        "-H",
        "Trace-Id: a:b",
        "-H",
        "Two:2",
        "--message-id",
        "id-1",
        "--ttl",
        "1h",
    ];

    let stored = jetgate.run(command).await.ok();
    assert_eq!(stored, "stored in TTL at 1\n");
    let message = wire.stored("TTL", 1).await;
    assert_eq!(message.header("Trace-Id"), ["a:b"]);
    assert_eq!(message.header("Two"), ["2"]);
    assert_eq!(message.header("Nats-TTL"), ["3600"]);

    let again = jetgate
        .run(["pub", "ttl", "x", "--message-id", "id-1", "-o", "json"])
        .await
        .object();
    assert_eq!(
        (
            &again["stream"],
            &again["sequence"],
            &again["duplicate"],
            &again["message_id"]
        ),
        (&json!("TTL"), &json!(1), &json!(true), &json!("id-1"))
    );
}

#[tokio::test]
async fn a_message_for_another_stream_is_not_stored() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;

    let ran = jetgate
        .run(["pub", "orders.new", "x", "--expect-stream", "USERS"])
        .await;

    let (_, stderr) = ran.failed(REFUSED);
    assert!(stderr.starts_with("jetgate: WRONG_STREAM: "), "{stderr}");
    let checked = jetgate
        .run(["pub", "orders.new", "x", "--dry-run"])
        .await
        .ok();
    assert_eq!(checked, "ORDERS would store it\n");
    assert_eq!(wire.count("ORDERS").await, 0);
}

#[tokio::test]
async fn a_count_publishes_so_many() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;

    let stored = jetgate
        .run(["pub", "orders.new", "x", "--count", "3"])
        .await
        .ok();

    assert_eq!(stored.lines().count(), 3);
    assert_eq!(wire.count("ORDERS").await, 3);
}

#[tokio::test]
async fn each_line_is_a_message_in_order() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    let lines: String = (1..=1000).map(|number| format!("{number}\n")).collect();

    let stored = jetgate
        .run_with(["pub", "orders.new", "--lines", "-o", "json"], &lines)
        .await
        .objects();

    let sequences: Vec<_> = stored
        .iter()
        .map(|it| it["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=1000).collect::<Vec<_>>());
    for sequence in [1, 500, 1000] {
        let payload = wire.stored("ORDERS", sequence).await.payload;
        assert_eq!(payload, sequence.to_string().as_bytes());
    }
}

#[tokio::test]
async fn behind_a_line_that_fails_nothing_is_published() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    wire.create_stream(json!({"name": "SMALL", "subjects": ["small"], "max_msg_size": 100}))
        .await;
    let lines = format!("one\n{}\nthree\n", "x".repeat(200));

    let ran = jetgate.run_with(["pub", "small", "--lines"], &lines).await;

    let (stdout, stderr) = ran.failed(REFUSED);
    assert_eq!(stdout, "stored in SMALL at 1\n");
    assert!(
        stderr.starts_with("jetgate: line 2: MESSAGE_TOO_LARGE: "),
        "{stderr}"
    );
    assert_eq!(wire.count("SMALL").await, 1);
}

#[tokio::test]
async fn every_line_is_published_though_nobody_reads_what_is_printed() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;

    let line = "set -o pipefail; seq 1000 | jetgate pub orders.new --lines | true";
    jetgate.shell(line).await.ok();

    assert_eq!(wire.count("ORDERS").await, 1000);
}
