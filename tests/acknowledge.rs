//! Settling deliveries: what each kind does to the message.

use std::time::{Duration, Instant};

use jetgate::proto::{AckKind, AcknowledgeRequest, Acknowledgement, FetchRequest, ReceivedMessage};
use serde_json::{Value, json};

use crate::support::consuming::{
    CONSUMER, STREAM, ack, ack_thousands, acknowledge, fetch, fetched, nanoseconds, say, sequences,
    settle, start_with_consumer, store_many, time, until_expired,
};
use crate::support::{Clients, SOON, Wire, eventually};

async fn ack_pending(wire: &mut Wire) -> u64 {
    wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"]
        .as_u64()
        .unwrap()
}

async fn ack_floor(wire: &mut Wire) -> u64 {
    wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"]
        .as_u64()
        .unwrap()
}

/// Naks one delivery, and returns the next message that comes and how long that took.
async fn nak(clients: &Clients, message: &ReceivedMessage, delay: Duration) -> Redelivered {
    let item = Acknowledgement {
        delay: time(delay),
        reason: "busy".to_owned(),
        ..say(AckKind::Nak, &message.ack_token)
    };
    let started = Instant::now();
    assert_eq!(acknowledge(clients, vec![item]).await[0].code, 0);
    let mut messages = fetched(clients, fetch(1)).await;
    let after = started.elapsed();
    Redelivered {
        message: messages.pop().expect("it comes again"),
        after,
    }
}

struct Redelivered {
    message: ReceivedMessage,
    after: Duration,
}

#[tokio::test]
async fn an_ack_that_is_answered_has_been_taken_by_jetstream() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;
    let messages = fetched(&gateway, fetch(3)).await;

    ack(&gateway, &messages[..2]).await;

    assert_eq!(ack_floor(&mut wire).await, 2);
    assert_eq!(ack_pending(&mut wire).await, 1);
}

#[tokio::test]
async fn an_ack_without_confirmation_is_sent() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let message = fetched(&gateway, fetch(1)).await.remove(0);

    let request = AcknowledgeRequest {
        acknowledgements: vec![say(AckKind::Ack, &message.ack_token)],
        confirm: Some(false),
    };
    let answer = gateway.subscriber().acknowledge(request).await.unwrap();

    assert_eq!(answer.into_inner().results[0].code, 0);
    eventually(SOON, async || {
        (ack_floor(&mut wire).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn acking_twice_is_harmless() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let messages = fetched(&gateway, fetch(2)).await;

    ack(&gateway, &messages[..1]).await;
    ack(&gateway, &messages[..1]).await;
    let twice = say(AckKind::Ack, &messages[1].ack_token);
    for result in acknowledge(&gateway, vec![twice.clone(), twice]).await {
        assert_eq!(result.code, 0, "{result:?}");
    }

    assert_eq!(ack_floor(&mut wire).await, 2);
}

#[tokio::test]
async fn naked_messages_come_again_at_once() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let message = fetched(&gateway, fetch(1)).await.remove(0);

    let again = nak(&gateway, &message, Duration::ZERO).await;

    assert_eq!(
        (
            again.message.stream_sequence,
            again.message.delivery_attempt
        ),
        (1, 2)
    );
    // The ack wait is 30 s.
    assert!(again.after < Duration::from_secs(10));
}

#[tokio::test]
async fn naked_messages_come_again_after_their_delay() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let message = fetched(&gateway, fetch(1)).await.remove(0);
    let delay = Duration::from_secs(2);

    let again = nak(&gateway, &message, delay).await;

    assert_eq!(
        (
            again.message.stream_sequence,
            again.message.delivery_attempt
        ),
        (1, 2)
    );
    assert!(
        again.after >= delay && again.after < SOON,
        "{:?}",
        again.after
    );
}

#[tokio::test]
async fn a_backoff_adds_nothing_to_a_delay() {
    // JetStream by itself adds what a step has over the first: 7 s to the second nak.
    let backoff = [5, 12].map(nanoseconds);
    let settings = json!({ "backoff": backoff, "max_deliver": 5 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let first = fetched(&gateway, fetch(1)).await.remove(0);
    let second = nak(&gateway, &first, Duration::ZERO).await.message;
    assert_eq!(second.delivery_attempt, 2);

    let third = nak(&gateway, &second, Duration::from_secs(7)).await;

    assert_eq!(third.message.delivery_attempt, 3);
    let expected = Duration::from_secs(7)..Duration::from_secs(12);
    assert!(expected.contains(&third.after), "{:?}", third.after);
}

#[tokio::test]
async fn a_terminated_message_never_comes_again() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let advisory = wire
        .subscribe(&format!(
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{STREAM}.{CONSUMER}"
        ))
        .await;
    store_many(&mut wire, 2).await;
    let messages = fetched(&gateway, fetch(2)).await;

    let item = Acknowledgement {
        reason: "not an order".to_owned(),
        ..say(AckKind::Term, &messages[0].ack_token)
    };
    assert_eq!(acknowledge(&gateway, vec![item]).await[0].code, 0);

    assert_eq!(ack_floor(&mut wire).await, 1);
    // The one that expires comes again, and again; the terminated one does not.
    for attempt in [2, 3] {
        let message = fetched(&gateway, fetch(1)).await.remove(0);
        assert_eq!(
            (message.stream_sequence, message.delivery_attempt),
            (2, attempt)
        );
    }
    let event = wire.next(advisory, SOON).await.expect("no advisory");
    let event: Value = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!(event["reason"], "not an order");
}

#[tokio::test]
async fn work_in_progress_keeps_a_message_beyond_its_ack_wait() {
    let settings = json!({ "ack_wait": nanoseconds(2) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 2).await;
    let messages = fetched(&gateway, fetch(2)).await;
    let (mut token, other) = (messages[0].ack_token.clone(), &messages[1]);

    // The other message expires and comes again and again meanwhile: each wait is a part of its ack wait.
    let started = Instant::now();
    let mut expired = other.clone();
    while started.elapsed() < Duration::from_secs(5) {
        let wait = fetch_briefly(&gateway).await;
        for message in wait {
            assert_eq!(message.stream_sequence, 2);
            expired = message;
        }
        let item = say(AckKind::InProgress, &token);
        let result = acknowledge(&gateway, vec![item]).await.remove(0);
        assert_eq!(result.code, 0, "{result:?}");
        token = result.metadata["ack_token"].clone();
    }
    assert!(expired.delivery_attempt > 1);

    // R6: the first token's deadline has passed, the renewed one's has not.
    let late = acknowledge(&gateway, vec![say(AckKind::Ack, &token)])
        .await
        .remove(0);
    assert_eq!((late.code, late.metadata.get("late")), (0, None));
    assert_eq!(ack_floor(&mut wire).await, 1);
}

/// Waits for a part of the two seconds of ack wait.
async fn fetch_briefly(clients: &Clients) -> Vec<ReceivedMessage> {
    let request = FetchRequest {
        max_wait: time(Duration::from_millis(500)),
        ..fetch(2)
    };
    fetched(clients, request).await
}

#[tokio::test]
async fn a_late_ack_is_passed_on_and_marked() {
    let settings = json!({ "ack_wait": nanoseconds(1) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let first = fetched(&gateway, fetch(1)).await.remove(0);
    let second = fetched(&gateway, fetch(1)).await.remove(0);
    assert_eq!(second.delivery_attempt, 2);
    until_expired(&first).await;

    let result = acknowledge(&gateway, vec![say(AckKind::Ack, &first.ack_token)]).await;

    assert_eq!(result[0].code, 0, "{result:?}");
    assert_eq!(result[0].metadata["late"], "true");
    assert_eq!(ack_floor(&mut wire).await, 1);
}

#[tokio::test]
async fn with_ack_policy_all_an_ack_settles_what_was_delivered_before() {
    let settings = json!({ "ack_policy": "all" });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 5).await;
    let messages = fetched(&gateway, fetch(5)).await;

    // R16.
    ack(&gateway, &messages[2..3]).await;

    assert_eq!(ack_floor(&mut wire).await, 3);
    assert_eq!(ack_pending(&mut wire).await, 2);
}

#[tokio::test]
async fn thousands_of_items_are_settled_by_one_call() {
    let settings = json!({ "max_ack_pending": -1 });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    for _ in 0..3_000 {
        wire.publish("orders.x", b"").await;
    }
    let messages = fetched(&gateway, fetch(3_000)).await;
    assert_eq!(messages.len(), 3_000);

    ack_thousands(&gateway, &messages).await;
    assert_eq!(ack_floor(&mut wire).await, 3_000);
}

#[tokio::test]
async fn each_message_of_a_call_gets_what_was_said_of_it() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;
    let messages = fetched(&gateway, fetch(3)).await;

    let kinds = [AckKind::Ack, AckKind::Nak, AckKind::Term];
    for (kind, message) in kinds.into_iter().zip(&messages) {
        settle(&gateway, kind, std::slice::from_ref(message)).await;
    }

    assert_eq!(sequences(&fetched(&gateway, fetch(1)).await), [2]);
    assert_eq!(ack_pending(&mut wire).await, 1);
}
