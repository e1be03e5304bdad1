//! Pausing, resuming, resetting and unpinning consumers.

use std::time::{Duration, SystemTime};

use jetgate::proto::pause_consumer_request::End;
use jetgate::proto::{
    Consumer, GetConsumerRequest, PauseConsumerRequest, PauseConsumerResponse,
    ResetConsumerRequest, ResetConsumerResponse, ResumeConsumerRequest, UnpinConsumerRequest,
};
use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{Gateway, NatsServer, Wire, refused, start_with_stream, violated_field};

/// A stream with six messages and a consumer with these settings beside its name.
async fn start(config: Value) -> (NatsServer, Gateway, Wire) {
    let stream = json!({ "name": "S", "subjects": ["s.>"] });
    let (nats, gateway, mut wire) = start_with_stream(stream).await;
    for _ in 0..6 {
        wire.store("s.a", b"").await;
    }
    let mut consumer = json!({ "durable_name": "C", "ack_policy": "explicit" });
    let settings = config.as_object().unwrap().clone();
    consumer.as_object_mut().unwrap().extend(settings);
    wire.create_consumer("S", consumer).await;
    (nats, gateway, wire)
}

async fn pause(
    gateway: &Gateway,
    consumer: &str,
    end: Option<End>,
) -> Result<PauseConsumerResponse, Status> {
    let request = PauseConsumerRequest {
        stream: "S".to_owned(),
        consumer: consumer.to_owned(),
        end,
    };
    let answer = gateway.consumers().pause_consumer(request).await?;
    Ok(answer.into_inner())
}

async fn reset(
    gateway: &Gateway,
    consumer: &str,
    sequence: Option<u64>,
) -> Result<ResetConsumerResponse, Status> {
    let request = ResetConsumerRequest {
        stream: "S".to_owned(),
        consumer: consumer.to_owned(),
        sequence,
    };
    let answer = gateway.consumers().reset_consumer(request).await?;
    Ok(answer.into_inner())
}

async fn unpin(gateway: &Gateway, consumer: &str, group: &str) -> Result<(), Status> {
    let request = UnpinConsumerRequest {
        stream: "S".to_owned(),
        consumer: consumer.to_owned(),
        group: group.to_owned(),
    };
    gateway
        .consumers()
        .unpin_consumer(request)
        .await
        .map(|_| ())
}

async fn get(gateway: &Gateway) -> Consumer {
    let request = GetConsumerRequest {
        stream: "S".to_owned(),
        consumer: "C".to_owned(),
    };
    let answer = gateway.consumers().get_consumer(request).await.unwrap();
    answer.into_inner().consumer.unwrap()
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

#[tokio::test]
async fn pauses_until_a_time_and_resumes() {
    let (_nats, gateway, _wire) = start(json!({})).await;
    let until = Timestamp::from(SystemTime::now() + Duration::from_secs(3600));

    let answer = pause(&gateway, "C", Some(End::PauseUntil(until))).await;

    let answer = answer.unwrap();
    assert!(answer.paused && answer.pause_remaining.unwrap().seconds > 3500);
    assert_eq!(answer.pause_until, Some(until));
    assert!(get(&gateway).await.state.unwrap().paused);

    let request = ResumeConsumerRequest {
        stream: "S".to_owned(),
        consumer: "C".to_owned(),
    };
    for _ in 0..2 {
        let resumed = gateway.consumers().resume_consumer(request.clone()).await;
        resumed.unwrap();
        assert!(!get(&gateway).await.state.unwrap().paused);
    }
}

#[tokio::test]
async fn pauses_for_a_while() {
    let (_nats, gateway, mut wire) = start(json!({})).await;

    let answer = pause(&gateway, "C", Some(End::PauseFor(seconds(60)))).await;

    let remaining = answer.unwrap().pause_remaining.unwrap().seconds;
    assert!((50..=60).contains(&remaining), "{remaining}");
    let pull = json!({ "batch": 1, "no_wait": true }).to_string();
    let next = "$JS.API.CONSUMER.MSG.NEXT.S.C";
    let answer = wire.request(next, None, pull.as_bytes()).await.unwrap();
    assert!(
        !answer.headers.is_empty() && answer.payload.is_empty(),
        "a message came in spite of the pause"
    );
}

#[tokio::test]
async fn a_time_that_is_over_pauses_nothing() {
    let (_nats, gateway, _wire) = start(json!({})).await;
    pause(&gateway, "C", Some(End::PauseFor(seconds(60))))
        .await
        .unwrap();
    let past = Timestamp {
        seconds: 1_000_000_000,
        nanos: 0,
    };

    let answer = pause(&gateway, "C", Some(End::PauseUntil(past))).await;

    let answer = answer.unwrap();
    assert_eq!((answer.paused, answer.pause_remaining), (false, None));
    assert!(!get(&gateway).await.state.unwrap().paused);
}

#[tokio::test]
async fn refuses_pauses_without_an_end() {
    let (_nats, gateway, _wire) = start(json!({})).await;
    for (end, field) in [
        (None, "pause_until"),
        (Some(End::PauseFor(seconds(0))), "pause_for"),
        (Some(End::PauseFor(seconds(-1))), "pause_for"),
    ] {
        let result = pause(&gateway, "C", end).await;
        let status = refused(result, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
}

#[tokio::test]
async fn resets_to_a_sequence_and_to_the_ack_floor() {
    let (_nats, gateway, mut wire) = start(json!({})).await;
    let next = "$JS.API.CONSUMER.MSG.NEXT.S.C";
    for sequence in 1..=4 {
        let message = wire.request(next, None, b"").await.unwrap();
        if sequence <= 2 {
            wire.request(&message.reply, None, b"+ACK").await.unwrap();
        }
    }

    let answer = reset(&gateway, "C", None).await.unwrap();
    assert_eq!(answer.reset_sequence, 3);
    let state = answer.consumer.unwrap().state.unwrap();
    assert_eq!((state.num_ack_pending, state.num_pending), (0, 4));

    let answer = reset(&gateway, "C", Some(5)).await.unwrap();
    assert_eq!(answer.reset_sequence, 5);
    let message = wire.request(next, None, b"").await.unwrap();
    assert!(message.reply.starts_with("$JS.ACK.S.C.1.5."), "{message:?}");
}

#[tokio::test]
async fn refuses_resets_that_the_consumer_does_not_allow() {
    let (_nats, gateway, _wire) = start(json!({ "deliver_policy": "new" })).await;

    refused(
        reset(&gateway, "C", Some(1)).await,
        Code::FailedPrecondition,
        "FAILED_PRECONDITION",
    );
    let zero = reset(&gateway, "C", Some(0)).await;
    let status = refused(zero, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "sequence");
}

#[tokio::test]
async fn unpins_a_group_and_shows_who_is_pinned() {
    let priority = json!({ "priority_groups": ["g"], "priority_policy": "pinned_client" });
    let (_nats, gateway, mut wire) = start(priority).await;
    let pull = json!({ "batch": 1, "expires": 5_000_000_000_u64, "group": "g" }).to_string();
    let next = "$JS.API.CONSUMER.MSG.NEXT.S.C";
    wire.request(next, None, pull.as_bytes()).await.unwrap();
    let pinned = get(&gateway).await.state.unwrap().priority_groups;
    assert_eq!(pinned[0].group, "g");
    assert!(!pinned[0].pinned_client_id.is_empty() && pinned[0].pinned_time.is_some());

    unpin(&gateway, "C", "g").await.unwrap();

    let free = get(&gateway).await.state.unwrap().priority_groups;
    assert_eq!(
        (free[0].pinned_client_id.as_str(), free[0].pinned_time),
        ("", None)
    );
    let other = unpin(&gateway, "C", "other").await;
    refused(other, Code::InvalidArgument, "REJECTED_BY_JETSTREAM");
    let bad = unpin(&gateway, "C", "a.b").await;
    let status = refused(bad, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "group");
}

#[tokio::test]
async fn a_consumer_that_is_not_there_is_not_found_at_once() {
    let (_nats, gateway, _wire) = start(json!({})).await;
    let end = Some(End::PauseFor(seconds(1)));

    let paused = pause(&gateway, "NONE", end).await;
    refused(paused, Code::NotFound, "CONSUMER_NOT_FOUND");
    let moved = reset(&gateway, "NONE", None).await;
    refused(moved, Code::NotFound, "CONSUMER_NOT_FOUND");
    let unpinned = unpin(&gateway, "NONE", "g").await;
    refused(unpinned, Code::NotFound, "CONSUMER_NOT_FOUND");
    let request = ResetConsumerRequest {
        stream: "NONE".to_owned(),
        consumer: "C".to_owned(),
        sequence: None,
    };
    let moved = gateway.consumers().reset_consumer(request).await;
    refused(moved, Code::NotFound, "STREAM_NOT_FOUND");
}
