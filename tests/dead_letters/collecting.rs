//! One letter for each death: whoever runs at the time, and whatever has been made anew since.

use std::collections::BTreeSet;

use jetgate::proto::{DeadLetter, DeadLetterState};
use serde_json::{Value, json};

use crate::support::consuming::{CONSUMER, STREAM, create_consumer, nanoseconds, store_many};
use crate::support::dead_letters::{
    ADVISORIES, LETTERS, collecting_gateway, configured, get, letters, pull, start_collecting,
    state, term, terminate, until_collecting, until_letters,
};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually};

/// The consumer that gateways share.
const SHARED: &str = "jetgate-dead-letters";

/// A server whose streams of dead letters were made by a gateway that is gone.
async fn start_without_gateway() -> (NatsServer, Wire) {
    let (nats, gateway, wire) = start_collecting().await;
    gateway.shutdown().await;
    (nats, wire)
}

#[track_caller]
fn assert_one_each(letters: &[DeadLetter], count: u64) {
    let sequences: BTreeSet<_> = letters.iter().map(|letter| letter.sequence).collect();
    assert_eq!(letters.len() as u64, count);
    assert_eq!(sequences, (1..=count).collect());
}

/// What JetStream would tell of a message that was terminated.
fn advisory(id: &str, sequence: u64) -> Vec<u8> {
    let advisory = json!({
        "type": "io.nats.jetstream.advisory.v1.terminated", "id": id,
        "timestamp": "2100-01-01T00:00:00Z", "stream": STREAM, "consumer": CONSUMER,
        "consumer_seq": sequence, "stream_seq": sequence, "deliveries": 1, "reason": "told",
    });
    advisory.to_string().into_bytes()
}

async fn tell(wire: &mut Wire, id: &str, sequence: u64) {
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{STREAM}.{CONSUMER}");
    wire.publish(&subject, &advisory(id, sequence)).await;
}

#[tokio::test]
async fn what_dies_while_no_gateway_runs_gets_its_letter_later() {
    let (nats, mut wire) = start_without_gateway().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 5).await;
    terminate(&mut wire, 5, "nobody there").await;

    let gateway = collecting_gateway(&nats.url()).await;

    let letters = until_letters(&gateway, &mut wire, 5).await;
    assert_one_each(&letters, 5);
    assert!(
        letters
            .iter()
            .all(|letter| letter.has_message && letter.consumer_created.is_some())
    );
}

#[tokio::test]
async fn three_gateways_write_one_letter_each() {
    let (nats, first, mut wire) = start_collecting().await;
    let _second = collecting_gateway(&nats.url()).await;
    let _third = collecting_gateway(&nats.url()).await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 200).await;

    terminate(&mut wire, 200, "shared").await;

    assert_one_each(&until_letters(&first, &mut wire, 200).await, 200);
}

#[tokio::test]
async fn one_death_that_is_told_twice_is_one_letter() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 2).await;

    // The same advisory again, and another of the same death, which no duplicate window covers.
    for id in ["a1", "a1", "a2", "a3"] {
        tell(&mut wire, id, 1).await;
    }
    tell(&mut wire, "a4", 2).await;

    assert_one_each(&until_letters(&gateway, &mut wire, 2).await, 2);
    // Another cause is the same death, too.
    let text = String::from_utf8(advisory("a5", 1)).unwrap();
    let text = text.replace("terminated", "max_deliver");
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{STREAM}.{CONSUMER}");
    wire.publish(&subject, text.as_bytes()).await;
    // Behind it comes one that is new.
    store_many(&mut wire, 1).await;
    tell(&mut wire, "a6", 3).await;
    assert_one_each(&until_letters(&gateway, &mut wire, 3).await, 3);
}

#[tokio::test]
async fn a_consumer_made_anew_is_another_one() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    store_many(&mut wire, 1).await;
    for life in 1..=2 {
        create_consumer(&mut wire, json!({})).await;
        terminate(&mut wire, 1, &format!("life {life}")).await;
        until_letters(&gateway, &mut wire, life).await;
        wire.api(&format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"), Value::Null)
            .await;
    }

    let letters = letters(&gateway).await;
    let reasons: Vec<_> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    assert_eq!(reasons, ["life 1", "life 2"]);
    assert_ne!(letters[0].letter_id, letters[1].letter_id);
    assert!(
        letters
            .iter()
            .all(|letter| letter.sequence == 1 && letter.has_message)
    );
}

#[tokio::test]
async fn a_consumer_that_is_gone_or_anew_leaves_letters_of_the_one_before() {
    let (nats, mut wire) = start_without_gateway().await;
    store_many(&mut wire, 1).await;
    for life in 1..=3 {
        create_consumer(&mut wire, json!({})).await;
        if life < 3 {
            terminate(&mut wire, 1, &format!("life {life}")).await;
            wire.api(&format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"), Value::Null)
                .await;
        }
    }

    let gateway = collecting_gateway(&nats.url()).await;

    // The consumer that is there now has not seen anything die.
    let letters = until_letters(&gateway, &mut wire, 2).await;
    for letter in &letters {
        assert_eq!(letter.consumer_created, None);
        assert!(letter.has_message, "{letter:?}");
    }
    assert_ne!(letters[0].letter_id, letters[1].letter_id);
}

#[tokio::test]
async fn a_stream_made_anew_does_not_lend_its_messages() {
    let (nats, mut wire) = start_without_gateway().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;
    terminate(&mut wire, 1, "before").await;
    wire.api(&format!("STREAM.DELETE.{STREAM}"), Value::Null)
        .await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    wire.store("orders.other", b"another message").await;
    create_consumer(&mut wire, json!({})).await;

    let gateway = collecting_gateway(&nats.url()).await;
    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert!(
        !letter.has_message && letter.subject.is_empty(),
        "{letter:?}"
    );

    terminate(&mut wire, 1, "after").await;
    let letters = until_letters(&gateway, &mut wire, 2).await;
    let after = letters
        .iter()
        .find(|letter| letter.reason == "after")
        .unwrap();
    assert_eq!(
        (after.sequence, after.subject.as_str()),
        (1, "orders.other")
    );
}

#[tokio::test]
async fn a_message_that_is_deleted_before_its_letter_is_written_leaves_provenance() {
    let (nats, mut wire) = start_without_gateway().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 2).await;
    terminate(&mut wire, 2, "deleted later").await;
    wire.api(&format!("STREAM.MSG.DELETE.{STREAM}"), json!({ "seq": 1 }))
        .await;

    let gateway = collecting_gateway(&nats.url()).await;

    let letters = until_letters(&gateway, &mut wire, 2).await;
    let has_message = |sequence| {
        letters
            .iter()
            .any(|it| it.sequence == sequence && it.has_message)
    };
    assert_eq!((has_message(1), has_message(2)), (false, true));
}

#[tokio::test]
async fn a_flood_is_taken_a_few_at_a_time() {
    let (nats, mut wire) = start_without_gateway().await;
    create_consumer(
        &mut wire,
        json!({ "max_deliver": 1, "ack_wait": nanoseconds(1) }),
    )
    .await;
    store_many(&mut wire, 1_000).await;
    pull(&mut wire, STREAM, CONSUMER, 1_000).await;
    eventually(SOON, async || {
        (wire.count(ADVISORIES).await == 1_000).then_some(())
    })
    .await;

    let gateway = collecting_gateway(&nats.url()).await;

    let mut most = 0;
    eventually(3 * SOON, async || {
        let info = wire.consumer_info(ADVISORIES, SHARED).await;
        most = most.max(info["num_ack_pending"].as_u64().unwrap());
        (wire.count(ADVISORIES).await == 0).then_some(())
    })
    .await;
    assert!(most <= 8, "{most} advisories were taken at a time");
    assert_one_each(&letters(&gateway).await, 1_000);
}

#[tokio::test]
async fn the_streams_are_made_as_configured() {
    let nats = NatsServer::start().await;
    let change = |config: &mut jetgate::config::Config| {
        configured(config);
        config.dead_letters.max_age = std::time::Duration::from_secs(3_600);
        config.dead_letters.subject = "given.up".to_owned();
    };
    let _gateway = Gateway::start_with(&nats.url(), change).await;
    let mut wire = nats.wire().await;

    let config = eventually(SOON, async || {
        let info = wire
            .try_api(&format!("STREAM.INFO.{ADVISORIES}"), Value::Null)
            .await?;
        info.get("config").cloned()
    })
    .await;
    assert_eq!(config["retention"], "workqueue");
    assert_eq!(config["max_age"], nanoseconds(3_600));
    let config = wire.stream_info(LETTERS).await["config"].take();
    assert_eq!(config["subjects"], json!(["given.up.>"]));
    assert_eq!(config["max_bytes"], 1_u64 << 30);
}

#[tokio::test]
async fn the_operators_own_streams_are_used_as_they_are() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    let letters =
        json!({ "name": LETTERS, "subjects": ["dead_letters.>", "more.>"], "storage": "memory" });
    let letters = wire.create_stream(letters).await;
    let advisories = json!({ "name": ADVISORIES, "subjects": ["$JS.EVENT.ADVISORY.CONSUMER.>"] });
    let advisories = wire.create_stream(advisories).await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;

    let gateway = collecting_gateway(&nats.url()).await;
    store_many(&mut wire, 1).await;
    terminate(&mut wire, 1, "own").await;

    let letter = eventually(SOON, async || self::letters(&gateway).await.pop()).await;
    assert_eq!(letter.reason, "own");
    assert!(get(&gateway, &letter.letter_id).await.is_ok());
    assert_eq!(wire.stream_info(LETTERS).await["config"], letters);
    assert_eq!(wire.stream_info(ADVISORIES).await["config"], advisories);
}

#[tokio::test]
async fn advisories_of_another_domain_are_left_alone() {
    let nats = NatsServer::start_with("jetstream: { domain: hub }").await;
    let change = |config: &mut jetgate::config::Config| {
        configured(config);
        config.nats.domain = Some("hub".to_owned());
    };
    let gateway = Gateway::start_with(&nats.url(), change).await;
    until_collecting(&gateway).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 2).await;

    // As a leaf node of the same account tells of its own stream of that name.
    let text = String::from_utf8(advisory("far", 1)).unwrap();
    let text = text.replacen('{', r#"{"domain":"leaf","#, 1);
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{STREAM}.{CONSUMER}");
    wire.publish(&subject, text.as_bytes()).await;
    let acks = pull(&mut wire, STREAM, CONSUMER, 2).await;
    term(&mut wire, &acks[1], "near").await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!((letter.sequence, letter.reason.as_str()), (2, "near"));
}

#[tokio::test]
async fn a_stream_that_takes_no_letters_is_told() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": LETTERS, "subjects": ["other.>"] }))
        .await;

    let gateway = Gateway::start_with(&nats.url(), configured).await;

    eventually(SOON, async || {
        (state(&gateway).await == DeadLetterState::Failing).then_some(())
    })
    .await;
}
