//! How gateways are named, and how a client shows who it is by a certificate.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use jetgate_client::Client;
use jetgate_client::v1::GetInfoRequest;
use jetgate_client::v1::gateway_service_client::GatewayServiceClient;
use serde_json::json;
use tonic::Code;

use super::world::{World, scenarios};

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

    let nobody = builder().call_timeout(super::consuming::SOON / 10);
    let refused = nobody.connect().unwrap().stream("USERS").await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    fs::remove_dir_all(&folder).unwrap();
}
