//! The binary: how it starts, how it ends, and what its exit code says.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use jetgate::proto::{
    CreateStreamRequest, GetInfoRequest, ListStreamsRequest, PublishRequest, StreamConfig,
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tonic::Request;

use crate::support::page::Page;
use crate::support::{
    Clients, NatsServer, Process, SOON, Toxic, Wire, eventually, http_get, nats_server_path,
};

/// The exit codes of sysexits.h for a wrong configuration and for something that is not to be had.
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;

fn serve(nats_url: &str) -> Process {
    Process::start([
        "serve",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--nats-url",
        nats_url,
    ])
}

fn dev(store: &Path) -> Process {
    let flag = |name: &str, value: &Path| {
        let mut flag = OsString::from(name);
        flag.push(value);
        flag
    };
    Process::start([
        "dev".into(),
        "--listen=127.0.0.1:0".into(),
        "--admin-listen=127.0.0.1:0".into(),
        "--console-listen=127.0.0.1:0".into(),
        flag("--store-dir=", store),
        flag("--nats-server=", nats_server_path()),
    ])
}

/// Clients of a started `jetgate serve`, and its admin address, once it is ready.
async fn ready(process: &Process) -> (Clients, SocketAddr) {
    let public = process.address_after("public=").await;
    let admin = process.address_after("admin=").await;
    let url = format!("http://{admin}/readyz");
    eventually(SOON, async || {
        (http_get(&url).await?.0 == 200).then_some(())
    })
    .await;
    (Clients::at(public), admin)
}

async fn create_orders(clients: &Clients) {
    let config = StreamConfig {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        ..StreamConfig::default()
    };
    let request = CreateStreamRequest {
        config: Some(config),
    };
    clients.streams().create_stream(request).await.unwrap();
}

fn order() -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    }
}

/// Asks for every stream: what a gateway can only answer when NATS is there.
fn all() -> ListStreamsRequest {
    ListStreamsRequest::default()
}

#[tokio::test]
async fn serves_and_ends_with_0_at_sigterm_or_sigint() {
    let nats = NatsServer::start().await;

    for signal in [Signal::TERM, Signal::INT] {
        let mut process = serve(&nats.url());
        let (clients, _) = ready(&process).await;
        create_orders(&clients).await;
        clients.publisher().publish(order()).await.unwrap();

        process.signal(signal);

        assert_eq!(process.ended(SOON).await.code(), Some(0));
    }
}

#[tokio::test]
async fn ends_at_once_at_the_second_signal() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let mut process = serve(&format!("nats://{}", toxic.address()));
    let (clients, _) = ready(&process).await;
    create_orders(&clients).await;

    // A call without an answer keeps the drain waiting.
    toxic.stall_answers();
    let call = tokio::spawn(async move {
        let mut request = Request::new(order());
        request.set_timeout(Duration::from_secs(300));
        clients.publisher().publish(request).await
    });
    eventually(SOON, async || {
        (nats.wire().await.count("ORDERS").await == 1).then_some(())
    })
    .await;
    process.signal(Signal::TERM);
    eventually(SOON, async || {
        process.output().contains("draining").then_some(())
    })
    .await;
    assert!(process.is_running());

    let started = Instant::now();
    process.signal(Signal::TERM);

    assert_eq!(process.ended(SOON).await.code(), Some(128 + 15));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn refuses_a_key_that_it_does_not_know_and_suggests_another() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jetgate.toml");
    fs::write(&file, "[server]\nlisten_on = \"127.0.0.1:0\"\n").unwrap();

    let mut process = Process::start(["serve", "--config", file.to_str().unwrap()]);

    assert_eq!(process.ended(SOON).await.code(), Some(USAGE));
    let named = async || process.output().contains("server.listen`").then_some(());
    eventually(SOON, named).await;
}

#[tokio::test]
async fn refuses_a_flag_that_it_does_not_know() {
    let mut process = Process::start(["serve", "--listen-on=127.0.0.1:0"]);

    assert_eq!(process.ended(SOON).await.code(), Some(USAGE));
}

#[tokio::test]
async fn says_that_its_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());

    let mut process = Process::start(["serve", &listen, "--admin-listen=127.0.0.1:0"]);

    assert_eq!(process.ended(SOON).await.code(), Some(UNAVAILABLE));
}

#[tokio::test]
async fn probe_tells_whether_a_gateway_is_ready() {
    let mut nats = NatsServer::start().await;
    let process = serve(&nats.url());
    let (_, admin) = ready(&process).await;
    let probe = async || {
        let mut probe = Process::start(["probe".to_owned(), format!("--admin={admin}")]);
        probe.ended(SOON).await.code()
    };

    assert_eq!(probe().await, Some(0));
    nats.kill();
    eventually(SOON, async || (probe().await == Some(1)).then_some(())).await;
}

#[tokio::test]
async fn dev_serves_beside_a_nats_server_of_its_own_and_ends_with_it() {
    let store = TempDir::new().unwrap();
    let mut process = dev(store.path());
    let clients = Clients::at(process.address_after("gRPC ").await);
    let nats = process.address_after("nats://").await;
    eventually(SOON, async || {
        clients.streams().list_streams(all()).await.ok()
    })
    .await;
    create_orders(&clients).await;
    clients.publisher().publish(order()).await.unwrap();

    process.signal(Signal::TERM);

    assert_eq!(process.ended(SOON).await.code(), Some(0));
    assert!(TcpStream::connect(nats).await.is_err());
}

#[tokio::test]
async fn dev_serves_pages_of_this_machine() {
    let store = TempDir::new().unwrap();
    let process = dev(store.path());
    let address = process.address_after("gRPC ").await;
    let path = "/jetgate.v1.GatewayService/GetInfo";

    let mut page = Page::of("http://localhost:5173", address).await;
    assert_eq!(page.ask(path, "content-type").await.status(), 204);
    let mut page = Page::of("http://other.test:5173", address).await;
    assert_eq!(page.ask(path, "content-type").await.status(), 403);

    let console = process.address_after("console  http://").await;
    let (code, text) = http_get(&format!("http://{console}/")).await.unwrap();
    assert_eq!(code, 200);
    assert!(text.contains("jetgate console"), "{text}");
}

#[tokio::test]
async fn dev_serves_beside_a_nats_server_that_runs() {
    let nats = NatsServer::start().await;
    let mut process = Process::start([
        "dev",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--console-listen=127.0.0.1:0",
        "--nats-url",
        &nats.url(),
    ]);
    let clients = Clients::at(process.address_after("gRPC ").await);
    eventually(SOON, async || {
        clients.streams().list_streams(all()).await.ok()
    })
    .await;
    create_orders(&clients).await;

    process.signal(Signal::TERM);

    assert_eq!(process.ended(SOON).await.code(), Some(0));
    assert_eq!(nats.wire().await.count("ORDERS").await, 0);
}

#[tokio::test]
async fn dev_keeps_its_streams_between_runs() {
    let store = TempDir::new().unwrap();
    for stored in [1, 2] {
        let mut process = dev(store.path());
        let clients = Clients::at(process.address_after("gRPC ").await);
        let nats = process.address_after("nats://").await;
        eventually(SOON, async || {
            clients.streams().list_streams(all()).await.ok()
        })
        .await;
        create_orders(&clients).await;
        clients.publisher().publish(order()).await.unwrap();
        assert_eq!(Wire::connect(nats).await.count("ORDERS").await, stored);
        process.signal(Signal::TERM);
        process.ended(SOON).await;
    }
}

#[tokio::test]
async fn the_nats_server_of_dev_does_not_outlive_a_killed_gateway() {
    let store = TempDir::new().unwrap();
    let mut process = dev(store.path());
    let clients = Clients::at(process.address_after("gRPC ").await);
    let nats = process.address_after("nats://").await;
    eventually(SOON, async || {
        clients.gateway().get_info(GetInfoRequest {}).await.ok()
    })
    .await;
    TcpStream::connect(nats).await.unwrap();

    process.signal(Signal::KILL);
    process.ended(SOON).await;

    eventually(SOON, async || {
        TcpStream::connect(nats).await.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_dev_gateways_do_not_share_a_store() {
    let store = TempDir::new().unwrap();
    let first = dev(store.path());
    first.address_after("gRPC ").await;

    let mut second = dev(store.path());

    assert_eq!(second.ended(SOON).await.code(), Some(UNAVAILABLE));
}
