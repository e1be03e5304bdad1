//! Listing streams: their order, pages and filters.

use jetgate::proto::ListStreamsRequest;
use serde_json::json;
use tonic::Code;

use crate::support::{refused, start, violated_field};

#[tokio::test]
async fn lists_streams_by_name_page_by_page() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    for name in ["D", "B", "A", "E", "C"] {
        wire.create_stream(json!({ "name": name, "subjects": [name] }))
            .await;
    }

    let mut pages = Vec::new();
    let mut request = ListStreamsRequest {
        page_size: 2,
        ..ListStreamsRequest::default()
    };
    loop {
        let page = gateway
            .streams()
            .list_streams(request.clone())
            .await
            .unwrap()
            .into_inner();
        let names = page
            .streams
            .into_iter()
            .map(|stream| stream.config.unwrap().name);
        pages.push(names.collect::<Vec<_>>().join(" "));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }

    assert_eq!(pages, ["A B", "C D", "E"]);
}

#[tokio::test]
async fn a_page_has_at_most_256_streams() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    for number in 0..260 {
        let name = format!("S{number:03}");
        let config = json!({ "name": name, "subjects": [name], "storage": "memory" });
        wire.create_stream(config).await;
    }

    let request = ListStreamsRequest {
        page_size: 1000,
        ..ListStreamsRequest::default()
    };
    let first = gateway
        .streams()
        .list_streams(request.clone())
        .await
        .unwrap()
        .into_inner();
    let request = ListStreamsRequest {
        page_token: first.next_page_token,
        ..request
    };
    let second = gateway
        .streams()
        .list_streams(request)
        .await
        .unwrap()
        .into_inner();

    assert_eq!((first.streams.len(), second.streams.len()), (256, 4));
    assert_eq!(second.next_page_token, "");
}

#[tokio::test]
async fn lists_only_streams_that_take_the_subject() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": "A", "subjects": ["a.>"] }))
        .await;
    wire.create_stream(json!({ "name": "B", "subjects": ["b.>"] }))
        .await;
    let list = async |subject: &str| {
        let subject = subject.to_owned();
        let request = ListStreamsRequest {
            subject,
            ..ListStreamsRequest::default()
        };
        let page = gateway
            .streams()
            .list_streams(request)
            .await
            .unwrap()
            .into_inner();
        page.streams
            .into_iter()
            .map(|stream| stream.config.unwrap().name)
            .collect::<Vec<_>>()
    };

    assert_eq!(list("b.x").await, ["B"]);
    assert_eq!(list("*.x").await, ["A", "B"]);
    assert_eq!(list("c.x").await, Vec::<String>::new());
    assert_eq!(list("").await, ["A", "B"]);
}

#[tokio::test]
async fn refuses_a_page_token_that_it_did_not_make() {
    let (_nats, gateway) = start().await;

    let page_token = "page two".to_owned();
    let request = ListStreamsRequest {
        page_token,
        ..ListStreamsRequest::default()
    };
    let answer = gateway.streams().list_streams(request).await;

    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "page_token");
}

#[tokio::test]
async fn lists_only_streams_whose_names_match() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    for name in ["ORDERS", "ORDERS_EU", "USERS", "USERS_EU"] {
        wire.create_stream(json!({ "name": name, "subjects": [name] }))
            .await;
    }
    let list = async |name: &str, subject: &str, page_size| {
        let mut request = ListStreamsRequest {
            name: name.to_owned(),
            subject: subject.to_owned(),
            page_size,
            ..ListStreamsRequest::default()
        };
        let mut pages = Vec::new();
        loop {
            let page = gateway.streams().list_streams(request.clone()).await;
            let page = page.unwrap().into_inner();
            let names = page.streams.into_iter().map(|it| it.config.unwrap().name);
            pages.push(names.collect::<Vec<_>>().join(" "));
            if page.next_page_token.is_empty() {
                return pages;
            }
            request.page_token = page.next_page_token;
        }
    };

    assert_eq!(list("*_EU", "", 0).await, ["ORDERS_EU USERS_EU"]);
    assert_eq!(list("*S", "", 1).await[..2], ["ORDERS", "USERS"]);
    assert_eq!(list("USERS", "", 0).await, ["USERS"]);
    assert_eq!(list("*_EU", "USERS_EU", 0).await, ["USERS_EU"]);
    assert_eq!(list("NONE", "", 0).await, [""]);
}
