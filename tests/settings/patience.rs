//! How long the gateway waits for NATS before it tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jetgate::proto::GetStreamRequest;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Gateway, Lossy, NatsServer};

/// Both settings are five seconds by default: what takes less was not waited for so long.
const LESS_THAN_BY_DEFAULT: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_the_connect_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", silent.local_addr().unwrap());
    let _gateway = Gateway::start_unready(&url, |config| {
        config.nats.connect_timeout = Duration::from_millis(300);
    })
    .await;

    let (mut connection, _) = silent.accept().await.unwrap();
    let end = timeout(LESS_THAN_BY_DEFAULT, connection.read(&mut [0; 1])).await;
    assert_eq!(end.expect("the gateway still waits").unwrap_or(0), 0);
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_repeated_after_the_request_timeout() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": "ORDERS", "subjects": ["orders.>"] }))
        .await;
    let loses = Arc::new(AtomicBool::new(false));
    let lossy = Lossy::start(nats.address(), {
        let loses = loses.clone();
        move |payload| {
            let text = String::from_utf8_lossy(payload);
            text.contains("stream_info_response") && loses.swap(false, Ordering::Relaxed)
        }
    })
    .await;
    let gateway = Gateway::start_with(&lossy.url(), |config| {
        config.nats.request_timeout = Duration::from_millis(300);
    })
    .await;

    loses.store(true, Ordering::Relaxed);
    let get = GetStreamRequest {
        stream: "ORDERS".to_owned(),
    };
    let mut streams = gateway.streams();
    let answer = timeout(LESS_THAN_BY_DEFAULT, streams.get_stream(get)).await;
    answer.expect("the gateway still waits").unwrap();
    assert!(!loses.load(Ordering::Relaxed));
}
