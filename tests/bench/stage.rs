//! What one row is measured on: a nats-server with an empty store, a gateway before it, and native
//! clients beside that.

use std::path::Path;
use std::time::Duration;

use crate::proto::publisher_service_client::PublisherServiceClient;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, Context, ContextBuilder};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Result;
use crate::options::Options;
use crate::program::Program;

/// The stream that everything is published to, and its subject.
pub(crate) const STREAM: &str = "BENCH";
pub(crate) const SUBJECT: &str = "bench.load";

/// The consumer that reads it.
pub(crate) const CONSUMER: &str = "LOAD";

/// What every message carries.
pub(crate) const PAYLOAD: Bytes = Bytes::from_static(&[b'.'; 256]);

/// How long a program may take until it is ready.
const STARTING: Duration = Duration::from_secs(20);

/// The id of a message, the same on both sides.
pub(crate) fn message_id(number: u64) -> String {
    format!("bench-{number:014}")
}

/// Where a stream keeps its messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Memory,
    File,
}

impl Storage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File => "file",
        }
    }
}

/// The processes of a row.
pub(crate) struct Stage {
    pub(crate) gateway: Program,
    /// Where the gateway and nats-server listen.
    address: String,
    nats: String,
    control: Context,
    _server: Program,
    _store: TempDir,
}

impl Stage {
    /// Starts both; `environment` configures the gateway.
    pub(crate) async fn start(options: &Options, environment: &[(&str, &str)]) -> Result<Self> {
        let store = tempfile::Builder::new()
            .prefix("jetgate-bench-")
            .tempdir_in(&options.store)?;
        let (server, nats) = start_nats(options, store.path()).await?;
        let nats = format!("nats://{nats}");
        let (gateway, address) = start_gateway(options, &nats, environment).await?;
        let stage = Self {
            control: jetstream::new(async_nats::connect(&nats).await?),
            gateway,
            address,
            nats,
            _server: server,
            _store: store,
        };
        timeout(STARTING, ready(stage.channel().await?))
            .await
            .map_err(|_| "the gateway did not become ready in time")??;
        Ok(stage)
    }

    /// Where the gateway listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection to the gateway, with tonic's own defaults.
    pub(crate) async fn channel(&self) -> Result<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
        Ok(endpoint.connect().await?)
    }

    pub(crate) async fn publisher(&self) -> Result<PublisherServiceClient<Channel>> {
        Ok(PublisherServiceClient::new(self.channel().await?))
    }

    /// A native connection to nats-server, with async-nats' own defaults.
    pub(crate) async fn connection(&self) -> Result<async_nats::Client> {
        Ok(async_nats::connect(&self.nats).await?)
    }

    /// JetStream over a native connection of its own, with at most `window` publishes unanswered.
    pub(crate) async fn native(&self, window: usize) -> Result<Context> {
        let client = self.connection().await?;
        Ok(ContextBuilder::new().max_ack_inflight(window).build(client))
    }

    /// Makes the stream anew, empty. `settings` are JetStream's own, beyond name and subjects.
    pub(crate) async fn empty_stream(&self, storage: Storage, settings: Value) -> Result<()> {
        // It need not exist.
        let _ = self.control.delete_stream(STREAM).await;
        let mut config = json!({
            "name": STREAM,
            "subjects": ["bench.>"],
            "storage": storage.name(),
        });
        if let (Value::Object(config), Value::Object(settings)) = (&mut config, settings) {
            config.extend(settings);
        }
        let answer: Value = self
            .control
            .request(format!("STREAM.CREATE.{STREAM}"), &config)
            .await?;
        match answer.get("error") {
            Some(error) => Err(format!("cannot create the stream: {error}").into()),
            None => Ok(()),
        }
    }

    /// Makes a consumer of this name anew. It has no bounds of its own that the window meets first.
    pub(crate) async fn new_consumer(&self, name: &str) -> Result<PullConsumer> {
        let stream = self.control.get_stream(STREAM).await?;
        // It need not exist.
        let _ = stream.delete_consumer(name).await;
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            max_ack_pending: 100_000,
            memory_storage: true,
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await?)
    }

    /// Fails unless the consumer has delivered this many messages once each, and all are acknowledged.
    pub(crate) async fn verify_consumed(
        &self,
        mut consumer: PullConsumer,
        expected: u64,
    ) -> Result<()> {
        let info = consumer.info().await?;
        let (delivered, floor) = (
            info.delivered.consumer_sequence,
            info.ack_floor.stream_sequence,
        );
        if (delivered, floor, info.num_ack_pending) == (expected, expected, 0) {
            return Ok(());
        }
        Err(format!(
            "of {expected} messages {delivered} were delivered, those up to {floor} acknowledged, {} not",
            info.num_ack_pending
        )
        .into())
    }

    /// Fails unless the stream holds exactly this many messages.
    pub(crate) async fn verify(&self, expected: u64) -> Result<()> {
        let mut stream = self.control.get_stream(STREAM).await?;
        let held = stream.info().await?.state.messages;
        if held == expected {
            return Ok(());
        }
        Err(format!("{expected} messages were answered as stored, the stream holds {held}").into())
    }
}

async fn start_nats(options: &Options, store: &Path) -> Result<(Program, String)> {
    let arguments = [
        "--addr=127.0.0.1".to_owned(),
        "--port=-1".to_owned(),
        "--jetstream".to_owned(),
        format!("--store_dir={}", store.display()),
    ];
    Program::start(
        &options.gateway,
        &options.nats_server,
        arguments,
        &[],
        "Listening for client connections on",
    )
    .await
}

async fn start_gateway(
    options: &Options,
    nats: &str,
    environment: &[(&str, &str)],
) -> Result<(Program, String)> {
    let arguments = [
        "serve",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--nats-url",
        nats,
    ];
    let gateway = &options.gateway;
    Program::start(gateway, gateway, arguments, environment, "public=").await
}

/// Waits until the gateway has found JetStream.
pub(crate) async fn ready(channel: Channel) -> Result<()> {
    let mut health = HealthClient::new(channel);
    loop {
        let status = health.check(HealthCheckRequest::default()).await?;
        if status.get_ref().status() == ServingStatus::Serving {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
}
