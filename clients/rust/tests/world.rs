//! The real servers of a test: tests/scenarios/world.py starts them and does with them what it is told.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jetgate_client::{Client, ClientBuilder, duration, v1};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

/// How long a command may take.
const WITHIN: Duration = Duration::from_secs(120);

/// Where the scenarios are.
pub(crate) fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

pub(crate) struct World {
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    /// Ends the servers with itself.
    _process: Child,
    facts: Value,
}

impl World {
    /// Servers by the fields of the command `start`.
    pub(crate) async fn start(fields: Value) -> Self {
        for name in ["JETGATE_BIN", "JETGATE_TEST_NATS_SERVER"] {
            assert!(
                std::env::var_os(name).is_some(),
                "{name} is not set: make test-rust sets it"
            );
        }
        let mut process = Command::new("python3")
            .arg(scenarios().join("world.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut world = Self {
            pipes: Mutex::new((stdin, stdout)),
            _process: process,
            facts: Value::Null,
        };
        let mut command = fields;
        command["do"] = json!("start");
        world.facts = world.tell(command).await;
        world
    }

    /// Passes a command on and returns the answer.
    pub(crate) async fn tell(&self, command: Value) -> Value {
        let mut pipes = self.pipes.lock().await;
        let (stdin, stdout) = &mut *pipes;
        stdin
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        let line = tokio::time::timeout(WITHIN, stdout.next_line()).await;
        let line = line
            .expect("the world answers in time")
            .unwrap()
            .expect("the world lives");
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }

    pub(crate) async fn gateway(&self, command: &str, gateway: usize) -> Value {
        self.tell(json!({"do": command, "gateway": gateway})).await
    }

    pub(crate) fn gateways(&self) -> Vec<String> {
        let list = self.facts["gateways"].as_array().unwrap().iter();
        list.map(|address| address.as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn api_key(&self) -> Option<&str> {
        self.facts["api_key"].as_str()
    }

    /// What the world said at its beginning.
    pub(crate) fn fact(&self, name: &str) -> String {
        self.facts[name].as_str().unwrap().to_owned()
    }

    pub(crate) fn client(&self) -> Client {
        self.builder(&self.gateways(), self.api_key())
            .connect()
            .unwrap()
    }

    /// A client, once there is a stream `USERS` and a durable consumer `worker` of it.
    pub(crate) async fn with_users(&self, ack_wait: Duration) -> Client {
        let client = self.client();
        let stream = v1::StreamConfig {
            name: "USERS".into(),
            subjects: vec!["users.*".into()],
            ..Default::default()
        };
        client.create_stream(stream).await.unwrap();
        let consumer = v1::ConsumerConfig {
            durable_name: "worker".into(),
            ack_wait: Some(duration(ack_wait)),
            ..Default::default()
        };
        client.create_consumer("USERS", consumer).await.unwrap();
        client
    }

    /// A client of these gateways.
    pub(crate) fn builder(&self, addresses: &[String], key: Option<&str>) -> ClientBuilder {
        self.trusting(addresses, key, self.facts["ca_file"].as_str())
    }

    /// One that trusts this authority alone. A machine that builds and tests at once is slow.
    pub(crate) fn trusting(
        &self,
        addresses: &[String],
        key: Option<&str>,
        authority: Option<&str>,
    ) -> ClientBuilder {
        let mut builder =
            Client::builder(&addresses.join(",")).call_timeout(Duration::from_secs(60));
        if let Some(file) = authority {
            builder = builder.ca_file(file);
        }
        match key {
            Some(key) => builder.api_key(key),
            None => builder,
        }
    }
}
