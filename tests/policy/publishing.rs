//! Publishing: every message is judged, with all that it brings about.

use jetgate::proto::schedule::When;
use jetgate::proto::{
    Expectation, PublishBatchMode, PublishBatchRequest, PublishOpen, PublishRequest, Rollup,
    Schedule,
};
use tonic::Status;

use super::{House, denied, message, rule};
use crate::support::metadata;
use crate::support::publishing::Publishing;

const ORDERS_OF_EU: &str = "publish = [\"orders.eu.>\"]";

async fn publish(house: &House, caller: &str, message: PublishRequest) -> Result<u64, Status> {
    let mut publisher = house.of(caller).publisher();
    let answer = publisher.publish(message).await?;
    Ok(answer.into_inner().sequence)
}

#[tokio::test]
async fn only_allowed_subjects_are_stored() {
    let mut house = House::with(&rule("ada", ORDERS_OF_EU)).await;

    publish(&house, "ada", message("orders.eu.1"))
        .await
        .unwrap();
    let status = denied(
        publish(&house, "ada", message("orders.us.1")).await,
        "publish",
    );
    assert_eq!(metadata(&status, "subjects").unwrap(), "orders.us.1");
    assert!(metadata(&status, "decision_id").is_some());
    denied(
        publish(&house, "bob", message("orders.eu.1")).await,
        "publish",
    );
    // Looking whether it would be stored tells as much as storing it.
    let looking = PublishRequest {
        validate_only: true,
        ..message("orders.us.1")
    };
    denied(publish(&house, "ada", looking).await, "publish");

    assert_eq!(house.wire.count("ORDERS").await, 1);
    assert!(
        house
            .metric("jetgate_policy_denials_total{mode=\"enforce\",permission=\"publish\"} 3")
            .await
    );
}

#[tokio::test]
async fn items_of_a_batch_are_judged_one_by_one_and_an_atomic_one_as_a_whole() {
    let mut house = House::with(&rule("ada", ORDERS_OF_EU)).await;
    let batch = |mode: PublishBatchMode| PublishBatchRequest {
        messages: vec![message("orders.eu.1"), message("orders.us.1")],
        mode: mode as i32,
        ..PublishBatchRequest::default()
    };
    let mut publisher = house.of("ada").publisher();

    let independent = batch(PublishBatchMode::Independent);
    let answer = publisher
        .publish_batch(independent)
        .await
        .unwrap()
        .into_inner();
    let codes: Vec<_> = answer
        .results
        .iter()
        .map(|it| it.status.as_ref().unwrap().code)
        .collect();
    assert_eq!(codes, [0, tonic::Code::PermissionDenied as i32]);
    let atomic = batch(PublishBatchMode::Atomic);
    denied(publisher.publish_batch(atomic).await, "publish");

    assert_eq!(house.wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn messages_of_a_publish_stream_are_judged_one_by_one() {
    let house = House::with(&rule("ada", ORDERS_OF_EU)).await;
    let mut stream = Publishing::open(&house.of("ada"), PublishOpen::default()).await;

    let messages = ["orders.eu.1", "orders.us.1", "orders.eu.2"].map(message);
    stream.publish(1, messages.to_vec()).await;
    stream.settled(3).await;

    let reasons: Vec<_> = stream.outcomes.values().map(|it| it.reason()).collect();
    assert_eq!(reasons, ["", "PERMISSION_DENIED", ""]);
    let refused = Publishing::try_open(&house.of("bob"), PublishOpen::default()).await;
    denied(refused.map(|_| ()), "publish");
}

#[tokio::test]
async fn what_a_message_brings_about_is_its_publishers_doing() {
    let text = format!(
        "{ORDERS_OF_EU}\nstreams = [{{ names = [\"OTHER\"], actions = [\"purge\"] }}]\n\
         consume = [{{ streams = [\"ORDERS\"], filters = [\"orders.eu.>\"] }}]"
    );
    let house = House::with(&rule("ada", &text)).await;
    let scheduled = |target: &str, source: &str| PublishRequest {
        schedule: Some(Box::new(Schedule {
            when: Some(When::Every(prost_types::Duration {
                seconds: 60,
                nanos: 0,
            })),
            target: target.to_owned(),
            source: source.to_owned(),
            ..Schedule::default()
        })),
        ..message("orders.eu.plan")
    };
    denied(
        publish(&house, "ada", scheduled("orders.us.1", "")).await,
        "publish",
    );
    // Without the stream's name it is not known what the source is part of.
    let copying = scheduled("orders.eu.1", "orders.eu.2");
    denied(publish(&house, "ada", copying.clone()).await, "consume");
    let expect = Expectation {
        stream: "ORDERS".to_owned(),
        ..Expectation::default()
    };
    let named = |message: PublishRequest| PublishRequest {
        expect: Some(Box::new(expect.clone())),
        ..message
    };
    let secret = named(scheduled("orders.eu.1", "orders.us.2"));
    denied(publish(&house, "ada", secret).await, "consume");
    let status = publish(&house, "ada", named(copying)).await.unwrap_err();
    assert_eq!(crate::support::reason(&status), "NOT_ENABLED_ON_STREAM");

    let rollup = PublishRequest {
        rollup: Rollup::All as i32,
        ..message("orders.eu.1")
    };
    denied(publish(&house, "ada", named(rollup)).await, "streams.purge");
    let mut peeking = message("orders.eu.1");
    peeking.expect = Some(Box::new(Expectation {
        last_subject_sequence: Some(0),
        last_subject_sequence_subject: "orders.us.1".to_owned(),
        ..Expectation::default()
    }));
    denied(publish(&house, "ada", peeking).await, "publish");
}
