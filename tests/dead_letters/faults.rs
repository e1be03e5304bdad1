//! Dead letters while gateways and servers end, and for NATS users who may not.

use std::time::Duration;

use jetgate::proto::{DeadLetterState, GetInfoRequest, PublishRequest};
use serde_json::json;
use tonic::Code;

use crate::support::consuming::{CONSUMER, STREAM, create_consumer, nanoseconds, store_many};
use crate::support::dead_letters::{
    ADVISORIES, LETTERS, collecting_gateway, configured, letters, list, start_collecting, state,
    terminate, until_collecting, until_letters,
};
use crate::support::{Gateway, NatsCluster, NatsServer, SOON, Wire, eventually, http_get, refused};

/// An election takes more than five seconds on an idle machine.
const ELECTION: Duration = Duration::from_secs(60);

#[tokio::test]
async fn killed_gateways_lose_no_letter_and_write_none_twice() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    // What a killed gateway had taken comes again after a second.
    let subjects = ["MAX_DELIVERIES", "MSG_TERMINATED"]
        .map(|it| format!("$JS.EVENT.ADVISORY.CONSUMER.{it}.>"));
    let stream = json!({ "name": ADVISORIES, "subjects": subjects, "retention": "workqueue" });
    wire.create_stream(stream).await;
    let consumer = json!({
        "durable_name": "jetgate-dead-letters", "ack_policy": "explicit", "ack_wait": nanoseconds(1),
    });
    wire.create_consumer(ADVISORIES, consumer).await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 400).await;

    let mut gateway = collecting_gateway(&nats.url()).await;
    for _ in 0..4 {
        terminate(&mut wire, 100, "killed").await;
        drop(gateway);
        gateway = collecting_gateway(&nats.url()).await;
    }

    let letters = until_letters(&gateway, &mut wire, 400).await;
    let mut sequences: Vec<_> = letters.iter().map(|letter| letter.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=400).collect::<Vec<_>>());
}

#[tokio::test]
async fn goes_on_when_nats_comes_back() {
    let (mut nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 2).await;
    terminate(&mut wire, 1, "before").await;
    until_letters(&gateway, &mut wire, 1).await;

    nats.restart().await;
    gateway.until_serving().await;
    let mut wire = nats.wire().await;
    terminate(&mut wire, 1, "after").await;

    until_letters(&gateway, &mut wire, 2).await;
}

#[tokio::test]
async fn three_replicas_outlast_the_crash_of_a_leader() {
    let mut cluster = NatsCluster::start().await;
    let change = |config: &mut jetgate::config::Config| {
        configured(config);
        config.dead_letters.replicas = 3;
    };
    let first = Gateway::start_with(&cluster.url(), change).await;
    let second = Gateway::start_with(&cluster.url(), change).await;
    until_collecting(&first).await;
    until_collecting(&second).await;
    let mut wire = cluster.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"], "num_replicas": 3 }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 60).await;
    terminate(&mut wire, 30, "before").await;

    // An advisory that the stream has not captured is lost with its server: nobody else has it.
    eventually(SOON, async || {
        let info = wire.stream_info(ADVISORIES).await;
        (info["state"]["last_seq"] == 30).then_some(())
    })
    .await;

    let leader = cluster.leader_of_stream(LETTERS).await;
    cluster.kill(leader);
    let mut wire = cluster.wire().await;
    // Consumer and stream may need other leaders first. Nothing is captured without one.
    let advisories = async || cluster.leader_of_stream(ADVISORIES).await != leader;
    eventually(ELECTION, async || advisories().await.then_some(())).await;
    eventually(ELECTION, async || {
        let info = wire
            .try_api(&format!("CONSUMER.INFO.{STREAM}.{CONSUMER}"), json!(null))
            .await?;
        info.get("delivered").map(|_| ())
    })
    .await;
    terminate(&mut wire, 30, "after").await;

    let found = eventually(ELECTION, async || {
        let (found, _) = list(&first, jetgate::proto::ListDeadLettersRequest::default())
            .await
            .ok()?;
        (found.len() >= 60).then_some(found)
    })
    .await;
    let mut sequences: Vec<_> = found.iter().map(|letter| letter.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=60).collect::<Vec<_>>());
    assert!(found.iter().all(|letter| letter.has_message));
}

/// A server on which the gateway's user may not publish to these subjects, and the operator's client.
async fn start_without(denied: &[&str]) -> (NatsServer, String, Wire) {
    let config = format!(
        "authorization {{ users: [\n\
         {{ user: admin, password: admin }}\n\
         {{ user: gateway, password: gateway, permissions: {{ publish: {{ deny: {denied:?} }} }} }}\n\
         ] }}"
    );
    let nats = NatsServer::start_with(&config).await;
    let url = nats.url().replace("nats://", "nats://gateway:gateway@");
    let mut wire = Wire::connect_as(nats.address(), "admin", "admin").await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    (nats, url, wire)
}

#[tokio::test]
async fn a_user_who_may_not_create_the_streams_is_told_and_serves_other_calls() {
    let (_nats, url, mut wire) = start_without(&["$JS.API.STREAM.CREATE.>"]).await;
    let gateway = Gateway::start_with(&url, configured).await;

    eventually(SOON, async || {
        (state(&gateway).await == DeadLetterState::Failing).then_some(())
    })
    .await;
    let info = gateway
        .gateway()
        .get_info(GetInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    let problem = info.dead_letters.unwrap().problem;
    assert!(problem.starts_with("NATS_PERMISSION_DENIED"), "{problem}");
    let (status, _) = http_get(&gateway.admin_url("/readyz")).await.unwrap();
    assert_eq!(status, 200);
    let publish = PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    };
    gateway.publisher().publish(publish).await.unwrap();
    refused(
        list(&gateway, Default::default()).await,
        Code::NotFound,
        "STREAM_NOT_FOUND",
    );

    // The operator makes them: the gateway finds out by itself.
    wire.create_stream(json!({ "name": LETTERS, "subjects": ["dead_letters.>"] }))
        .await;
    let subjects = [
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
        "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
    ];
    wire.create_stream(json!({ "name": ADVISORIES, "subjects": subjects }))
        .await;
    eventually(3 * SOON, async || {
        (state(&gateway).await == DeadLetterState::Collecting).then_some(())
    })
    .await;
    assert!(letters(&gateway).await.is_empty());
}

#[tokio::test]
async fn a_user_who_may_not_read_the_stream_writes_provenance() {
    let denied = format!("$JS.API.STREAM.MSG.GET.{STREAM}");
    let (_nats, url, mut wire) = start_without(&[&denied]).await;
    let gateway = collecting_gateway(&url).await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;

    terminate(&mut wire, 1, "unreadable").await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!(
        (letter.has_message, letter.reason.as_str()),
        (false, "unreadable")
    );
}

#[tokio::test]
async fn a_full_stream_keeps_the_advisories_until_there_is_room() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    let stream =
        json!({ "name": LETTERS, "subjects": ["dead_letters.>"], "max_msgs": 1, "discard": "new" });
    wire.create_stream(stream.clone()).await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    let gateway = collecting_gateway(&nats.url()).await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 2).await;
    terminate(&mut wire, 2, "full").await;
    eventually(SOON, async || {
        (state(&gateway).await == DeadLetterState::Failing).then_some(())
    })
    .await;
    assert_eq!(wire.count(ADVISORIES).await, 1);

    let mut larger = stream;
    larger["max_msgs"] = json!(10);
    wire.api(&format!("STREAM.UPDATE.{LETTERS}"), larger).await;

    until_letters(&gateway, &mut wire, 2).await;
    until_collecting(&gateway).await;
}
