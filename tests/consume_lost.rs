//! Callers of `Consume` that are lost: how that is found, and what becomes of what they held.

use std::time::{Duration, Instant};

use jetgate::proto::{AckKind, StallReason};
use serde_json::json;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, nanoseconds, start_with_consumer, store_many, subscribe_window,
};
use crate::support::{Clients, Gateway, RoundRobin, SOON, Toxic};

#[tokio::test]
async fn a_connection_that_is_cut_without_a_word_is_found() {
    let (nats, _, mut wire) = start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.server.http2_keepalive_interval = Duration::from_secs(1);
        config.server.http2_keepalive_timeout = Duration::from_secs(1);
    })
    .await;
    store_many(&mut wire, 5).await;
    let toxic = Toxic::start(gateway.public()).await;
    let mut gone = Consume::open(&Clients::at(toxic.address()), open()).await;
    gone.messages(5).await;

    // R7: a tenth of what the gateway's keepalive takes by default.
    toxic.stall();
    let cut = Instant::now();
    let mut other = Consume::open(&gateway, open()).await;
    let messages = other.messages(5).await;

    assert!(messages.iter().all(|message| message.delivery_attempt == 2));
    assert!(cut.elapsed() < SOON, "{:?}", cut.elapsed());
}

#[tokio::test]
async fn a_caller_that_is_cut_off_behind_a_proxy_is_found_by_its_pings() {
    let (nats, _, mut wire) = start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.subscribe.ping_within = Duration::from_secs(1);
    })
    .await;
    store_many(&mut wire, 5).await;
    let proxy = RoundRobin::start(&[gateway.public()]).await;
    let toxic = Toxic::start(proxy.address()).await;
    let mut gone = Consume::open(&Clients::at(toxic.address()), open()).await;
    gone.messages(5).await;

    // R6: the proxy's connection to the gateway lives on, so only the pings tell.
    toxic.stall();
    let mut other = Consume::open(&gateway, open()).await;
    let pinging = async {
        loop {
            other.ping(1);
            other.pong().await;
            let frame = tokio::time::timeout(Duration::from_millis(200), other.messages(1)).await;
            if let Ok(messages) = frame {
                return messages;
            }
        }
    };
    let messages = tokio::time::timeout(SOON, pinging)
        .await
        .expect("nothing comes");

    assert_eq!(messages[0].delivery_attempt, 2);
}

#[tokio::test]
async fn a_subscriber_that_is_cut_off_behind_a_proxy_holds_what_it_has_for_the_ack_wait() {
    const ACK_WAIT: u64 = 3;
    let settings = json!({ "ack_wait": nanoseconds(ACK_WAIT) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 5).await;
    let proxy = RoundRobin::start(&[gateway.public()]).await;
    let toxic = Toxic::start(proxy.address()).await;
    let mut gone = Session::open(&Clients::at(toxic.address()), subscribe_window(5)).await;
    let delivered = Instant::now();
    gone.messages(5).await;

    // R7, R3: nothing tells that the caller is gone, so its time runs out, and it is given no more.
    toxic.stall();
    store_many(&mut wire, 5).await;
    let mut other = Session::open(&gateway, subscribe_window(10)).await;
    let messages = other.messages(10).await;

    let after = delivered.elapsed();
    assert!(after > Duration::from_secs(ACK_WAIT - 1), "{after:?}");
    let (again, first): (Vec<_>, Vec<_>) = messages
        .iter()
        .partition(|message| message.stream_sequence <= 5);
    assert!(again.iter().all(|message| message.delivery_attempt == 2));
    assert!(first.iter().all(|message| message.delivery_attempt == 1));
    assert_eq!((again.len(), first.len()), (5, 5));
}

#[tokio::test]
async fn the_last_attempt_of_a_lost_session_is_left_to_its_ack_wait() {
    let settings = json!({ "max_deliver": 1, "ack_wait": nanoseconds(600) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{STREAM}.{CONSUMER}");
    let advisory = wire.subscribe(&subject).await;
    store_many(&mut wire, 1).await;
    let mut gone = Consume::open(&gateway, open()).await;
    let message = gone.messages(1).await.remove(0);

    // R7: a nak would be the end of the message. The caller that comes back may still settle it.
    gone.half_close();
    gone.end().await.unwrap();
    let request = jetgate::proto::ConsumeOpen {
        held: vec![message.ack_token],
        ..open()
    };
    let mut session = Consume::open(&gateway, request).await;
    let items = vec![crate::support::consuming::say(
        AckKind::Ack,
        &session.opened.held[0].clone(),
    )];
    let settled = session.settle(items, true).await;

    assert_eq!(settled.results[0].code, 0);
    assert_eq!(
        wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"],
        0
    );
    assert!(wire.next(advisory, Duration::ZERO).await.is_none());
}

#[tokio::test]
async fn what_had_expired_when_its_session_was_lost_is_not_naked() {
    let settings = json!({ "ack_wait": nanoseconds(3) });
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let mut gone = Consume::open(&gateway, open_window(1)).await;
    gone.messages(1).await;
    gone.stalled_by(StallReason::NothingSettled).await;
    let mut other = Consume::open(&gateway, open_window(1)).await;
    assert_eq!(other.messages(1).await[0].delivery_attempt, 2);

    // R7: the nak would hit the one who holds the message now.
    gone.half_close();
    gone.end().await.unwrap();
    for _ in 0..3 {
        other.say(vec![range(AckKind::InProgress, 1, 0)]);
        assert_eq!(other.heartbeat().await.outstanding_messages, 1);
    }
    other.settle(vec![range(AckKind::Ack, 1, 0)], true).await;
    assert_eq!(
        wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"],
        1
    );
}
