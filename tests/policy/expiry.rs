//! Streams that outlast the keys that they were opened with, and those that do not.

use std::time::{Duration, SystemTime};

use jetgate::auth::NewKey;
use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::publish_stream_request::Frame as Publish;
use jetgate::proto::publish_stream_response::Frame as Published;
use jetgate::proto::{DrainingReason, GetInfoRequest, PublishOpen, UpdateCredentials};
use tonic::Code;

use super::{House, entries, may_consume, message, rule};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{CONSUMER, Session, subscribe};
use crate::support::publishing::Publishing;
use crate::support::{Clients, SOON, end_with_credentials, eventually, refused};

/// Enough for a slow machine to open streams, and not too long to wait for.
const SHORT: Duration = Duration::from_secs(12);

/// A key of ada beside its own, which ends soon, and its clients.
async fn with_short_key() -> (House, Clients) {
    let may = format!(
        "{}\npublish = [\"orders.>\"]\ngateway = [\"info\"]",
        may_consume()
    );
    let mut house = House::with(&rule("ada", &may)).await;
    house.consumer(CONSUMER, "orders.>").await;
    let short = NewKey::make("ada");
    let end = prost_types::Timestamp::from(SystemTime::now() + SHORT);
    let end = prost_types::Timestamp { nanos: 0, ..end };
    let text = format!(
        "{}{}expires = {end}\n",
        entries(&house.callers),
        short.entry()
    );
    house.keys.write(&text);
    let clients = house.gateway.showing(short.secret());
    let is_known = async || clients.gateway().get_info(GetInfoRequest {}).await.ok();
    eventually(SOON, is_known).await;
    (house, clients)
}

fn fresh(key: &NewKey) -> UpdateCredentials {
    UpdateCredentials {
        bearer: key.secret().to_owned(),
    }
}

#[tokio::test]
async fn streams_end_with_the_key_that_they_were_opened_with() {
    let (_house, clients) = with_short_key().await;
    let mut consuming = Consume::open(&clients, open()).await;
    let mut subscribed = Session::open(&clients, subscribe()).await;
    let mut publishing = Publishing::open(&clients, PublishOpen::default()).await;

    end_with_credentials(&mut consuming, &mut subscribed).await;
    let reason = publishing
        .until(|frame| match frame {
            Published::Draining(draining) => Some(draining.reason()),
            _ => None,
        })
        .await;
    assert_eq!(reason, DrainingReason::CredentialsExpire);
    refused(
        publishing.end().await,
        Code::Unauthenticated,
        "UNAUTHENTICATED",
    );
}

#[tokio::test]
async fn fresh_credentials_keep_streams() {
    let (mut house, clients) = with_short_key().await;
    let mut consuming = Consume::open(&clients, open()).await;
    let mut publishing = Publishing::open(&clients, PublishOpen::default()).await;
    let (_, lasting) = &house.callers[0];
    consuming.send(Request::Credentials(fresh(lasting)));
    publishing.send(Publish::Credentials(fresh(lasting))).await;

    // The first key is good for nothing any more.
    let has_ended = async || clients.gateway().get_info(GetInfoRequest {}).await.err();
    eventually(SOON * 2, has_ended).await;
    house.wire.store("orders.x", b"1").await;
    let messages = consuming.messages(1).await;
    consuming.ack(&messages).await;
    publishing.publish(1, vec![message("orders.x")]).await;
    publishing.settled(1).await;
    assert_eq!(publishing.outcomes[&1].reason(), "");
}

#[tokio::test]
async fn credentials_that_are_no_good_or_another_callers_end_a_stream() {
    let mut house = House::with(&rule("ada", &may_consume())).await;
    house.consumer(CONSUMER, "orders.>").await;
    let (_, bob) = &house.callers[1];
    for key in [bob, &NewKey::make("ada")] {
        let mut consuming = Consume::open(&house.of("ada"), open()).await;
        consuming.send(Request::Credentials(fresh(key)));
        refused(
            consuming.end().await,
            Code::Unauthenticated,
            "UNAUTHENTICATED",
        );
    }
}
