//! Fast batches on a stream with three replicas, while its leader changes or has no quorum.

use std::collections::BTreeSet;

use super::*;
use crate::support::NatsCluster;

/// An election takes more than five seconds on an idle machine, and the tests share theirs.
const ELECTION: Duration = Duration::from_secs(40);

async fn start_cluster() -> (NatsCluster, Publisher) {
    let cluster = NatsCluster::start().await;
    let mut config = orders();
    config["num_replicas"] = json!(3);
    cluster.wire().await.create_stream(config).await;
    let mut publisher = Publisher::connect(&cluster.url()).await;
    publisher.within = ELECTION;
    (cluster, publisher)
}

/// What was called stored is there, once; what surely failed is not.
async fn check(publisher: &Publisher, wire: &mut Wire, numbers: std::ops::RangeInclusive<u64>) {
    let found = stored(wire, "ORDERS").await;
    let set: BTreeSet<u64> = found.iter().copied().collect();
    assert_eq!(found.len(), set.len(), "stored twice: {found:?}");
    for number in numbers {
        match publisher.failed.get(&number) {
            None => assert!(set.contains(&number), "{number} is not stored"),
            Some(Reason::PublishOutcomeUnknown) => {}
            Some(reason) => assert!(!set.contains(&number), "{number} is stored: {reason:?}"),
        }
    }
}

#[tokio::test]
async fn messages_are_replicated_in_order() {
    let (cluster, mut publisher) = start_cluster().await;

    (1..=2_000).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(2_000).await;

    assert_eq!(publisher.failed.len(), 0);
    let expected: Vec<u64> = (1..=2_000).collect();
    assert_eq!(stored(&mut cluster.wire().await, "ORDERS").await, expected);
}

#[tokio::test]
async fn a_leader_that_crashes_in_the_middle_loses_nothing_that_has_an_id() {
    let (mut cluster, mut publisher) = start_cluster().await;

    (1..=3_000).for_each(|number| publisher.publish(number, publisher.with_id(number)));
    publisher.until_settled(500).await;
    let leader = cluster.leader_of_stream("ORDERS").await;
    cluster.kill(leader);
    publisher.until_settled(3_000).await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    cluster.leader_of_stream("ORDERS").await;
    check(&publisher, &mut cluster.wire().await, 1..=3_000).await;
}

#[tokio::test]
async fn a_leader_that_crashes_leaves_open_only_what_was_on_its_way() {
    let (mut cluster, mut publisher) = start_cluster().await;

    (1..=3_000).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(500).await;
    let leader = cluster.leader_of_stream("ORDERS").await;
    let through = publisher.through;
    cluster.kill(leader);
    publisher.until_settled(3_000).await;

    for (number, reason) in &publisher.failed {
        assert_eq!(*reason, Reason::PublishOutcomeUnknown);
        assert!((through + 1..=3_000).contains(number), "{number}");
    }
    assert!(publisher.failed.len() <= 600, "{:?}", publisher.failed);
    cluster.leader_of_stream("ORDERS").await;
    check(&publisher, &mut cluster.wire().await, 1..=3_000).await;
}

#[tokio::test]
async fn leaders_that_step_down_again_and_again_store_everything_once() {
    let (cluster, mut publisher) = start_cluster().await;
    let mut wire = cluster.wire().await;

    for round in 1..=5 {
        let last = round * 1_000;
        (last - 999..=last).for_each(|number| publisher.publish(number, publisher.with_id(number)));
        publisher.until_settled(last - 700).await;
        // Nobody may lead at this moment.
        let _ = wire
            .try_api("STREAM.LEADER.STEPDOWN.ORDERS", Value::Null)
            .await;
        publisher.until_settled(last).await;
    }

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    cluster.leader_of_stream("ORDERS").await;
    check(&publisher, &mut wire, 1..=5_000).await;
}

#[tokio::test]
async fn a_resend_while_the_first_has_no_quorum_is_not_taken_for_stored() {
    const LAST: u64 = 50;
    let (mut cluster, mut publisher) = start_cluster().await;
    publisher.publish(1, publisher.with_id(1));
    publisher.until_settled(1).await;
    let leader = cluster.leader_of_stream("ORDERS").await;
    // Everything goes to the leader, which takes it and cannot have it confirmed.
    let url = cluster.server(leader).url();
    let mut first = Publisher::connect(&url).await;
    let mut second = Publisher::connect(&url).await;
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    followers
        .into_iter()
        .for_each(|number| cluster.kill(number));

    first.within = Duration::from_secs(1);
    (2..=LAST).for_each(|number| first.publish(number, first.with_id(number)));
    first.until_settled(LAST).await;
    // A batch would say so, which is why none is used here.
    let mut wire = cluster.server(leader).wire().await;
    let inbox = wire.subscribe("control.>").await;
    let id: &[u8] = b"Nats-Msg-Id: id-2\r\n";
    wire.publish_from("orders.x", "control.b.10.fail.1.0.$FI", Some(id))
        .await;
    wire.publish_from("orders.x", "control.b.10.fail.2.3.$FI", None)
        .await;
    let mut end = String::new();
    while !end.contains("\"count\":1") {
        let answer = wire.next(inbox, SOON).await.expect("no end");
        end = String::from_utf8(answer.payload).unwrap();
    }
    second.within = Duration::from_secs(2);
    (2..=LAST).for_each(|number| second.publish_item(number, second.with_id(number), true));
    second.until_settled(LAST).await;

    // Nothing can be stored now, and nobody says that it is.
    assert_eq!((first.stored, second.stored), (0, 0));
    for number in followers {
        cluster.restart(number).await;
    }
    cluster.until_complete().await;
    second.within = ELECTION;
    // The ids of 2 to LAST, under further numbers.
    (2..=LAST).for_each(|number| second.publish_item(LAST + number, second.with_id(number), true));
    second.until_settled(2 * LAST).await;
    assert_eq!(second.stored, LAST - 1, "{:?}", second.failed);
    let mut found = stored(&mut cluster.wire().await, "ORDERS").await;
    found.sort_unstable();
    let expected: Vec<u64> = (1..=LAST).collect();
    assert_eq!(found, expected);
}
