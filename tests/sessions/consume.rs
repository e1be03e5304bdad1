//! Sessions of `Consume`: listed and ended like those of `Subscribe`.

use std::time::Duration;

use jetgate::proto::{AckKind, ConsumeOpen, DrainingReason, SessionKind};
use serde_json::json;
use tonic::Code;

use super::{terminate, the_session};
use crate::support::consume::{Consume, open, open_window, range};
use crate::support::consuming::{start_with_consumer, store_many};
use crate::support::{SOON, eventually, refused, violated_field};

#[tokio::test]
async fn a_session_shows_who_opened_it_and_its_window_of_now() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let open = ConsumeOpen {
        client_name: "worker-3".to_owned(),
        ..open_window(5)
    };
    let mut session = Consume::open(&gateway, open).await;
    session.messages(2).await;

    let shown = the_session(&gateway, |it| it.outstanding_messages == 2).await;
    assert_eq!(shown.kind(), SessionKind::Consume);
    assert_eq!(shown.session_id, session.opened.session_id);
    assert_eq!(shown.client_name, "worker-3");
    assert_eq!(shown.max_outstanding_messages, 5);

    session.resize(9);
    session.say(vec![range(AckKind::Ack, 1, 2)]);
    let is_settled = |it: &jetgate::proto::SessionInfo| {
        it.max_outstanding_messages == 9 && it.outstanding_messages == 0
    };
    the_session(&gateway, is_settled).await;
}

#[tokio::test]
async fn a_terminated_session_settles_and_ends() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 2).await;
    let mut session = Consume::open(&gateway, open()).await;
    session.messages(2).await;

    let request = terminate(&session.opened.session_id, Some(Duration::from_secs(60)));
    gateway.gateway().terminate_session(request).await.unwrap();

    assert_eq!(
        session.draining().await.reason(),
        DrainingReason::Terminated
    );
    session.say(vec![range(AckKind::Ack, 1, 2)]);
    let end = session.end().await.unwrap_err();
    assert_eq!(end.message(), "the session was terminated: maintenance");
    refused::<()>(Err(end), Code::Unavailable, "DRAINING");
    eventually(SOON, async || {
        let info = wire.consumer_info("ORDERS", "c").await;
        (info["num_ack_pending"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_by_its_field() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let open = ConsumeOpen {
        client_name: "a\u{7}".to_owned(),
        ..open()
    };
    let status = Consume::try_open(&gateway, open).await.map(|_| ());
    let status = refused(status, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "open.client_name");
}
