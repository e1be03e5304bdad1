//! NATS goes away before or during a publish: what is known about the message, and when.

use std::time::{Duration, Instant, SystemTime};

use jetgate::proto::PublishRequest;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use super::{message, orders};
use crate::support::{
    Gateway, NatsServer, SOON, Toxic, Wire, answered, eventually, finally_answered,
    is_of_the_gateway, metadata, reason, refused, start_with_stream,
};

fn within(timeout: Duration, message: PublishRequest) -> Request<PublishRequest> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// A gateway that gives calls without a deadline this long. Their callers have no timers that could run out before its
/// answers have come.
async fn start_giving(nats_url: &str, timeout: Duration) -> Gateway {
    Gateway::start_with(nats_url, |config| config.publish.timeout = timeout).await
}

fn with_id(id: &str) -> PublishRequest {
    PublishRequest {
        message_id: id.to_owned(),
        ..message("orders.x")
    }
}

/// Asserts an unknown outcome that tells how to retry, and returns the id to do so with.
#[track_caller]
fn unknown_outcome(status: &Status) -> String {
    assert_eq!(reason(status), "PUBLISH_OUTCOME_UNKNOWN", "{status:?}");
    let until = metadata(status, "dedup_expires_at").expect("no dedup_expires_at");
    let until: prost_types::Timestamp = until.parse().unwrap();
    assert!(SystemTime::try_from(until).unwrap() > SystemTime::now());
    metadata(status, "message_id").expect("no message_id")
}

#[tokio::test]
async fn says_that_nats_is_away_and_that_nothing_was_sent() {
    let (mut nats, gateway, _wire) = start_with_stream(orders()).await;
    nats.kill();
    let away = Some(ServingStatus::NotServing);
    eventually(SOON, async || {
        (gateway.status_of("").await == away).then_some(())
    })
    .await;

    let answer = answered(Duration::from_secs(2), with_id("1"), async |request| {
        gateway.publisher().publish(request).await
    })
    .await;

    refused(answer, Code::Unavailable, "NATS_DISCONNECTED");
    nats.restart().await;
    assert_eq!(nats.wire().await.count("ORDERS").await, 0);
}

#[tokio::test]
async fn publishes_again_once_nats_is_back() {
    let (mut nats, gateway, _wire) = start_with_stream(orders()).await;

    nats.restart().await;
    let answer = gateway
        .publisher()
        .publish(within(SOON, with_id("1")))
        .await
        .unwrap();

    assert_eq!(answer.into_inner().sequence, 1);
    assert_eq!(nats.wire().await.count("ORDERS").await, 1);
}

#[tokio::test]
async fn waits_for_nats_within_the_deadline() {
    let (mut nats, gateway, _wire) = start_with_stream(orders()).await;
    nats.kill();
    let mut publisher = gateway.publisher();

    let call = tokio::spawn(async move { publisher.publish(within(SOON, with_id("1"))).await });
    let away = Some(ServingStatus::NotServing);
    eventually(SOON, async || {
        (gateway.status_of("").await == away).then_some(())
    })
    .await;
    nats.restart().await;

    assert!(!call.await.unwrap().unwrap().into_inner().duplicate);
    assert_eq!(nats.wire().await.count("ORDERS").await, 1);
}

/// What the gateway says to a client with a timer of its own of the second message of a stream, once NATS hangs.
///
/// On a busy machine that timer may run out before the client has the answer: then all begins anew, as the message may be
/// stored later.
async fn unanswered() -> (NatsServer, Gateway, Status) {
    eventually(3 * SOON, async || {
        let (nats, gateway, _wire) = start_with_stream(orders()).await;
        let mut publisher = gateway.publisher();
        publisher.publish(message("orders.x")).await.unwrap();
        nats.pause();
        let request = within(Duration::from_secs(2), message("orders.x"));
        let status = publisher.publish(request).await.unwrap_err();
        is_of_the_gateway(&status).then_some((nats, gateway, status))
    })
    .await
}

#[tokio::test]
async fn tells_a_client_with_a_timer_of_its_own_that_the_outcome_is_unknown() {
    let (nats, gateway, status) = unanswered().await;

    assert_eq!(status.code(), Code::DeadlineExceeded);
    let id = unknown_outcome(&status);
    nats.resume();
    let retry = gateway
        .publisher()
        .publish(within(SOON, with_id(&id)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((retry.message_id, retry.sequence), (id, 2));
    assert_eq!(nats.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn a_definite_error_means_that_nothing_is_stored_later() {
    let nats = NatsServer::start().await;
    let gateway = start_giving(&nats.url(), Duration::from_secs(1)).await;
    nats.wire().await.create_stream(orders()).await;

    nats.pause();
    // The gateway has not seen this stream yet: it may ask about it first and never send.
    let status = gateway.publisher().publish(with_id("1")).await.unwrap_err();
    nats.resume();
    let count = nats.wire().await.count("ORDERS").await;

    match reason(&status).as_str() {
        "PUBLISH_OUTCOME_UNKNOWN" => assert_eq!(unknown_outcome(&status), "1"),
        _ => assert_eq!(count, 0, "{status:?}"),
    }
    let retry = gateway
        .publisher()
        .publish(within(SOON, with_id("1")))
        .await
        .unwrap();
    assert_eq!(retry.into_inner().sequence, 1);
    assert_eq!(nats.wire().await.count("ORDERS").await, 1);
}

#[tokio::test]
async fn waits_no_longer_than_its_own_timeout_for_a_call_without_a_deadline() {
    let nats = NatsServer::start().await;
    let timeout = Duration::from_secs(1);
    let gateway = start_giving(&nats.url(), timeout).await;
    nats.wire().await.create_stream(orders()).await;
    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();

    nats.pause();
    let started = Instant::now();
    let status = gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap_err();

    assert_eq!(status.code(), Code::DeadlineExceeded);
    unknown_outcome(&status);
    assert!(started.elapsed() >= timeout / 2 && started.elapsed() < timeout * 5);
    nats.resume();
}

#[tokio::test]
async fn waits_for_a_hung_server_and_stores_once() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.nats.ping_interval = Duration::from_millis(500);
    })
    .await;
    nats.wire().await.create_stream(orders()).await;
    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();

    nats.pause();
    let mut publisher = gateway.publisher();
    let call = tokio::spawn(async move { publisher.publish(within(SOON, with_id("1"))).await });
    let away = Some(ServingStatus::NotServing);
    eventually(SOON, async || {
        (gateway.status_of("").await == away).then_some(())
    })
    .await;
    nats.resume();

    assert_eq!(call.await.unwrap().unwrap().into_inner().sequence, 2);
    assert_eq!(nats.wire().await.count("ORDERS").await, 2);
}

#[tokio::test]
async fn repeats_what_a_lost_connection_left_open_and_stores_it_once() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let gateway = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(orders()).await;
    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();

    // The message reaches the server, its answer does not reach the gateway.
    toxic.stall_answers();
    let mut publisher = gateway.publisher();
    let call = tokio::spawn(async move { publisher.publish(within(SOON, with_id("1"))).await });
    eventually(SOON, async || {
        (nats.wire().await.count("ORDERS").await == 2).then_some(())
    })
    .await;
    toxic.cut();
    toxic.restore();

    let answer = call.await.unwrap().unwrap().into_inner();
    assert_eq!((answer.sequence, answer.duplicate), (2, true));
    assert_eq!(wire.count("ORDERS").await, 2);
}

#[tokio::test]
async fn says_that_the_outcome_is_unknown_when_nats_dies_with_the_answer() {
    let mut nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let url = format!("nats://{}", toxic.address());
    let gateway = start_giving(&url, Duration::from_secs(4)).await;
    nats.wire().await.create_stream(orders()).await;
    gateway
        .publisher()
        .publish(message("orders.x"))
        .await
        .unwrap();

    toxic.stall_answers();
    let mut publisher = gateway.publisher();
    let call = tokio::spawn(async move { publisher.publish(with_id("1")).await });
    eventually(SOON, async || {
        (nats.wire().await.count("ORDERS").await == 2).then_some(())
    })
    .await;
    nats.kill();
    toxic.cut();

    let status = call.await.unwrap().unwrap_err();
    assert!(
        [Code::Unavailable, Code::DeadlineExceeded].contains(&status.code()),
        "{status:?}"
    );
    assert_eq!(unknown_outcome(&status), "1");
}

/// As servers are that do not know yet that the leader of all is gone: they leave it unsaid which stream takes a subject.
async fn without_leader_of_all() -> (NatsServer, Gateway, Wire, u64) {
    let answered = r#"mappings { "quiet.INFO": "$JS.API.INFO" }"#;
    let nats = NatsServer::start_with(answered).await;
    let mut wire = nats.wire().await;
    let questions = wire.subscribe("quiet.STREAM.NAMES").await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.nats.api_prefix = Some("quiet".to_owned());
    })
    .await;
    (nats, gateway, wire, questions)
}

#[tokio::test]
async fn what_nobody_takes_is_sent_again_while_jetstream_does_not_say_why() {
    let (_nats, gateway, mut wire, questions) = without_leader_of_all().await;
    let mut publisher = gateway.publisher();
    let publishing = tokio::spawn(async move {
        let request = within(Duration::from_secs(20), with_id("1"));
        publisher.publish(request).await
    });

    // Asked before the message was sent, and again as nobody took it.
    for _ in 0..2 {
        assert!(wire.next(questions, SOON).await.is_some());
    }
    wire.create_stream(orders()).await;

    let answer = publishing.await.unwrap().unwrap().into_inner();
    assert_eq!((answer.sequence, answer.duplicate), (1, false));
}

#[tokio::test]
async fn what_nobody_takes_in_time_is_surely_not_stored() {
    let (_nats, gateway, _wire, _) = without_leader_of_all().await;
    let answer = finally_answered(
        Duration::from_secs(4),
        with_id("1"),
        async |request| gateway.publisher().publish(request).await,
        // Of what it sends at the last moment, the gateway may not hear in time that nobody took it.
        |status| reason(status) != "PUBLISH_OUTCOME_UNKNOWN",
    );
    refused(
        answer.await,
        Code::DeadlineExceeded,
        "JETSTREAM_UNAVAILABLE",
    );
}
