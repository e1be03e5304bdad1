//! Callers that send more than JetStream takes, or read less than they are answered: what is held is
//! bounded, and nothing is lost.

use std::time::{Duration, Instant};

use jetgate::config::ByteSize;
use jetgate::proto::publish_stream_request::Frame as Request;
use jetgate::proto::publish_stream_response::Frame;
use jetgate::proto::{PublishFrame, PublishOpen, PublishStall};
use tokio::time::timeout;

use super::{into_orders, message, numbered, orders};
use crate::support::consuming::time;
use crate::support::publishing::{Outcome, Publishing};
use crate::support::{Gateway, start_with_stream};

/// Sends frames until flow control holds the caller; how many messages went out.
async fn send_until_held(publishing: &Publishing, subject: &str, text: &str, most: u64) -> u64 {
    let mut next = publishing.outcomes.len() as u64 + 1;
    while next < most {
        let frame = Request::Messages(PublishFrame {
            first_number: next,
            messages: vec![message(subject, text); 10],
        });
        match timeout(Duration::from_secs(3), publishing.send_whenever(frame)).await {
            Ok(is_open) => assert!(is_open, "the stream has ended"),
            Err(_held) => return next - 1,
        }
        next += 10;
    }
    panic!("{most} messages were taken, and no end of it");
}

/// On several threads, as the binary runs, the transport can take an answer while it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_leave_at_once_make_room_at_once() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        max_in_flight: 1,
        // Nothing else but an answer may wake the stream.
        heartbeat_interval: time(Duration::from_secs(300)),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    publishing.publish(1, numbered(1..=1_000)).await;
    publishing.half_close();
    publishing.end().await.unwrap();

    assert_eq!(publishing.outcomes.len(), 1_000);
}

#[tokio::test]
async fn a_full_window_holds_the_caller_and_loses_nothing() {
    let (nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        max_in_flight: 100,
        mint_message_ids: true,
        publish_timeout: time(Duration::from_secs(120)),
        heartbeat_interval: time(Duration::from_secs(1)),
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    nats.pause();
    let sent = send_until_held(&publishing, "orders.x", &"x".repeat(1_000), 20_000).await;
    let heartbeat = publishing
        .until(|frame| match frame {
            Frame::Heartbeat(heartbeat) => Some(*heartbeat),
            _ => None,
        })
        .await;
    assert_eq!(heartbeat.in_flight_messages, 100);
    let waiting = [PublishStall::WindowFull, PublishStall::NatsDisconnected];
    assert!(waiting.contains(&heartbeat.stall()), "{heartbeat:?}");

    nats.resume();
    publishing.half_close();
    publishing.end().await.unwrap();
    // The frame that was held has gone out, too, or has not.
    let answered = publishing.outcomes.len() as u64;
    assert!(
        (sent..=sent + 10).contains(&answered),
        "{answered} of {sent}"
    );
    assert!(
        publishing
            .outcomes
            .values()
            .all(|it| it.reason().is_empty())
    );
    assert_eq!(wire.count("ORDERS").await, answered);
}

#[tokio::test]
async fn a_caller_that_reads_no_answers_is_held_as_well() {
    let (_nats, gateway, _wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, into_orders()).await;

    // Messages that are wrong need no JetStream, and their answers are long.
    let sent = send_until_held(&publishing, "orders.*", "", 1_000_000).await;

    publishing.half_close();
    publishing.end().await.unwrap();
    let answered = publishing.outcomes.len() as u64;
    assert!(
        (sent..=sent + 10).contains(&answered),
        "{answered} of {sent}"
    );
}

#[tokio::test]
async fn a_stream_that_does_not_answer_holds_up_no_other() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    // Somebody listens, and nobody answers: as a stream that has lost its quorum does.
    wire.subscribe("mute.x").await;
    let open = PublishOpen {
        max_in_flight: 60,
        publish_timeout: time(Duration::from_secs(5)),
        ..PublishOpen::default()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    publishing
        .publish(1, vec![message("mute.x", "m"); 50])
        .await;
    let started = Instant::now();
    for frame in 0..20 {
        publishing
            .publish(51 + frame * 10, vec![message("orders.x", "m"); 10])
            .await;
    }
    publishing.answered(200).await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(
        publishing
            .outcomes
            .values()
            .all(|it| matches!(it, Outcome::Stored { .. }))
    );

    publishing.answered(250).await;
    assert_eq!(publishing.outcomes[&1].reason(), "PUBLISH_OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn all_streams_together_hold_no_more_than_the_budget() {
    let (nats, _, mut wire) = start_with_stream(orders()).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.publish.max_in_flight_bytes = ByteSize::mib(1);
        config.publish.max_window_bytes = ByteSize::mib(1);
        config.memory.max_buffered_bytes = ByteSize::mib(1);
    })
    .await;
    wire.subscribe("mute.x").await;
    let open = |seconds| PublishOpen {
        publish_timeout: time(Duration::from_secs(seconds)),
        ..PublishOpen::default()
    };
    let large = |subject: &str, count| vec![message(subject, &"x".repeat(50_000)); count];

    // One takes nearly everything, for longer than the others need on a busy machine.
    let mut greedy = Publishing::open(&gateway, open(15)).await;
    greedy.publish(1, large("mute.x", 19)).await;
    // Others still have their own little, one message after the other.
    let mut modest = Publishing::open(&gateway, open(60)).await;
    for number in 1..=20 {
        modest.publish(number, large("orders.x", 1)).await;
    }
    modest.answered(20).await;
    assert!(greedy.outcomes.is_empty());

    // Whoever needs more waits, hears of it, and goes on in the end.
    let mut waiting = Publishing::open(&gateway, open(60)).await;
    for number in 1..=3 {
        waiting.publish(number, large("mute.x", 1)).await;
    }
    let flow = |frame: &Frame| match frame {
        Frame::Flow(flow) => Some(flow.max_in_flight_bytes),
        _ => None,
    };
    assert_eq!(waiting.until(flow).await, 64 * 1024);
    greedy.answered(19).await;
    assert_eq!(waiting.until(flow).await, 1024 * 1024);
}
