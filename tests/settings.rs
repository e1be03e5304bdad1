//! Settings of the gateway that would go unnoticed if they were ignored: how it reaches NATS, what it
//! takes and what it says.

mod authentication;
mod connection;
mod limits;
mod log;
mod patience;
mod tls;

use jetgate::config::Config;
use jetgate::proto::{CreateStreamRequest, StreamConfig};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::support::{Gateway, NatsServer, SOON, eventually};

/// A gateway with these settings, which must reach JetStream on this server.
async fn reaches(nats: &NatsServer, change: impl FnOnce(&mut Config)) -> Gateway {
    let gateway = Gateway::start_with(&nats.url(), change).await;
    let config = Some(StreamConfig {
        name: "REACHED".to_owned(),
        subjects: vec!["reached".to_owned()],
        ..StreamConfig::default()
    });
    let mut streams = gateway.streams();
    let created = streams.create_stream(CreateStreamRequest { config });
    created.await.unwrap();
    gateway
}

/// A gateway with these settings tries to reach the server, which the server's log or count of
/// connections shows, and does not.
async fn does_not_reach(nats: &NatsServer, change: impl FnOnce(&mut Config)) {
    let before = connections_ever(nats).await;
    let gateway = Gateway::start_unready(&nats.url(), change).await;
    // Two of its connections have tried, and tried again.
    eventually(SOON, async || {
        (connections_ever(nats).await >= before + 6).then_some(())
    })
    .await;
    assert_ne!(gateway.status_of("").await, Some(ServingStatus::Serving));
}

async fn connections_ever(nats: &NatsServer) -> u64 {
    let varz = monitored(nats, "varz").await;
    varz["total_connections"].as_u64().unwrap()
}

async fn monitored(nats: &NatsServer, page: &str) -> serde_json::Value {
    let url = format!("{}/{page}", nats.monitoring_url());
    let (_, body) = crate::support::http_get(&url).await.unwrap();
    serde_json::from_str(&body).unwrap()
}
