//! Messages that JetStream gives up: their letters, however they die.

mod collecting;
mod faults;
mod listing;
mod replaying;

use jetgate::proto::get_dead_letter_response::Payload;
use jetgate::proto::{
    AckKind, Acknowledgement, DeadLetterCause, FetchRequest, GetInfoRequest, ListDeadLettersRequest,
};
use serde_json::json;
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, acknowledge, create_consumer, fetch, fetched, nanoseconds, say, settle,
    store_many,
};
use crate::support::dead_letters::{
    LETTERS, collecting_gateway, get, list, pull, purge, replay, replay_all, start_collecting,
    term, terminate, until_letters,
};
use crate::support::{NatsServer, refused, start, violated_field};

#[tokio::test]
async fn a_message_that_reaches_max_deliver_through_the_gateway_gets_a_letter() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({ "max_deliver": 2 })).await;
    wire.publish_raw(
        "orders.new",
        b"Trace: t1\r\nNats-Msg-Id: id-1\r\n",
        b"payload",
    )
    .await;

    for _ in 0..2 {
        let messages = fetched(&gateway, fetch(1)).await;
        settle(&gateway, AckKind::Nak, &messages).await;
    }
    // JetStream notices when it would deliver the message once more.
    let _nothing = fetched(
        &gateway,
        FetchRequest {
            no_wait: true,
            max_wait: None,
            ..fetch(1)
        },
    )
    .await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!(
        (letter.stream.as_str(), letter.consumer.as_str()),
        (STREAM, CONSUMER)
    );
    assert_eq!((letter.sequence, letter.deliveries), (1, 2));
    assert_eq!(letter.cause(), DeadLetterCause::MaxDeliveries);
    assert_eq!(
        (letter.subject.as_str(), letter.message_id.as_str()),
        ("orders.new", "id-1")
    );
    assert!(
        letter.has_message && letter.not_carried.is_empty(),
        "{letter:?}"
    );
    assert!(letter.time.unwrap().seconds >= letter.publish_time.unwrap().seconds);
    assert!(letter.consumer_created.is_some());
    assert_eq!(
        letter.letter_id.split('.').take(3).collect::<Vec<_>>(),
        [STREAM, CONSUMER, "1"]
    );

    let whole = get(&gateway, &letter.letter_id).await.unwrap();
    assert_eq!(whole.payload, Some(Payload::Text("payload".to_owned())));
    assert_eq!(whole.letter, Some(letter));
    let mut headers: Vec<_> = whole
        .headers
        .iter()
        .map(|it| (it.name.as_str(), it.value.as_str()))
        .collect();
    headers.sort_unstable();
    assert_eq!(headers, [("Nats-Msg-Id", "id-1"), ("Trace", "t1")]);
    // The message stays where it is.
    assert_eq!(wire.count(STREAM).await, 1);
}

#[tokio::test]
async fn a_message_that_dies_of_its_ack_wait_at_a_native_client_gets_a_letter() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(
        &mut wire,
        json!({ "max_deliver": 1, "ack_wait": nanoseconds(1) }),
    )
    .await;
    store_many(&mut wire, 3).await;

    pull(&mut wire, STREAM, CONSUMER, 3).await;

    let letters = until_letters(&gateway, &mut wire, 3).await;
    let mut sequences: Vec<_> = letters.iter().map(|letter| letter.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 3]);
    assert!(
        letters
            .iter()
            .all(|letter| letter.deliveries == 1 && letter.has_message)
    );
}

#[tokio::test]
async fn a_terminated_message_keeps_the_reason() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;

    let message = fetched(&gateway, fetch(1)).await.remove(0);
    let item = Acknowledgement {
        reason: "cannot be parsed".to_owned(),
        ..say(AckKind::Term, &message.ack_token)
    };
    // Twice is one death.
    acknowledge(&gateway, vec![item.clone()]).await;
    acknowledge(&gateway, vec![item]).await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!(letter.cause(), DeadLetterCause::Terminated);
    assert_eq!(letter.reason, "cannot be parsed");
    assert!(letter.has_message);
}

#[tokio::test]
async fn a_terminated_message_of_a_work_queue_leaves_its_provenance() {
    let nats = NatsServer::start().await;
    let gateway = collecting_gateway(&nats.url()).await;
    let mut wire = nats.wire().await;
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"], "retention": "workqueue" });
    wire.create_stream(stream).await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;

    terminate(&mut wire, 1, "broken").await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!((letter.sequence, letter.reason.as_str()), (1, "broken"));
    assert!(!letter.has_message && letter.subject.is_empty());
    assert_eq!(letter.not_carried.len(), 1);
    let whole = get(&gateway, &letter.letter_id).await.unwrap();
    assert_eq!((whole.payload, whole.headers), (None, vec![]));

    let (results, summary) = replay(&gateway, replay_all("r1")).await.unwrap();
    assert_eq!(
        (summary.failed, summary.published, summary.complete),
        (1, 0, true)
    );
    let status = results[0].status.as_ref().unwrap();
    assert_eq!(status.code, Code::FailedPrecondition as i32);
    assert_eq!(
        status.reason().as_str_name(),
        "ERROR_REASON_DEAD_LETTER_WITHOUT_MESSAGE"
    );
}

#[tokio::test]
async fn a_message_that_is_deleted_at_work_was_removed() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;
    pull(&mut wire, STREAM, CONSUMER, 1).await;

    wire.api(&format!("STREAM.MSG.DELETE.{STREAM}"), json!({ "seq": 1 }))
        .await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!(letter.cause(), DeadLetterCause::Removed);
    assert!(!letter.has_message);
}

#[tokio::test]
async fn a_message_without_payload_is_one() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    wire.store("orders.x", b"").await;

    terminate(&mut wire, 1, "empty").await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert!(letter.has_message);
    let whole = get(&gateway, &letter.letter_id).await.unwrap();
    assert_eq!(whole.payload, Some(Payload::Text(String::new())));
}

#[tokio::test]
async fn malformed_headers_are_named_and_the_payload_is_kept() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(
        &mut wire,
        json!({ "max_deliver": 1, "ack_wait": nanoseconds(1) }),
    )
    .await;
    let headers: &[u8] = b"A: x\ry\r\nB: fine\r\n";
    wire.store_raw("orders.x", Some(headers), b"payload").await;

    pull(&mut wire, STREAM, CONSUMER, 1).await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!(letter.not_carried.len(), 1);
    assert!(letter.not_carried[0].starts_with("header A:"), "{letter:?}");
    let whole = get(&gateway, &letter.letter_id).await.unwrap();
    assert_eq!(whole.payload, Some(Payload::Text("payload".to_owned())));
    assert_eq!(whole.headers.len(), 1);
    assert_eq!(whole.headers[0].name, "B");
}

#[tokio::test]
async fn a_message_that_does_not_fit_beside_its_provenance_leaves_that_alone() {
    let nats = NatsServer::start_with("max_payload: 65536").await;
    let gateway = collecting_gateway(&nats.url()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    wire.store("orders.x", &vec![b'x'; 65_500]).await;

    terminate(&mut wire, 1, "large").await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert!(!letter.has_message);
    assert_eq!(letter.subject, "orders.x");
}

#[tokio::test]
async fn long_subjects_are_kept_in_full() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    let subject = format!("orders.{}", "x".repeat(1_010));
    wire.store(&subject, b"payload").await;

    terminate(&mut wire, 1, "").await;

    let letter = until_letters(&gateway, &mut wire, 1).await.remove(0);
    assert_eq!((letter.subject, letter.has_message), (subject, true));
}

#[tokio::test]
async fn letters_about_letters_are_not_written() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    store_many(&mut wire, 1).await;
    terminate(&mut wire, 1, "first").await;
    until_letters(&gateway, &mut wire, 1).await;

    // Somebody consumes the letters, and terminates one.
    wire.create_consumer(
        LETTERS,
        json!({ "durable_name": "reader", "ack_policy": "explicit" }),
    )
    .await;
    let ack = pull(&mut wire, LETTERS, "reader", 1).await.remove(0);
    term(&mut wire, &ack, "no").await;
    store_many(&mut wire, 1).await;
    terminate(&mut wire, 1, "second").await;

    let letters = until_letters(&gateway, &mut wire, 2).await;
    assert!(
        letters.iter().all(|letter| letter.stream == STREAM),
        "{letters:?}"
    );
}

#[tokio::test]
async fn junk_among_the_advisories_and_the_letters_stops_nothing() {
    let (_nats, gateway, mut wire) = start_collecting().await;
    create_consumer(&mut wire, json!({})).await;
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{STREAM}.{CONSUMER}");
    wire.publish(&subject, b"no advisory").await;
    // The second breaks the connection of whoever receives it.
    wire.publish_raw(&subject, b"A: x\ry\r\n", b"{}").await;
    wire.publish("dead_letters.a.b.1.c.letter.removed.d", b"forged")
        .await;
    wire.publish("dead_letters.junk", b"junk").await;
    store_many(&mut wire, 1).await;

    terminate(&mut wire, 1, "real").await;

    let found = until_letters(&gateway, &mut wire, 2).await;
    assert!(
        found
            .iter()
            .any(|letter| letter.reason == "real" && letter.has_message)
    );
}

#[tokio::test]
async fn without_configuration_every_call_says_so() {
    let (_nats, gateway) = start().await;
    let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
    assert_eq!(info.into_inner().dead_letters, None);

    let (code, reason) = (Code::FailedPrecondition, "DEAD_LETTERS_NOT_CONFIGURED");
    refused(list(&gateway, Default::default()).await, code, reason);
    refused(get(&gateway, "S.c.1.i").await, code, reason);
    refused(replay(&gateway, replay_all("r")).await, code, reason);
    refused(purge(&gateway, Default::default()).await, code, reason);
}

#[tokio::test]
async fn refuses_what_makes_no_sense() {
    let (_nats, gateway, _wire) = start_collecting().await;
    let blamed =
        |result| violated_field(&refused(result, Code::InvalidArgument, "INVALID_REQUEST"));

    refused(
        get(&gateway, "S.c.1.i").await,
        Code::NotFound,
        "DEAD_LETTER_NOT_FOUND",
    );
    assert_eq!(
        blamed(get(&gateway, "S.c.1").await.map(|_| ())),
        "letter_id"
    );
    let mut request = replay_all("r");
    request.all = false;
    assert_eq!(
        blamed(replay(&gateway, request).await.map(|_| ())),
        "filter"
    );
    assert_eq!(
        blamed(replay(&gateway, replay_all("a.b")).await.map(|_| ())),
        "replay_id"
    );
    assert_eq!(
        blamed(replay(&gateway, replay_all("")).await.map(|_| ())),
        "replay_id"
    );
    assert_eq!(
        blamed(purge(&gateway, Default::default()).await.map(|_| ())),
        "filter"
    );
    let request = ListDeadLettersRequest {
        page_token: "x".into(),
        ..Default::default()
    };
    assert_eq!(
        blamed(list(&gateway, request).await.map(|_| ())),
        "page_token"
    );
}
