//! TLS to NATS: whom the gateway trusts, how it shows itself, and when it insists.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::{does_not_reach, reaches};
use crate::support::NatsServer;

/// An authority and what it has signed, as files.
struct Certificates(TempDir);

impl Certificates {
    fn make() -> Self {
        let folder = TempDir::new().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let files = Self(folder);
        fs::write(files.path("ca.pem"), root.pem()).unwrap();
        for (name, subject) in [("server", "127.0.0.1"), ("client", "gateway")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(files.path(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(files.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The server's section, with more in it.
    fn section(&self, more: &str) -> String {
        let [certificate, key, authority] =
            ["server.pem", "server.key", "ca.pem"].map(|name| self.path(name));
        format!(
            "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {authority:?}, timeout: 20, {more} }}"
        )
    }
}

#[tokio::test]
async fn an_authority_of_one_s_own() {
    let files = Certificates::make();
    let nats = NatsServer::start_with(&files.section("")).await;

    reaches(&nats, |config| {
        config.nats.tls_ca_file = Some(files.path("ca.pem"))
    })
    .await;
    does_not_reach(&nats, |_| ()).await;
}

#[tokio::test]
async fn a_certificate_of_the_gateway() {
    let files = Certificates::make();
    let nats = NatsServer::start_with(&files.section("verify: true")).await;

    reaches(&nats, |config| {
        config.nats.tls_ca_file = Some(files.path("ca.pem"));
        config.nats.tls_cert_file = Some(files.path("client.pem"));
        config.nats.tls_key_file = Some(files.path("client.key"));
    })
    .await;
    does_not_reach(&nats, |config| {
        config.nats.tls_ca_file = Some(files.path("ca.pem"))
    })
    .await;
}

#[tokio::test]
async fn the_handshake_before_the_greeting() {
    let files = Certificates::make();
    let nats = NatsServer::start_with(&files.section("handshake_first: true")).await;

    reaches(&nats, |config| {
        config.nats.tls_ca_file = Some(files.path("ca.pem"));
        config.nats.tls_first = true;
    })
    .await;
}

#[tokio::test]
async fn no_connection_without_tls() {
    let files = Certificates::make();
    let encrypted = NatsServer::start_with(&files.section("")).await;
    let open = NatsServer::start().await;

    reaches(&encrypted, |config| {
        config.nats.tls_ca_file = Some(files.path("ca.pem"));
        config.nats.require_tls = true;
    })
    .await;
    does_not_reach(&open, |config| config.nats.require_tls = true).await;
}
