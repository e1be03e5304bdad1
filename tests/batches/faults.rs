//! Batches while servers, networks and callers go away.

use std::collections::HashMap;
use std::time::Duration;

use jetgate::proto::{Header, PublishBatchRequest, PublishRequest};
use serde_json::json;
use tonic::{Code, Request};

use super::atomic::atomic;
use super::with_id;
use super::{independent, message, ordered, orders, publish, publish_patiently, publish_within};
use super::{sequences, start_giving};
use crate::support::{
    Gateway, NatsCluster, NatsServer, SOON, Toxic, eventually, metadata, reason, refused,
};

/// An election takes more than five seconds on an idle machine, and the tests share theirs.
const ELECTION: Duration = Duration::from_secs(30);

/// A cluster whose stream ORDERS has three replicas, and a gateway that knows all servers and gives calls without a
/// deadline this long.
async fn start_cluster(timeout: Duration) -> (NatsCluster, Gateway) {
    let cluster = NatsCluster::start().await;
    let config = json!({
        "name": "ORDERS", "subjects": ["orders.>"], "num_replicas": 3, "allow_atomic": true,
    });
    cluster.wire().await.create_stream(config).await;
    let gateway = start_giving(&cluster.url(), timeout).await;
    (cluster, gateway)
}

/// A server behind a proxy, and a gateway behind that, which gives calls without a deadline this long.
async fn start_behind_proxy(timeout: Duration) -> (NatsServer, Toxic, Gateway) {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = start_giving(&format!("nats://{}", toxic.address()), timeout).await;
    let mut config = orders();
    config["allow_atomic"] = json!(true);
    nats.wire().await.create_stream(config).await;
    (nats, toxic, gateway)
}

async fn until_stored(nats: &NatsServer, count: u64) {
    eventually(SOON, async || {
        (nats.wire().await.count("ORDERS").await == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_caller_has_gone_goes_on() {
    let (nats, toxic, gateway) = start_behind_proxy(SOON).await;
    publish(&gateway, independent(vec![with_id("0")]))
        .await
        .unwrap();

    toxic.stall_answers();
    let mut request = Request::new(ordered(vec![with_id("1"), with_id("2"), with_id("3")]));
    request.set_timeout(SOON);
    let mut publisher = gateway.publisher();
    let call = tokio::spawn(async move {
        let _ = publisher.publish_batch(request).await;
    });
    until_stored(&nats, 2).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    toxic.restore();

    until_stored(&nats, 4).await;
}

#[tokio::test]
async fn a_batch_is_sent_anew_when_its_connection_breaks_before_its_end() {
    let (nats, toxic, gateway) = start_behind_proxy(SOON).await;
    publish(&gateway, independent(vec![with_id("0")]))
        .await
        .unwrap();

    // The first message has no answer, so the last is not sent.
    toxic.stall_answers();
    let call = publish(&gateway, atomic(vec![with_id("1"), with_id("2")]));
    let broken = async {
        // The server has the first message when it has another one, of the same connection.
        let _ = publish_within(
            &gateway,
            independent(vec![message("orders.x")]),
            Duration::from_secs(1),
        )
        .await;
        assert_eq!(nats.wire().await.count("ORDERS").await, 2);
        toxic.cut();
        toxic.restore();
    };
    let (answer, ()) = tokio::join!(call, broken);

    assert_eq!(sequences(&answer.unwrap()), [3, 4]);
}

#[tokio::test]
async fn the_end_of_an_atomic_batch_without_an_answer_is_an_unknown_outcome() {
    let (nats, toxic, gateway) = start_behind_proxy(Duration::from_secs(2)).await;
    publish(&gateway, independent(vec![with_id("0")]))
        .await
        .unwrap();

    // The only message is the last as well.
    toxic.stall_answers();
    let answer = publish_patiently(&gateway, atomic(vec![with_id("1")])).await;

    let status = refused(answer, Code::DeadlineExceeded, "PUBLISH_OUTCOME_UNKNOWN");
    assert!(metadata(&status, "dedup_expires_at").is_some());
    assert_eq!(nats.wire().await.count("ORDERS").await, 2);
    toxic.restore();
    let again = publish(&gateway, atomic(vec![with_id("1")])).await;
    refused(again, Code::AlreadyExists, "DUPLICATE_MESSAGE_ID");

    // Without ids a retry is not safe, and the error does not say until when it were.
    toxic.stall_answers();
    let answer = publish_patiently(&gateway, atomic(vec![message("orders.x")])).await;
    let status = refused(answer, Code::DeadlineExceeded, "PUBLISH_OUTCOME_UNKNOWN");
    assert!(metadata(&status, "dedup_expires_at").is_none());
}

#[tokio::test]
async fn a_stream_without_a_leader_holds_up_only_its_own_messages() {
    let (mut cluster, gateway) = start_cluster(ELECTION / 2).await;
    let config = json!({ "name": "SINGLE", "subjects": ["single"] });
    cluster.wire().await.create_stream(config).await;
    let leader = cluster.leader_of_stream("SINGLE").await;
    cluster.kill(leader);
    cluster.leader_of_stream("ORDERS").await;

    let single = (0..300).map(|_| message("single"));
    let messages = single
        .chain((0..300).map(|_| message("orders.x")))
        .collect();
    // The gateway's own server may be the one that was killed: ids make its retries safe.
    let request = PublishBatchRequest {
        mint_message_ids: true,
        ..independent(messages)
    };
    let answer = publish_patiently(&gateway, request).await;

    let answer = answer.unwrap();
    let (single, orders) = answer.results.split_at(300);
    assert!(single.iter().all(|result| result.published.is_none()));
    assert!(
        orders.iter().all(|result| result.published.is_some()),
        "{orders:?}"
    );
    assert_eq!(cluster.wire().await.count("ORDERS").await, 300);
}

#[tokio::test]
async fn an_atomic_batch_without_a_quorum_is_stored_once_or_not_at_all() {
    let (mut cluster, gateway) = start_cluster(Duration::from_secs(4)).await;
    publish(&gateway, independent(vec![with_id("0")]))
        .await
        .unwrap();
    let leader = cluster.leader_of_stream("ORDERS").await;
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    let all = || atomic(vec![with_id("1"), with_id("2"), with_id("3")]);

    for number in followers {
        cluster.kill(number);
    }
    let status = publish_patiently(&gateway, all()).await.unwrap_err();
    for number in followers {
        cluster.restart(number).await;
    }
    cluster.until_complete().await;
    // A leader that gives way may refuse what the next one stores, so this can be unknown once more.
    let mut told = vec![reason(&status)];
    let again = eventually(ELECTION, async || {
        let answer = publish_within(&gateway, all(), ELECTION).await;
        told.extend(answer.as_ref().err().map(reason));
        let is_known = told.last().unwrap() != "PUBLISH_OUTCOME_UNKNOWN";
        (answer.is_ok() || is_known).then_some(answer)
    })
    .await;

    let count = cluster.wire().await.count("ORDERS").await;
    assert_eq!(count, 4, "{told:?} {again:?}");
    match again {
        Ok(answer) => assert_eq!(sequences(&answer), [2, 3, 4]),
        Err(_) => {
            let (last, before) = told.split_last().unwrap();
            assert_eq!(last, "DUPLICATE_MESSAGE_ID");
            assert!(
                before.iter().any(|it| it == "PUBLISH_OUTCOME_UNKNOWN"),
                "{told:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_atomic_batch_is_whole_while_the_leader_crashes() {
    let (mut cluster, gateway) = start_cluster(ELECTION).await;
    let batch_of = |number: usize| {
        let header = Header {
            name: "Batch".to_owned(),
            value: number.to_string(),
            ..Header::default()
        };
        let message = PublishRequest {
            headers: vec![header],
            ..message("orders.x")
        };
        atomic(vec![message; 10])
    };

    let mut outcomes = Vec::new();
    for number in 0..30 {
        if number == 10 {
            let leader = cluster.leader_of_stream("ORDERS").await;
            cluster.kill(leader);
        }
        outcomes.push(publish_within(&gateway, batch_of(number), ELECTION).await);
    }

    cluster.leader_of_stream("ORDERS").await;
    let mut wire = cluster.wire().await;
    let mut found: HashMap<String, u32> = HashMap::new();
    for sequence in 1..=wire.count("ORDERS").await {
        let stored = wire.stored("ORDERS", sequence).await;
        *found
            .entry(stored.header("Batch")[0].to_owned())
            .or_default() += 1;
    }
    for (number, outcome) in outcomes.iter().enumerate() {
        let count = found.get(&number.to_string()).copied().unwrap_or(0);
        let expected: &[u32] = match outcome {
            Ok(_) => &[10],
            Err(status) if reason(status) == "PUBLISH_OUTCOME_UNKNOWN" => &[0, 10],
            Err(_) => &[0],
        };
        assert!(expected.contains(&count), "{number}: {count} {outcome:?}");
    }
    assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() >= 29);
}
