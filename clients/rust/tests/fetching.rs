//! Messages that are fetched by plain calls.

use std::time::Duration;

use jetgate_client::{Client, ErrorReason, Fetched};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::consuming::{SOON, with_messages};
use super::world::World;

async fn fetch(client: &Client, batch: u32, max_wait: u64) -> Vec<Fetched> {
    let max_wait = Duration::from_secs(max_wait);
    let fetched = client.fetch("USERS", "worker", batch, max_wait);
    timeout(SOON, fetched).await.unwrap().unwrap()
}

fn texts(fetched: &[Fetched]) -> Vec<(String, u32)> {
    let both = |it: &Fetched| (it.text().into_owned(), it.attempt());
    fetched.iter().map(both).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_what_there_is_and_each_of_it_is_settled_by_itself() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 6, 30).await;
    let first = fetch(&client, 2, 30).await;
    assert_eq!(texts(&first), [("0".into(), 1), ("1".into(), 1)]);
    assert_eq!(
        (first[0].stream(), first[0].consumer()),
        ("USERS", "worker")
    );
    for outcome in client.acknowledge(&first).await.unwrap() {
        outcome.unwrap();
    }
    // More than there is: it takes the whole time.
    let mut rest = fetch(&client, 100, 5).await;
    assert_eq!(rest.len(), 4);
    rest[0].ack().await.unwrap();
    rest[1].term("it can never succeed").await.unwrap();
    rest[2].in_progress().await.unwrap();
    rest[2].nak(None).await.unwrap();
    rest[3].nak(Duration::from_secs(2)).await.unwrap();
    let delayed = Instant::now();
    let again = fetch(&client, 1, 30).await;
    assert_eq!(texts(&again), [("4".into(), 2)]);
    again[0].ack().await.unwrap();
    let again = fetch(&client, 1, 30).await;
    assert_eq!(texts(&again), [("5".into(), 2)]);
    assert!(delayed.elapsed() >= Duration::from_secs(1));
    again[0].ack().await.unwrap();
    assert!(fetch(&client, 1, 0).await.is_empty());
    let missing = client.fetch("USERS", "nobody", 1, Duration::ZERO).await;
    let reason = missing.unwrap_err().reason();
    assert_eq!(reason, ErrorReason::ConsumerNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_is_settled_by_another_gateway_and_fetching_goes_on() {
    let world = World::start(json!({"gateways": 2})).await;
    let client = with_messages(&world, 2, 30).await;
    for gateway in 0..2 {
        let mine = [world.gateways()[gateway].clone()];
        let one = world.builder(&mine, None).connect().unwrap();
        let fetched = fetch(&one, 1, 30).await;
        world.gateway("kill_gateway", gateway).await;
        // By the other one, which the client finds by itself.
        let by_other = client.acknowledge(&fetched).await.unwrap();
        assert!(matches!(by_other[..], [Ok(())]), "{by_other:?}");
        world.gateway("start_gateway", gateway).await;
    }
    let info = client.consumer_info("USERS", "worker").await.unwrap();
    let state = info.state.unwrap();
    assert_eq!((state.num_ack_pending, state.num_pending), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_waits_longer_than_another_call_may_take() {
    let world = World::start(json!({})).await;
    let client = with_messages(&world, 0, 30).await;
    let builder = world.builder(&world.gateways(), None);
    let hasty = builder.call_timeout(Duration::from_secs(3));
    let hasty = hasty.connect().unwrap();
    let fetching = tokio::spawn(async move { fetch(&hasty, 1, 40).await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    client.publish(("users.new", "late")).await.unwrap();
    let fetched = fetching.await.unwrap();
    assert_eq!(texts(&fetched), [("late".into(), 1)]);
}
