//! The fixtures do what the tests rely on: a fault that does not happen proves nothing.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{NatsCluster, NatsServer, Toxic};

const A_MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_killed_server_restarts_on_its_port_with_its_data() {
    let mut nats = NatsServer::start().await;
    let url = nats.url();
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": "S", "subjects": ["s"] }))
        .await;
    let headers = b"A: 1\r\nB: bare\rcr\r\n";
    wire.request("s", Some(headers), b"payload").await.unwrap();

    nats.kill();
    nats.restart().await;

    assert_eq!(nats.url(), url);
    let stored = nats.wire().await.stored("S", 1).await;
    assert_eq!(stored.payload, b"payload");
    assert_eq!(stored.header("A"), ["1"]);
    assert_eq!(stored.header("B"), ["bare\rcr"]);
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_is_resumed() {
    let nats = NatsServer::start().await;

    nats.pause();
    let mut stream = TcpStream::connect(nats.address()).await.unwrap();
    let mut byte = [0];
    assert!(timeout(A_MOMENT, stream.read(&mut byte)).await.is_err());

    nats.resume();
    assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
}

#[tokio::test]
async fn a_cluster_elects_another_leader_when_one_is_killed() {
    let mut cluster = NatsCluster::start().await;
    let config = json!({ "name": "S", "subjects": ["s"], "num_replicas": 3 });
    cluster.wire().await.create_stream(config).await;
    let first = cluster.leader_of_stream("S").await;

    cluster.kill(first);
    let second = cluster.leader_of_stream("S").await;
    assert_ne!(first, second);

    cluster.restart(first).await;
    cluster.until_complete().await;
}

#[tokio::test]
async fn a_toxic_proxy_stalls_cuts_and_restores() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let toxic = Toxic::start(listener.local_addr().unwrap()).await;
    let mut near = TcpStream::connect(toxic.address()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let mut byte = [0];

    toxic.stall();
    near.write_all(b"x").await.unwrap();
    assert!(timeout(A_MOMENT, far.read(&mut byte)).await.is_err());

    toxic.restore();
    assert_eq!(far.read(&mut byte).await.unwrap(), 1);

    toxic.cut();
    assert_eq!(far.read(&mut byte).await.unwrap_or(0), 0);
    let mut refused = TcpStream::connect(toxic.address()).await.unwrap();
    assert_eq!(refused.read(&mut byte).await.unwrap_or(0), 0);
}
