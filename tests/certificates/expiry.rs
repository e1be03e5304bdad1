//! Certificates that end while their callers are connected: no call and no stream outlasts them, and none is lost to it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use jetgate::proto::GetInfoRequest;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use super::{House, NAME};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{STREAM, Session, create_consumer, subscribe};
use crate::support::pki::{TlsClient, channel_of};
use crate::support::{Clients, SOON, end_with_credentials, eventually};

/// Enough for a slow machine to open a stream, and not too long to wait for.
const SHORT: Duration = Duration::from_secs(12);

impl House {
    /// A client whose certificate ends soon.
    fn short_lived(&self, name: &str) -> TlsClient {
        let end = SystemTime::now() + SHORT;
        let identity = self.authority.issue_until(name, name, end);
        self.authority.client(Some(&identity))
    }
}

#[tokio::test]
async fn streams_end_with_the_certificate_of_their_connection() {
    let house = House::with(|_| ()).await;
    let mut wire = house.nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;
    let channel = house
        .short_lived("ada.test")
        .channel(house.gateway.public(), NAME);
    let clients = Clients::over(channel);
    let mut consuming = Consume::open(&clients, open()).await;
    let mut subscribed = Session::open(&clients, subscribe()).await;

    end_with_credentials(&mut consuming, &mut subscribed).await;
}

#[tokio::test]
async fn a_renewed_certificate_takes_over_before_the_old_one_ends() {
    let house = House::with(|_| ()).await;
    let renewed = house.authority.issue("renewed", "renewed.test");
    let current = Arc::new(Mutex::new(house.short_lived("old.test")));
    let shown = current.clone();
    let next = move || shown.lock().unwrap().clone();
    let clients = Clients::over(channel_of(next, house.gateway.public(), NAME));
    let identity = async || match clients.gateway().get_info(GetInfoRequest {}).await {
        Ok(answer) => answer.into_inner().identity,
        // What was given to a connection as it went was not sent, and no certificate was judged.
        Err(status) => {
            assert_ne!(status.code(), Code::Unauthenticated);
            String::new()
        }
    };
    assert_eq!(identity().await, "old.test");

    *current.lock().unwrap() = house.authority.client(Some(&renewed));

    // The connection is told to go, and the calls go by the next one.
    eventually(SOON * 2, async || {
        (identity().await == "renewed.test").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_certificate_is_verified_with_each_connection() {
    let asking = House::with(|config| config.tls.require_client_cert = false).await;
    let indifferent = House::with(|config| config.tls.client_ca_file = None).await;
    for (house, expected) in [
        (&asking, HandshakeKind::Full),
        (&indifferent, HandshakeKind::Resumed),
    ] {
        for version in [&TLS12, &TLS13] {
            let client = house.authority.client(None).of_version(version).resuming();
            handshake(house, &client).await;
            assert_eq!(handshake(house, &client).await, expected, "{version:?}");
        }
    }
}

/// Connects, and hears what the gateway says behind its part of the handshake: a ticket comes before that.
async fn handshake(house: &House, client: &TlsClient) -> HandshakeKind {
    let mut stream = client.connect(house.gateway.public(), NAME).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let settings = tokio::time::timeout(SOON, stream.read_u8()).await;
    settings.unwrap().unwrap();
    stream.get_ref().1.handshake_kind().unwrap()
}
