//! A gateway that may have few files open: callers get what it does not need itself.

use std::fs;

use jetgate::proto::GetInfoRequest;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{NatsServer, Replica, SOON, eventually, http_get};

/// What its log says where callers get fewer connections than they may.
const FEWER: &str = "fewer connections are taken";

/// A gateway with these limits whose callers may have so many connections, which may stay silent.
async fn start(nats: &NatsServer, limits: (u32, u32), connections: u32) -> (Replica, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jetgate.toml");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmax_connections = {connections}\npreface_timeout = \"10m\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[nats]\nurl = \"{}\"\n[log]\nformat = \"json\"\n",
        nats.url()
    );
    fs::write(&file, config).unwrap();
    (Replica::with_open_files(limits, &file).await, folder)
}

async fn metric(gateway: &Replica, name: &str) -> Option<f64> {
    let (_, text) = http_get(&format!("http://{}/metrics", gateway.admin)).await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

async fn until_ready(gateway: &Replica, code: u16) {
    let ready = format!("http://{}/readyz", gateway.admin);
    eventually(SOON, async || {
        (http_get(&ready).await?.0 == code).then_some(())
    })
    .await;
}

#[tokio::test]
async fn callers_never_take_the_files_that_probes_and_nats_need() {
    const FILES: u32 = 200;
    let mut nats = NatsServer::start().await;
    let (gateway, _folder) = start(&nats, (FILES, FILES), 10_000).await;
    assert!(gateway.process.output().contains(FEWER));

    let mut silent = Vec::new();
    for _ in 0..2 * FILES {
        silent.push(TcpStream::connect(gateway.public).await.unwrap());
    }

    // Whoever is too many is closed at once, all else stays possible.
    for stream in &mut silent[FILES as usize..] {
        let end = timeout(SOON, stream.read(&mut [0; 1])).await;
        assert_eq!(end.expect("not closed").unwrap_or(0), 0);
    }
    for (page, code) in [("livez", 200), ("readyz", 200), ("metrics", 200)] {
        let answer = http_get(&format!("http://{}/{page}", gateway.admin)).await;
        assert_eq!(answer.unwrap().0, code, "{page}");
    }
    let open = metric(&gateway, "process_open_fds").await.unwrap();
    assert!(open < f64::from(FILES), "{open}");
    nats.kill();
    until_ready(&gateway, 503).await;
    nats.restart().await;
    until_ready(&gateway, 200).await;
    assert!(!gateway.process.output().contains("cannot accept"));

    drop(silent);
    eventually(SOON, async || {
        let mut client = gateway.clients.gateway();
        client.get_info(GetInfoRequest {}).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_gateway_takes_as_many_files_as_it_may_have() {
    let nats = NatsServer::start().await;

    let (gateway, _folder) = start(&nats, (64, 512), 300).await;

    assert_eq!(metric(&gateway, "process_max_fds").await, Some(512.0));
    assert!(!gateway.process.output().contains(FEWER));
}
