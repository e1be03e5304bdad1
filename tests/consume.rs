//! `Consume`: deliveries and settlements in one stream, and the pings that show that its caller lives.

use std::time::{Duration, Instant};

use jetgate::proto::consume_open::Source;
use jetgate::proto::consume_response::Frame;
use jetgate::proto::{ConsumeOpen, OrderedConsumer};
use serde_json::json;
use tonic::Code;

use crate::support::consume::{Consume, open, open_window};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, payload, sequences, start_with_consumer, store_many, subscribe,
};
use crate::support::{Gateway, SOON, eventually, refused, start_with_stream};

#[tokio::test]
async fn opens_delivers_and_settles_in_one_stream() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 100).await;

    // R1: `opened` comes first and says what is in force.
    let mut session = Consume::open(&gateway, open_window(10)).await;
    let opened = session.opened.clone();
    assert_eq!(
        (opened.stream.as_str(), opened.consumer.as_str()),
        (STREAM, CONSUMER)
    );
    assert_eq!(opened.flow.unwrap().max_outstanding_messages, Some(10));
    assert_eq!(opened.ping_within.unwrap().seconds, 20);
    assert!(opened.ack_wait.is_some());

    let messages = session.consume(100).await;

    assert_eq!(sequences(&messages), (1..=100).collect::<Vec<_>>());
    assert_eq!(payload(&messages[41]), b"42");
    let ids: Vec<u64> = messages.iter().map(|message| message.delivery_id).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["ack_floor"]["stream_seq"] == 100).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_acknowledged_that_the_caller_did_not_acknowledge() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;
    let mut session = Consume::open(&gateway, open()).await;
    let messages = session.messages(5).await;

    // R2: neither delivering nor ending acknowledges.
    session.ack(&messages[1..2]).await;
    session.drain();
    session.half_close();
    session.end().await.unwrap();

    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 0);
    assert_eq!(info["num_ack_pending"], 4);
}

#[tokio::test]
async fn pings_are_answered_in_order() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let mut session = Consume::open(&gateway, open()).await;

    // R6.
    for ping_id in 1..=5_000 {
        session.ping(ping_id);
    }
    for ping_id in 1..=5_000 {
        assert_eq!(session.pong().await, ping_id);
    }
}

#[tokio::test]
async fn a_caller_that_says_nothing_is_gone() {
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    let (nats, _, mut wire) = start_with_stream(stream).await;
    crate::support::consuming::create_consumer(&mut wire, json!({})).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.subscribe.ping_within = Duration::from_secs(1);
    })
    .await;
    store_many(&mut wire, 2).await;
    let mut silent = Consume::open(&gateway, open()).await;
    assert_eq!(silent.opened.ping_within.unwrap().seconds, 1);
    silent.messages(2).await;

    // R6: two missed pings; R7: what it held comes to another, whose frames keep it alive. The ack wait is 30 s.
    let mut other = Consume::open(&gateway, open()).await;
    let waiting = Instant::now();
    while waiting.elapsed() < SOON {
        other.ping(1);
        other.pong().await;
        if let Ok(frame) = tokio::time::timeout(Duration::from_millis(100), other.try_frame()).await
        {
            match frame.unwrap().unwrap() {
                Frame::Messages(batch) => {
                    assert!(
                        batch
                            .messages
                            .iter()
                            .all(|message| message.delivery_attempt == 2)
                    );
                    refused(silent.end().await, Code::Unavailable, "PINGS_MISSED");
                    return;
                }
                Frame::Heartbeat(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("nothing comes to the other session");
}

#[tokio::test]
async fn an_ordered_read_is_consumed_as_well() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 50).await;
    let request = ConsumeOpen {
        source: Some(Source::Ordered(OrderedConsumer::default())),
        ..open_window(7)
    };
    let mut session = Consume::open(&gateway, request).await;

    let messages = session.messages(25).await;
    session.resize(3);
    let rest = session.messages(25).await;

    // R4, and nothing to acknowledge: the window counts what is not yet written.
    let sequences: Vec<u64> = [sequences(&messages), sequences(&rest)].concat();
    assert_eq!(sequences, (1..=50).collect::<Vec<_>>());
    assert!(rest.iter().all(|message| message.ack_token.is_empty()));
    session.half_close();
    session.end().await.unwrap();
}

#[tokio::test]
async fn subscribe_and_consume_share_a_consumer() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut consume = Consume::open(&gateway, open_window(10)).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 2).then_some(())
    })
    .await;
    store_many(&mut wire, 20).await;

    let mut all = sequences(&consume.messages(10).await);
    all.extend(sequences(&session.messages(10).await));
    all.sort_unstable();

    assert_eq!(all, (1..=20).collect::<Vec<_>>());
}
