//! Who may do what: rules of a file, for callers with API keys.

mod administering;
mod command;
mod consuming;
mod expiry;
mod owners;
mod publishing;
mod reload;

use std::time::Duration;

use jetgate::auth::NewKey;
use jetgate::config::Config;
use jetgate::proto::PublishRequest;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::consuming::{CONSUMER, STREAM};
use crate::support::{Clients, File, Gateway, NatsServer, Wire, http_get, metadata, refused};

/// A gateway with rules, its callers, and the stream of the consuming tests.
struct House {
    _nats: NatsServer,
    gateway: Gateway,
    wire: Wire,
    rules: File,
    keys: File,
    callers: [(&'static str, NewKey); 3],
}

impl House {
    async fn with(rules: &str) -> Self {
        Self::configured(rules, |_| ()).await
    }

    async fn configured(rules: &str, change: impl FnOnce(&mut Config)) -> Self {
        let nats = NatsServer::start().await;
        let callers = ["ada", "bob", "ops"].map(|name| (name, NewKey::make(name)));
        let keys = File::with(&entries(&callers));
        let rules = File::with(rules);
        let gateway = Gateway::start_with(&nats.url(), |config| {
            config.auth.api_keys_file = Some(keys.path());
            config.auth.policy_file = Some(rules.path());
            config.auth.reload_interval = Duration::from_secs(1);
            change(config);
        })
        .await;
        let mut wire = nats.wire().await;
        let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
        wire.create_stream(stream).await;
        Self {
            _nats: nats,
            gateway,
            wire,
            rules,
            keys,
            callers,
        }
    }

    /// The clients of this caller.
    fn of(&self, name: &str) -> Clients {
        let (_, key) = self.callers.iter().find(|it| it.0 == name).unwrap();
        self.gateway.showing(key.secret())
    }

    /// A durable consumer that filters by this.
    async fn consumer(&mut self, name: &str, filter: &str) {
        let config = json!({
            "durable_name": name, "ack_policy": "explicit", "filter_subject": filter,
        });
        self.wire.create_consumer(STREAM, config).await;
    }

    async fn metric(&self, line: &str) -> bool {
        let (_, metrics) = http_get(&self.gateway.admin_url("/metrics")).await.unwrap();
        metrics.lines().any(|it| it == line)
    }
}

/// The entries of the file of keys; that of `ops` is in a group.
fn entries(callers: &[(&str, NewKey)]) -> String {
    let entry = |(name, key): &(&str, NewKey)| match *name {
        "ops" => format!("{}groups = [\"operators\"]\n", key.entry()),
        _ => key.entry(),
    };
    callers.iter().map(entry).collect()
}

/// A rule for a caller, with this in it.
fn rule(caller: &str, text: &str) -> String {
    format!("[[rule]]\nname = \"{caller}\"\ncallers = [\"{caller}\"]\n{text}\n")
}

/// The error of a call that must be denied for want of this permission.
#[track_caller]
fn denied<T: std::fmt::Debug>(result: Result<T, Status>, permission: &str) -> Status {
    let status = refused(result, Code::PermissionDenied, "PERMISSION_DENIED");
    let missing = metadata(&status, "permission");
    assert_eq!(missing.as_deref(), Some(permission), "{status:?}");
    status
}

fn message(subject: &str) -> PublishRequest {
    PublishRequest {
        subject: subject.to_owned(),
        ..PublishRequest::default()
    }
}

/// Reading everything that the stream has by the durable consumer.
fn may_consume() -> String {
    format!(
        "consume = [{{ streams = [\"{STREAM}\"], consumers = [\"{CONSUMER}\", \"jetgate-*\"] }}]"
    )
}
