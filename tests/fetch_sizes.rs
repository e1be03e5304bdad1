//! How large a fetched batch may become: bytes asked for, and responses that clients can take.

use std::time::Duration;

use jetgate::proto::{FetchRequest, FetchResponse};
use prost::Message;
use serde_json::json;

use crate::support::consuming::{
    fetch, fetched, payload, sequences, start_with_consumer, store_many, time,
};

#[tokio::test]
async fn max_bytes_bounds_the_batch() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for _ in 0..10 {
        wire.store("orders.x", &[b'x'; 1_000]).await;
    }
    let request = FetchRequest {
        max_bytes: 3_500,
        max_wait: time(Duration::from_secs(2)),
        ..fetch(10)
    };

    let mut all = Vec::new();
    while all.len() < 10 {
        let messages = fetched(&gateway, request.clone()).await;
        assert!((1..=3).contains(&messages.len()), "{}", messages.len());
        all.extend(messages);
    }

    assert_eq!(sequences(&all), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_larger_than_max_bytes_comes_alone() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.store("orders.x", b"small").await;
    wire.store("orders.x", &[b'x'; 10_000]).await;
    wire.store("orders.x", b"small").await;
    let request = FetchRequest {
        max_bytes: 1_000,
        max_wait: time(Duration::from_secs(2)),
        ..fetch(10)
    };

    for sequence in [1, 2, 3] {
        let messages = fetched(&gateway, request.clone()).await;
        assert_eq!(sequences(&messages), [sequence]);
    }
}

#[tokio::test]
async fn a_message_larger_than_max_response_bytes_comes_alone() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.store("orders.x", &[b'x'; 10_000]).await;
    store_many(&mut wire, 1).await;
    let request = FetchRequest {
        max_response_bytes: 1_000,
        max_wait: time(Duration::from_secs(2)),
        ..fetch(10)
    };

    assert_eq!(sequences(&fetched(&gateway, request.clone()).await), [1]);
    assert_eq!(sequences(&fetched(&gateway, request).await), [2]);
}

#[tokio::test]
async fn responses_stay_below_what_clients_take_and_lose_nothing() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for number in 0..20 {
        wire.store("orders.x", &[number; 500 * 1024]).await;
    }

    let mut all = Vec::new();
    while all.len() < 20 {
        let messages = fetched(&gateway, fetch(20)).await;
        assert!(!messages.is_empty(), "after {}", all.len());
        let response = FetchResponse {
            messages,
            pin_id: String::new(),
        };
        assert!(response.encoded_len() <= 3 * 1024 * 1024);
        all.extend(response.messages);
    }

    assert_eq!(sequences(&all), (1..=20).collect::<Vec<_>>());
    for (number, message) in (0..).zip(&all) {
        assert_eq!(payload(message)[0], number);
        assert_eq!(message.delivery_attempt, 1);
    }
}

#[tokio::test]
async fn many_small_messages_stay_below_what_clients_take() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let subject = format!("orders.{}", "x".repeat(200));
    let headers = b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\nH: 8\r\n";
    for _ in 0..1_000 {
        wire.publish_raw(&subject, headers, b"").await;
    }
    let request = FetchRequest {
        max_response_bytes: 100_000,
        max_wait: time(Duration::from_secs(2)),
        ..fetch(1_000)
    };

    let (mut all, mut largest) = (0, 0);
    while all < 1_000 {
        let messages = fetched(&gateway, request.clone()).await;
        assert!(!messages.is_empty(), "after {all}");
        all += messages.len();
        largest = largest.max(
            FetchResponse {
                messages,
                pin_id: String::new(),
            }
            .encoded_len(),
        );
    }

    assert!(largest <= 100_000, "{largest}");
}
