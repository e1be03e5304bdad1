//! Attacks on the public listener, over raw HTTP/2: another caller meets no error, the gateway's memory stays below
//! what its settings allow, and nothing panics. How much longer the other caller waits than beside the same attack on
//! nobody is shown, and judged by `make attacks`.

mod bystander;
mod floods;
mod frames;
mod press;
mod report;
mod resets;
mod slow;

use std::fs;
use std::net::SocketAddr;

use jetgate::auth::NewKey;
use serde_json::json;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::support::pki::{Authority, TlsClient};
use crate::support::{Clients, NatsServer, Process, Replica};
use frames::{call, header};
use report::Report;

/// On how many connections an attack goes on.
const CONNECTIONS: usize = 4;

/// What the gateway may buffer, as it is configured here, in bytes.
const STREAMS: usize = 64;
const SEND_BUFFER: usize = 64 << 10;
const HEADER_LIST: usize = 16 << 10;
const CONNECTION_WINDOW: usize = 4 << 20;

/// The most memory that all attackers together may cost: what the settings allow, and what allocators and the
/// other caller add to that.
const MOST_MEMORY: usize =
    CONNECTIONS * (CONNECTION_WINDOW + STREAMS * (SEND_BUFFER + 2 * HEADER_LIST)) + (24 << 20);

/// Any method without a request to speak of.
const METHOD: &str = "/jetgate.v1.GatewayService/GetInfo";

/// The name in the gateway's certificate.
const NAME: &str = "gateway.test";

/// One after the other, in one test: each is measured, and needs the machine for itself as far as that goes.
#[tokio::test]
async fn an_attack_costs_others_no_error_and_the_gateway_little_memory() {
    let mut report = Report::default();
    report.add("resets", floods::resets).await;
    report.add("provoked resets", floods::provoked_resets).await;
    report.add("data behind the end", floods::late_data).await;
    report.add("endless headers", floods::endless_headers).await;
    report
        .add("empty continuations", floods::empty_continuations)
        .await;
    report.add("header bombs", floods::header_bombs).await;
    report
        .add("long header lists", floods::long_header_lists)
        .await;
    report
        .add("pings and settings", floods::pings_and_settings)
        .await;
    report.add("tiny and empty data", floods::tiny_data).await;
    report.add("oversized messages", floods::oversized).await;
    report.add("compressed messages", floods::compressed).await;
    report.add("unknown callers", floods::unknown_callers).await;
    report.add("deadlines", floods::deadlines).await;
    report
        .add("health and reflection", floods::health_and_reflection)
        .await;
    report.add("unread answers", slow::unread_answers).await;
    report.add("single bytes", slow::single_bytes).await;
    report.add("endless greetings", slow::greetings).await;
    let house = House::behind_tls().await;
    report
        .add_at(house, "endless handshakes", slow::handshakes)
        .await;
    let house = House::behind_tls().await;
    report
        .add_at(house, "left handshakes", slow::left_handshakes)
        .await;
    report.add("idle connections", slow::idle_connections).await;
    report.add("idle streams", slow::idle_streams).await;
    report.judge();
}

/// Whom an attack is aimed at, and the key that the attacker has: the worst of them are let in.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    key: String,
    /// How a TLS connection to it begins.
    hello: Vec<u8>,
}

impl Target {
    /// The headers of a call that is let in.
    fn call(&self, path: &str) -> Vec<u8> {
        let key = header("x-api-key", &self.key);
        [call(path), key].concat()
    }
}

/// A caller that means no harm, and has a key.
#[derive(Clone)]
struct Ada {
    channel: Channel,
    /// Opens connections, where handshakes may be what is attacked.
    tls: Option<TlsClient>,
    address: SocketAddr,
    key: String,
}

impl Ada {
    /// Its clients: behind TLS on a connection that is still to be opened, as new callers are whom that concerns.
    fn clients(&self) -> Clients {
        let channel = match &self.tls {
            Some(tls) => tls.channel(self.address, NAME),
            None => self.channel.clone(),
        };
        Clients::over(channel).showing(&self.key)
    }
}

/// A gateway that asks callers who they are, and one that has proven it.
struct House {
    _nats: NatsServer,
    process: Process,
    target: Target,
    ada: Ada,
    _folder: TempDir,
    /// Its files are read again and again.
    _authority: Option<Authority>,
}

impl House {
    /// Without TLS: its bytes are only more work for the attacker.
    async fn start() -> Self {
        Self::with(None).await
    }

    /// With TLS, for attacks on that.
    async fn behind_tls() -> Self {
        Self::with(Some(Authority::new())).await
    }

    async fn with(authority: Option<Authority>) -> Self {
        let nats = NatsServer::start().await;
        let mut wire = nats.wire().await;
        wire.create_stream(json!({ "name": "ORDERS", "subjects": ["orders.>"] }))
            .await;
        let (ada, mallory) = (NewKey::make("ada"), NewKey::make("mallory"));
        let folder = TempDir::new().unwrap();
        let keys = folder.path().join("keys.toml");
        fs::write(&keys, format!("{}\n{}", ada.entry(), mallory.entry())).unwrap();
        let tls = authority.as_ref().map(|authority| {
            let identity = authority.issue("server", NAME);
            format!(
                "[tls]\ncert_file = {:?}\nkey_file = {:?}\n",
                identity.certificate, identity.key
            )
        });
        let config = folder.path().join("jetgate.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmax_concurrent_streams = {STREAMS}\n\
             max_send_buffer_bytes = {SEND_BUFFER}\nmax_header_list_bytes = {HEADER_LIST}\n\
             http2_stream_window = {}\nhttp2_connection_window = {CONNECTION_WINDOW}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[nats]\nurl = {:?}\n\
             [auth]\napi_keys_file = {keys:?}\n[log]\nformat = \"json\"\n{}",
            CONNECTION_WINDOW / STREAMS,
            nats.url(),
            tls.unwrap_or_default(),
        );
        fs::write(&config, text).unwrap();
        let Replica {
            process,
            public,
            clients,
            ..
        } = Replica::configured(&config).await;
        let tls = authority.as_ref().map(|authority| authority.client(None));
        Self {
            _nats: nats,
            process,
            target: Target {
                address: public,
                key: mallory.secret().to_owned(),
                hello: tls.as_ref().map_or_else(Vec::new, |tls| tls.hello(NAME)),
            },
            ada: Ada {
                channel: clients.channel(),
                tls,
                address: public,
                key: ada.secret().to_owned(),
            },
            _folder: folder,
            _authority: authority,
        }
    }

    /// The most memory that the gateway has had until now.
    fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let mut lines = status.lines();
        let peak = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace()
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
            * 1024
    }
}
