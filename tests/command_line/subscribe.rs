//! `jetgate sub`.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{orders, worker};
use crate::support::{Process, SOON, Wire, eventually};

/// What was printed of each message.
fn texts(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect()
}

async fn worker_state(wire: &mut Wire) -> (u64, u64, u64) {
    let info = wire.consumer_info("ORDERS", "worker").await;
    let number = |value: &Value| value.as_u64().unwrap();
    (
        number(&info["num_pending"]),
        number(&info["num_ack_pending"]),
        number(&info["ack_floor"]["stream_seq"]),
    )
}

#[tokio::test]
async fn looking_changes_nothing() {
    let (_nats, _gateway, mut wire, jetgate) = orders(3).await;
    worker(&mut wire).await;

    let printed = jetgate.run(["sub", "ORDERS", "--until-end"]).await.ok();

    let about: Vec<_> = printed
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    assert_eq!(about.len(), 3);
    assert!(about[0].starts_with("#1 orders.new 20"), "{printed}");
    assert!(printed.contains("\n3\n"), "{printed}");
    assert_eq!(worker_state(&mut wire).await, (3, 0, 0));
    let delivered = &wire.consumer_info("ORDERS", "worker").await["delivered"];
    assert_eq!(delivered["consumer_seq"], 0);
    // What the gateway made for the read does not stay.
    eventually(SOON, async || {
        let count = &wire.stream_info("ORDERS").await["state"]["consumer_count"];
        (count == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_read_begins_where_it_is_told() {
    let (_nats, _gateway, mut wire, jetgate) = orders(3).await;
    wire.store("orders.old", b"4").await;

    let read = async |arguments: &str| {
        let line = format!("jetgate sub ORDERS --until-end -o json {arguments}");
        let messages = jetgate.shell(&line).await.objects();
        texts(&messages).concat()
    };

    assert_eq!(read("").await, "1234");
    assert_eq!(read("--from-seq 3").await, "34");
    assert_eq!(read("--since 1h").await, "1234");
    assert_eq!(read("--since 2100-01-01T00:00:00Z").await, "");
    assert_eq!(read("--last").await, "4");
    assert_eq!(read("--last-per-subject").await, "34");
    assert_eq!(read("--new").await, "");
    assert_eq!(read("--filter orders.old").await, "4");
    assert_eq!(read("--filter nobody.asks").await, "");
    assert_eq!(read("--count 2").await, "12");
    assert_eq!(read("--count 0").await, "");
}

#[tokio::test]
async fn an_empty_stream_has_its_end_at_once() {
    let (_nats, _gateway, _wire, jetgate) = orders(0).await;

    assert_eq!(jetgate.run(["sub", "ORDERS", "--until-end"]).await.ok(), "");
}

#[tokio::test]
async fn what_is_printed_of_a_consumer_is_acknowledged_and_no_more_is_taken() {
    let (_nats, _gateway, mut wire, jetgate) = orders(5).await;
    worker(&mut wire).await;

    let messages = jetgate
        .run([
            "sub",
            "ORDERS",
            "--consumer",
            "worker",
            "--count",
            "2",
            "-o",
            "json",
        ])
        .await
        .objects();
    assert_eq!(texts(&messages), ["1", "2"]);
    assert_eq!(worker_state(&mut wire).await, (3, 0, 2));

    let rest = jetgate
        .run(["sub", "ORDERS", "-c", "worker", "--until-end", "-o", "json"])
        .await
        .objects();
    assert_eq!(texts(&rest), ["3", "4", "5"]);
    assert!(rest.iter().all(|message| message["delivery_attempt"] == 1));
    assert_eq!(worker_state(&mut wire).await, (0, 0, 5));
}

#[tokio::test]
async fn without_acknowledgements_deliveries_stay_pending() {
    let (_nats, _gateway, mut wire, jetgate) = orders(2).await;
    worker(&mut wire).await;

    let line = "jetgate sub ORDERS -c worker --no-ack --until-end -o json";
    assert_eq!(texts(&jetgate.shell(line).await.objects()), ["1", "2"]);

    assert_eq!(worker_state(&mut wire).await, (0, 2, 0));
}

#[tokio::test]
async fn messages_are_printed_as_they_come_until_an_interrupt() {
    let (_nats, _gateway, mut wire, jetgate) = orders(1).await;
    worker(&mut wire).await;
    for more in [&[][..], &["--consumer", "worker"]] {
        let mut process =
            Process::start([&["sub", "ORDERS", "--server", jetgate.url()], more].concat());
        eventually(SOON, async || {
            process.output().contains("#1 ").then_some(())
        })
        .await;
        let sequence = wire.store("orders.new", b"later").await;
        let about = format!("#{sequence} ");
        eventually(SOON, async || {
            process.output().contains(&about).then_some(())
        })
        .await;

        process.signal(Signal::INT);

        assert_eq!(process.ended(SOON).await.code(), Some(0), "{more:?}");
    }
    // What was printed was acknowledged, whoever interrupted.
    assert_eq!(worker_state(&mut wire).await, (0, 0, 3));
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error_and_loses_nothing() {
    let (_nats, _gateway, mut wire, jetgate) = orders(3).await;
    worker(&mut wire).await;

    let line = "set -o pipefail; jetgate sub ORDERS -o json | head -1";
    assert_eq!(jetgate.shell(line).await.ok().lines().count(), 1);

    let line = "set -o pipefail; jetgate sub ORDERS -c worker | true";
    jetgate.shell(line).await.ok();
    let (pending, _, floor) = worker_state(&mut wire).await;
    // Either nobody was there to read, or the pipe had taken it.
    assert!(floor == 0 || pending == 0, "{pending} {floor}");
}

#[tokio::test]
async fn payloads_cannot_move_the_cursor_of_a_terminal() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    wire.store("orders.bad", b"\x1b[2Jgone").await;
    wire.store("orders.binary", &[0xff, 0xfe]).await;

    let printed = jetgate.run(["sub", "ORDERS", "--until-end"]).await.ok();

    assert!(printed.contains("\\u{1b}[2Jgone"), "{printed}");
    assert!(printed.contains("(2 bytes in base64) //4="), "{printed}");
    let objects = jetgate
        .run(["sub", "ORDERS", "--until-end", "-o", "json"])
        .await
        .objects();
    assert_eq!(
        (&objects[1]["data"], objects[1].get("text")),
        (&json!("//4="), None)
    );
}

#[tokio::test]
async fn a_gateway_that_shuts_down_ends_the_read_with_an_error() {
    let (_nats, gateway, _wire, jetgate) = orders(1).await;
    let mut process = Process::start(["sub", "ORDERS", "--server", jetgate.url()]);
    eventually(SOON, async || {
        process.output().contains("#1 ").then_some(())
    })
    .await;

    gateway.request_shutdown();

    assert_eq!(process.ended(SOON).await.code(), Some(super::UNAVAILABLE));
    // What it wrote last is read behind its end.
    let words = "jetgate: the gateway is shutting down";
    eventually(SOON, async || {
        process.output().contains(words).then_some(())
    })
    .await;
}
