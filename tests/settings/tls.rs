//! TLS to NATS: whom the gateway trusts, how it shows itself, and when it insists.

use super::{does_not_reach, reaches};
use crate::support::NatsServer;
use crate::support::pki::Authority;

/// The server's section, with more in it.
fn section(authority: &Authority, more: &str) -> String {
    let server = authority.issue("server", "127.0.0.1");
    format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, timeout: 20, {more} }}",
        server.certificate,
        server.key,
        authority.file()
    )
}

#[tokio::test]
async fn an_authority_of_one_s_own() {
    let authority = Authority::new();
    let nats = NatsServer::start_with(&section(&authority, "")).await;

    reaches(&nats, |config| {
        config.nats.tls_ca_file = Some(authority.file())
    })
    .await;
    does_not_reach(&nats, |_| ()).await;
}

#[tokio::test]
async fn a_certificate_of_the_gateway() {
    let authority = Authority::new();
    let nats = NatsServer::start_with(&section(&authority, "verify: true")).await;
    let gateway = authority.issue("gateway", "gateway");

    reaches(&nats, |config| {
        config.nats.tls_ca_file = Some(authority.file());
        config.nats.tls_cert_file = Some(gateway.certificate.clone());
        config.nats.tls_key_file = Some(gateway.key.clone());
    })
    .await;
    does_not_reach(&nats, |config| {
        config.nats.tls_ca_file = Some(authority.file())
    })
    .await;
}

#[tokio::test]
async fn the_handshake_before_the_greeting() {
    let authority = Authority::new();
    let nats = NatsServer::start_with(&section(&authority, "handshake_first: true")).await;

    reaches(&nats, |config| {
        config.nats.tls_ca_file = Some(authority.file());
        config.nats.tls_first = true;
    })
    .await;
}

#[tokio::test]
async fn no_connection_without_tls() {
    let authority = Authority::new();
    let encrypted = NatsServer::start_with(&section(&authority, "")).await;
    let open = NatsServer::start().await;

    reaches(&encrypted, |config| {
        config.nats.tls_ca_file = Some(authority.file());
        config.nats.require_tls = true;
    })
    .await;
    does_not_reach(&open, |config| config.nats.require_tls = true).await;
}
