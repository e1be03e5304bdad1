//! `Consume` while things break: gateways, servers, connections and callers. What the callers recorded
//! shows that nothing was lost, and nothing came again that was confirmed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::{AckKind, SettleFrame, StallReason};
use rustix::process::Signal;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, create_consumer, item_reason, nanoseconds, sequences, start_with_consumer,
    store_many,
};
use crate::support::worker::{Ledger, Worker};
use crate::support::{
    Clients, Gateway, NatsCluster, NatsServer, Process, RoundRobin, SOON, Toxic, Wire, eventually,
    http_get, refused,
};

/// How long each message is worked on where a worker is at work.
const WORK: Duration = Duration::from_millis(20);

async fn info(wire: &mut Wire) -> Value {
    wire.consumer_info(STREAM, CONSUMER).await
}

/// A server whose every message is on disk before it is acknowledged, so that a crash loses none.
async fn start_durable(ack_wait: u64) -> (NatsServer, Wire) {
    let nats = NatsServer::start_with("jetstream: { sync_interval: always }").await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({ "ack_wait": nanoseconds(ack_wait) })).await;
    (nats, wire)
}

/// The real binary, once it serves, and where.
async fn serve(nats: &NatsServer) -> (Process, std::net::SocketAddr) {
    let process = Process::start([
        "serve",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--nats-url",
        &nats.url(),
    ]);
    let public = process.address_after("public=").await;
    let admin = process.address_after("admin=").await;
    let url = format!("http://{admin}/readyz");
    eventually(SOON, async || {
        (http_get(&url).await?.0 == 200).then_some(())
    })
    .await;
    (process, public)
}

async fn until_done(ledger: &Arc<Mutex<Ledger>>, count: usize) {
    eventually(3 * SOON, async || {
        (ledger.lock().unwrap().done() >= count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_gateway_loses_nothing() {
    let (nats, mut wire) = start_durable(4).await;
    let (first, second) = (serve(&nats).await, serve(&nats).await);
    let proxy = RoundRobin::start(&[first.1, second.1]).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let workers = [(); 2].map(|()| Worker::start(Clients::at(proxy.address()), &ledger, WORK));
    store_many(&mut wire, 200).await;
    until_done(&ledger, 50).await;

    // In the middle of the stream; it hands nothing over, so the ack wait decides.
    first.0.signal(Signal::KILL);
    store_many(&mut wire, 200).await;
    until_done(&ledger, 400).await;

    for worker in workers {
        worker.stop().await;
    }
    ledger.lock().unwrap().assert_kept(1..=400);
    eventually(SOON, async || {
        (info(&mut wire).await["ack_floor"]["stream_seq"] == 400).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_terminated_gateway_loses_and_repeats_nothing() {
    let (nats, mut wire) = start_durable(600).await;
    let (mut first, second) = (serve(&nats).await, serve(&nats).await);
    let proxy = RoundRobin::start(&[first.1, second.1]).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let workers = [(); 2].map(|()| Worker::start(Clients::at(proxy.address()), &ledger, WORK));
    store_many(&mut wire, 200).await;
    until_done(&ledger, 50).await;

    // R9, R15: no ack wait would end in the time of this test.
    first.0.signal(Signal::TERM);
    store_many(&mut wire, 200).await;
    until_done(&ledger, 400).await;

    for worker in workers {
        worker.stop().await;
    }
    ledger.lock().unwrap().assert_kept(1..=400);
    ledger.lock().unwrap().assert_nothing_came_twice();
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 400);
    assert_eq!(first.0.ended(2 * SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_restart_of_the_only_server_loses_nothing() {
    let (mut nats, mut wire) = start_durable(4).await;
    let gateway = Gateway::start(&nats.url()).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let worker = Worker::start(Clients::at(gateway.public()), &ledger, WORK);
    store_many(&mut wire, 100).await;
    until_done(&ledger, 20).await;

    // R12. A crash may take back the acks of its last moments, so only loss is checked.
    nats.restart().await;
    let mut wire = nats.wire().await;
    store_many(&mut wire, 100).await;
    until_done(&ledger, 200).await;

    worker.stop().await;
    eventually(SOON, async || {
        (info(&mut wire).await["delivered"]["stream_seq"] == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_leader_loses_nothing_and_repeats_nothing_that_is_confirmed() {
    let mut cluster = NatsCluster::start().await;
    let mut wire = cluster.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"], "num_replicas": 3 }))
        .await;
    let settings = json!({ "num_replicas": 3, "ack_wait": nanoseconds(10) });
    create_consumer(&mut wire, settings).await;
    let gateway = Gateway::start(&cluster.url()).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let worker = Worker::start(Clients::at(gateway.public()), &ledger, WORK);
    store_many(&mut wire, 100).await;
    until_done(&ledger, 20).await;

    let leader = cluster.leader_of_stream(STREAM).await;
    cluster.kill(leader);
    let mut wire = cluster.wire().await;
    let mut stored = 100;
    eventually(3 * SOON, async || {
        let answer = wire.request("orders.x", None, b"").await?;
        let answer: Value = serde_json::from_slice(&answer.payload).ok()?;
        stored = stored.max(answer["seq"].as_u64()?);
        (stored >= 150).then_some(())
    })
    .await;
    until_done(&ledger, stored as usize).await;

    worker.stop().await;
    ledger.lock().unwrap().assert_kept(1..=stored);
}

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
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 0);

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
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 4);
    session.say(vec![range(AckKind::Ack, 5, 11)]);
    eventually(SOON, async || {
        (info(&mut wire).await["ack_floor"]["stream_seq"] == 10).then_some(())
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
        (info(&mut wire).await["ack_floor"]["stream_seq"] == 1).then_some(())
    })
    .await;
}

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
    assert_eq!(info(&mut wire).await["num_ack_pending"], 0);
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
    assert_eq!(info(&mut wire).await["ack_floor"]["stream_seq"], 1);
}

#[tokio::test]
async fn a_purged_stream_makes_room() {
    let (_nats, gateway, mut wire) =
        start_with_consumer(json!({ "ack_wait": nanoseconds(600) })).await;
    store_many(&mut wire, 20).await;
    let mut session = Consume::open(&gateway, open_window(5)).await;
    session.messages(5).await;
    session.stalled_by(StallReason::WindowFull).await;

    wire.api(&format!("STREAM.PURGE.{STREAM}"), Value::Null)
        .await;
    store_many(&mut wire, 3).await;

    // R5: the consumer's ack floor has passed what the session holds; settling it does no harm.
    assert_eq!(sequences(&session.messages(3).await), [21, 22, 23]);
    let settled = session.settle(vec![range(AckKind::Ack, 1, 8)], true).await;
    assert_eq!(settled.results[0].code, 0, "{settled:?}");
    assert_eq!(info(&mut wire).await["num_ack_pending"], 0);
}

#[tokio::test]
async fn a_deleted_consumer_fails_what_is_settled_behind_it() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let mut session = Consume::open(&gateway, open_window(2)).await;
    let messages = session.messages(2).await;
    wire.api(&format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}"), Value::Null)
        .await;

    refused(session.end().await, Code::NotFound, "CONSUMER_NOT_FOUND");
    let results = crate::support::consuming::acknowledge(
        &gateway,
        vec![crate::support::consuming::say(
            AckKind::Ack,
            &messages[0].ack_token,
        )],
    )
    .await;

    assert_eq!(
        item_reason(&results[0], Code::NotFound),
        "CONSUMER_NOT_FOUND"
    );
}
