//! Gateways that use JetStream of another account, whose API theirs has imported under a prefix. The accounts are those
//! that `deploy/nats/api-prefix.conf` shows.

mod broken;
mod cluster;
mod publishing;

use jetgate::config::{Config, Secret};
use jetgate::proto::stop_at::Position;
use jetgate::proto::{OrderedConsumer, StopAt, SubscribeRequest};
use serde_json::json;

use crate::least_privilege::do_everything;
use crate::support::consume::{Consume, open_window};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, fetch, fetched, sequences, store_many, subscribe_ordered,
};
use crate::support::dead_letters::configured;
use crate::support::{Gateway, NatsServer, Wire};

const ACCOUNTS: &str = include_str!("../deploy/nats/api-prefix.conf");

fn as_documented(config: &mut Config) {
    config.nats.user = Some("acme".to_owned());
    config.nats.password = Some(Secret::new("change-me"));
    config.nats.api_prefix = Some("hub.js".to_owned());
}

/// A client in the account that has JetStream.
async fn hub(nats: &NatsServer) -> Wire {
    Wire::connect_as(nats.address(), "hub", "change-me").await
}

/// The stream and consumer of the consuming tests, with these messages.
async fn with_messages(nats: &NatsServer, count: u64) -> Wire {
    let mut hub = hub(nats).await;
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"], "allow_batched": true });
    hub.create_stream(stream).await;
    let consumer = json!({ "durable_name": CONSUMER, "ack_policy": "explicit" });
    hub.create_consumer(STREAM, consumer).await;
    store_many(&mut hub, count).await;
    hub
}

async fn does_everything(nats: &NatsServer) {
    let change = |config: &mut Config| {
        as_documented(config);
        configured(config);
    };
    let gateways = [
        Gateway::start_with(&nats.url(), change).await,
        Gateway::start_with(&nats.url(), change).await,
    ];
    do_everything(&gateways).await;
    for gateway in gateways {
        gateway.shutdown().await;
    }
}

#[tokio::test]
async fn the_documented_import_is_enough_for_all_that_a_gateway_does() {
    let nats = NatsServer::start_with(ACCOUNTS).await;

    does_everything(&nats).await;

    // That was in the other account.
    hub(&nats).await.stream_info("LETTERS").await;
}

#[tokio::test]
async fn acks_find_their_way_in_either_form_and_into_a_domain() {
    let config = "jetstream { domain: hub }\nfeature_flags { js_ack_fc_v2: true }\n";
    let nats = NatsServer::start_with(&format!("{ACCOUNTS}{config}")).await;

    does_everything(&nats).await;
}

#[tokio::test]
async fn a_bounded_read_ends_behind_messages_that_it_does_not_take() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    let mut hub = with_messages(&nats, 1).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;
    let ordered = OrderedConsumer {
        filter_subjects: vec!["orders.x".to_owned()],
        ..OrderedConsumer::default()
    };
    let request = SubscribeRequest {
        stop_at: Some(StopAt {
            position: Some(Position::Sequence(3)),
        }),
        ..subscribe_ordered(ordered)
    };

    let mut session = Session::open(&gateway, request).await;
    assert_eq!(sequences(&session.messages(1).await), [1]);
    hub.store("orders.y", b"2").await;
    hub.store("orders.y", b"3").await;

    assert_eq!(session.rest().await, []);
}

#[tokio::test]
async fn confirmed_acks_are_jetstreams_own_word() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    let mut hub = with_messages(&nats, 20).await;
    let gateway = Gateway::start_with(&nats.url(), as_documented).await;

    let mut consume = Consume::open(&gateway, open_window(10)).await;
    let messages = consume.messages(10).await;
    consume.ack(&messages).await;
    let info = hub.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 10);
    drop(consume);

    let first = fetched(&gateway, fetch(1)).await;
    assert_eq!(first[0].subject, "orders.x");
}
