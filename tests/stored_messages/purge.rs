//! Purging: what goes and what stays.

use jetgate::proto::PurgeStreamRequest;
use jetgate::proto::purge_stream_request::Limit;
use serde_json::json;
use tonic::{Code, Status};

use super::start;
use crate::support::{Gateway, Wire, refused, start_with_stream, violated_field};

async fn purge(gateway: &Gateway, filter: &str, limit: Option<Limit>) -> Result<u64, Status> {
    let request = PurgeStreamRequest {
        stream: "S".to_owned(),
        filter: filter.to_owned(),
        limit,
    };
    let answer = gateway.streams().purge_stream(request).await?;
    Ok(answer.into_inner().purged)
}

/// Six messages: `s.a`, `s.b`, `s.a`, ...
async fn fill(wire: &mut Wire) {
    for _ in 0..3 {
        wire.store("s.a", b"").await;
        wire.store("s.b", b"").await;
    }
}

#[tokio::test]
async fn removes_everything_unless_told_otherwise() {
    let (_nats, gateway, mut wire) = start().await;
    fill(&mut wire).await;

    assert_eq!(purge(&gateway, "", None).await.unwrap(), 6);
    assert_eq!(purge(&gateway, "", None).await.unwrap(), 0);

    assert_eq!(wire.count("S").await, 0);
    assert_eq!(wire.store("s.a", b"").await, 7);
}

#[tokio::test]
async fn removes_one_subject() {
    let (_nats, gateway, mut wire) = start().await;
    fill(&mut wire).await;

    assert_eq!(purge(&gateway, "s.a", None).await.unwrap(), 3);

    let state = wire.stream_info("S").await["state"].take();
    assert_eq!(
        (&state["messages"], &state["first_seq"]),
        (&json!(3), &json!(2))
    );
}

#[tokio::test]
async fn removes_what_lies_before_a_sequence() {
    let (_nats, gateway, mut wire) = start().await;
    fill(&mut wire).await;

    let limit = Some(Limit::UpToSequence(4));
    assert_eq!(purge(&gateway, "", limit).await.unwrap(), 3);

    assert_eq!(wire.stream_info("S").await["state"]["first_seq"], 4);
}

#[tokio::test]
async fn keeps_the_newest_of_all_subjects_together() {
    let (_nats, gateway, mut wire) = start().await;
    fill(&mut wire).await;

    let limit = Some(Limit::Keep(2));
    assert_eq!(purge(&gateway, "s.*", limit).await.unwrap(), 4);

    assert_eq!(wire.stream_info("S").await["state"]["first_seq"], 5);
}

#[tokio::test]
async fn refuses_limits_that_would_remove_everything() {
    let (_nats, gateway, mut wire) = start().await;
    fill(&mut wire).await;

    for (filter, limit, field) in [
        ("", Some(Limit::Keep(0)), "keep"),
        ("", Some(Limit::UpToSequence(0)), "up_to_sequence"),
        ("s..a", None, "filter"),
    ] {
        let result = purge(&gateway, filter, limit).await;
        let status = refused(result, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
    assert_eq!(wire.count("S").await, 6);
}

#[tokio::test]
async fn a_stream_can_forbid_purges() {
    let config = json!({ "name": "S", "subjects": ["s.>"], "deny_purge": true });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    wire.store("s.a", b"").await;

    refused(
        purge(&gateway, "", None).await,
        Code::FailedPrecondition,
        "FAILED_PRECONDITION",
    );
    assert_eq!(wire.count("S").await, 1);
}
