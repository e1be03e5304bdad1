//! How gateways are named, and how a client shows who it is by a certificate.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use jetgate_client::v1::GetInfoRequest;
use jetgate_client::v1::gateway_service_client::GatewayServiceClient;
use jetgate_client::{Client, ErrorReason};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Code;

use super::consuming::SOON;
use super::world::{World, scenarios};

/// Less than a handshake may take, and more than the first attempts.
const HASTE: Duration = Duration::from_secs(3);

async fn identity(client: &Client) -> String {
    let mut gateway = GatewayServiceClient::new(client.connection());
    let answer = gateway.get_info(GetInfoRequest {}).await.unwrap();
    answer.into_inner().identity
}

#[tokio::test]
async fn addresses_are_hosts_or_urls() {
    for good in [
        "h:1",
        "http://h:1",
        "https://h:1",
        "http://h:1,h:2",
        "[::1]:1",
    ] {
        assert!(Client::connect(good).is_ok(), "{good}");
    }
    for bad in ["ftp://h:1", "nats://h:1", "http://h:1,ftp://h:2", "h h"] {
        let error = Client::connect(bad).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{bad}: {error}");
    }
    // What shall be encrypted does not go out in the clear.
    let mixed = Client::builder("http://h:1").tls().connect().unwrap_err();
    assert!(mixed.message().contains("https://"), "{mixed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_lead_to_gateways() {
    let world = World::start(json!({})).await;
    let url = format!("http://{}", world.gateways()[0]);
    let client = world.builder(&[url], None).connect().unwrap();
    assert_eq!(identity(&client).await, "");

    let world = World::start(json!({"tls": true})).await;
    let url = format!("https://{}", world.gateways()[0]);
    let client = world.builder(&[url], None).connect().unwrap();
    assert_eq!(identity(&client).await, "");
}

/// An authority, and what it has signed for localhost.
fn certificates(folder: &Path) {
    let program = "import pathlib, sys, certificates; certificates.make(pathlib.Path(sys.argv[1]))";
    let mut python = Command::new("python3");
    python.args(["-c", program]).arg(folder);
    let made = python.current_dir(scenarios()).status().unwrap();
    assert!(made.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_says_who_calls() {
    let folder = env::temp_dir().join(format!("jetgate-certificates-{}", fastrand::u64(..)));
    fs::create_dir(&folder).unwrap();
    certificates(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let config = json!({
        "tls.cert_file": file("tls.pem"),
        "tls.key_file": file("tls.key"),
        "tls.client_ca_file": file("ca.pem"),
    });
    let world = World::start(json!({ "config": config })).await;
    let builder = || world.trusting(&world.gateways(), None, Some(&file("ca.pem")));
    let [certificate, key] = ["tls.pem", "tls.key"].map(|name| fs::read(file(name)).unwrap());

    let known = builder().identity(certificate, key).connect().unwrap();
    assert_eq!(identity(&known).await, "localhost");

    // What the first attempt fails by is told: there is no time for another, which the deadline could cut short.
    let nobody = builder().backoff(2 * SOON, 2 * SOON);
    let refused = nobody.connect().unwrap().stream("USERS").await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    fs::remove_dir_all(&folder).unwrap();
}

/// The address of somebody who turns so many away and lets all others wait for a handshake that never ends.
async fn never_ready(turned_away: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for _ in 0..turned_away {
            drop(listener.accept().await.unwrap());
        }
        let mut waiting = Vec::new();
        while let Ok(other) = listener.accept().await {
            waiting.push(other);
        }
    });
    format!("https://{address}")
}

/// A client of theirs alone that gives up before their handshakes do.
async fn kept_waiting_behind(turned_away: usize) -> Client {
    let builder = Client::builder(&never_ready(turned_away).await);
    builder.call_timeout(HASTE).connect().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_without_the_time_to_connect_does_not_hide_why_the_one_before_failed() {
    let (asking, publishing) = (kept_waiting_behind(1).await, kept_waiting_behind(1).await);
    let never = kept_waiting_behind(0).await;
    let (asked, published, late) = tokio::join!(
        asking.stream("USERS"),
        publishing.publish(("users.new", "it")),
        never.publish(("users.new", "it")),
    );
    let (published, late) = (published.unwrap_err(), late.unwrap_err());
    assert_eq!(asked.unwrap_err().code(), Code::Unavailable);
    assert_eq!(published.code(), Code::Unavailable, "{published:?}");
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    // Nothing was ever sent, so nothing can be stored.
    for error in [published, late] {
        assert_eq!(error.reason(), ErrorReason::Unspecified, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_hangs_in_its_handshake_is_left() {
    let world = World::start(json!({"tls": true})).await;
    let hung = never_ready(0).await;
    let addresses = [hung, format!("https://{}", world.gateways()[0])];
    let client = world.builder(&addresses, None).call_timeout(SOON).connect();
    let client = client.unwrap();
    // Whichever comes first.
    for _ in 0..2 {
        client.publish(("nobody.takes", "it")).await.unwrap_err();
        let missing = client.stream("MISSING").await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound, "{missing:?}");
    }
}
