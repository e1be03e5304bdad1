//! Sessions of several replicas, seen and ended from any of them.

use std::collections::BTreeSet;
use std::time::Duration;

use jetgate::proto::{DrainingReason, ListSessionsRequest, ReplicaInfo};
use serde_json::json;
use tonic::Code;

use super::{all, list, named, terminate, until_draining};
use crate::support::consuming::{CONSUMER, STREAM, Session, start_with_consumer, subscribe};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, refused};

/// Two gateways that know each other.
async fn start_two() -> (NatsServer, Gateway, Gateway) {
    let (nats, first, _wire) = start_with_consumer(json!({})).await;
    let second = Gateway::start(&nats.url()).await;
    for gateway in [&first, &second] {
        until_known(gateway, &[true, true]).await;
    }
    (nats, first, second)
}

/// Waits until a replica sees so many, each answering or not.
async fn until_known(gateway: &Gateway, answered: &[bool]) -> Vec<ReplicaInfo> {
    eventually(SOON, async || {
        let replicas = list(gateway, ListSessionsRequest::default()).await.replicas;
        let found: BTreeSet<_> = replicas.iter().map(|it| it.answered).collect();
        let expected: BTreeSet<_> = answered.iter().copied().collect();
        (replicas.len() == answered.len() && found == expected).then_some(replicas)
    })
    .await
}

#[tokio::test]
async fn every_replica_lists_the_sessions_of_all() {
    let (_nats, first, second) = start_two().await;
    let _one = Session::open(&first, named("one")).await;
    let _other = Session::open(&second, named("other")).await;

    let of_first = all(&first).await;
    let of_second = all(&second).await;

    let names: BTreeSet<_> = of_first.iter().map(|it| it.client_name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["one", "other"]));
    let ids = |sessions: &[jetgate::proto::SessionInfo]| {
        let ids = sessions.iter().map(|it| it.session_id.clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&of_first), ids(&of_second));
    let replicas = until_known(&first, &[true, true]).await;
    assert!(replicas.iter().all(|it| it.session_count == 1));

    let request = ListSessionsRequest {
        gateway_id: of_first[1].gateway_id.clone(),
        ..ListSessionsRequest::default()
    };
    for gateway in [&first, &second] {
        let page = list(gateway, request.clone()).await;
        assert_eq!(ids(&page.sessions), [of_first[1].session_id.as_str()]);
        assert_eq!(page.replicas.len(), 1);
    }
}

#[tokio::test]
async fn pages_bring_every_session_of_all_replicas_once() {
    let (_nats, first, second) = start_two().await;
    let mut sessions = Vec::new();
    for _ in 0..12 {
        sessions.push(Session::open(&first, subscribe()).await);
        sessions.push(Session::open(&second, subscribe()).await);
    }
    let expected: BTreeSet<_> = sessions
        .iter()
        .map(|it| it.opened.session_id.clone())
        .collect();

    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListSessionsRequest {
            page_size: 5,
            page_token: token,
            ..ListSessionsRequest::default()
        };
        let page = list(&first, request).await;
        assert!(page.sessions.len() == 5 || page.next_page_token.is_empty());
        found.extend(page.sessions.into_iter().map(|it| it.session_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }

    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn an_answer_larger_than_a_message_comes_in_parts() {
    let nats = NatsServer::start_with("max_payload: 16384").await;
    let mut wire: Wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    wire.create_consumer(
        STREAM,
        json!({ "durable_name": CONSUMER, "ack_policy": "explicit" }),
    )
    .await;
    let first = Gateway::start(&nats.url()).await;
    let second = Gateway::start(&nats.url()).await;
    until_known(&second, &[true, true]).await;
    let name = "n".repeat(128);
    let mut sessions = Vec::new();
    for _ in 0..120 {
        sessions.push(Session::open(&first, named(&name)).await);
    }

    assert_eq!(all(&second).await.len(), sessions.len());
}

#[tokio::test]
async fn a_session_can_be_ended_from_another_replica() {
    let (_nats, first, second) = start_two().await;
    let mut session = Session::open(&first, subscribe()).await;
    let bystander = Session::open(&second, subscribe()).await;

    let request = terminate(&session.opened.session_id, Some(Duration::ZERO));
    second
        .gateway()
        .terminate_session(request.clone())
        .await
        .unwrap();

    assert_eq!(
        until_draining(&mut session).await,
        DrainingReason::Terminated
    );
    refused::<()>(Err(session.end().await), Code::Unavailable, "DRAINING");
    eventually(SOON, async || {
        let left = all(&second).await;
        let ids: Vec<_> = left.iter().map(|it| it.session_id.as_str()).collect();
        (ids == [bystander.opened.session_id.as_str()]).then_some(())
    })
    .await;
    let again = second.gateway().terminate_session(request).await;
    refused(again, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn a_replica_that_was_killed_is_said_to_be_silent() {
    let (_nats, first, second) = start_two().await;
    let session = Session::open(&first, subscribe()).await;
    let id = session.opened.session_id.clone();

    drop(first);

    until_known(&second, &[true, false]).await;
    let answer = second
        .gateway()
        .terminate_session(terminate(&id, None))
        .await;
    refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn a_replica_that_ended_is_not_asked_any_more() {
    let (_nats, first, second) = start_two().await;

    first.shutdown().await;

    until_known(&second, &[true]).await;
}

#[tokio::test]
async fn while_nats_is_away_a_replica_lists_its_own_sessions() {
    let (mut nats, first, second) = start_two().await;
    let session = Session::open(&first, subscribe()).await;

    nats.kill();

    let shown = eventually(SOON, async || {
        let page = list(&first, ListSessionsRequest::default()).await;
        let silent = page.replicas.iter().filter(|it| !it.answered).count();
        (silent == 1).then_some(page.sessions)
    })
    .await;
    assert_eq!(shown[0].session_id, session.opened.session_id);
    let request = terminate(&session.opened.session_id, None);
    let mut unreachable = tonic::Request::new(request.clone());
    unreachable.set_timeout(SOON);
    let answer = second.gateway().terminate_session(unreachable).await;
    refused(answer, Code::Unavailable, "NATS_DISCONNECTED");

    nats.restart().await;
    eventually(SOON, async || {
        second
            .gateway()
            .terminate_session(request.clone())
            .await
            .ok()
    })
    .await;
}
