//! What the README says of several subscribers, of one that vanishes and of a gateway that is killed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jetgate::proto::{AckKind, ReceivedMessage};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{
    STREAM, Subscriber, create_consumer, create_stream, durable, fetch, sequences, settle,
    settlement, store,
};
use crate::support::{Clients, Gateway, NatsCluster, NatsServer, Replica, SOON, eventually};

/// What a vanished subscriber held comes again after 1.5 s at most, and what the way takes on a busy machine. The
/// consumer's ack wait is six times that.
const HAND_OVER: Duration = Duration::from_secs(5);

#[tokio::test]
async fn three_subscribers_of_a_durable_share_its_messages() {
    let (_nats, gateway) = with_consumer().await;
    let (sender, mut received) = mpsc::channel(64);
    for number in 0..3 {
        let clients = Clients::at(gateway.public());
        let mut subscriber = Subscriber::open(&clients, durable(), 2).await;
        let sender = sender.clone();
        tokio::spawn(async move {
            loop {
                let message = subscriber.next_ever().await;
                let ack = settlement(&message, AckKind::Ack);
                settle(&clients, vec![ack]).await;
                if sender.send((number, message)).await.is_err() {
                    return;
                }
            }
        });
    }

    for _ in 0..30 {
        store(&gateway, "").await;
    }

    let (mut who, mut what) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..30 {
        let (number, message) = timeout(SOON, received.recv()).await.unwrap().unwrap();
        who.insert(number);
        assert!(what.insert(message.stream_sequence), "{message:?} twice");
    }
    assert_eq!((who.len(), what.len()), (3, 30));
}

#[tokio::test]
async fn what_a_vanished_subscriber_held_goes_to_the_others() {
    let (_nats, gateway) = with_consumer().await;
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let clients = Clients::at(gateway.public());
        let subscriber = Subscriber::open(&clients, durable(), 3).await;
        subscribers.push((clients, subscriber));
    }
    for _ in 0..9 {
        store(&gateway, "").await;
    }
    let mut held = Vec::new();
    for (_, subscriber) in &mut subscribers {
        held.push(subscriber.take(3).await);
    }
    let lost: BTreeSet<u64> = sequences(&held[0]);
    for messages in &held[1..] {
        let acks = messages.iter().map(|held| settlement(held, AckKind::Ack));
        assert_eq!(settle(&gateway, acks.collect()).await, [0, 0, 0]);
    }

    let vanished = Instant::now();
    drop(subscribers.remove(0));

    let [(_, first), (_, second)] = &mut subscribers[..] else {
        panic!("two are left");
    };
    let mut again = Vec::new();
    while again.len() < 3 {
        let message = tokio::select! {
            message = first.next() => message,
            message = second.next() => message,
        };
        again.push(message);
    }
    let took = vanished.elapsed();
    assert_eq!(sequences(&again), lost);
    assert!(again.iter().all(|message| message.delivery_attempt == 2));
    assert!(took < HAND_OVER, "took {took:?}");
}

#[tokio::test]
async fn another_gateway_continues_where_a_killed_one_stopped() {
    let nats = NatsServer::start().await;
    let url = nats.url();

    let held = first_process(&url, 1).await;
    let rest = second_process(&url, held).await;
    assert!(rest.iter().all(|message| message.delivery_attempt == 1));
}

#[tokio::test]
async fn another_gateway_continues_although_a_server_crashed_as_well() {
    let mut cluster = NatsCluster::start().await;
    let url = cluster.url();

    let held = first_process(&url, 3).await;
    let leader = cluster.leader_of_stream(STREAM).await;
    cluster.kill(leader);
    // Electing another may take longer than a publish waits by default.
    cluster.leader_of_stream(STREAM).await;
    // Perhaps not in their first deliveries: the one who delivers has changed.
    second_process(&url, held).await;
}

/// Stores six messages, fetches four, acknowledges three and is killed; returns the fourth.
async fn first_process(nats_url: &str, replicas: u32) -> ReceivedMessage {
    let replica = Replica::start(nats_url).await;
    let clients = &replica.clients;
    create_stream(clients, replicas).await;
    create_consumer(clients).await;
    for number in 1..=6 {
        let stored = store(clients, &format!("id-{number}")).await;
        assert_eq!((stored.sequence, stored.duplicate), (number, false));
    }
    let mut fetched = fetch(clients, 4).await;
    let held = fetched.pop().unwrap();
    let acks = fetched.iter().map(|held| settlement(held, AckKind::Ack));
    assert_eq!(settle(clients, acks.collect()).await, [0, 0, 0]);
    replica.kill().await;
    held
}

/// Takes the token of the first process, knows its message ids, and is delivered the rest.
async fn second_process(nats_url: &str, held: ReceivedMessage) -> Vec<ReceivedMessage> {
    let replica = Replica::start(nats_url).await;
    let clients = &replica.clients;
    eventually(3 * SOON, async || {
        let ack = settlement(&held, AckKind::Ack);
        (settle(clients, vec![ack]).await == [0]).then_some(())
    })
    .await;

    let repeated = store(clients, "id-6").await;
    assert_eq!((repeated.sequence, repeated.duplicate), (6, true));

    let mut subscriber = Subscriber::open(clients, durable(), 256).await;
    let rest = subscriber.take(2).await;
    assert_eq!(sequences(&rest), BTreeSet::from([5, 6]));
    let acks = rest.iter().map(|held| settlement(held, AckKind::Ack));
    assert_eq!(settle(clients, acks.collect()).await, [0, 0]);

    // Had one of the first four come again, it would be waiting here.
    assert_eq!(store(clients, "id-7").await.sequence, 7);
    assert_eq!(subscriber.next().await.stream_sequence, 7);
    rest
}

async fn with_consumer() -> (NatsServer, Gateway) {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;
    create_stream(&gateway, 1).await;
    create_consumer(&gateway).await;
    (nats, gateway)
}
