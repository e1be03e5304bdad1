//! What each caller may take of a replica, and that others do not notice.

mod held;
mod refused;

use std::time::Duration;

use jetgate::auth::NewKey;
use jetgate::config::{ByteSize, Config};
use jetgate::limits::Config as Limits;
use jetgate::proto::{GetInfoRequest, PublishRequest, PublishResponse};
use serde_json::json;
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::consuming::STREAM;
use crate::support::{Clients, Gateway, NatsServer, Wire, http_get, metadata, refused};

/// A gateway with limits, and its callers.
struct House {
    nats: NatsServer,
    gateway: Gateway,
    wire: Wire,
    keys: [NewKey; 2],
    _folder: TempDir,
}

impl House {
    async fn with(limits: Limits) -> Self {
        Self::configured(|config| config.limits = limits).await
    }

    async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let nats = NatsServer::start().await;
        let keys = ["ada", "bob"].map(NewKey::make);
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("keys.toml");
        std::fs::write(&file, keys.each_ref().map(NewKey::entry).concat()).unwrap();
        let gateway = Gateway::start_with(&nats.url(), |config| {
            config.auth.api_keys_file = Some(file);
            change(config);
        })
        .await;
        let mut wire = nats.wire().await;
        let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
        wire.create_stream(stream).await;
        Self {
            nats,
            gateway,
            wire,
            keys,
            _folder: folder,
        }
    }

    fn ada(&self) -> Clients {
        self.gateway.showing(self.keys[0].secret())
    }

    fn bob(&self) -> Clients {
        self.gateway.showing(self.keys[1].secret())
    }

    async fn metric(&self, limit: &str, outcome: &str) -> u64 {
        let (_, metrics) = http_get(&self.gateway.admin_url("/metrics")).await.unwrap();
        let name =
            format!("jetgate_caller_limits_total{{limit=\"{limit}\",outcome=\"{outcome}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |count| count.parse().unwrap())
    }
}

async fn ask(clients: &Clients) -> Result<(), Status> {
    clients.gateway().get_info(GetInfoRequest {}).await?;
    Ok(())
}

async fn publish(clients: &Clients, size: usize) -> Result<PublishResponse, Status> {
    let answer = clients.publisher().publish(message(size)).await?;
    Ok(answer.into_inner())
}

fn message(size: usize) -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(jetgate::proto::publish_request::Payload::Data(
            vec![7; size].into(),
        )),
        ..PublishRequest::default()
    }
}

/// The error of a call that must be refused by this limit of ada's; how long it says to wait.
#[track_caller]
fn limited<T: std::fmt::Debug>(outcome: Result<T, Status>, limit: &str) -> Duration {
    let status = refused(outcome, Code::ResourceExhausted, "CALLER_LIMIT");
    assert_eq!(metadata(&status, "limit").as_deref(), Some(limit));
    let quota = status.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "caller:ada");
    assert!(quota.violations[0].description.contains(limit));
    let retry = status.get_details_retry_info().unwrap();
    retry.retry_delay.expect("no delay")
}

fn kib(size: u64) -> ByteSize {
    ByteSize::kib(size)
}
