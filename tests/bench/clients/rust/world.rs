//! One nats-server and one gateway, which tests/scenarios/world.py runs.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::Result;

pub(crate) struct World {
    pub(crate) gateway: String,
    pub(crate) nats: String,
    /// The servers end when it is closed.
    _stdin: ChildStdin,
    _process: Child,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let mut process = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../scenarios/world.py"
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = process.stdin.take().ok_or("no stdin")?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        stdin.write_all(b"{\"do\": \"start\"}\n").await?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let answer: Value = serde_json::from_str(&line.ok_or("the world has ended")?)?;
        let address = |what: &str| -> Result<String> {
            let address = answer[what][0].as_str().ok_or_else(|| answer.to_string())?;
            Ok(address.to_owned())
        };
        Ok(Self {
            gateway: address("gateways")?,
            nats: address("nats")?,
            _stdin: stdin,
            _process: process,
        })
    }
}
