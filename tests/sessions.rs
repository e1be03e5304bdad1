//! Live sessions: what `ListSessions` says of them, over all replicas, and how one is ended.

use std::time::Duration;

use jetgate::proto::subscribe_response::Event;
use jetgate::proto::{
    AckKind, DrainingReason, ListSessionsRequest, ListSessionsResponse, OrderedConsumer,
    SessionInfo, SessionKind, StallReason, SubscribeRequest, TerminateSessionRequest,
};
use serde_json::json;
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, settle, start_with_consumer, store_many, subscribe,
    subscribe_ordered, subscribe_window, time,
};
use crate::support::{Clients, Gateway, SOON, eventually, reason, refused, violated_field};

mod consume;
mod publish_stream;
mod replicas;

/// What `ListSessions` answers.
async fn list(clients: &Clients, request: ListSessionsRequest) -> ListSessionsResponse {
    let answer = clients.gateway().list_sessions(request).await;
    answer.unwrap().into_inner()
}

/// All sessions on one page.
async fn all(clients: &Clients) -> Vec<SessionInfo> {
    let request = ListSessionsRequest {
        page_size: 1_000,
        ..ListSessionsRequest::default()
    };
    let page = list(clients, request).await;
    assert_eq!(page.next_page_token, "");
    page.sessions
}

/// The only session, once it looks like this.
async fn the_session(clients: &Clients, is: impl Fn(&SessionInfo) -> bool) -> SessionInfo {
    eventually(SOON, async || match all(clients).await.as_slice() {
        [session] if is(session) => Some(session.clone()),
        _ => None,
    })
    .await
}

/// Ends a session.
fn terminate(id: &str, grace: Option<Duration>) -> TerminateSessionRequest {
    TerminateSessionRequest {
        session_id: id.to_owned(),
        grace: grace.and_then(time),
        reason: "maintenance".to_owned(),
    }
}

/// Reads on to `draining`, past heartbeats.
async fn until_draining(session: &mut Session) -> DrainingReason {
    loop {
        match session.event().await {
            Event::Draining(draining) => return draining.reason(),
            Event::Heartbeat(_) => {}
            other => panic!("{other:?} instead of draining"),
        }
    }
}

/// A session that says who it is.
fn named(name: &str) -> SubscribeRequest {
    SubscribeRequest {
        client_name: name.to_owned(),
        ..subscribe()
    }
}

#[tokio::test]
async fn a_session_shows_who_reads_what_and_how_far() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 5).await;
    let request = SubscribeRequest {
        client_name: "billing-7".to_owned(),
        ..subscribe_window(2)
    };
    let mut session = Session::open(&gateway, request).await;
    let messages = session.messages(2).await;
    session.stalled_by(StallReason::WindowFull).await;

    let is_full = |it: &SessionInfo| it.stall_reason() == StallReason::WindowFull;
    let shown = the_session(&gateway, is_full).await;

    assert_eq!(shown.session_id, session.opened.session_id);
    assert_eq!(shown.kind(), SessionKind::Subscribe);
    assert!(shown.peer.starts_with("127.0.0.1:"), "{shown:?}");
    assert!(shown.user_agent.starts_with("tonic/"), "{shown:?}");
    assert_eq!(shown.client_name, "billing-7");
    assert_eq!((&*shown.stream, &*shown.consumer), (STREAM, CONSUMER));
    assert!(shown.start_time.is_some());
    assert_eq!(shown.max_outstanding_messages, 2);
    assert_eq!(shown.max_outstanding_bytes, 8 << 20);
    assert_eq!(shown.outstanding_messages, 2);
    assert!(shown.outstanding_bytes > 0);
    assert_eq!((shown.message_count, shown.pending), (2, Some(3)));
    assert_eq!(shown.draining(), DrainingReason::Unspecified);

    ack(&gateway, &messages).await;
    ack(&gateway, &session.messages(2).await).await;
    ack(&gateway, &session.messages(1).await).await;
    let is_done = |it: &SessionInfo| {
        it.outstanding_messages == 0 && it.message_count == 5 && it.pending == Some(0)
    };
    the_session(&gateway, is_done).await;
}

#[tokio::test]
async fn an_ordered_session_shows_the_consumer_made_for_it() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let request = subscribe_ordered(OrderedConsumer::default());
    let session = Session::open(&gateway, request).await;

    let shown = the_session(&gateway, |it| !it.consumer.is_empty()).await;

    assert_eq!(shown.consumer, session.opened.consumer);
}

#[tokio::test]
async fn a_session_that_ended_is_not_listed() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let session = Session::open(&gateway, subscribe()).await;
    the_session(&gateway, |_| true).await;

    drop(session);

    eventually(SOON, async || all(&gateway).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_list_can_be_narrowed() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    let other = json!({ "durable_name": "other", "ack_policy": "explicit" });
    wire.create_consumer(STREAM, other).await;
    let mut second = named("b");
    second.source = Some(jetgate::proto::subscribe_request::Source::Consumer(
        "other".to_owned(),
    ));
    let _first = Session::open(&gateway, named("a")).await;
    let _second = Session::open(&gateway, second).await;
    let ask = ListSessionsRequest::default;
    let text = str::to_owned;

    for (request, expected) in [
        (ask(), &["a", "b"][..]),
        (
            ListSessionsRequest {
                stream: text(STREAM),
                ..ask()
            },
            &["a", "b"],
        ),
        (
            ListSessionsRequest {
                stream: text("X"),
                ..ask()
            },
            &[],
        ),
        (
            ListSessionsRequest {
                consumer: text("other"),
                ..ask()
            },
            &["b"],
        ),
        (
            ListSessionsRequest {
                client_name: text("a"),
                ..ask()
            },
            &["a"],
        ),
    ] {
        let shown = list(&gateway, request.clone()).await.sessions;
        let names: Vec<_> = shown.iter().map(|it| it.client_name.as_str()).collect();
        assert_eq!(names, expected, "{request:?}");
    }
}

#[tokio::test]
async fn nonsense_is_refused_by_its_field() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let ask = ListSessionsRequest::default;
    for (request, field) in [
        (
            ListSessionsRequest {
                page_token: "x".to_owned(),
                ..ask()
            },
            "page_token",
        ),
        (
            ListSessionsRequest {
                gateway_id: "x".to_owned(),
                ..ask()
            },
            "gateway_id",
        ),
    ] {
        let status = gateway.gateway().list_sessions(request).await.unwrap_err();
        assert_eq!(
            (status.code(), violated_field(&status)),
            (Code::InvalidArgument, field.to_owned())
        );
    }
    let id = "0000000000000001-1";
    let long = Some(Duration::from_secs(301));
    let loud = TerminateSessionRequest {
        reason: "a\nb".to_owned(),
        ..terminate(id, None)
    };
    for (request, field) in [
        (terminate("", None), "session_id"),
        (terminate("1-1", None), "session_id"),
        (terminate(id, long), "grace"),
        (loud, "reason"),
    ] {
        let status = gateway
            .gateway()
            .terminate_session(request)
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), violated_field(&status)),
            (Code::InvalidArgument, field.to_owned())
        );
    }
    let status = gateway
        .subscriber()
        .subscribe(named("a\u{7}"))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), violated_field(&status)),
        (Code::InvalidArgument, "client_name".to_owned())
    );
}

#[tokio::test]
async fn a_terminated_session_may_settle_what_it_holds() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 3).await;
    let mut session = Session::open(&gateway, subscribe_window(2)).await;
    let messages = session.messages(2).await;

    let request = terminate(&session.opened.session_id, None);
    gateway.gateway().terminate_session(request).await.unwrap();

    assert_eq!(
        until_draining(&mut session).await,
        DrainingReason::Terminated
    );
    the_session(&gateway, |it| it.draining() == DrainingReason::Terminated).await;
    settle(&gateway, AckKind::Ack, &messages).await;
    let end = session.end().await;
    assert_eq!(end.message(), "the session was terminated: maintenance");
    refused::<()>(Err(end), Code::Unavailable, "DRAINING");
    // Nothing keeps its caller from coming back, and it gets what it has not had.
    let mut next = Session::open(&gateway, subscribe()).await;
    assert_eq!(next.messages(1).await[0].stream_sequence, 3);
}

#[tokio::test]
async fn a_session_without_grace_ends_at_once_and_keeps_its_tokens() {
    let (_nats, gateway, mut wire) = start_with_consumer(json!({})).await;
    store_many(&mut wire, 1).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    let messages = session.messages(1).await;

    let request = terminate(&session.opened.session_id, Some(Duration::ZERO));
    gateway.gateway().terminate_session(request).await.unwrap();

    assert_eq!(
        until_draining(&mut session).await,
        DrainingReason::Terminated
    );
    refused::<()>(Err(session.end().await), Code::Unavailable, "DRAINING");
    ack(&gateway, &messages).await;
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["num_ack_pending"], 0);
}

#[tokio::test]
async fn a_session_that_is_not_there_is_not_found() {
    let (_nats, gateway, _wire) = start_with_consumer(json!({})).await;
    let session = Session::open(&gateway, subscribe()).await;
    let id = session.opened.session_id.clone();
    drop(session);
    eventually(SOON, async || all(&gateway).await.is_empty().then_some(())).await;

    for id in [id.as_str(), "0000000000000001-1"] {
        let answer = gateway
            .gateway()
            .terminate_session(terminate(id, None))
            .await;
        refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_shutdown_cuts_the_grace_of_a_terminated_session_short() {
    let (nats, first, mut wire) = start_with_consumer(json!({})).await;
    drop(first);
    let change = |config: &mut jetgate::config::Config| {
        config.shutdown.drain = Duration::from_secs(2);
    };
    let mut gateway = Gateway::start_with(&nats.url(), change).await;
    store_many(&mut wire, 1).await;
    let mut session = Session::open(&gateway, subscribe()).await;
    session.messages(1).await;
    let five_minutes = Some(Duration::from_secs(300));
    let request = terminate(&session.opened.session_id, five_minutes);
    gateway.gateway().terminate_session(request).await.unwrap();
    until_draining(&mut session).await;

    gateway.request_shutdown();

    let end = session.end().await;
    assert_eq!(
        (end.code(), reason(&end)),
        (Code::Unavailable, "DRAINING".to_owned())
    );
    gateway.until_ended(SOON).await;
}
