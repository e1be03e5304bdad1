//! What servers tell: their versions, their clocks, and, to the system account, when they sync.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Doctor, FOUND, SOUND, about, is};
use crate::support::pki::Authority;
use crate::support::{Gateway, Lossy, NatsServer, Process, SOON, Wire, eventually, http_get};

/// The version of the server, as it tells it.
async fn version_of(nats: &NatsServer) -> String {
    let (_, body) = http_get(&format!("{}/varz", nats.monitoring_url()))
        .await
        .unwrap();
    let varz: serde_json::Value = serde_json::from_str(&body).unwrap();
    varz["version"].as_str().unwrap().to_owned()
}

/// A server that says it is of another version, of as many characters.
async fn pretending(nats: &NatsServer, version: &str) -> Lossy {
    let real = version_of(nats).await;
    assert_eq!(real.len(), version.len());
    Lossy::replacing(nats.address(), &[(&real, version)]).await
}

#[tokio::test]
async fn servers_with_known_advisories_are_found_and_warned_of() {
    let nats = NatsServer::start().await;
    let old = pretending(&nats, "2.14.0").await;

    let findings = Doctor::of(&format!("[nats]\nurl = \"{}\"\n", old.url()))
        .finds(FOUND)
        .await;
    let seen: BTreeSet<_> = findings
        .iter()
        .filter(|it| it["check"] == "version")
        .map(|it| it["level"].as_str())
        .collect();
    assert!(seen.contains(&Some("warning")), "{findings:#?}");

    // A gateway that runs says so in its log, and in a metric.
    let gateway = Process::start([
        "serve",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--nats-url",
        &old.url(),
    ]);
    let admin = gateway.address_after("admin=").await;
    let metrics = format!("http://{admin}/metrics");
    eventually(SOON, async || {
        let (_, text) = http_get(&metrics).await?;
        text.contains("jetgate_nats_outdated{role=\"requests\"} 1")
            .then_some(())
    })
    .await;
    eventually(SOON, async || {
        gateway
            .output()
            .contains("known security advisories")
            .then_some(())
    })
    .await;

    let ancient = pretending(&nats, "2.9.25").await;
    let findings = Doctor::of(&format!("[nats]\nurl = \"{}\"\n", ancient.url()))
        .finds(FOUND)
        .await;
    let is_too_old = |it: &&serde_json::Value| it["check"] == "version" && it["level"] == "fault";
    assert!(findings.iter().any(|it| is_too_old(&it)), "{findings:#?}");
}

#[tokio::test]
async fn a_server_of_today_is_not_outdated() {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;

    let (_, text) = http_get(&gateway.admin_url("/metrics")).await.unwrap();

    assert!(
        text.contains("jetgate_nats_outdated{role=\"requests\"} 0"),
        "{text}"
    );
}

#[tokio::test]
async fn clocks_that_differ_are_found() {
    let nats = NatsServer::start().await;
    let proxy = Lossy::replacing(nats.address(), &[("\"time\":\"20", "\"time\":\"21")]).await;

    let findings = Doctor::of(&format!("[nats]\nurl = \"{}\"\n", proxy.url()))
        .finds(FOUND)
        .await;

    is(about(&findings, "clock", ""), "warning", "years", "NTP");
}

#[tokio::test]
async fn the_system_account_tells_when_servers_sync() {
    let accounts = "accounts {\n\
        SYS { users: [{user: admin, password: s3cret}] }\n\
        APP { jetstream: enabled, users: [{user: app, password: app}] }\n\
        }\nsystem_account: SYS\n";
    let always = NatsServer::start_with(&format!(
        "{accounts}jetstream {{ sync_interval: always }}\n"
    ))
    .await;
    let seldom = NatsServer::start_with(accounts).await;
    for (nats, code, level, text) in [
        (&always, SOUND, "ok", "before they are acknowledged"),
        (&seldom, FOUND, "warning", "(ORDERS)"),
    ] {
        let mut wire = Wire::connect_as(nats.address(), "app", "app").await;
        wire.create_stream(json!({"name": "ORDERS", "subjects": ["orders.>"]}))
            .await;
        let doctor = Doctor::of(&format!(
            "[nats]\nurl = \"{}\"\nuser = \"app\"\npassword = \"app\"\n",
            nats.url()
        ));
        let system = format!("--system-url nats://admin:s3cret@{}", nats.address());

        let findings = doctor.with(&system).finds(code).await;

        is(about(&findings, "sync_always", ""), level, text, "");
        // The account of the gateway is told where the system account is not.
        is(
            about(&findings, "streams", "ORDERS"),
            "note",
            "only server",
            "",
        );
    }
    let wrong = Doctor::of(&format!(
        "[nats]\nurl = \"{}\"\nuser = \"app\"\npassword = \"app\"\n",
        always.url()
    ));
    let system = format!("--system-url nats://admin:wrong@{}", always.address());
    let findings = wrong.with(&system).finds(FOUND).await;
    is(
        about(&findings, "connection", "system account"),
        "fault",
        "authorization",
        "--system-credentials",
    );
}

#[tokio::test]
async fn servers_with_a_certificate_of_an_unknown_authority_are_found() {
    let authority = Authority::new();
    let identity = authority.issue("nats", "localhost");
    let tls = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\n",
        identity.certificate.display(),
        identity.key.display()
    );
    let nats = NatsServer::start_with(&tls).await;
    let config = format!(
        "[nats]\nurl = \"tls://localhost:{}\"\n",
        nats.address().port()
    );

    let findings = Doctor::of(&config).finds(FOUND).await;
    is(
        about(&findings, "connection", ""),
        "fault",
        "",
        "nats.tls_ca_file",
    );

    let trusting = format!("{config}tls_ca_file = \"{}\"\n", authority.file().display());
    let findings = Doctor::of(&trusting).finds(SOUND).await;
    is(about(&findings, "connection", ""), "ok", "connected", "");
    is(
        about(&findings, "certificates", "ca.pem"),
        "ok",
        "valid until",
        "",
    );
}
