//! The log's formats.

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{File, NatsServer, Process, Replica, SOON, eventually};

/// Of a gateway that logs JSON.
fn configuration(nats: &NatsServer) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [nats]\nurl = \"{}\"\n[log]\nformat = \"json\"\n",
        nats.url()
    )
}

#[tokio::test]
async fn a_json_log_is_one_object_per_line() {
    let nats = NatsServer::start().await;
    let file = File::with(&configuration(&nats));
    let path = file.path();
    let mut process = Process::start(["serve".as_ref(), "--config".as_ref(), path.as_os_str()]);
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

#[tokio::test]
async fn whoever_is_refused_is_named_some_times() {
    let nats = NatsServer::start().await;
    let file = File::with(&configuration(&nats));
    let gateway = Replica::configured(&file.path()).await;

    let mut names = Vec::new();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(gateway.public).await.unwrap();
        names.push(stream.local_addr().unwrap().to_string());
        stream.write_all(b"\x16\x03\x01\x02").await.unwrap();
        let end = timeout(SOON, stream.read(&mut [0; 1])).await;
        assert_eq!(end.expect("not refused").unwrap_or(0), 0);
    }

    // Those that are left out leave no line behind, so that there are ten when the last has been told.
    let refused = eventually(SOON, async || {
        let output = gateway.process.output();
        let lines = output.lines().map(serde_json::from_str::<Value>);
        let lines = lines.map(Result::unwrap);
        let refused: Vec<_> = lines
            .filter(|line| line["message"] == "connection refused")
            .collect();
        (refused.len() >= 10).then_some(refused)
    })
    .await;
    assert_eq!(refused.len(), 10);
    for line in refused {
        assert_eq!(line["level"], "INFO", "{line}");
        assert!(names.iter().any(|name| line["peer"] == **name), "{line}");
        assert_eq!(line["why"], "protocol", "{line}");
        assert_eq!(line["error"], "not HTTP/2", "{line}");
    }
}
