//! The log's formats.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{NatsServer, Process, SOON, eventually};

#[tokio::test]
async fn a_json_log_is_one_object_per_line() {
    let nats = NatsServer::start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jetgate.toml");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [nats]\nurl = \"{}\"\n[log]\nformat = \"json\"\n",
        nats.url()
    );
    fs::write(&file, config).unwrap();
    let mut process = Process::start(["serve".as_ref(), "--config".as_ref(), file.as_os_str()]);
    eventually(SOON, async || process.output().contains('\n').then_some(())).await;

    // What it says at its end counts, too.
    eventually(SOON, async || {
        process.output().contains("listening").then_some(())
    })
    .await;
    process.signal(Signal::TERM);
    assert!(process.ended(SOON).await.success());

    let output = eventually(SOON, async || {
        let output = process.output();
        output.contains("ended").then_some(output)
    })
    .await;
    for line in output.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
}
