//! Callers whose calls go to NATS by logins of their own: several accounts of one server.

mod import;
mod lifecycle;
mod limits;
mod login;
mod logins;
mod moving;
mod operator;
mod separation;

use std::time::Duration;

use jetgate::auth::NewKey;
use jetgate::config::Config;
use jetgate::proto::{
    CreateStreamRequest, GetInfoRequest, GetInfoResponse, PublishRequest, PublishResponse,
    StreamConfig,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::consuming::{CONSUMER, STREAM, Session};
use crate::support::{Clients, File, Gateway, NatsServer, SOON, Wire, eventually, http_get};

/// Accounts of a server, each with a user of its name in small letters, whose password it is, too.
const ACCOUNTS: &str = r#"
accounts {
  GATEWAY: { jetstream: enabled, users: [{ user: gateway, password: gateway }] }
  ACME: { jetstream: enabled, users: [{ user: acme, password: acme }] }
  GLOBEX: { jetstream: enabled, users: [{ user: globex, password: globex }] }
  BARE: { users: [{ user: bare, password: bare }] }
  SMALL: { jetstream: { max_streams: 1, max_mem: 1M, max_file: 1M }, users: [{ user: small, password: small }] }
}
"#;

/// The callers; `nobody` is of no tenant.
const CALLERS: [&str; 5] = ["acme", "globex", "bare", "small", "nobody"];

/// A server with accounts, a gateway, and its callers.
struct House {
    nats: NatsServer,
    gateway: Gateway,
    tenants: File,
    keys: [NewKey; 5],
    key_file: File,
}

impl House {
    /// A gateway with these tenants.
    async fn with(tenants: &str) -> Self {
        Self::configured(tenants, |_| ()).await
    }

    async fn configured(tenants: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::on(NatsServer::start_with(ACCOUNTS).await, tenants, change).await
    }

    async fn on(nats: NatsServer, tenants: &str, change: impl FnOnce(&mut Config)) -> Self {
        let keys = CALLERS.map(NewKey::make);
        let key_file = File::with(&keys.each_ref().map(NewKey::entry).concat());
        let tenants = File::with(tenants);
        let gateway = gateway(&nats, &tenants, &key_file, change).await;
        Self {
            nats,
            gateway,
            tenants,
            keys,
            key_file,
        }
    }

    /// Another replica.
    async fn replica(&self) -> Gateway {
        gateway(&self.nats, &self.tenants, &self.key_file, |_| ()).await
    }

    /// The clients of this caller.
    fn of(&self, caller: &str) -> Clients {
        self.at(&self.gateway, caller)
    }

    fn at(&self, gateway: &Gateway, caller: &str) -> Clients {
        let place = CALLERS.iter().position(|it| *it == caller).unwrap();
        gateway.showing(self.keys[place].secret())
    }

    /// A client of NATS in this user's account.
    async fn wire(&self, user: &str) -> Wire {
        self.wire_as(user, user).await
    }

    async fn wire_as(&self, user: &str, password: &str) -> Wire {
        Wire::connect_as(self.nats.address(), user, password).await
    }

    /// The stream and consumer of the consuming tests in this user's account, with so many messages.
    async fn stream(&self, user: &str, messages: usize) -> Wire {
        let mut wire = self.wire(user).await;
        let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
        wire.create_stream(stream).await;
        let consumer = json!({ "durable_name": CONSUMER, "ack_policy": "explicit" });
        wire.create_consumer(STREAM, consumer).await;
        for _ in 0..messages {
            wire.store("orders.x", user.as_bytes()).await;
        }
        wire
    }

    /// A value of the metrics; 0 where there is none.
    async fn metric(&self, name: &str) -> u64 {
        let (_, metrics) = http_get(&self.gateway.admin_url("/metrics")).await.unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    async fn until_metric(&self, name: &str, value: u64) {
        eventually(SOON, async || {
            (self.metric(name).await == value).then_some(())
        })
        .await;
    }

    /// The connections of this name, with what they subscribe to.
    async fn connections(&self, name: &str) -> Vec<Value> {
        let url = format!("{}/connz?subs=1", self.nats.monitoring_url());
        let (_, text) = http_get(&url).await.unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let all = all["connections"].as_array().unwrap();
        all.iter()
            .filter(|it| it["name"] == name)
            .cloned()
            .collect()
    }

    /// Waits until the server has heard that they have all ended.
    async fn until_left(&self, name: &str) {
        eventually(SOON, async || {
            self.connections(name).await.is_empty().then_some(())
        })
        .await;
    }

    async fn assert_ready(&self) {
        let (status, _) = http_get(&self.gateway.admin_url("/readyz")).await.unwrap();
        assert_eq!(status, 200);
    }
}

async fn gateway(
    nats: &NatsServer,
    tenants: &File,
    keys: &File,
    change: impl FnOnce(&mut Config),
) -> Gateway {
    let url = nats.url().replace("nats://", "nats://gateway:gateway@");
    Gateway::start_with(&url, |config| {
        config.auth.api_keys_file = Some(keys.path());
        config.auth.reload_interval = Duration::from_secs(1);
        config.tenants.file = Some(tenants.path());
        change(config);
    })
    .await
}

/// The entry of a tenant that is a caller and a user of NATS of this name.
fn tenant(name: &str) -> String {
    let login = format!("user = \"{name}\"\npassword = \"{name}\"");
    entry(name, &format!("[tenant.nats]\n{login}"))
}

/// The entry of a tenant that is a caller of this name, with this in it.
fn entry(name: &str, text: &str) -> String {
    format!("[[tenant]]\nname = \"{name}\"\ncallers = [\"{name}\"]\n{text}\n")
}

fn tenants<const N: usize>(names: [&str; N]) -> String {
    names.map(tenant).concat()
}

async fn info(clients: &Clients) -> Result<GetInfoResponse, Status> {
    let answer = clients.gateway().get_info(GetInfoRequest {}).await?;
    Ok(answer.into_inner())
}

async fn publish(clients: &Clients, subject: &str) -> Result<PublishResponse, Status> {
    let message = PublishRequest {
        subject: subject.to_owned(),
        ..PublishRequest::default()
    };
    Ok(clients.publisher().publish(message).await?.into_inner())
}

async fn create_stream(clients: &Clients, name: &str) -> Result<(), Status> {
    let config = StreamConfig {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        ..StreamConfig::default()
    };
    let request = CreateStreamRequest {
        config: Some(config),
    };
    clients.streams().create_stream(request).await.map(|_| ())
}

/// How a session ends, past whatever it says before.
async fn end(session: &mut Session) -> Status {
    loop {
        if let Err(status) = session.try_event().await {
            return status;
        }
    }
}

/// What a call must be refused with whose tenant NATS does not let in.
fn not_let_in<T: std::fmt::Debug>(result: Result<T, Status>) -> Status {
    crate::support::refused(result, Code::FailedPrecondition, "NATS_LOGIN_FAILED")
}
