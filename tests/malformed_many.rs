//! Malformed messages where they hurt most: many of them, first, last, and without acknowledgements.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use jetgate::proto::{AckKind, DeliverPolicy, OrderedConsumer};
use serde_json::{Value, json};

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, acknowledge, nanoseconds, payload, say, sequences,
    start_with_consumer, store_many, subscribe, subscribe_ordered, subscribe_window,
};
use crate::support::{Gateway, SOON, eventually};

const BARE_CR: &[u8] = b"A: x\ry\r\n";

#[tokio::test]
async fn many_are_all_delivered() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    for number in 0..40 {
        if number % 2 == 0 {
            wire.publish_raw("orders.x", BARE_CR, b"bad").await;
        } else {
            wire.store("orders.x", b"good").await;
        }
    }

    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.consume(&gateway, 40).await;

    assert_eq!(messages.len(), 40);
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == 40).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_that_nobody_settles_holds_nothing_up() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    wire.publish_raw("orders.x", BARE_CR, b"bad").await;
    store_many(&mut wire, 50).await;

    // It comes again and again; all others are delivered and acked meanwhile.
    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let (mut done, mut times) = (HashSet::new(), 0);
    while done.len() < 51 || times < 2 {
        for message in session.batch().await {
            if message.stream_sequence == 2 {
                assert_eq!(payload(&message), b"bad");
                times += 1;
                continue;
            }
            done.insert(message.stream_sequence);
            ack(&gateway, &[message]).await;
        }
    }

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 1);
}

#[tokio::test]
async fn two_gateways_deliver_it() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (nats, first, mut wire) = start_with_consumer(settings).await;
    let second = Gateway::start(&nats.url()).await;
    let mut sessions = [
        Session::open(&first, subscribe_window(5)).await,
        Session::open(&second, subscribe_window(5)).await,
    ];
    store_many(&mut wire, 10).await;
    wire.publish_raw("orders.x", BARE_CR, b"bad").await;
    store_many(&mut wire, 10).await;

    // Whichever session gets it: together they are done with all.
    let [one, other] = &mut sessions;
    let consume = async |session: &mut Session, gateway: &Gateway| {
        loop {
            let batch = session.batch().await;
            // Late is fine: what one session let expire may be the other's by now.
            let items = batch
                .iter()
                .map(|message| say(AckKind::Ack, &message.ack_token));
            acknowledge(gateway, items.collect()).await;
        }
    };
    let done = eventually(3 * SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == 21).then_some(())
    });
    tokio::select! {
        () = done => {}
        () = consume(one, &first) => {}
        () = consume(other, &second) => {}
    }
}

#[tokio::test]
async fn a_consumer_without_acks_delivers_it() {
    let settings = json!({ "ack_policy": "none" });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    wire.publish_raw("orders.x", BARE_CR, b"bad").await;

    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(2).await;
    store_many(&mut wire, 1).await;

    assert_eq!(sequences(&messages), [1, 2]);
    assert_eq!(messages[1].ack_token, "");
    assert_eq!(session.messages(1).await[0].stream_sequence, 3);
}

/// Opens an ordered read whose first message is malformed, and reads on behind it.
async fn first_is_malformed(ordered: OrderedConsumer) {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    wire.publish_raw("orders.y", BARE_CR, b"bad").await;

    let mut session = Session::open(&gateway, subscribe_ordered(ordered)).await;
    let mut message = session.messages(1).await.remove(0);
    if message.stream_sequence == 1 {
        message = session.messages(1).await.remove(0);
    }
    store_many(&mut wire, 1).await;

    assert_eq!(
        (message.stream_sequence, payload(&message)),
        (2, &b"bad"[..])
    );
    assert_eq!(session.messages(1).await[0].stream_sequence, 3);
}

fn policy(policy: DeliverPolicy) -> OrderedConsumer {
    OrderedConsumer {
        deliver_policy: policy as i32,
        ..OrderedConsumer::default()
    }
}

#[tokio::test]
async fn an_ordered_read_from_the_last_message_begins_with_it() {
    first_is_malformed(policy(DeliverPolicy::Last)).await;
}

#[tokio::test]
async fn an_ordered_read_of_each_subjects_last_message_has_it() {
    first_is_malformed(OrderedConsumer {
        filter_subjects: vec!["orders.y".to_owned(), "orders.x".to_owned()],
        ..policy(DeliverPolicy::LastPerSubject)
    })
    .await;
}

#[tokio::test]
async fn an_ordered_read_of_the_last_message_of_its_subject_begins_with_it() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    wire.publish_raw("orders.y", BARE_CR, b"bad").await;
    let ordered = OrderedConsumer {
        filter_subjects: vec!["orders.y".to_owned()],
        ..policy(DeliverPolicy::LastPerSubject)
    };

    let mut session = Session::open(&gateway, subscribe_ordered(ordered)).await;

    assert_eq!(sequences(&session.messages(1).await), [2]);
}

#[tokio::test]
async fn an_ordered_read_from_a_sequence_begins_with_it() {
    first_is_malformed(OrderedConsumer {
        opt_start_seq: 2,
        ..policy(DeliverPolicy::ByStartSequence)
    })
    .await;
}

#[tokio::test]
async fn an_ordered_read_from_a_time_begins_with_it() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let ordered = OrderedConsumer {
        opt_start_time: Some(SystemTime::now().into()),
        ..policy(DeliverPolicy::ByStartTime)
    };
    wire.publish_raw("orders.y", BARE_CR, b"bad").await;

    let mut session = Session::open(&gateway, subscribe_ordered(ordered)).await;

    assert_eq!(sequences(&session.messages(1).await), [2]);
}

#[tokio::test]
async fn sessions_of_the_consumer_go_on_behind_it() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    wire.publish_raw("orders.x", BARE_CR, b"bad").await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.consume(&gateway, 1).await;
    assert_eq!(payload(&messages[0]), b"bad");

    // Once it is settled the consumer is like any other: many messages by a pull.
    let pulls = wire
        .subscribe(&format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{CONSUMER}"))
        .await;
    store_many(&mut wire, 1_000).await;
    session.consume(&gateway, 1_000).await;
    assert_eq!(wire.count(STREAM).await, 1_001);
    let mut most = 0;
    while let Some(pull) = wire.next(pulls, Duration::ZERO).await {
        let asked: Value = serde_json::from_slice(&pull.payload).unwrap();
        most = most.max(asked["batch"].as_u64().unwrap());
    }
    assert!(most > 100, "{most}");
}
