//! A leader of the past refuses what the new one stores: its refusal comes in the place of the acknowledgement.

use std::time::{Duration, Instant};

use jetgate::proto::{
    Expectation, PublishBatchMode, PublishBatchRequest, PublishOpen, PublishRequest,
};
use serde_json::json;
use tonic::{Code, Status};

use super::message;
use crate::support::publishing::Publishing;
use crate::support::{
    Gateway, Lossy, NatsCluster, finally_answered, reason, refused, start_with_stream,
};

/// As long as makes an acknowledgement longer than the refusal.
const STREAM: &str = "ORDERS_WHOSE_NAME_IS_SO_LONG_THAT_THE_REFUSAL_FITS_INTO_THE_ACKNOWLEDGEMENT";

/// A gateway behind the proxy, and a stream with one message.
struct House {
    _nats: NatsCluster,
    _proxy: Lossy,
    gateway: Gateway,
}

/// Answers of a leader of the past: it knows of less, or of a message that is under way for ever.
const KNOWS_LESS: &str =
    r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 0"}"#;
const UNDECIDED: &str =
    r#"{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}"#;

impl House {
    async fn start() -> Self {
        Self::refusing(KNOWS_LESS).await
    }

    /// The acknowledgement of the second message of the stream, and of the batch that ends with the third, becomes this
    /// refusal.
    async fn refusing(refusal: &str) -> Self {
        let nats = NatsCluster::start().await;
        let mut wire = nats.wire().await;
        wire.create_stream(json!({
            "name": STREAM, "subjects": ["orders.>"], "num_replicas": 3, "allow_atomic": true
        }))
        .await;
        nats.leader_of_stream(STREAM).await;
        wire.store("orders.x", b"first").await;
        let alone = format!("{{\"stream\":\"{STREAM}\",\"seq\":2}}");
        let batch = format!("{{\"stream\":\"{STREAM}\",\"seq\":3,\"batch\"");
        let as_long_as = |text: &str, end: &str| {
            let refusal = format!("{refusal:<width$}{end}", width = text.len() - end.len());
            assert_eq!(refusal.len(), text.len());
            refusal
        };
        let refused = (as_long_as(&alone, "}"), as_long_as(&batch, ",\"batch\""));
        let texts = [(&*alone, &*refused.0), (&*batch, &*refused.1)];
        let proxy = Lossy::replacing(nats.server(0).address(), &texts).await;
        let gateway = Gateway::start(&proxy.url()).await;
        Self {
            _nats: nats,
            _proxy: proxy,
            gateway,
        }
    }
}

fn expecting(last_sequence: u64, id: &str) -> PublishRequest {
    let expect = Expectation {
        last_sequence: Some(last_sequence),
        ..Expectation::default()
    };
    PublishRequest {
        message_id: id.to_owned(),
        expect: Some(expect.into()),
        ..message("orders.x")
    }
}

/// The gateway's last word on a message that is refused, within less time than asking for leaders takes.
async fn refusal_in_a_hurry(
    gateway: &Gateway,
    message: PublishRequest,
    is_last_word: impl Fn(&Status) -> bool,
) -> Status {
    let answer = finally_answered(
        Duration::from_millis(190),
        message,
        async |request| gateway.publisher().publish(request).await,
        is_last_word,
    );
    answer.await.unwrap_err()
}

async fn publish(gateway: &Gateway, message: PublishRequest) -> Result<(u64, bool), Status> {
    let answer = gateway.publisher().publish(message).await?.into_inner();
    Ok((answer.sequence, answer.duplicate))
}

#[tokio::test]
async fn a_message_is_found_where_the_new_leader_stored_it() {
    // With its caller's id, and with one that the gateway makes.
    for id in ["1", ""] {
        let house = House::start().await;
        let answer = publish(&house.gateway, expecting(1, id)).await;
        assert_eq!(answer.unwrap(), (2, true));
    }
}

#[tokio::test]
async fn a_message_of_a_publish_stream_is_found_as_well() {
    let house = House::start().await;
    let mut stream = Publishing::open(&house.gateway, PublishOpen::default()).await;
    stream.publish(1, vec![expecting(1, "1")]).await;
    stream.settled(1).await;
    assert_eq!(stream.outcomes[&1].reason(), "");
}

#[tokio::test]
async fn what_a_leader_never_decides_is_asked_again() {
    let house = House::refusing(UNDECIDED).await;
    let answer = publish(&house.gateway, expecting(1, "")).await;
    assert_eq!(answer.unwrap(), (2, true));
}

#[tokio::test]
async fn a_batch_that_the_new_leader_stored_is_not_called_refused() {
    let house = House::start().await;
    let second = PublishRequest {
        message_id: "2".to_owned(),
        ..message("orders.x")
    };
    let messages = vec![expecting(1, "1"), second];
    let batch = PublishBatchRequest {
        messages,
        mode: PublishBatchMode::Atomic.into(),
        ..PublishBatchRequest::default()
    };
    let answer = house.gateway.publisher().publish_batch(batch).await;
    refused(answer, Code::DeadlineExceeded, "PUBLISH_OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn what_never_was_true_is_refused_once_one_leader_speaks_alone() {
    let house = House::start().await;
    let began = Instant::now();
    let answer = publish(&house.gateway, expecting(7, "")).await;
    refused(answer, Code::Aborted, "WRONG_LAST_SEQUENCE");
    assert!(began.elapsed() > Duration::from_millis(200));
}

#[tokio::test]
async fn where_no_time_is_left_to_ask_for_leaders_the_outcome_is_unknown() {
    let house = House::start().await;
    // It knows the stream from now on.
    let answer = publish(&house.gateway, expecting(7, "")).await;
    refused(answer, Code::Aborted, "WRONG_LAST_SEQUENCE");

    let status = refusal_in_a_hurry(&house.gateway, expecting(7, ""), |_| true).await;
    refused::<()>(
        Err(status),
        Code::DeadlineExceeded,
        "PUBLISH_OUTCOME_UNKNOWN",
    );
}

#[tokio::test]
async fn a_stream_with_one_replica_has_no_other_leader() {
    let orders = json!({ "name": STREAM, "subjects": ["orders.>"] });
    let (_nats, gateway, _wire) = start_with_stream(orders).await;
    publish(&gateway, message("orders.x")).await.unwrap();

    // A busy JetStream may itself take longer; a gateway that asked for leaders would never have the time to be sure.
    let is_sure = |status: &Status| reason(status) != "PUBLISH_OUTCOME_UNKNOWN";
    let status = refusal_in_a_hurry(&gateway, expecting(7, ""), is_sure).await;
    refused::<()>(Err(status), Code::Aborted, "WRONG_LAST_SEQUENCE");
}
