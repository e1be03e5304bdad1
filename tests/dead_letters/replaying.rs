//! Publishing the messages of letters again.

use std::time::{Duration, Instant};

use jetgate::proto::{DeadLetterReplay, ReplayDeadLettersRequest, ReplayedLetter};
use serde_json::{Value, json};
use tonic::{Code, Request};

use crate::support::consuming::{CONSUMER, STREAM, create_consumer, store_many};
use crate::support::dead_letters::{
    collecting_gateway, filter, get, letters, replay, replay_all, start_collecting, terminate,
    until_letters,
};
use crate::support::{Gateway, NatsServer, SOON, Wire, answered, eventually};

/// So many letters of the consumer, and the stream with these settings more.
async fn start_with(settings: Value, count: u64) -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let gateway = collecting_gateway(&nats.url()).await;
    let mut wire = nats.wire().await;
    let mut stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    for (key, value) in settings.as_object().unwrap() {
        stream[key] = value.clone();
    }
    wire.create_stream(stream).await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, count).await;
    terminate(&mut wire, count as usize, "dead").await;
    until_letters(&gateway, &mut wire, count as usize).await;
    (nats, gateway, wire)
}

#[track_caller]
fn assert_ok(results: &[ReplayedLetter]) {
    for result in results {
        assert_eq!(
            result.status.as_ref().map(|it| it.code),
            Some(0),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_replayed_message_is_marked_with_the_consumer_it_failed_for() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    let headers: &[u8] = b"Trace: t1\r\nNats-Msg-Id: id-1\r\nBad: x\ry\r\n";
    wire.store_raw("orders.new", Some(headers), b"payload")
        .await;
    // A native client could not receive it; JetStream's own settling needs no delivery through one.
    terminate(&mut wire, 1, "dead").await;
    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);

    let (results, summary) = replay(&gateway, replay_all("r1")).await.unwrap();

    assert_ok(&results);
    assert_eq!((summary.published, summary.complete), (1, true));
    assert_eq!(
        (results[0].stream.as_str(), results[0].sequence),
        (STREAM, 2)
    );
    assert_eq!(results[0].letter_id, letter.letter_id);
    let message = wire.stored(STREAM, 2).await;
    assert_eq!(
        (message.subject.as_str(), &*message.payload),
        ("orders.new", &b"payload"[..])
    );
    assert_eq!(message.header("Trace"), ["t1"]);
    assert_eq!(message.header("Dead-Letter-Consumer"), [CONSUMER]);
    assert_eq!(
        message.header("Dead-Letter-Id"),
        [letter.letter_id.as_str()]
    );
    assert_eq!(message.header("Dead-Letter-Replay-Id"), ["r1"]);
    assert_ne!(message.header("Nats-Msg-Id"), ["id-1"]);

    // What dies again has a letter of its own.
    terminate(&mut wire, 1, "again").await;
    let letters = until_letters(&gateway, &mut wire, 2).await;
    let again = letters.iter().find(|letter| letter.sequence == 2).unwrap();
    let whole = get(&gateway, &again.letter_id).await.unwrap();
    assert!(
        whole
            .headers
            .iter()
            .any(|it| it.name == "Dead-Letter-Replay-Id" && it.value == "r1")
    );
    let one = ReplayDeadLettersRequest {
        filter: filter(|it| it.letter_ids = vec![again.letter_id.clone()]),
        all: false,
        ..replay_all("r2")
    };
    assert_ok(&replay(&gateway, one).await.unwrap().0);
    let message = wire.stored(STREAM, 3).await;
    assert_eq!(message.header("Dead-Letter-Replay-Id"), ["r2"]);
    assert_eq!(message.header("Dead-Letter-Id"), [again.letter_id.as_str()]);
}

#[tokio::test]
async fn one_replay_stores_once_and_another_again() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 5).await;

    for (replay_id, published, stored) in [("r1", 5, 10), ("r1", 0, 10), ("r2", 5, 15)] {
        let (results, summary) = replay(&gateway, replay_all(replay_id)).await.unwrap();
        assert_ok(&results);
        assert_eq!(
            (summary.published, summary.duplicates),
            (published, 5 - published)
        );
        assert!(
            results
                .iter()
                .all(|it| it.sequence > 5 && it.duplicate == (published == 0))
        );
        assert_eq!(wire.count(STREAM).await, stored);
    }

    let letter = letters(&gateway).await.remove(0);
    let replays = get(&gateway, &letter.letter_id).await.unwrap().replays;
    let told: Vec<_> = replays
        .iter()
        .map(|it: &DeadLetterReplay| (it.replay_id.as_str(), it.sequence > 5))
        .collect();
    assert_eq!(told, [("r1", true), ("r2", true)]);
    // Replays are no letters.
    assert_eq!(letters(&gateway).await.len(), 5);
}

#[tokio::test]
async fn one_replay_stores_once_beyond_the_duplicate_window() {
    let window = json!({ "duplicate_window": 100_000_000 });
    let (_nats, gateway, mut wire) = start_with(window, 1).await;
    replay(&gateway, replay_all("r1")).await.unwrap();
    // The window is over when another message of its age can be stored again.
    let headers: &[u8] = b"Nats-Msg-Id: probe\r\n";
    let probed = wire.store_raw("orders.probe", Some(headers), b"").await;
    eventually(SOON, async || {
        let again = wire.store_raw("orders.probe", Some(headers), b"").await;
        (again > probed).then_some(())
    })
    .await;
    let before = wire.count(STREAM).await;

    let (results, summary) = replay(&gateway, replay_all("r1")).await.unwrap();

    assert_eq!(
        (
            summary.duplicates,
            results[0].duplicate,
            results[0].sequence
        ),
        (1, true, 2)
    );
    assert_eq!(wire.count(STREAM).await, before);
}

#[tokio::test]
async fn a_dry_run_tells_and_stores_nothing() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 3).await;
    let dry = |replay_id: &str| ReplayDeadLettersRequest {
        dry_run: true,
        ..replay_all(replay_id)
    };

    let (results, summary) = replay(&gateway, dry("")).await.unwrap();
    assert_ok(&results);
    assert_eq!((summary.published, summary.complete), (3, true));
    assert!(
        results
            .iter()
            .all(|it| it.sequence == 0 && it.subject == "orders.x")
    );
    assert_eq!(wire.count(STREAM).await, 3);

    replay(&gateway, replay_all("r1")).await.unwrap();
    let (_, summary) = replay(&gateway, dry("r1")).await.unwrap();
    assert_eq!((summary.published, summary.duplicates), (0, 3));

    // It says what a replay would say.
    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;
    wire.create_stream(json!({ "name": "OTHER", "subjects": ["orders.>"] }))
        .await;
    eventually(SOON, async || {
        let (results, summary) = replay(&gateway, dry("")).await.unwrap();
        let status = results[0].status.as_ref().unwrap();
        let is_told = status.reason().as_str_name() == "ERROR_REASON_WRONG_STREAM";
        (is_told && summary.failed == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_filter_chooses_what_is_replayed() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 2).await;
    let of = |subject: &str| ReplayDeadLettersRequest {
        filter: filter(|it| it.subject = subject.to_owned()),
        all: false,
        ..replay_all("r1")
    };

    let (results, summary) = replay(&gateway, of("orders.y")).await.unwrap();
    assert_eq!((results.len(), summary.complete), (0, true));
    let (results, _) = replay(&gateway, of("orders.*")).await.unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(wire.count(STREAM).await, 4);
}

#[tokio::test]
async fn nothing_is_stored_in_another_stream() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 1).await;
    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;
    let reason = async || {
        let (results, summary) = replay(&gateway, replay_all("r1")).await.unwrap();
        assert_eq!(summary.failed, 1);
        results[0].status.as_ref().unwrap().reason().as_str_name()
    };

    assert_eq!(reason().await, "ERROR_REASON_NO_STREAM_FOR_SUBJECT");
    wire.create_stream(json!({ "name": "OTHER", "subjects": ["orders.>"] }))
        .await;
    eventually(SOON, async || {
        (reason().await == "ERROR_REASON_WRONG_STREAM").then_some(())
    })
    .await;
    assert_eq!(wire.count("OTHER").await, 0);
}

#[tokio::test]
async fn a_rate_is_kept() {
    let (_nats, gateway, _wire) = start_with(json!({}), 6).await;

    let started = Instant::now();
    let request = ReplayDeadLettersRequest {
        rate: 10,
        ..replay_all("r1")
    };
    let (_, summary) = replay(&gateway, request).await.unwrap();

    assert_eq!(summary.published, 6);
    assert!(
        started.elapsed() >= Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_replay_that_its_deadline_cuts_short_is_resumed() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 8).await;

    let mut calls = 0;
    loop {
        let mut request = Request::new(ReplayDeadLettersRequest {
            rate: 2,
            ..replay_all("r1")
        });
        request.set_timeout(Duration::from_secs(2));
        let (_, summary) = replay(&gateway, request).await.unwrap();
        calls += 1;
        if summary.complete {
            break;
        }
    }

    assert!(calls > 1);
    assert_eq!(wire.count(STREAM).await, 16);
}

#[tokio::test]
async fn a_replay_ends_when_the_gateway_shuts_down() {
    let (_nats, mut gateway, _wire) = start_with(json!({}), 3).await;
    let request = ReplayDeadLettersRequest {
        rate: 1,
        ..replay_all("r1")
    };
    let mut events = gateway
        .dead_letters()
        .replay_dead_letters(request)
        .await
        .unwrap()
        .into_inner();
    events.message().await.unwrap().unwrap();

    gateway.request_shutdown();

    let mut last = None;
    while let Some(event) = events.message().await.unwrap() {
        last = event.event;
    }
    let Some(jetgate::proto::replay_dead_letters_response::Event::Summary(summary)) = last else {
        panic!("{last:?}");
    };
    assert!(!summary.complete);
    gateway.until_ended(SOON).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_its_replay() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 5).await;
    let request = ReplayDeadLettersRequest {
        rate: 1,
        ..replay_all("r1")
    };
    let mut events = gateway
        .dead_letters()
        .replay_dead_letters(request)
        .await
        .unwrap()
        .into_inner();
    events.message().await.unwrap().unwrap();
    drop(events);

    let (results, summary) = replay(&gateway, replay_all("r1")).await.unwrap();

    assert_ok(&results);
    assert!(summary.complete && summary.duplicates >= 1, "{summary:?}");
    assert_eq!(wire.count(STREAM).await, 10);
}

#[tokio::test]
async fn a_letter_that_comes_meanwhile_is_left_out() {
    let (_nats, gateway, mut wire) = start_with(json!({}), 2).await;
    let request = ReplayDeadLettersRequest {
        rate: 1,
        ..replay_all("r1")
    };
    let mut events = gateway
        .dead_letters()
        .replay_dead_letters(request)
        .await
        .unwrap()
        .into_inner();
    events.message().await.unwrap().unwrap();

    // What was replayed dies at once.
    terminate(&mut wire, 1, "again").await;
    until_letters(&gateway, &mut wire, 3).await;

    let mut count = 1;
    while let Some(event) = events.message().await.unwrap() {
        count += u32::from(matches!(
            event.event,
            Some(jetgate::proto::replay_dead_letters_response::Event::Letter(
                _
            ))
        ));
    }
    assert_eq!(count, 2);
}

#[tokio::test]
async fn says_that_nats_is_away() {
    let (mut nats, gateway, _wire) = start_with(json!({}), 1).await;
    nats.kill();

    let answer = answered(Duration::from_secs(2), replay_all("r1"), async |request| {
        replay(&gateway, request).await
    })
    .await;

    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}
