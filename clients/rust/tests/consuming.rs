//! Consumers and readers whose gateways are killed, paused and drained.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetgate_client::{Client, Consumer, ErrorReason, Message, Received};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::world::World;

pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) async fn with_messages(world: &World, count: usize, ack_wait: u64) -> Client {
    let client = world.with_users(Duration::from_secs(ack_wait)).await;
    let publisher = client.publisher().start();
    for number in 0..count {
        let message = Message::new("users.new", number.to_string());
        drop(publisher.publish(message).await.unwrap());
    }
    publisher.close().await.unwrap();
    client
}

pub(crate) async fn next(consumer: &mut Consumer) -> Received {
    let next = timeout(SOON, consumer.next()).await;
    next.expect("a message comes").unwrap().unwrap()
}

pub(crate) async fn is_all_settled(client: &Client) -> bool {
    let info = client.consumer_info("USERS", "worker").await.unwrap();
    let state = info.state.unwrap();
    (state.num_ack_pending, state.num_pending) == (0, 0)
}

/// An acknowledgement that is not confirmed is sent, and JetStream takes note of it in its time.
pub(crate) async fn until_all_is_settled(client: &Client) {
    let settled = async {
        while !is_all_settled(client).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, settled).await.expect("not all is settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_handlers_work_on_stays_theirs_over_drained_gateways() {
    let world = World::start(json!({"gateways": 2, "config": {"shutdown.drain": "10s"}})).await;
    let client = with_messages(&world, 40, 6).await;
    let seen = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let (begun, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handle = {
        let (seen, begun, done) = (Arc::clone(&seen), Arc::clone(&begun), Arc::clone(&done));
        move |message: Received| {
            let (seen, begun, done) = (Arc::clone(&seen), Arc::clone(&begun), Arc::clone(&done));
            async move {
                begun.notify_one();
                tokio::time::sleep(Duration::from_secs(8)).await; // the work itself
                let mut seen = seen.lock().unwrap();
                *seen.entry(message.text().into_owned()).or_default() += 1;
                if seen.len() == 40 {
                    done.notify_one();
                }
                Ok::<_, Infallible>(())
            }
        }
    };
    let consumer = client
        .consumer("USERS", "worker")
        .max_outstanding(8)
        .open()
        .await
        .unwrap();
    let stop = async move { done.notified().await };
    let running = tokio::spawn(consumer.for_each_concurrent(8, stop, handle));
    begun.notified().await;
    for gateway in 0..2 {
        world.gateway("drain_gateway", gateway).await;
        world.gateway("wait_gateway", gateway).await;
        world.gateway("start_gateway", gateway).await;
    }
    timeout(2 * SOON, running).await.unwrap().unwrap().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 40);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_gateway_does_not_hold_up_messages() {
    let world = World::start(json!({"gateways": 2, "config": {"shutdown.drain": "60s"}})).await;
    let client = with_messages(&world, 1, 30).await;
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    let held = consumer.next().await.unwrap().unwrap();
    // The second one has the session, wherever it began.
    for gateway in 0..2 {
        world.gateway("drain_gateway", gateway).await;
        for number in 0..20 {
            let text = format!("{gateway}-{number}");
            client.publish(("users.new", text.clone())).await.unwrap();
            let next = timeout(SOON / 2, consumer.next()).await;
            let next = next.expect("it does not wait for the end of the drain");
            // What is held does not come again.
            let next = next.unwrap().unwrap();
            assert_eq!(next.text(), text);
            next.ack();
        }
        // The gateway need not wait for what is held: that is taken along.
        let ended = json!({"do": "wait_gateway", "gateway": gateway, "within": 40});
        world.tell(ended).await;
        world.gateway("start_gateway", gateway).await;
    }
    held.ack_confirmed().await.unwrap();
    assert!(consumer.drain(SOON).await);
    until_all_is_settled(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_falls_silent_is_left() {
    let world = World::start(json!({"gateways": 2})).await;
    let client = with_messages(&world, 1, 1).await;
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    consumer
        .next()
        .await
        .unwrap()
        .unwrap()
        .ack_confirmed()
        .await
        .unwrap();
    for gateway in 0..2 {
        world.gateway("pause_gateway", gateway).await;
        let other = [world.gateways()[1 - gateway].clone()];
        let publishing = world.builder(&other, None).connect().unwrap();
        publishing.publish(("users.new", "more")).await.unwrap();
        let next = timeout(2 * SOON, consumer.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        next.ack_confirmed().await.unwrap();
        world.gateway("resume_gateway", gateway).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_or_fails_comes_again() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 3, 30).await;
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    drop(consumer.next().await.unwrap().unwrap());
    let again = async {
        let mut attempts = HashMap::new();
        while attempts.len() < 3 || attempts["0"] < 2 {
            let message = consumer.next().await.unwrap().unwrap();
            attempts.insert(message.text().into_owned(), message.attempt());
            message.ack();
        }
    };
    timeout(SOON, again).await.unwrap();
    assert!(consumer.drain(SOON).await);

    client.publish(("users.new", "bad")).await.unwrap();
    let (tries, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let handle = |message: Received| {
        let (tries, done) = (Arc::clone(&tries), Arc::clone(&done));
        async move {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Err("not\nyet"),
                1 => panic!("the handler panics"),
                _ => {
                    assert_eq!(message.attempt(), 3);
                    done.notify_one();
                    Ok(())
                }
            }
        }
    };
    let consumer = client.consumer("USERS", "worker").open().await.unwrap();
    let running = consumer.for_each_concurrent(4, done.notified(), handle);
    timeout(SOON, running).await.unwrap().unwrap();
    until_all_is_settled(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_before_it_begins_gives_its_message_back() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 20, 30).await;
    let (calls, done) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let handled = Arc::new(Mutex::new(HashMap::new()));
    let handle = |message: Received| {
        // The first calls have all places that there are, and give them back.
        assert!(calls.fetch_add(1, Ordering::Relaxed) >= 4, "it panics");
        let (handled, done) = (Arc::clone(&handled), Arc::clone(&done));
        async move {
            let mut handled = handled.lock().unwrap();
            handled.insert(message.text().into_owned(), message.attempt());
            if handled.len() == 20 {
                done.notify_one();
            }
            Ok::<_, Infallible>(())
        }
    };
    let consumer = client.consumer("USERS", "worker").open().await.unwrap();
    let running = consumer.for_each_concurrent(4, done.notified(), handle);
    timeout(SOON / 3, running).await.unwrap().unwrap();
    let again = |attempts: &HashMap<String, u32>| attempts.values().filter(|it| **it == 2).count();
    assert_eq!(again(&handled.lock().unwrap()), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_handlers_run_than_the_limit() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 60, 30).await;
    let (running, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (is_over, all) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let handle = |_| {
        let (running, done) = (Arc::clone(&running), Arc::clone(&done));
        let (is_over, all) = (Arc::clone(&is_over), Arc::clone(&all));
        async move {
            if running.fetch_add(1, Ordering::SeqCst) >= 3 {
                is_over.store(true, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            if done.fetch_add(1, Ordering::SeqCst) == 59 {
                all.notify_one();
            }
            Ok::<_, Infallible>(())
        }
    };
    let consumer = client.consumer("USERS", "worker").open().await.unwrap();
    let consuming = consumer.for_each_concurrent(3, all.notified(), handle);
    timeout(SOON, consuming).await.unwrap().unwrap();
    assert!(
        !is_over.load(Ordering::SeqCst),
        "more than three ran at a time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_consumer_ends_its_stream_and_a_reader_ends_where_it_should() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 0, 30).await;
    let mut consumer = client.consumer("USERS", "worker").open().await.unwrap();
    client.delete_consumer("USERS", "worker").await.unwrap();
    let failed = timeout(SOON, consumer.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(failed.reason(), ErrorReason::ConsumerNotFound);
    assert!(consumer.next().await.is_none());
    let missing = client.consumer("USERS", "worker").open().await.unwrap_err();
    assert_eq!(missing.reason(), ErrorReason::ConsumerNotFound);

    client
        .publish(Message::new("users.new", "one").header("Trace", "a"))
        .await
        .unwrap();
    let mut reader = client.reader("USERS").until_last().open().await.unwrap();
    let only = reader.next().await.unwrap().unwrap();
    assert_eq!(
        (&*only.text(), only.header("Trace"), only.stream()),
        ("one", Some("a"), "USERS")
    );
    assert!(timeout(SOON, reader.next()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_inside_a_batch_goes_on_exactly_there() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 100, 30).await;
    let mut position = client.reader("USERS").open().await.unwrap().position();
    for first in [1, 8, 15, 95] {
        let mut reader = client.reader("USERS");
        if first == 95 {
            reader = reader.from_sequence(95);
        } else {
            reader = reader.resume(position.to_string().parse().unwrap());
        }
        let mut reader = reader.open().await.unwrap();
        for sequence in first..(first + 7).min(101) {
            let message = timeout(SOON, reader.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            assert_eq!(message.sequence(), sequence);
        }
        position = reader.position();
    }
    // At the end there is nothing, until something comes.
    let mut reader = client
        .reader("USERS")
        .resume(position)
        .open()
        .await
        .unwrap();
    client.publish(("users.new", "last")).await.unwrap();
    let message = timeout(SOON, reader.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(message.sequence(), 101);
}
