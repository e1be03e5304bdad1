//! Resume tokens that do not fit what is asked for.

use jetgate::proto::subscribe_request::Source;
use jetgate::proto::{EphemeralConsumer, OrderedConsumer, SubscribeRequest};
use serde_json::json;
use tonic::{Code, Status};

use super::{ordered, resumed, start, store};
use crate::support::consuming::{STREAM, Session, subscribe};
use crate::support::{Gateway, NatsServer, refused, violated_field};

async fn refusal(gateway: &Gateway, request: SubscribeRequest) -> Result<(), Status> {
    gateway.subscriber().subscribe(request).await.map(|_| ())
}

fn filtered(filters: &[&str]) -> SubscribeRequest {
    ordered(OrderedConsumer {
        filter_subjects: filters.iter().map(|it| (*it).to_owned()).collect(),
        ..OrderedConsumer::default()
    })
}

#[tokio::test]
async fn garbage_is_no_token() {
    let (nats, _wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    let request = ordered(OrderedConsumer::default());
    let token = Session::open(&gateway, request.clone()).await.token;

    let cut = token[..token.len() - 1].to_owned();
    let long = "A".repeat(10_000);
    for garbage in ["x", "", " ", "ä", &cut, &long, &format!("{token}A")] {
        if garbage.is_empty() {
            continue;
        }
        let answer = refusal(&gateway, resumed(&request, garbage)).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_TOKEN");
        assert_eq!(violated_field(&status), "resume_token");
    }
}

#[tokio::test]
async fn other_filters_are_refused_and_the_same_in_another_order_are_not() {
    let (nats, mut wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    store(&mut wire, 5).await;
    let token = Session::open(&gateway, filtered(&["orders.a", "orders.b"]))
        .await
        .token;

    for other in [filtered(&[]), filtered(&["orders.a"])] {
        let answer = refusal(&gateway, resumed(&other, &token)).await;
        let status = refused(answer, Code::InvalidArgument, "RESUME_TOKEN_MISMATCH");
        assert_eq!(violated_field(&status), "resume_token");
    }
    let same = resumed(&filtered(&["orders.b", "orders.a"]), &token);
    Session::open(&gateway, same).await.messages(2).await;
}

#[tokio::test]
async fn a_token_of_another_stream_kind_or_account_is_refused() {
    let (nats, mut wire) = start().await;
    let gateway = Gateway::start(&nats.url()).await;
    wire.create_stream(json!({ "name": "OTHER", "subjects": ["other.>"] }))
        .await;
    let request = ordered(OrderedConsumer::default());
    let token = Session::open(&gateway, request.clone()).await.token;
    let other_stream = SubscribeRequest {
        stream: "OTHER".to_owned(),
        ..resumed(&request, &token)
    };
    let other_kind = SubscribeRequest {
        source: Some(Source::Ephemeral(EphemeralConsumer::default())),
        resume_token: token.clone(),
        ..subscribe()
    };
    for request in [other_stream, other_kind] {
        let answer = refusal(&gateway, request).await;
        refused(answer, Code::InvalidArgument, "RESUME_TOKEN_MISMATCH");
    }

    let accounts = "accounts: { A: { jetstream: enabled, users: [{ user: a, password: a }] } }\n\
                    no_auth_user: a\n";
    let elsewhere = NatsServer::start_with(accounts).await;
    let gateway = Gateway::start(&elsewhere.url()).await;
    let mut wire = elsewhere.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    let answer = refusal(&gateway, resumed(&request, &token)).await;
    refused(answer, Code::InvalidArgument, "RESUME_TOKEN_MISMATCH");
}
