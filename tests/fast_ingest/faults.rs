//! Fast batches while connections break, answers stay away, streams vanish and sessions crowd.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::*;
use crate::support::{Lossy, Toxic, eventually};

/// A server, a proxy before it, and a publisher behind that.
async fn start_behind_proxy() -> (NatsServer, Toxic, Publisher, Wire) {
    let nats = NatsServer::start().await;
    let proxy = Toxic::start(nats.address()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    let publisher = Publisher::connect(&format!("nats://{}", proxy.address())).await;
    (nats, proxy, publisher, wire)
}

/// What was called stored is there, once and in order; what failed for sure is not.
async fn check(publisher: &Publisher, wire: &mut Wire, numbers: std::ops::RangeInclusive<u64>) {
    let found = stored(wire, "ORDERS").await;
    let mut sorted = found.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(found.len(), sorted.len(), "stored twice: {found:?}");
    let found: BTreeSet<u64> = found.into_iter().collect();
    for number in numbers {
        match publisher.failed.get(&number) {
            None => assert!(found.contains(&number), "{number} is not stored"),
            Some(Reason::PublishOutcomeUnknown) => {}
            Some(reason) => assert!(!found.contains(&number), "{number} is stored: {reason:?}"),
        }
    }
}

#[tokio::test]
async fn a_cut_in_the_middle_loses_nothing_that_has_an_id() {
    let (_nats, proxy, mut publisher, mut wire) = start_behind_proxy().await;

    (1..=5_000).for_each(|number| publisher.publish(number, publisher.with_id(number)));
    publisher.until_settled(500).await;
    proxy.cut();
    proxy.restore();
    publisher.until_settled(5_000).await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    check(&publisher, &mut wire, 1..=5_000).await;
}

#[tokio::test]
async fn a_cut_in_the_middle_leaves_open_only_what_was_on_its_way() {
    let (_nats, proxy, mut publisher, mut wire) = start_behind_proxy().await;

    (1..=5_000).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(500).await;
    // Whatever is acknowledged from here on is not heard.
    proxy.stall_answers();
    let stalled_at = publisher.through;
    eventually(SOON, async || {
        let moves = timeout(Duration::from_millis(200), publisher.progress()).await;
        moves.is_err().then_some(())
    })
    .await;
    let heard = publisher.through;
    proxy.cut();
    proxy.restore();
    publisher.until_settled(5_000).await;

    assert!(heard >= stalled_at);
    assert!((1..=600).contains(&publisher.failed.len()));
    for (number, reason) in &publisher.failed {
        assert_eq!(*reason, Reason::PublishOutcomeUnknown);
        assert!((heard + 1..=heard + 600).contains(number), "{number}");
    }
    check(&publisher, &mut wire, 1..=5_000).await;
}

#[tokio::test]
async fn answers_that_come_late_are_waited_for() {
    let (_nats, proxy, mut publisher, mut wire) = start_behind_proxy().await;

    (1..=2_000).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(250).await;
    proxy.stall_answers();
    // Longer than it takes to ask for them, shorter than a connection without answers lives.
    let late = timeout(Duration::from_secs(3), publisher.until_settled(2_000)).await;
    assert!(late.is_err());
    proxy.restore();
    publisher.until_settled(2_000).await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    check(&publisher, &mut wire, 1..=2_000).await;
}

/// Publishes through a proxy that loses every other answer of the given kinds.
async fn publish_with_losses(
    kinds: &'static [&str],
    with_ids: bool,
) -> (Publisher, Wire, NatsServer) {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    let count = AtomicU64::new(0);
    let proxy = Lossy::start(nats.address(), move |payload| {
        let text = String::from_utf8_lossy(payload);
        kinds.iter().any(|kind| text.contains(kind))
            && count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
    })
    .await;
    let mut publisher = Publisher::connect(&proxy.url()).await;
    for number in 1..=1_500 {
        let message = match with_ids {
            true => publisher.with_id(number),
            false => publisher.message(number),
        };
        publisher.publish(number, message);
        // The messages run out now and then, so that batches end.
        if number % 400 == 0 {
            publisher.until_settled(number).await;
        }
    }
    publisher.until_settled(1_500).await;
    (publisher, wire, nats)
}

#[tokio::test]
async fn acknowledgements_that_are_lost_are_asked_for() {
    let (publisher, mut wire, _nats) = publish_with_losses(&["\"ack\""], false).await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    check(&publisher, &mut wire, 1..=1_500).await;
}

#[tokio::test]
async fn a_lost_end_of_a_batch_leaves_nothing_open_that_has_an_id() {
    let kinds = &["\"ack\"", "\"count\""];
    let (publisher, mut wire, _nats) = publish_with_losses(kinds, true).await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    check(&publisher, &mut wire, 1..=1_500).await;
}

#[tokio::test]
async fn a_lost_end_of_a_batch_is_unknown_without_ids() {
    let kinds = &["\"ack\"", "\"count\""];
    let (publisher, mut wire, _nats) = publish_with_losses(kinds, false).await;

    check(&publisher, &mut wire, 1..=1_500).await;
    assert_eq!(wire.count("ORDERS").await, 1_500);
}

#[tokio::test]
async fn without_answers_messages_fail_at_their_time_as_unknown() {
    let (nats, mut publisher, mut wire) = start(orders()).await;
    publisher.publish(1, publisher.message(1));
    publisher.until_settled(1).await;

    nats.pause();
    publisher.within = Duration::from_secs(2);
    (2..=100).for_each(|number| publisher.publish(number, publisher.message(number)));
    let begun = Instant::now();
    publisher.until_settled(100).await;
    assert!(begun.elapsed() >= Duration::from_secs(2));
    nats.resume();

    assert_eq!(publisher.failed.len(), 99);
    for reason in publisher.failed.values() {
        let expected = [Reason::PublishOutcomeUnknown, Reason::DeadlineExceeded];
        assert!(expected.contains(reason), "{reason:?}");
    }
    // It goes on with the same connection, or with another one.
    publisher.within = SOON;
    publisher.publish(101, publisher.message(101));
    publisher.until_settled(101).await;
    assert_eq!(publisher.failed.get(&101), None);
    check(&publisher, &mut wire, 1..=101).await;
}

#[tokio::test]
async fn a_batch_that_the_server_has_forgotten_is_followed_by_another() {
    // The server's own time, instead of its 10 s.
    let config = "jetstream { limits { batch { timeout: \"300ms\" } } }";
    let nats = NatsServer::start_with(config).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    let mut publisher = Publisher::connect(&nats.url()).await;
    // With a second batch open, JetStream acknowledges each message, and ours stays open.
    let mut other = Publisher::connect(&nats.url()).await;

    for number in 1..=5 {
        for publisher in [&mut publisher, &mut other] {
            (number * 100..number * 100 + 40)
                .for_each(|number| publisher.publish(number, publisher.message(number)));
            publisher.until_settled(number * 100 + 39).await;
        }
        let idle = timeout(Duration::from_millis(700), publisher.fast.progress()).await;
        assert!(idle.is_err());
    }

    assert_eq!((publisher.failed.len(), other.failed.len()), (0, 0));
    assert_eq!(wire.count("ORDERS").await, 400);
}

#[tokio::test]
async fn a_publisher_goes_on_after_thirty_idle_seconds() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    (1..=600).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(600).await;
    // JetStream's own time for a batch is 10 s; there is no shorter way to see what it does then.
    let idle = timeout(Duration::from_secs(30), publisher.fast.progress()).await;
    assert!(idle.is_err());
    (601..=1_200).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(1_200).await;

    assert_eq!(publisher.failed.len(), 0);
    check(&publisher, &mut wire, 1..=1_200).await;
}

#[tokio::test]
async fn two_hundred_publishers_share_one_stream() {
    const PUBLISHERS: u64 = 200;
    const EACH: u64 = 50;
    // Fewer batches than publishers, and some of them are others'.
    let config = "jetstream { limits { batch { max_inflight_per_stream: 100 } } }";
    let nats = NatsServer::start_with(config).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    let first = Publisher::connect(&nats.url()).await;

    let publishing = (0..PUBLISHERS).map(|place| {
        let nats = first.nats.clone();
        tokio::spawn(async move {
            let mut publisher = Publisher::open(&nats, false).await;
            publisher.within = SOON * 3;
            let last = (place + 1) * EACH;
            for number in place * EACH + 1..=last {
                publisher.publish(number, publisher.message(number));
                if number % 10 == 0 {
                    publisher.until_settled(number).await;
                }
            }
            assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
        })
    });
    for publishing in publishing.collect::<Vec<_>>() {
        publishing.await.unwrap();
    }

    let mut found = stored(&mut wire, "ORDERS").await;
    found.sort_unstable();
    let expected: Vec<u64> = (1..=PUBLISHERS * EACH).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn where_all_batches_are_taken_messages_go_by_themselves() {
    let config = "jetstream { limits { batch { max_inflight_per_stream: 1 } } }";
    let nats = NatsServer::start_with(config).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    // Somebody else's batch, which stays open.
    let inbox = wire.subscribe("taken.>").await;
    wire.publish_from("orders.taken", "taken.b.10.fail.1.0.$FI", None)
        .await;
    wire.next(inbox, SOON).await.expect("no batch");
    let mut publisher = Publisher::connect(&nats.url()).await;

    (1..=300).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(300).await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    assert_eq!(wire.count("ORDERS").await, 301);
}

#[tokio::test]
async fn a_stream_that_is_deleted_under_way_fails_what_it_has_not_taken() {
    let (_nats, mut publisher, mut wire) = start(orders()).await;

    (1..=5_000).for_each(|number| publisher.publish(number, publisher.message(number)));
    publisher.until_settled(250).await;
    wire.api("STREAM.DELETE.ORDERS", Value::Null).await;
    publisher.until_settled(5_000).await;

    let reasons: BTreeSet<Reason> = publisher.failed.values().copied().collect();
    for reason in &reasons {
        let expected = [Reason::NoStreamForSubject, Reason::PublishOutcomeUnknown];
        assert!(expected.contains(reason), "{reason:?}");
    }
    assert_eq!(
        publisher.failed.last_key_value(),
        Some((&5_000, &Reason::NoStreamForSubject))
    );
}

#[tokio::test]
async fn a_server_that_crashes_loses_nothing_that_has_an_id() {
    let (mut nats, mut publisher, _) = start(orders()).await;

    (1..=5_000).for_each(|number| publisher.publish(number, publisher.with_id(number)));
    publisher.until_settled(500).await;
    nats.restart().await;
    publisher.until_settled(5_000).await;
    let mut wire = nats.wire().await;

    assert_eq!(publisher.failed.len(), 0, "{:?}", publisher.failed);
    check(&publisher, &mut wire, 1..=5_000).await;
}

#[tokio::test]
async fn a_publisher_that_is_dropped_gives_its_batch_back() {
    let config = "jetstream { limits { batch { max_inflight_per_stream: 1 } } }";
    let nats = NatsServer::start_with(config).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;

    for round in 1..=5 {
        let mut publisher = Publisher::connect(&nats.url()).await;
        (1..=600).for_each(|number| publisher.publish(number, publisher.message(number)));
        publisher.until_settled(250).await;
        let _connections = publisher.nats.clone();
        drop(publisher);
        let inbox = wire.subscribe(&format!("ours{round}.>")).await;
        // There is room for another batch again, long before the server forgets the first.
        eventually(Duration::from_secs(8), async || {
            let reply = format!("ours{round}.{}.10.fail.1.2.$FI", fastrand::u64(..));
            wire.publish_from("orders.probe", &reply, None).await;
            let answer = wire.next(inbox, SOON).await?;
            String::from_utf8_lossy(&answer.payload)
                .contains("count")
                .then_some(())
        })
        .await;
    }
}
