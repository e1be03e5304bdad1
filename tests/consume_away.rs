//! What a `Consume` settles while NATS is away: kept, or failed in the end.

use std::time::{Duration, Instant};

use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::{AckKind, SettleFrame, StallReason};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, acknowledge, create_consumer, item_reason, nanoseconds, say,
    sequences, store_many, subscribe_window,
};
use crate::support::{Gateway, NatsServer, SOON, Toxic, Wire, eventually};

/// A server behind a proxy that can be cut, a gateway that notices soon, and a consumer.
async fn start_behind_toxic(settings: Value) -> (NatsServer, Toxic, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let url = format!("nats://{}", toxic.address());
    let gateway = Gateway::start_with(&url, |config| {
        config.nats.ping_interval = Duration::from_secs(1);
    })
    .await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, settings).await;
    (nats, toxic, gateway, wire)
}

#[tokio::test]
async fn settlements_are_kept_while_nats_is_away() {
    let (_nats, toxic, gateway, mut wire) =
        start_behind_toxic(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 10).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(10).await;
    toxic.cut();
    session.stalled_by(StallReason::NatsDisconnected).await;

    // R12: what needs no answer is kept; what needs one fails when its time is up.
    let settle = |settle_id, items, confirm| {
        Request::Settle(SettleFrame {
            settle_id,
            acknowledgements: items,
            confirm,
        })
    };
    session.send(settle(1, vec![range(AckKind::Ack, 1, 4)], false));
    session.send(settle(2, vec![range(AckKind::Ack, 5, 6)], true));
    session.send(settle(
        3,
        vec![range(AckKind::InProgress, 7, 8), range(AckKind::Nak, 9, 9)],
        false,
    ));
    let asked = Instant::now();
    let failed = session.settled().await;
    assert_eq!(failed.settle_id, 2);
    assert_eq!(
        item_reason(&failed.results[0], Code::Unavailable),
        "NATS_DISCONNECTED"
    );
    assert_eq!(failed.results[0].metadata["failed"], "2");
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"],
        0
    );

    toxic.restore();
    for settle_id in [1, 3] {
        let settled = session.settled().await;
        assert_eq!(settled.settle_id, settle_id);
        assert!(
            settled.results.iter().all(|result| result.code == 0),
            "{settled:?}"
        );
    }
    assert_eq!(sequences(&session.messages(1).await), [9]);
    assert_eq!(
        wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"],
        4
    );
    session.say(vec![range(AckKind::Ack, 5, 11)]);
    eventually(SOON, async || {
        (wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"] == 10).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_kept_settlement_fails_once_its_delivery_has_expired() {
    let (_nats, toxic, gateway, mut wire) =
        start_behind_toxic(json!({ "ack_wait": nanoseconds(4) })).await;
    store_many(&mut wire, 2).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(2).await;
    toxic.cut();
    session.stalled_by(StallReason::NatsDisconnected).await;

    // R12: whoever has the message by then is not disturbed.
    let settled = session.settle(vec![range(AckKind::Ack, 1, 2)], false).await;
    assert_eq!(
        item_reason(&settled.results[0], Code::Unavailable),
        "NATS_DISCONNECTED"
    );
    assert_eq!(settled.results[0].metadata["failed"], "2");

    toxic.restore();
    let again = session.messages(2).await;
    assert!(again.iter().all(|message| message.delivery_attempt == 2));
    session.ack(&again).await;
}

#[tokio::test]
async fn no_more_settlements_are_kept_than_there_is_room_for() {
    let (_nats, toxic, gateway, mut wire) =
        start_behind_toxic(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 1).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(1).await;
    toxic.cut();
    session.stalled_by(StallReason::NatsDisconnected).await;

    // R12: a caller that repeats itself endlessly does not fill the gateway's memory.
    let frame = || vec![range(AckKind::InProgress, 1, 0); 10_000];
    session.say(frame());
    session.say(frame());
    let settled = session.settled().await;
    let failed = settled.results.iter().filter(|result| result.code != 0);
    assert_eq!(failed.count(), 10_000);

    toxic.restore();
    eventually(2 * SOON, async || {
        session.say(vec![range(AckKind::Ack, 1, 0)]);
        (wire.consumer_info(STREAM, CONSUMER).await["ack_floor"]["stream_seq"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn settlements_in_vain_keep_no_room() {
    let (_nats, toxic, gateway, mut wire) =
        start_behind_toxic(json!({ "ack_wait": nanoseconds(4) })).await;
    store_many(&mut wire, 10).await;
    let mut session = Consume::open(&gateway, open_window(10)).await;
    session.messages(10).await;
    toxic.cut();
    session.stalled_by(StallReason::NatsDisconnected).await;

    // R5: the caller has nothing more to settle, so what it settled must not keep the window full:
    // it would get one message to try at a time, ten seconds apart.
    let settled = session.settle(vec![range(AckKind::Ack, 1, 10)], true).await;
    assert_eq!(settled.results[0].metadata["failed"], "10");
    toxic.restore();

    let again = session.messages(10).await;
    assert!(again.iter().all(|message| message.delivery_attempt == 2));
    session.ack(&again).await;
}

#[tokio::test]
async fn acknowledgements_in_vain_keep_no_room() {
    let (_nats, toxic, gateway, mut wire) =
        start_behind_toxic(json!({ "ack_wait": nanoseconds(4) })).await;
    store_many(&mut wire, 10).await;
    let mut session = Session::open(&gateway, subscribe_window(10)).await;
    let messages = session.messages(10).await;
    toxic.cut();
    session.stalled_by(StallReason::NatsDisconnected).await;

    // R5: the same, whichever call it was.
    let tokens = messages.iter().map(|message| &message.ack_token);
    let items = tokens.map(|token| say(AckKind::Ack, token)).collect();
    for result in acknowledge(&gateway, items).await {
        assert_ne!(result.code, 0, "{result:?}");
    }
    toxic.restore();

    let again = session.messages(10).await;
    assert!(again.iter().all(|message| message.delivery_attempt == 2));
    ack(&gateway, &again).await;
}
