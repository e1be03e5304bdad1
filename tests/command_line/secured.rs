//! Gateways that ask who calls, and that are asked who they are.

use jetgate::auth::NewKey;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

use super::{REFUSED, UNAVAILABLE, USAGE};
use crate::support::pki::Authority;
use crate::support::{Gateway, Jetgate, NatsServer};

#[tokio::test]
async fn a_key_says_who_calls() {
    let nats = NatsServer::start().await;
    let key = NewKey::make("orders");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keys.toml");
    fs::write(&file, key.entry()).unwrap();
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.auth.api_keys_file = Some(file);
    })
    .await;
    nats.wire()
        .await
        .create_stream(json!({"name": "ORDERS", "subjects": ["orders.>"]}))
        .await;
    let jetgate = Jetgate::at(gateway.public());

    let (_, stderr) = jetgate.run(["stream", "ls"]).await.failed(REFUSED);
    assert!(stderr.starts_with("jetgate: UNAUTHENTICATED: "), "{stderr}");
    for command in [
        "stream ls",
        "pub orders.new x",
        "sub ORDERS --until-end",
        "top --once",
    ] {
        let line = format!("JETGATE_API_KEY={} jetgate {command}", key.secret());
        assert_ne!(jetgate.shell(&line).await.ok(), "", "{command}");
    }
}

#[tokio::test]
async fn certificates_say_who_is_there() {
    let nats = NatsServer::start().await;
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = servers.issue("server", "localhost");
    let known = clients.issue("ada", "ada.test");
    let gateway = Gateway::start_unready(&nats.url(), |config| {
        config.tls.cert_file = identity.certificate.to_str().unwrap().parse().unwrap();
        config.tls.key_file = identity.key.to_str().unwrap().parse().unwrap();
        config.tls.client_ca_file = Some(clients.file());
    })
    .await;
    let jetgate = Jetgate::at(gateway.public());
    let url = format!("https://localhost:{}", gateway.public().port());
    let (ca, cert, key) = (servers.file(), &known.certificate, &known.key);
    let trusting = format!("jetgate top --once -s {url} --ca {}", ca.display());
    let known = format!(
        "{trusting} --cert {} --key {}",
        cert.display(),
        key.display()
    );

    let shown = jetgate.shell(&known).await.ok();
    assert!(shown.contains("nats-server"), "{shown}");

    // Without a certificate of its own, and without trust in the gateway's.
    jetgate.shell(&trusting).await.failed(UNAVAILABLE);
    let distrusting = format!("jetgate top --once -s {url}");
    jetgate.shell(&distrusting).await.failed(UNAVAILABLE);
    // A certificate for nobody.
    let plain = format!("jetgate top --once --ca {}", ca.display());
    jetgate.shell(&plain).await.failed(USAGE);
}
