//! What streams hold: getting, counting, deleting and purging stored messages.

mod purge;

use std::time::Duration;

use jetgate::proto::get_message_request::Target;
use jetgate::proto::stored_message::Payload;
use jetgate::proto::{
    DeleteMessageRequest, GetMessageRequest, ListSubjectsRequest, ListSubjectsResponse,
    NextBySubject, PayloadFormat, StoredMessage,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{
    Gateway, NatsServer, SOON, Wire, answered, eventually, refused, start_with_stream,
    violated_field,
};

/// A stream that takes `s.>`.
async fn start() -> (NatsServer, Gateway, Wire) {
    start_with_stream(json!({ "name": "S", "subjects": ["s.>"] })).await
}

async fn get(gateway: &Gateway, target: Target) -> Result<StoredMessage, Status> {
    let request = GetMessageRequest {
        stream: "S".to_owned(),
        target: Some(target),
        payload_format: PayloadFormat::Text as i32,
    };
    let answer = gateway.streams().get_message(request).await?;
    Ok(answer.into_inner().message.unwrap())
}

fn next(subject: &str, from_sequence: u64) -> Target {
    Target::NextBySubject(NextBySubject {
        subject: subject.to_owned(),
        from_sequence,
    })
}

async fn delete(gateway: &Gateway, sequence: u64, no_erase: bool) -> Result<(), Status> {
    let request = DeleteMessageRequest {
        stream: "S".to_owned(),
        sequence,
        no_erase,
    };
    gateway.streams().delete_message(request).await.map(|_| ())
}

async fn subjects(
    gateway: &Gateway,
    filter: &str,
    page_size: u32,
    page_token: &str,
) -> ListSubjectsResponse {
    let request = ListSubjectsRequest {
        stream: "S".to_owned(),
        filter: filter.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    let answer = gateway.streams().list_subjects(request).await;
    answer.unwrap().into_inner()
}

fn counts(page: &ListSubjectsResponse) -> Vec<(&str, u64)> {
    let subjects = page.subjects.iter();
    subjects
        .map(|it| (it.subject.as_str(), it.messages))
        .collect()
}

#[tokio::test]
async fn gets_a_message_as_it_was_published() {
    let (_nats, gateway, mut wire) = start().await;
    let headers: &[u8] = b"Nats-Msg-Id: id-1\r\nTrace: t\r\n";
    wire.store_raw("s.a", Some(headers), "hé".as_bytes()).await;

    let message = get(&gateway, Target::Sequence(1)).await.unwrap();

    assert_eq!(
        (message.stream.as_str(), message.subject.as_str()),
        ("S", "s.a")
    );
    assert_eq!((message.sequence, message.message_id.as_str()), (1, "id-1"));
    assert!(message.time.is_some());
    assert_eq!(message.payload, Some(Payload::Text("hé".to_owned())));
    let trace = message.headers.iter().find(|it| it.name == "Trace");
    assert_eq!(trace.unwrap().value, "t");
}

#[tokio::test]
async fn gets_what_no_client_library_can_receive() {
    let (_nats, gateway, mut wire) = start().await;
    wire.publish_raw("s.a", b"Bad: x\ry\r\nno colon\r\n", b"\xff")
        .await;

    // Nobody answered that it is stored.
    let stored = async || get(&gateway, Target::Sequence(1)).await.ok();
    let message = eventually(SOON, stored).await;

    let bad = message.headers.iter().find(|it| it.name == "Bad").unwrap();
    assert_eq!(bad.binary_value.as_ref(), b"x\ry");
    assert_eq!(message.payload, Some(Payload::Data(vec![0xff].into())));
    // The gateway's connections are as they were.
    assert!(get(&gateway, Target::Sequence(1)).await.is_ok());
}

#[tokio::test]
async fn gets_the_last_and_the_next_message_of_a_subject() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["s.a", "s.b", "s.a", "s.b"] {
        wire.store(subject, b"").await;
    }
    let sequence = async |target| get(&gateway, target).await.map(|it| it.sequence);

    let last = |subject: &str| Target::LastBySubject(subject.to_owned());
    assert_eq!(sequence(last("s.a")).await.unwrap(), 3);
    assert_eq!(sequence(last("s.*")).await.unwrap(), 4);
    assert_eq!(sequence(next("s.b", 0)).await.unwrap(), 2);
    assert_eq!(sequence(next("s.b", 3)).await.unwrap(), 4);
    assert_eq!(sequence(next(">", 3)).await.unwrap(), 3);

    for nothing in [last("s.c"), next("s.a", 4), Target::Sequence(5)] {
        refused(sequence(nothing).await, Code::NotFound, "MESSAGE_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_message_of_no_stream_is_not_found() {
    let (_nats, gateway, _wire) = start().await;
    let request = GetMessageRequest {
        stream: "NONE".to_owned(),
        target: Some(Target::Sequence(1)),
        ..GetMessageRequest::default()
    };

    let result = gateway.streams().get_message(request).await;

    refused(result, Code::NotFound, "STREAM_NOT_FOUND");
}

#[tokio::test]
async fn refuses_to_look_for_what_cannot_be() {
    let (_nats, gateway, _wire) = start().await;
    let blamed = async |request| {
        let result = gateway.streams().get_message(request).await;
        violated_field(&refused(result, Code::InvalidArgument, "INVALID_REQUEST"))
    };
    let request = |target| GetMessageRequest {
        stream: "S".to_owned(),
        target,
        ..GetMessageRequest::default()
    };

    assert_eq!(blamed(request(None)).await, "sequence");
    assert_eq!(blamed(request(Some(Target::Sequence(0)))).await, "sequence");
    let subject = next("s..a", 1);
    assert_eq!(
        blamed(request(Some(subject))).await,
        "next_by_subject.subject"
    );
    let format = GetMessageRequest {
        payload_format: 9,
        ..request(Some(Target::Sequence(1)))
    };
    assert_eq!(blamed(format).await, "payload_format");
}

#[tokio::test]
async fn deletes_a_message_and_says_when_there_is_none() {
    let (_nats, gateway, mut wire) = start().await;
    for _ in 0..3 {
        wire.store("s.a", b"").await;
    }

    delete(&gateway, 2, false).await.unwrap();
    delete(&gateway, 3, true).await.unwrap();

    assert_eq!(wire.count("S").await, 1);
    // Deleted before, behind the end, and purged: JetStream says each in its own way.
    wire.api("STREAM.PURGE.S", Value::Null).await;
    for sequence in [1, 2, 99] {
        refused(
            delete(&gateway, sequence, false).await,
            Code::NotFound,
            "MESSAGE_NOT_FOUND",
        );
    }
    let zero = delete(&gateway, 0, false).await;
    let status = refused(zero, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "sequence");
}

#[tokio::test]
async fn a_stream_can_forbid_deletions() {
    let config = json!({ "name": "S", "subjects": ["s.>"], "deny_delete": true });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;
    wire.store("s.a", b"").await;

    refused(
        delete(&gateway, 1, false).await,
        Code::FailedPrecondition,
        "FAILED_PRECONDITION",
    );
    assert_eq!(wire.count("S").await, 1);
}

#[tokio::test]
async fn counts_the_messages_of_each_subject() {
    let (_nats, gateway, mut wire) = start().await;
    for subject in ["s.b", "s.a", "s.b", "s.c.d"] {
        wire.store(subject, b"").await;
    }

    let all = subjects(&gateway, "", 0, "").await;
    assert_eq!(counts(&all), [("s.a", 1), ("s.b", 2), ("s.c.d", 1)]);
    assert_eq!((all.total, all.next_page_token.as_str()), (3, ""));

    let some = subjects(&gateway, "s.*", 0, "").await;
    assert_eq!(counts(&some), [("s.a", 1), ("s.b", 2)]);
    assert_eq!(subjects(&gateway, "other", 0, "").await.total, 0);
}

#[tokio::test]
async fn lists_subjects_in_pages() {
    let (_nats, gateway, mut wire) = start().await;
    for number in 0..5 {
        wire.store(&format!("s.{number}"), b"").await;
    }
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = subjects(&gateway, "", 2, &token).await;
        assert!(page.subjects.len() <= 2 && page.total == 5);
        found.extend(page.subjects.into_iter().map(|it| it.subject));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ["s.0", "s.1", "s.2", "s.3", "s.4"]);
}

#[tokio::test]
async fn a_page_of_long_subjects_stays_small() {
    let (_nats, gateway, mut wire) = start().await;
    let long = "x".repeat(1000);
    for number in 0..3_500 {
        let subject = format!("s.{number:04}.{long}");
        wire.publish(&subject, b"").await;
    }
    eventually(SOON, async || {
        (wire.count("S").await == 3_500).then_some(())
    })
    .await;

    let first = subjects(&gateway, "", 10_000, "").await;
    let second = subjects(&gateway, "", 10_000, &first.next_page_token).await;

    assert!(first.subjects.len() > 2_000 && second.next_page_token.is_empty());
    assert_eq!(first.subjects.len() + second.subjects.len(), 3_500);
    assert_ne!(
        first.subjects.last().unwrap().subject,
        second.subjects[0].subject
    );
}

#[tokio::test]
async fn says_within_the_deadline_that_nats_is_away() {
    let (mut nats, gateway, _wire) = start().await;
    nats.kill();

    let message = GetMessageRequest {
        stream: "S".to_owned(),
        target: Some(Target::Sequence(1)),
        ..GetMessageRequest::default()
    };
    let result = answered(Duration::from_secs(2), message, async |request| {
        gateway.streams().get_message(request).await
    })
    .await;

    refused(result, Code::Unavailable, "NATS_DISCONNECTED");
}
