//! Publishing to a stream with three replicas while servers crash.

use std::time::Duration;

use jetgate::proto::{Expectation, GetInfoRequest, PublishRequest, PublishResponse};
use serde_json::json;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};

use crate::support::{Gateway, NatsCluster, SOON, metadata, reason};

/// An election takes more than five seconds on an idle machine, and the tests share theirs.
const ELECTION: Duration = Duration::from_secs(30);

/// A cluster whose stream ORDERS has three replicas, and a gateway that knows all servers.
async fn start() -> (NatsCluster, Gateway) {
    start_giving(ELECTION).await
}

/// The same with a gateway that gives calls without a deadline this long. Their callers have no timers that could run out
/// before its answers have come.
async fn start_giving(timeout: Duration) -> (NatsCluster, Gateway) {
    let cluster = NatsCluster::start().await;
    let config = json!({ "name": "ORDERS", "subjects": ["orders.>"], "num_replicas": 3 });
    cluster.wire().await.create_stream(config).await;
    let gateway =
        Gateway::start_with(&cluster.url(), |config| config.publish.timeout = timeout).await;
    (cluster, gateway)
}

fn message(id: &str) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        message_id: id.to_owned(),
        ..PublishRequest::default()
    }
}

async fn publish(
    gateway: &Gateway,
    id: &str,
    timeout: Duration,
) -> Result<Response<PublishResponse>, Status> {
    let mut request = Request::new(message(id));
    request.set_timeout(timeout);
    gateway.publisher().publish(request).await
}

#[tokio::test]
async fn a_publish_outlasts_the_crash_of_the_leader_and_is_stored_once() {
    let (mut cluster, gateway) = start().await;
    publish(&gateway, "before", SOON).await.unwrap();
    let leader = cluster.leader_of_stream("ORDERS").await;

    cluster.kill(leader);
    let answer = publish(&gateway, "after", ELECTION)
        .await
        .unwrap()
        .into_inner();

    assert_eq!(answer.sequence, 2);
    assert_ne!(cluster.leader_of_stream("ORDERS").await, leader);
    assert_eq!(cluster.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn a_publish_without_a_quorum_is_not_stored_twice() {
    let (mut cluster, gateway) = start_giving(Duration::from_secs(3)).await;
    publish(&gateway, "before", SOON).await.unwrap();
    let leader = cluster.leader_of_stream("ORDERS").await;
    let followers = [(leader + 1) % 3, (leader + 2) % 3];

    // The leader lives on and takes the message, but cannot have it confirmed.
    followers
        .into_iter()
        .for_each(|number| cluster.kill(number));
    let answer = gateway.publisher().publish(message("1")).await;
    let status = answer.unwrap_err();

    assert!(
        [Code::DeadlineExceeded, Code::Unavailable].contains(&status.code()),
        "{status:?}"
    );
    let expected = [
        "PUBLISH_OUTCOME_UNKNOWN",
        "JETSTREAM_UNAVAILABLE",
        "NATS_DISCONNECTED",
    ];
    assert!(expected.contains(&reason(&status).as_str()), "{status:?}");
    assert_eq!(metadata(&status, "message_id").as_deref(), Some("1"));

    for number in followers {
        cluster.restart(number).await;
    }
    cluster.until_complete().await;
    let retry = publish(&gateway, "1", ELECTION).await.unwrap().into_inner();
    assert_eq!(retry.sequence, 2);
    assert_eq!(cluster.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn a_publish_without_a_leader_is_not_stored_and_says_so() {
    let (mut cluster, gateway) = start_giving(Duration::from_secs(3)).await;
    publish(&gateway, "before", SOON).await.unwrap();
    let leader = cluster.leader_of_stream("ORDERS").await;

    // The one that is left cannot become the leader.
    cluster.kill(leader);
    cluster.kill((leader + 1) % 3);
    let answer = gateway.publisher().publish(message("1")).await;
    let status = answer.unwrap_err();

    assert!(
        [Code::DeadlineExceeded, Code::Unavailable].contains(&status.code()),
        "{status:?}"
    );
    let reason = reason(&status);
    for number in [leader, (leader + 1) % 3] {
        cluster.restart(number).await;
    }
    cluster.until_complete().await;
    cluster.leader_of_stream("ORDERS").await;
    if reason != "PUBLISH_OUTCOME_UNKNOWN" {
        assert_eq!(cluster.wire().await.count("ORDERS").await, 1, "{status:?}");
    }
    publish(&gateway, "1", ELECTION).await.unwrap();
    assert_eq!(cluster.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn every_message_is_stored_once_while_the_gateways_own_server_crashes() {
    const MESSAGES: u64 = 200;
    let (mut cluster, gateway) = start().await;
    let info = gateway
        .gateway()
        .get_info(GetInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    let connected: usize = info.nats.unwrap().server_name[1..].parse().unwrap();

    let (progress, mut done) = watch::channel(0);
    let publishing = async {
        for number in 0..MESSAGES {
            publish(&gateway, &number.to_string(), ELECTION)
                .await
                .unwrap();
            progress.send_replace(number);
        }
    };
    let crashing = async {
        done.wait_for(|number| *number == MESSAGES / 4)
            .await
            .unwrap();
        cluster.kill(connected);
    };
    tokio::join!(publishing, crashing);

    cluster.leader_of_stream("ORDERS").await;
    assert_eq!(cluster.wire().await.count("ORDERS").await, MESSAGES);
}

#[tokio::test]
async fn a_leader_that_steps_down_costs_no_message() {
    const MESSAGES: u64 = 200;
    let (cluster, gateway) = start().await;
    let mut wire = cluster.wire().await;

    for number in 0..MESSAGES {
        if number % 50 == 25 {
            wire.api("STREAM.LEADER.STEPDOWN.ORDERS", json!({})).await;
        }
        publish(&gateway, &number.to_string(), ELECTION)
            .await
            .unwrap();
    }

    cluster.leader_of_stream("ORDERS").await;
    assert_eq!(wire.count("ORDERS").await, MESSAGES);
}

#[tokio::test]
async fn the_same_id_at_the_same_time_is_stored_once() {
    let (cluster, gateway) = start().await;

    let attempts = (0..20).map(|_| publish(&gateway, "same", SOON));
    let answers = futures_util::future::join_all(attempts).await;

    let stored = answers.into_iter().filter(|answer| {
        let answer = answer.as_ref().unwrap().get_ref();
        assert_eq!(answer.sequence, 1);
        !answer.duplicate
    });
    assert_eq!(stored.count(), 1);
    assert_eq!(cluster.wire().await.count("ORDERS").await, 1);
}

/// Three replicas look for a duplicate before anything that is expected; one does not
/// (`publish::conditions`).
#[tokio::test]
async fn a_repeated_message_is_a_duplicate_whatever_it_expects() {
    let (cluster, gateway) = start().await;
    let named = |id: &str, expect: Expectation| PublishRequest {
        expect: Some(expect.into()),
        ..message(id)
    };
    let first = Expectation {
        last_sequence: Some(0),
        last_subject_sequence: Some(0),
        ..Expectation::default()
    };
    let second = Expectation {
        last_message_id: "first".to_owned(),
        ..Expectation::default()
    };

    for (id, expect) in [("first", first), ("second", second)] {
        for is_repeated in [false, true] {
            let request = named(id, expect.clone());
            let answer = gateway.publisher().publish(request).await.unwrap();
            assert_eq!(answer.get_ref().duplicate, is_repeated, "{id}");
        }
    }

    assert_eq!(cluster.wire().await.count("ORDERS").await, 2);
}
