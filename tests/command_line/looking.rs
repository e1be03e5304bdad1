//! `jetgate stream ls`, `stream info`, `consumer ls`, `consumer info`, `completions`.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;

use super::{REFUSED, UNAVAILABLE, USAGE, orders, worker};
use crate::support::{Jetgate, SOON, eventually, start};

/// The columns of a line.
fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[tokio::test]
async fn lists_streams_for_people_and_for_programs() {
    let (_nats, _gateway, mut wire, jetgate) = orders(3).await;
    wire.create_stream(json!({"name": "USERS", "subjects": ["users.*"]}))
        .await;

    let table = jetgate.run(["stream", "ls"]).await.ok();
    let lines: Vec<_> = table.lines().map(columns).collect();
    assert_eq!(
        lines[0],
        ["NAME", "MESSAGES", "BYTES", "CONSUMERS", "LAST", "SUBJECTS"]
    );
    assert_eq!(lines[1][..2], ["ORDERS", "3"]);
    assert_eq!(lines[1].last(), Some(&"orders.>"));
    assert_eq!(lines[2][..2], ["USERS", "0"]);

    let streams = jetgate
        .run(["stream", "ls", "--output", "json"])
        .await
        .objects();
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[0]["config"]["name"], "ORDERS");
    assert_eq!(streams[0]["config"]["storage"], "memory");
    assert_eq!(streams[0]["state"]["messages"], 3);

    let of_subject = jetgate
        .run(["stream", "ls", "--subject", "users.7", "-o", "json"])
        .await;
    assert_eq!(of_subject.object()["config"]["name"], "USERS");
}

#[tokio::test]
async fn lists_only_what_is_asked_for() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    wire.create_stream(json!({"name": "USERS", "subjects": ["users.*"]}))
        .await;
    for (name, filter) in [("new", "orders.new"), ("old", "orders.old")] {
        let config =
            json!({"durable_name": name, "ack_policy": "explicit", "filter_subject": filter});
        wire.create_consumer("ORDERS", config).await;
    }

    for (line, name) in [
        ("stream ls 'U*'", "USERS"),
        ("stream ls --subject orders.new", "ORDERS"),
        ("consumer ls ORDERS 'o*'", "old"),
        ("consumer ls ORDERS --subject orders.new", "new"),
    ] {
        let table = jetgate.shell(&format!("jetgate {line}")).await.ok();
        let names: Vec<_> = table.lines().map(|line| columns(line)[0]).collect();
        assert_eq!(names, ["NAME", name], "{line}");
    }
}

#[tokio::test]
async fn lists_every_page() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    for number in 0..260 {
        let config = json!({"name": format!("S{number}"), "subjects": [format!("s.{number}")],
            "storage": "memory"});
        wire.create_stream(config).await;
    }

    let table = Jetgate::at(gateway.public())
        .run(["stream", "ls"])
        .await
        .ok();

    assert_eq!(table.lines().count(), 1 + 260);
}

#[tokio::test]
async fn shows_a_stream_with_what_is_not_default_first() {
    let (_nats, _gateway, mut wire, jetgate) = orders(2).await;
    wire.create_stream(
        json!({"name": "USERS", "subjects": ["users.*"], "max_age": 604_800_000_000_000_u64,
        "max_bytes": 1 << 20, "retention": "workqueue"}),
    )
    .await;

    let sheet = jetgate.run(["stream", "info", "USERS"]).await.ok();
    let (chosen, rest) = sheet.split_once("Configuration: defaults").unwrap();
    let chosen: Vec<_> = chosen.lines().map(columns).collect();
    for line in [
        ["max_age", "7d"],
        ["max_bytes", "1MiB"],
        ["retention", "workqueue"],
    ] {
        assert!(
            chosen.iter().any(|it| it[..] == line),
            "no {line:?} in {sheet}"
        );
    }
    assert!(
        rest.lines()
            .map(columns)
            .any(|it| it[..] == ["storage", "file"]),
        "{sheet}"
    );

    let orders = jetgate.run(["stream", "info", "ORDERS"]).await.ok();
    assert!(
        orders
            .lines()
            .map(columns)
            .any(|it| it[..] == ["sequences", "1", "to", "2"]),
        "{orders}"
    );

    let object = jetgate
        .run(["stream", "info", "USERS", "-o", "json"])
        .await
        .object();
    assert_eq!(object["config"]["max_age"], "604800s");
    assert_eq!(object["config"]["max_bytes"], 1 << 20);
}

#[tokio::test]
async fn shows_how_far_consumers_are() {
    let (_nats, _gateway, mut wire, jetgate) = orders(3).await;
    worker(&mut wire).await;
    jetgate
        .run([
            "sub",
            "ORDERS",
            "--consumer",
            "worker",
            "--no-ack",
            "--count",
            "1",
        ])
        .await
        .ok();

    let table = jetgate.run(["consumer", "ls", "ORDERS"]).await.ok();
    let lines: Vec<_> = table.lines().map(columns).collect();
    assert_eq!(lines[1], ["worker", "2", "1", "0", "0"]);

    let sheet = jetgate
        .run(["consumer", "info", "ORDERS", "worker"])
        .await
        .ok();
    let (chosen, _) = sheet.split_once("Configuration: defaults").unwrap();
    assert!(
        chosen
            .lines()
            .map(columns)
            .any(|it| it[..] == ["max_deliver", "5"]),
        "{sheet}"
    );
    assert!(!chosen.contains("ack_wait"), "{sheet}");
    assert!(
        sheet.lines().map(columns).any(|it| it[..] == ["lag", "2"]),
        "{sheet}"
    );

    let object = jetgate
        .run(["consumer", "info", "ORDERS", "worker", "-o", "json"])
        .await
        .object();
    assert_eq!(object["config"]["max_deliver"], 5);
    assert_eq!(object["state"]["num_ack_pending"], 1);
    let listed = jetgate
        .run(["consumer", "ls", "ORDERS", "-o", "json"])
        .await
        .object();
    assert_eq!(listed["name"], "worker");
}

#[tokio::test]
async fn what_does_not_exist_is_named_with_its_reason() {
    let (_nats, _gateway, _wire, jetgate) = orders(0).await;

    for (command, reason) in [
        (&["stream", "info", "NOPE"][..], "STREAM_NOT_FOUND"),
        (&["consumer", "ls", "NOPE"], "STREAM_NOT_FOUND"),
        (
            &["consumer", "info", "ORDERS", "nope"],
            "CONSUMER_NOT_FOUND",
        ),
        (&["sub", "NOPE"], "STREAM_NOT_FOUND"),
        (
            &["sub", "ORDERS", "--consumer", "nope"],
            "CONSUMER_NOT_FOUND",
        ),
        (&["top", "--stream", "NOPE"], "STREAM_NOT_FOUND"),
        (&["pub", "users.new"], "NO_STREAM_FOR_SUBJECT"),
        (&["pub", "orders.*"], "INVALID_REQUEST"),
    ] {
        let line = format!("jetgate {}", command.join(" ").replace('*', "\\*"));
        let (stdout, stderr) = jetgate.shell(&line).await.failed(REFUSED);
        assert_eq!(stdout, "", "{line}");
        assert!(
            stderr.starts_with(&format!("jetgate: {reason}: ")),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_away_or_silent_is_told_from_one_that_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Jetgate::at(listener.local_addr().unwrap());
    let started = Instant::now();
    for command in ["stream ls", "sub ORDERS", "pub a b", "top"] {
        let line = format!("jetgate {command} --timeout 300ms");
        let (_, stderr) = silent.shell(&line).await.failed(UNAVAILABLE);
        assert!(stderr.contains("does not answer"), "{stderr}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));

    drop(listener);
    let (_, stderr) = silent.run(["stream", "ls"]).await.failed(UNAVAILABLE);
    assert!(
        stderr.contains("no gateway at http://127.0.0.1:"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_gateway_without_nats_says_so() {
    let (mut nats, _gateway, _wire, jetgate) = orders(0).await;
    nats.kill();

    // The command has a timer of its own, which on a busy machine may run out before the gateway's answer has come.
    let stderr = eventually(3 * SOON, async || {
        let listing = jetgate.run(["stream", "ls", "--timeout", "2s"]).await;
        let (_, stderr) = listing.failed(UNAVAILABLE);
        (!stderr.contains("the gateway does not answer")).then_some(stderr)
    })
    .await;

    assert!(stderr.contains("NATS_DISCONNECTED"), "{stderr}");
}

#[tokio::test]
async fn a_wrong_command_line_is_told_from_a_failure() {
    let jetgate = Jetgate::at("127.0.0.1:1".parse().unwrap());
    for line in [
        "jetgate stream ls --server nats://127.0.0.1:4222",
        "jetgate stream ls --timeout soon",
        "jetgate stream ls --timeout 2d",
        "jetgate stream ls --output xml",
        "jetgate sub ORDERS --consumer c --last",
        "jetgate sub ORDERS --last --new",
        "jetgate sub ORDERS --no-ack",
        "jetgate pub orders.new --header nonsense",
        "jetgate stream apply",
    ] {
        let ran = jetgate
            .shell(&format!("{line} 2>&1 >/dev/null; exit $?"))
            .await;
        assert_eq!(ran.code(), Some(USAGE), "{line}: {ran:?}");
    }
}

#[tokio::test]
async fn shells_get_their_completions() {
    let jetgate = Jetgate::at("127.0.0.1:1".parse().unwrap());
    for shell in ["bash", "zsh", "fish"] {
        let script = jetgate.run(["completions", shell]).await.ok();
        for word in ["stream", "consumer", "apply", "completions", "until-end"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
        assert!(
            !script.contains("exec-with-parent"),
            "{shell} shows what is hidden"
        );
    }
    let parsed = jetgate.shell("jetgate completions bash | bash -n").await;
    assert_eq!(parsed.ok(), "");
    let cut_short = jetgate
        .shell("set -o pipefail; jetgate completions zsh | head -1")
        .await;
    assert_eq!(cut_short.ok().lines().count(), 1);
}
