//! Message ids that are made of a producer's numbers: what is sent again is stored once, and no other
//! numbering is met.

use jetgate::proto::PublishOpen;

use super::{into_orders, numbered, orders, payloads, with_id};
use crate::support::publishing::{Outcome, Publishing};
use crate::support::{Gateway, start_with_stream};

fn named(producer_id: &str, resume: bool) -> PublishOpen {
    PublishOpen {
        producer_id: producer_id.to_owned(),
        resume,
        ..into_orders()
    }
}

fn duplicates(publishing: &Publishing) -> Vec<u64> {
    let outcomes = publishing.outcomes.iter();
    outcomes
        .filter(|(_, outcome)| {
            matches!(
                outcome,
                Outcome::Stored {
                    duplicate: true,
                    ..
                }
            )
        })
        .map(|(number, _)| *number)
        .collect()
}

#[tokio::test]
async fn what_is_sent_again_on_another_gateway_is_stored_once() {
    let (nats, first, mut wire) = start_with_stream(orders()).await;
    let second = Gateway::start(&nats.url()).await;
    let mut publishing = Publishing::open(&first, named("shop", false)).await;
    let producer = publishing.opened.producer_id.clone();
    assert!(producer.starts_with("shop."), "{producer}");
    publishing.publish(1, numbered(1..=20)).await;
    publishing.answered(20).await;

    let mut resumed = Publishing::open(&second, named(&producer, true)).await;
    assert_eq!(resumed.opened.producer_id, producer);
    resumed.publish(11, numbered(11..=30)).await;
    resumed.answered(20).await;

    assert_eq!(duplicates(&resumed), (11..=20).collect::<Vec<_>>());
    let expected: Vec<String> = (1..=30).map(|number: u64| number.to_string()).collect();
    assert_eq!(payloads(&mut wire, "ORDERS").await, expected);
    assert_eq!(
        wire.stored("ORDERS", 30).await.header("Nats-Msg-Id"),
        [format!("{producer}:30")]
    );
}

#[tokio::test]
async fn two_programs_with_one_producer_id_lose_nothing() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut first = Publishing::open(&gateway, named("shop", false)).await;
    let mut second = Publishing::open(&gateway, named("shop", false)).await;
    assert_ne!(first.opened.producer_id, second.opened.producer_id);

    first.publish(1, numbered(1..=10)).await;
    second.publish(1, numbered(1..=10)).await;
    first.answered(10).await;
    second.answered(10).await;

    assert_eq!(
        (duplicates(&first).len(), duplicates(&second).len()),
        (0, 0)
    );
    assert_eq!(wire.count("ORDERS").await, 20);
}

#[tokio::test]
async fn a_program_that_counts_from_one_again_loses_nothing() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    for _ in 0..3 {
        let mut publishing = Publishing::open(&gateway, named("shop", false)).await;
        publishing.publish(1, numbered(1..=5)).await;
        publishing.answered(5).await;
        assert_eq!(duplicates(&publishing), Vec::<u64>::new());
    }
    assert_eq!(wire.count("ORDERS").await, 15);
}

#[tokio::test]
async fn ids_are_made_on_demand_and_those_of_the_caller_stay() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut plain = Publishing::open(&gateway, into_orders()).await;
    assert_eq!(plain.opened.producer_id, "");
    plain.publish(1, numbered(1..=1)).await;
    plain.answered(1).await;

    let open = PublishOpen {
        mint_message_ids: true,
        ..into_orders()
    };
    let mut minting = Publishing::open(&gateway, open).await;
    let producer = minting.opened.producer_id.clone();
    minting.publish(7, vec![with_id("mine", "2")]).await;
    minting.publish(8, numbered(3..=3)).await;
    minting.answered(2).await;

    let mut ids = Vec::new();
    for sequence in 1..=3 {
        let stored = wire.stored("ORDERS", sequence).await;
        let id = stored.header("Nats-Msg-Id").concat();
        ids.push(id);
    }
    assert_eq!(
        ids,
        [String::new(), "mine".to_owned(), format!("{producer}:8")]
    );
}
