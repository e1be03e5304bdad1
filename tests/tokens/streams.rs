//! Streams that outlast the credentials that they were opened with, and those that do not.

use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::publish_stream_request::Frame as Publish;
use jetgate::proto::publish_stream_response::Frame as Published;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{DrainingReason, PublishOpen, PublishRequest, UpdateCredentials};
use serde_json::json;

use super::{House, Key, assert_refused, claims, now};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{STREAM, Session, create_consumer, subscribe};
use crate::support::publishing::Publishing;
use crate::support::{SOON, Wire, eventually};

/// Enough for a slow machine to open a stream, and not too long to wait for.
const SHORT: u64 = 12;

async fn house() -> (House, Wire) {
    let house = House::start().await;
    let mut wire = house.nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    (house, wire)
}

impl House {
    /// A token of ada for so many seconds.
    fn lasting(&self, seconds: u64) -> String {
        self.token(json!({ "exp": now() + seconds }))
    }
}

fn fresh(token: &str) -> UpdateCredentials {
    UpdateCredentials {
        bearer: token.to_owned(),
    }
}

#[tokio::test]
async fn streams_end_with_the_token_that_they_were_opened_with() {
    let (house, _wire) = house().await;
    let clients = house.gateway.showing(&house.lasting(SHORT));
    let mut consuming = Consume::open(&clients, open()).await;
    let mut subscribed = Session::open(&clients, subscribe()).await;
    let mut publishing = Publishing::open(&clients, PublishOpen::default()).await;

    // R9: told before.
    let draining = consuming.draining().await;
    assert_eq!(draining.reason(), DrainingReason::CredentialsExpire);
    assert!(draining.deadline.unwrap().seconds <= (now() + SHORT) as i64);
    assert_refused(consuming.end().await);
    while !matches!(subscribed.event().await, Event::Draining(_)) {}
    assert_refused(Err::<(), _>(subscribed.end().await));
    let reason = publishing
        .until(|frame| match frame {
            Published::Draining(draining) => Some(draining.reason()),
            _ => None,
        })
        .await;
    assert_eq!(reason, DrainingReason::CredentialsExpire);
    assert_refused(publishing.end().await);
}

#[tokio::test]
async fn fresh_tokens_keep_streams() {
    let (house, mut wire) = house().await;
    let first = house.lasting(SHORT);
    let clients = house.gateway.showing(&first);
    let mut consuming = Consume::open(&clients, open()).await;
    let mut publishing = Publishing::open(&clients, PublishOpen::default()).await;
    let lasting = || fresh(&house.lasting(3_600));
    consuming.send(Request::Credentials(lasting()));
    publishing.send(Publish::Credentials(lasting())).await;

    // The first token is good for nothing any more.
    eventually(SOON * 2, async || house.ask(&first).await.err()).await;
    wire.store("orders.x", b"1").await;
    let messages = consuming.messages(1).await;
    consuming.ack(&messages).await;
    publishing.publish(1, vec![message()]).await;
    publishing.settled(1).await;
    assert_eq!(publishing.outcomes[&1].reason(), "");
}

#[tokio::test]
async fn a_fresh_token_may_be_the_first_of_a_new_key() {
    let (house, mut wire) = house().await;
    let good = claims(&house.issuer, json!({}));
    // Once the gateway may ask again.
    let second = house.issuer.new_key("2");
    eventually(SOON, async || house.ask(&second.sign(&good)).await.ok()).await;
    let first = house.lasting(SHORT);
    let clients = house.gateway.showing(&first);
    let mut consuming = Consume::open(&clients, open()).await;
    let pause = tokio::time::Instant::now() + std::time::Duration::from_millis(1_200);
    let has_passed = async || (tokio::time::Instant::now() >= pause).then_some(());
    eventually(SOON, has_passed).await;

    let third = house.issuer.new_key("3");
    consuming.send(Request::Credentials(fresh(&third.sign(&good))));
    // The gateway asks for it while the session goes on, beyond the end of the first token.
    eventually(SOON * 2, async || house.ask(&first).await.err()).await;
    wire.store("orders.x", b"1").await;
    let messages = consuming.messages(1).await;
    consuming.ack(&messages).await;
}

#[tokio::test]
async fn streams_end_where_their_issuer_is_trusted_on_other_terms() {
    let (house, _wire) = house().await;
    let clients = house.gateway.showing(&house.lasting(3_600));
    let file = house.folder.path().join("issuers.toml");
    let mut consuming = Consume::open(&clients, open()).await;

    let own = std::fs::read_to_string(&file).unwrap();
    let prefixed = format!("{own}name_prefix = \"a:\"\n");
    let denied = own.replace("\"jetgate\"", "\"another\"");
    assert_ne!(own, denied);
    for changed in [prefixed, denied] {
        std::fs::write(&file, &changed).unwrap();
        assert_refused(consuming.end().await);
        std::fs::write(&file, &own).unwrap();
        let reopened = async || Consume::try_open(&clients, open()).await.ok();
        consuming = eventually(SOON, reopened).await;
    }
}

#[tokio::test]
async fn credentials_that_are_no_good_or_another_callers_end_a_stream() {
    let (house, _wire) = house().await;
    let clients = house.gateway.showing(&house.lasting(3_600));
    for token in [
        house.token(json!({ "sub": "bob" })),
        house.token(json!({ "exp": now() - 1 })),
        Key::new("1").sign(&claims(&house.issuer, json!({}))),
        Key::new("2").sign(&claims(&house.issuer, json!({}))),
        "nothing".to_owned(),
    ] {
        let mut consuming = Consume::open(&clients, open()).await;
        consuming.send(Request::Credentials(fresh(&token)));
        assert_refused(consuming.end().await);
        let mut publishing = Publishing::open(&clients, PublishOpen::default()).await;
        publishing.send(Publish::Credentials(fresh(&token))).await;
        assert_refused(publishing.end().await);
    }
}

fn message() -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    }
}
