//! `Consume`: the first frame, the window, pings, and the frames that may not come.

use std::time::{Duration, Instant};

use jetgate::proto::consume_open::Source;
use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::consume_response::Frame;
use jetgate::proto::{AckKind, ConsumeOpen, FlowUpdate, OrderedConsumer, StallReason};
use serde_json::json;
use tonic::Code;

use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, payload, sequences, start_with_consumer, store_many, subscribe,
};
use crate::support::{Gateway, SOON, eventually, refused, start_with_stream, violated_field};

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
async fn an_open_that_does_not_come_ends_the_call() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let mut silent = Consume::begin(&gateway).await;

    // R1: 10 s.
    let begun = Instant::now();
    let end = silent.end().await;

    refused(end, Code::InvalidArgument, "UNEXPECTED_FRAME");
    assert!(begun.elapsed() > Duration::from_secs(9));
}

#[tokio::test]
async fn only_open_may_come_first() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;

    // R1.
    for frame in [
        Request::Ping(jetgate::proto::Ping::default()),
        Request::Drain(jetgate::proto::Drain {}),
        Request::Flow(FlowUpdate::default()),
        Request::Settle(jetgate::proto::SettleFrame::default()),
    ] {
        let mut session = Consume::begin(&gateway).await;
        session.send(frame);
        refused(
            session.end().await,
            Code::InvalidArgument,
            "UNEXPECTED_FRAME",
        );
    }
    let mut session = Consume::begin(&gateway).await;
    session.send_nothing();
    refused(
        session.end().await,
        Code::InvalidArgument,
        "UNEXPECTED_FRAME",
    );

    let mut session = Consume::begin(&gateway).await;
    session.half_close();
    refused(
        session.end().await,
        Code::InvalidArgument,
        "UNEXPECTED_FRAME",
    );
}

#[tokio::test]
async fn open_comes_only_once() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;

    for second in [Some(Request::Open(open())), None] {
        let mut session = Consume::open(&gateway, open()).await;
        session.messages(1).await;

        // R1; what it held goes to the next session, as after any caller's end (R7).
        match second {
            Some(frame) => session.send(frame),
            None => session.send_nothing(),
        }
        refused(
            session.end().await,
            Code::InvalidArgument,
            "UNEXPECTED_FRAME",
        );
    }
    let mut other = Consume::open(&gateway, open()).await;
    assert_eq!(other.messages(1).await[0].delivery_attempt, 3);
}

#[tokio::test]
async fn a_wrong_open_is_refused_with_the_field_that_is_wrong() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let lease = |auto_extend, max| Some(jetgate::proto::Lease { auto_extend, max });
    let ordered = Some(Source::Ordered(OrderedConsumer::default()));
    for (wrong, field) in [
        (
            ConsumeOpen {
                source: None,
                ..open()
            },
            "open.source",
        ),
        (
            ConsumeOpen {
                stream: String::new(),
                ..open()
            },
            "open.stream",
        ),
        (open_window(0), "open.flow.max_outstanding_messages"),
        (
            ConsumeOpen {
                heartbeat_interval: seconds(0),
                ..open()
            },
            "open.heartbeat_interval",
        ),
        (
            ConsumeOpen {
                payload_format: 99,
                ..open()
            },
            "open.payload_format",
        ),
        (
            ConsumeOpen {
                on_session_end: 99,
                ..open()
            },
            "open.on_session_end",
        ),
        (
            ConsumeOpen {
                lease: lease(true, None),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(true, seconds(0)),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(true, seconds(86_401)),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(false, seconds(60)),
                ..open()
            },
            "open.lease.max",
        ),
        (
            ConsumeOpen {
                lease: lease(true, seconds(60)),
                source: ordered.clone(),
                ..open()
            },
            "open.lease.auto_extend",
        ),
        (
            ConsumeOpen {
                held: vec!["x".to_owned()],
                source: ordered,
                ..open()
            },
            "open.held",
        ),
    ] {
        let answer = Consume::try_open(&gateway, wrong.clone()).await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_does_not_exist_or_is_pushed_cannot_be_opened() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let missing = ConsumeOpen {
        stream: "NOSUCH".to_owned(),
        ..open()
    };
    let answer = Consume::try_open(&gateway, missing).await;
    refused(answer.map(|_| ()), Code::NotFound, "STREAM_NOT_FOUND");

    let source = |name: &str| ConsumeOpen {
        source: Some(Source::Consumer(name.to_owned())),
        ..open()
    };
    let answer = Consume::try_open(&gateway, source("nosuch")).await;
    refused(answer.map(|_| ()), Code::NotFound, "CONSUMER_NOT_FOUND");

    // R16.
    let push =
        json!({ "durable_name": "push", "deliver_subject": "pushed", "ack_policy": "explicit" });
    wire.create_consumer(STREAM, push).await;
    let answer = Consume::try_open(&gateway, source("push")).await;
    refused(
        answer.map(|_| ()),
        Code::FailedPrecondition,
        "CONSUMER_IS_PUSH",
    );
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

    // R6: two missed pings; R7: what it held comes to another, whose frames keep it alive.
    let mut other = Consume::open(&gateway, open()).await;
    let waiting = Instant::now();
    while waiting.elapsed() < Duration::from_secs(4) {
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
async fn the_window_grows_shrinks_and_closes() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 100).await;
    let mut session = Consume::open(&gateway, open_window(2)).await;
    session.messages(2).await;
    session.stalled_by(StallReason::WindowFull).await;

    // R4: a larger window is used at once.
    session.resize(10);
    session.messages(8).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 10);

    // A smaller one lets nothing come before there is room in it, and 0 lets nothing come at all.
    session.resize(5);
    session.settle(vec![range(AckKind::Ack, 1, 5)], true).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 5);
    session.resize(0);
    session.settle(vec![range(AckKind::Ack, 6, 10)], true).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 0);

    session.resize(90);
    assert_eq!(
        sequences(&session.messages(90).await),
        (11..=100).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_smaller_window_ends_the_pulls_that_wait() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let mut session = Consume::open(&gateway, open_window(100)).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 1).then_some(())
    })
    .await;

    // R4: the pull that waits asked for a hundred.
    session.resize(3);
    eventually(SOON, async || {
        session.ping(1);
        session.pong().await;
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 1).then_some(())
    })
    .await;
    session.resize(0);
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 0).then_some(())
    })
    .await;
    store_many(&mut wire, 20).await;
    session.stalled_by(StallReason::WindowFull).await;

    session.resize(3);
    session.messages(3).await;
    let heartbeat = session.stalled_by(StallReason::WindowFull).await;
    assert_eq!(heartbeat.outstanding_messages, 3);
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(
        (&info["num_ack_pending"], &info["num_redelivered"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn a_window_that_changes_under_load_loses_and_repeats_nothing() {
    const MESSAGES: u64 = 2_000;
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    for _ in 0..MESSAGES {
        wire.publish("orders.x", b"payload").await;
    }
    let mut session = Consume::open(&gateway, open_window(256)).await;

    // R4: what was on its way when a pull was ended is delivered all the same.
    let mut seen = Vec::new();
    while seen.len() < MESSAGES as usize {
        let message = session.messages(1).await.remove(0);
        if seen.len() % 97 == 0 {
            session.resize(1 + seen.len() as u32 % 200);
        }
        session.say(vec![range(AckKind::Ack, message.delivery_id, 0)]);
        assert_eq!(message.delivery_attempt, 1);
        seen.push(message.stream_sequence);
    }
    seen.sort_unstable();

    assert_eq!(seen, (1..=MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_window_that_is_too_large_ends_the_session() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let mut session = Consume::open(&gateway, open()).await;

    session.resize(u32::MAX);

    let status = refused(
        session.end().await,
        Code::InvalidArgument,
        "INVALID_REQUEST",
    );
    assert_eq!(violated_field(&status), "flow.max_outstanding_messages");
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
