//! Over an import, a server of a cluster that did not take a pull itself cannot see that whoever pulled is gone.

use jetgate::proto::ListSessionsRequest;
use serde_json::json;

use super::{ACCOUNTS, as_documented};
use crate::support::consuming::{CONSUMER, STREAM, Session, nanoseconds, subscribe};
use crate::support::{Gateway, NatsCluster, SOON, Wire, eventually};

/// As far apart as a cluster allows: the consumer is on another server than the gateway's.
#[tokio::test]
async fn what_comes_for_a_caller_that_is_gone_goes_to_another_long_before_its_ack_wait() {
    let cluster = NatsCluster::start_with(ACCOUNTS).await;
    let mut hub = Wire::connect_as(cluster.server(0).address(), "hub", "change-me").await;
    hub.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    let consumer = json!({
        "durable_name": CONSUMER, "ack_policy": "explicit", "ack_wait": nanoseconds(600),
    });
    hub.create_consumer(STREAM, consumer).await;
    let info = hub.consumer_info(STREAM, CONSUMER).await;
    let leader = info["cluster"]["leader"].as_str().unwrap();
    let far = (0..3)
        .find(|number| format!("n{number}") != leader)
        .unwrap();
    let gateway = Gateway::start_with(&cluster.server(far).url(), as_documented).await;

    let session = Session::open(&gateway, subscribe()).await;
    eventually(SOON, async || {
        let info = hub.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] != 0).then_some(())
    })
    .await;
    drop(session);
    eventually(SOON, async || {
        let request = ListSessionsRequest::default();
        let listed = gateway.gateway().list_sessions(request).await.unwrap();
        listed.into_inner().sessions.is_empty().then_some(())
    })
    .await;
    hub.store("orders.x", b"1").await;

    let mut session = Session::open(&gateway, subscribe()).await;
    let message = session.messages(1).await.remove(0);

    assert!(message.delivery_attempt <= 2, "{message:?}");
    assert_eq!(message.stream_sequence, 1);
}
