//! Where the keys of an issuer come from.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tonic::Code;

use super::issuer::Issuer;
use super::key::Key;
use super::{House, ask, claims, entry_of};
use crate::support::pki::Authority;
use crate::support::{Gateway, NatsServer, SOON, eventually, refused};

/// A gateway that trusts the issuer by this entry.
async fn trusting(nats: &NatsServer, folder: &TempDir, entry: &str) -> Gateway {
    let file = folder.path().join("issuers.toml");
    std::fs::write(&file, entry).unwrap();
    Gateway::start_with(&nats.url(), |config| {
        config.auth.token_issuers_file = Some(file);
        config.auth.reload_interval = Duration::from_secs(1);
    })
    .await
}

#[tokio::test]
async fn discovery_of_another_issuer_is_not_believed() {
    let issuer = Issuer::start().await;
    let key = issuer.new_key("1");
    let url = issuer.url();
    issuer.claim("http://127.0.0.1:1", &format!("{url}/keys"));
    let house = House::trusting(issuer, key, "", |_| ()).await;
    let token = house.token(json!({}));
    let unavailable = "TOKEN_KEYS_UNAVAILABLE";
    refused(house.ask(&token).await, Code::Unavailable, unavailable);

    // Nor is one that leads to where anybody could be in between.
    house.issuer.claim(&url, "http://keys.example.org/");
    house.until_failed(3).await;
    refused(house.ask(&token).await, Code::Unavailable, unavailable);

    house.issuer.claim(&url, &format!("{url}/keys"));
    eventually(SOON, async || house.ask(&token).await.ok()).await;
}

#[tokio::test]
async fn what_the_gateway_shows_is_for_the_server_that_its_operator_named() {
    let (nats, named, other) = (
        NatsServer::start().await,
        Issuer::start().await,
        Issuer::start().await,
    );
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("token");
    std::fs::write(&own, "of-the-gateway").unwrap();
    named.demand("of-the-gateway");
    let key = other.new_key("1");
    named.claim(&named.url(), &format!("{}/keys", other.url()));
    let entry = entry_of(&named, &format!("bearer_file = {own:?}"));
    let gateway = trusting(&nats, &folder, &entry).await;
    let token = key.sign(&claims(&named, json!({})));

    eventually(SOON, async || ask(&gateway, &token).await.ok()).await;
    assert!(other.asked() >= 1);
    assert_eq!(other.shown(), None);
}

#[tokio::test]
async fn keys_can_be_in_a_file_that_changes() {
    let (nats, issuer) = (NatsServer::start().await, Issuer::start().await);
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("jwks.json");
    let first = issuer.new_key("1");
    std::fs::write(&keys, issuer.key_set()).unwrap();
    let entry = entry_of(&issuer, &format!("jwks_file = {keys:?}"));
    let gateway = trusting(&nats, &folder, &entry).await;
    let good = claims(&issuer, json!({}));
    ask(&gateway, &first.sign(&good)).await.unwrap();

    let second = issuer.new_key("2");
    std::fs::write(&keys, issuer.key_set()).unwrap();
    let token = second.sign(&good);
    eventually(SOON, async || ask(&gateway, &token).await.ok()).await;
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test]
async fn service_accounts_of_kubernetes_are_callers_like_any_other() {
    // The API server tells its keys to pods that show their own token, and its tokens look like this.
    let (nats, server) = (NatsServer::start().await, Issuer::start().await);
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("token");
    std::fs::write(&own, "of-the-pod\n").unwrap();
    server.demand("of-the-pod");
    let key = Key::of("h4x0r", "RS256");
    server.tell("h4x0r", key.public());
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let entry = format!(
        "[[issuer]]\nissuer = {issuer:?}\naudiences = [\"jetgate\"]\nname_prefix = \"k8s:\"\n\
         jwks_url = \"{}/keys\"\nbearer_file = {own:?}\n",
        server.url(),
    );
    let gateway = trusting(&nats, &folder, &entry).await;
    let pod = |audience: &str| {
        let mut claims = claims(
            &server,
            json!({
                "iss": issuer, "aud": [audience], "sub": "system:serviceaccount:shop:orders",
                "kubernetes.io": {
                    "namespace": "shop",
                    "pod": { "name": "orders-5d8f", "uid": "c4c1c4a8-2f4e-4a0e-9d52-0f2d7f3b8a11" },
                    "serviceaccount": { "name": "orders", "uid": "0f8e5a8e-7a4b-4a6c-8c64-5b0a3c1d9e22" },
                },
            }),
        );
        claims["jti"] = json!("9f0c1b7e-6a0f-4d3f-8f43-1c2b3a4d5e6f");
        key.sign(&claims)
    };
    let token = pod("jetgate");
    let asking = async || ask(&gateway, &token).await.ok();
    let name = eventually(SOON, asking).await;
    assert_eq!(name, "k8s:system:serviceaccount:shop:orders");

    // The token that every pod has is for the API server.
    let outcome = ask(&gateway, &pod(issuer)).await;
    refused(outcome, Code::Unauthenticated, "UNAUTHENTICATED");
}

#[tokio::test]
async fn keys_come_over_tls_from_who_the_authority_vouches_for() {
    const NAME: &str = "localhost";
    let (nats, issuer) = (NatsServer::start().await, Issuer::start().await);
    let key = issuer.new_key("1");
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.issue("server", NAME);
    let listener = TcpListener::bind((NAME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = identity.acceptor();
    let keys = issuer.key_set();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut asked = [0; 4_096];
            let _ = stream.read(&mut asked).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{keys}",
                keys.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let entry = |authority: &Authority| {
        let text = format!(
            "jwks_url = \"https://{NAME}:{port}/keys\"\nca_file = {:?}",
            authority.file()
        );
        entry_of(&issuer, &text)
    };
    let token = key.sign(&claims(&issuer, json!({})));

    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let trusts = trusting(&nats, &one, &entry(&authority)).await;
    eventually(SOON, async || ask(&trusts, &token).await.ok()).await;
    let doubts = trusting(&nats, &two, &entry(&other)).await;
    let outcome = ask(&doubts, &token).await;
    refused(outcome, Code::Unavailable, "TOKEN_KEYS_UNAVAILABLE");
    serving.abort();
}
