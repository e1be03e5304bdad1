//! Attacks on the public listener, over raw HTTP/2: another caller meets no error, the gateway's memory stays
//! below what its settings allow, and nothing panics.

mod floods;
mod frames;
mod slow;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use jetgate::auth::NewKey;
use jetgate::proto::{GetInfoRequest, PublishRequest};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::support::{Clients, NatsServer, Process, Replica, SOON, eventually};

/// How long an attack goes on, and on how many connections.
const TIME: Duration = Duration::from_secs(2);
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

/// Any method that everybody may call.
const METHOD: &str = "/jetgate.v1.GatewayService/GetInfo";

/// A gateway that asks callers who they are, and one that has proven it.
struct House {
    _nats: NatsServer,
    process: Process,
    public: SocketAddr,
    ada: Clients,
    _folder: TempDir,
}

impl House {
    async fn start() -> Self {
        let nats = NatsServer::start().await;
        let mut wire = nats.wire().await;
        wire.create_stream(json!({ "name": "ORDERS", "subjects": ["orders.>"] }))
            .await;
        let (key, folder) = (NewKey::make("ada"), TempDir::new().unwrap());
        let keys = folder.path().join("keys.toml");
        fs::write(&keys, key.entry()).unwrap();
        let config = folder.path().join("jetgate.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmax_concurrent_streams = {STREAMS}\n\
             max_send_buffer_bytes = {SEND_BUFFER}\nmax_header_list_bytes = {HEADER_LIST}\n\
             http2_stream_window = {}\nhttp2_connection_window = {CONNECTION_WINDOW}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[nats]\nurl = {:?}\n\
             [auth]\napi_keys_file = {keys:?}\n[log]\nformat = \"json\"\n",
            CONNECTION_WINDOW / STREAMS,
            nats.url()
        );
        fs::write(&config, text).unwrap();
        let Replica {
            process,
            public,
            clients,
        } = Replica::configured(&config).await;
        Self {
            _nats: nats,
            process,
            public,
            ada: clients.showing(key.secret()),
            _folder: folder,
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

    /// Attacks on several connections at once for a while, beside a caller that means no harm.
    async fn withstands(&mut self, attack: impl AsyncFn(SocketAddr)) {
        let other = Bystander::start(self);
        other.calls(20).await;
        let before = self.peak_memory();
        let end = Instant::now() + TIME;
        let attackers = (0..CONNECTIONS).map(async |_| {
            while Instant::now() < end {
                attack(self.public).await;
            }
        });
        // Those that go on until they are cut off would never end otherwise.
        let attackers = timeout(TIME + 2 * SOON, join_all(attackers)).await;
        attackers.expect("an attacker is never cut off");
        other.calls(20).await;
        other.stop().await;

        let growth = self.peak_memory() - before;
        assert!(growth <= MOST_MEMORY, "{growth} of {MOST_MEMORY} bytes");
        assert!(self.process.is_running());
        assert!(!self.process.output().contains("panicked"));
    }
}

/// A caller that means no harm.
struct Bystander {
    done: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Bystander {
    fn start(house: &House) -> Self {
        let (done, ends) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (mut gateway, mut publisher) = (house.ada.gateway(), house.ada.publisher());
        let (has_done, has_to_end) = (done.clone(), ends.clone());
        let task = tokio::spawn(async move {
            while !has_to_end.load(Ordering::SeqCst) {
                let mut info = tonic::Request::new(GetInfoRequest {});
                info.set_timeout(SOON);
                gateway.get_info(info).await.unwrap();
                let message = PublishRequest {
                    subject: "orders.x".to_owned(),
                    ..PublishRequest::default()
                };
                publisher.publish(message).await.unwrap();
                has_done.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { done, ends, task }
    }

    /// Waits until it has made so many more calls.
    async fn calls(&self, count: usize) {
        let goal = self.done.load(Ordering::SeqCst) + count;
        let has_called = async || {
            assert!(!self.task.is_finished(), "a call has failed");
            (self.done.load(Ordering::SeqCst) >= goal).then_some(())
        };
        eventually(2 * SOON, has_called).await;
    }

    async fn stop(self) {
        self.ends.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
    }
}
