//! Rules that change while the gateway runs, and what they do to streams that are open.

use jetgate::auth::policy::Policy;
use jetgate::proto::{GetInfoRequest, PublishOpen};
use tonic::Code;

use super::{House, denied, entries, may_consume, message, rule};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{CONSUMER, STREAM, Session, fetch, subscribe};
use crate::support::publishing::Publishing;
use crate::support::{SOON, eventually, refused};

#[tokio::test]
async fn a_session_that_is_not_allowed_any_more_ends_at_once() {
    let mut house = House::with(&rule("ada", &may_consume())).await;
    house.consumer(CONSUMER, "orders.>").await;
    house.wire.store("orders.x", b"1").await;
    let ada = house.of("ada");
    let mut consuming = Consume::open(&ada, open()).await;
    let held = consuming.messages(1).await;
    assert_eq!(held.len(), 1);
    let mut subscribed = Session::open(&ada, subscribe()).await;

    // Rules that leave it alone do nothing to it.
    let rules = format!(
        "{}{}",
        rule("ada", &may_consume()),
        rule("bob", "publish = [\"a\"]")
    );
    house.rules.write(&rules);
    let bob = house.of("bob");
    let may_publish = async || {
        let status = bob.publisher().publish(message("a")).await.unwrap_err();
        (status.code() == Code::NotFound).then_some(())
    };
    eventually(SOON, may_publish).await;
    consuming.heartbeat().await;

    house.rules.write(&rule("bob", "publish = [\"a\"]"));
    denied(consuming.end().await, "consume");
    denied(Err::<(), _>(subscribed.end().await), "consume");
    // What it held is given back, and comes again without its ack_wait.
    house.rules.write(&rule("ada", &may_consume()));
    let again = async || {
        let answer = ada.subscriber().fetch(fetch(1)).await.ok()?;
        answer.into_inner().messages.pop()
    };
    assert_eq!(eventually(SOON, again).await.delivery_attempt, 2);
}

#[tokio::test]
async fn messages_of_an_open_publish_stream_follow_the_new_rules() {
    let mut house = House::with(&rule("ada", "publish = [\"orders.>\"]")).await;
    let mut stream = Publishing::open(&house.of("ada"), PublishOpen::default()).await;
    stream.publish(1, vec![message("orders.us.1")]).await;
    stream.settled(1).await;

    house
        .rules
        .write(&rule("ada", "publish = [\"orders.eu.>\"]"));
    let mut number = 1;
    eventually(SOON, async || {
        number += 1;
        stream.publish(number, vec![message("orders.us.1")]).await;
        stream.settled(number).await;
        (stream.outcomes[&number].reason() == "PERMISSION_DENIED").then_some(())
    })
    .await;
    let stored = house.wire.count(STREAM).await;
    stream
        .publish(
            number + 1,
            vec![message("orders.us.1"), message("orders.eu.1")],
        )
        .await;
    stream.settled(number + 2).await;
    assert_eq!(stream.outcomes[&(number + 1)].reason(), "PERMISSION_DENIED");
    assert_eq!(stream.outcomes[&(number + 2)].reason(), "");
    assert_eq!(house.wire.count(STREAM).await, stored + 1);
}

#[tokio::test]
async fn rules_that_cannot_be_used_leave_those_in_force_that_are() {
    let house = House::with(&rule("ada", "gateway = [\"info\"]")).await;
    let info = async |caller: &str| house.of(caller).gateway().get_info(GetInfoRequest {}).await;
    house
        .rules
        .write(&rule("bob", "gateway = [\"everything\"]"));
    info("ada").await.unwrap();
    house.rules.write(&rule("bob", "gateway = [\"info\"]"));

    eventually(SOON, async || info("bob").await.ok()).await;
    denied(info("ada").await, "gateway.info");
}

#[tokio::test]
async fn a_caller_whose_key_is_gone_is_sent_away() {
    let mut house = House::with(&rule(
        "ada",
        &format!("{}\npublish = [\">\"]", may_consume()),
    ))
    .await;
    house.consumer(CONSUMER, "orders.>").await;
    let ada = house.of("ada");
    let mut consuming = Consume::open(&ada, open()).await;
    let mut publishing = Publishing::open(&ada, PublishOpen::default()).await;

    house.keys.write(&entries(&house.callers[1..]));
    refused(
        consuming.end().await,
        Code::Unauthenticated,
        "UNAUTHENTICATED",
    );
    refused(
        publishing.end().await,
        Code::Unauthenticated,
        "UNAUTHENTICATED",
    );
}

#[tokio::test]
async fn in_shadow_mode_nothing_is_refused_and_everything_counted() {
    let mut house = House::configured(&rule("ada", "publish = [\"orders.eu.>\"]"), |config| {
        config.auth.policy_mode = jetgate::auth::PolicyMode::Shadow;
    })
    .await;
    let mut publisher = house.of("bob").publisher();
    publisher.publish(message("orders.us.1")).await.unwrap();

    assert_eq!(house.wire.count(STREAM).await, 1);
    // Once for the method, once for the message.
    let line = "jetgate_policy_denials_total{mode=\"shadow\",permission=\"publish\"} 2";
    assert!(house.metric(line).await);
}

#[test]
fn the_rules_that_are_shipped_can_be_used() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/config/policy.toml");
    let policy = Policy::read(file.as_ref()).unwrap();
    assert!(policy.len() > 2);
}
