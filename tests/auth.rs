//! Who may call: API keys, certificates, and what is open to all.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jetgate::app::App;
use jetgate::auth::NewKey;
use jetgate::config::Config;
use jetgate::proto::GetInfoRequest;
use tempfile::TempDir;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::support::pki::Authority;
use crate::support::{Gateway, NatsServer, SOON, eventually, http_get, reason};

/// A file of keys that can be changed.
struct KeyFile(TempDir);

impl KeyFile {
    fn with(keys: &[&NewKey]) -> Self {
        let file = Self(TempDir::new().unwrap());
        file.write(&keys.iter().map(|key| key.entry()).collect::<String>());
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keys.toml")
    }

    /// Readers see the old text or the new one.
    fn write(&self, text: &str) {
        let fresh = self.0.path().join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path()).unwrap();
    }
}

async fn gateway(nats: &NatsServer, keys: &KeyFile, change: impl FnOnce(&mut Config)) -> Gateway {
    Gateway::start_with(&nats.url(), |config| {
        config.auth.api_keys_file = Some(keys.path());
        config.auth.reload_interval = Duration::from_secs(1);
        change(config);
    })
    .await
}

/// Who the gateway takes the caller for.
async fn ask(gateway: &Gateway, entry: &'static str, value: &str) -> Result<String, Status> {
    let mut request = Request::new(GetInfoRequest {});
    let value = MetadataValue::try_from(value).unwrap();
    request.metadata_mut().insert(entry, value);
    let answer = gateway.gateway().get_info(request).await?;
    Ok(answer.into_inner().identity)
}

async fn ask_with(gateway: &Gateway, key: &NewKey) -> Result<String, Status> {
    ask(
        gateway,
        "authorization",
        &format!("Bearer {}", key.secret()),
    )
    .await
}

fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Status>) {
    let status = outcome.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unauthenticated, "UNAUTHENTICATED".to_owned())
    );
}

#[tokio::test]
async fn calls_need_a_key_that_is_known() {
    let nats = NatsServer::start().await;
    let (orders, other) = (NewKey::make("orders"), NewKey::make("other"));
    let gateway = gateway(&nats, &KeyFile::with(&[&orders]), |_| ()).await;

    assert_eq!(ask_with(&gateway, &orders).await.unwrap(), "orders");
    ask(&gateway, "x-api-key", orders.secret()).await.unwrap();

    assert_refused(ask_with(&gateway, &other).await);
    assert_refused(ask(&gateway, "authorization", "Basic b3JkZXJzOg==").await);
    assert_refused(ask(&gateway, "user-agent", "nobody").await);
    let (_, metrics) = http_get(&gateway.admin_url("/metrics")).await.unwrap();
    assert!(
        metrics.contains("jetgate_refused_callers_total 3"),
        "{metrics}"
    );
}

#[tokio::test]
async fn health_is_open_unless_it_is_closed() {
    let nats = NatsServer::start().await;
    let key = NewKey::make("orders");
    let keys = KeyFile::with(&[&key]);
    let open = gateway(&nats, &keys, |_| ()).await;
    assert_eq!(open.status_of("").await, Some(ServingStatus::Serving));

    let closed = Gateway::start_unready(&nats.url(), |config| {
        config.auth.api_keys_file = Some(keys.path());
        config.auth.open_health = false;
    })
    .await;
    assert_eq!(closed.status_of("").await, None);
    ask_with(&closed, &key).await.unwrap();
}

#[tokio::test]
async fn keys_come_and_go_with_the_file() {
    let nats = NatsServer::start().await;
    let (first, second) = (NewKey::make("first"), NewKey::make("second"));
    let keys = KeyFile::with(&[&first]);
    let gateway = gateway(&nats, &keys, |_| ()).await;
    ask_with(&gateway, &first).await.unwrap();
    assert_refused(ask_with(&gateway, &second).await);

    keys.write(&second.entry());

    let answers = async || ask_with(&gateway, &second).await.ok();
    eventually(SOON, answers).await;
    assert_refused(ask_with(&gateway, &first).await);

    // A file that cannot be read as keys leaves those in force that are; the next good one counts.
    keys.write("[[key]]");
    keys.write(&format!("{}{}", first.entry(), second.entry()));
    eventually(SOON, async || ask_with(&gateway, &first).await.ok()).await;
    ask_with(&gateway, &second).await.unwrap();
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let nats = NatsServer::start().await;
    let key = NewKey::make("orders");
    let keys = KeyFile::with(&[&key]);
    keys.write(&format!("{}expires = 2020-01-01T00:00:00Z\n", key.entry()));
    let gateway = gateway(&nats, &keys, |_| ()).await;

    assert_refused(ask_with(&gateway, &key).await);
}

#[tokio::test]
async fn a_certificate_does_instead_of_a_key() {
    const NAME: &str = "gateway.test";
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let (server, ada) = (
        authority.issue("server", NAME),
        authority.issue("ada", "ada.test"),
    );
    let key = NewKey::make("orders");
    let keys = KeyFile::with(&[&key]);
    let gateway = Gateway::start_unready(&nats.url(), |config| {
        config.auth.api_keys_file = Some(keys.path());
        config.tls.cert_file = server.certificate.to_str().unwrap().parse().unwrap();
        config.tls.key_file = server.key.to_str().unwrap().parse().unwrap();
        config.tls.client_ca_file = Some(authority.file());
        config.tls.require_client_cert = false;
    })
    .await;

    let call = async |identity, key: Option<&str>| {
        let channel = authority.client(identity).channel(gateway.public(), NAME);
        let mut client = jetgate::proto::gateway_service_client::GatewayServiceClient::new(channel);
        let mut request = Request::new(GetInfoRequest {});
        if let Some(key) = key {
            request
                .metadata_mut()
                .insert("x-api-key", key.parse().unwrap());
        }
        client.get_info(request).await.map(|_| ())
    };
    call(Some(&ada), None).await.unwrap();
    call(None, Some(key.secret())).await.unwrap();
    assert_refused(call(None, None).await);
    assert_refused(call(Some(&ada), Some("jg_wrong")).await);
}

#[tokio::test]
async fn a_gateway_does_not_start_without_its_keys() {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    config.auth.api_keys_file = Some("/nowhere/keys.toml".into());

    assert!(App::bind(config).await.is_err());
}

#[tokio::test]
async fn the_command_makes_a_key_and_its_entry() {
    let output = Command::new(env!("CARGO_BIN_EXE_jetgate"))
        .args(["api-key", "orders"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let (entry, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    let key = said.trim().rsplit(' ').next().unwrap();
    let keys = KeyFile::with(&[]);
    keys.write(&entry);
    let nats = NatsServer::start().await;
    let gateway = gateway(&nats, &keys, |_| ()).await;

    ask(&gateway, "x-api-key", key).await.unwrap();
}
