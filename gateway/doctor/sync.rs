//! When servers sync to disk, which they tell the system account alone.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::asking::ask_all;
use super::finding::Findings;
use crate::nats::Link;
use crate::nats::api::{Storage, StreamInfo};
use crate::nats::config::Config as NatsConfig;

const CHECK: &str = "sync_always";

/// Answered by every server, with its JetStream's settings.
const SETTINGS: &str = "$SYS.REQ.SERVER.PING.JSZ";

/// So many replicas are not lost at once, but by a power cut of all.
const ENOUGH: u32 = 3;

/// Connects as a user of the system account, where one is given.
pub(super) async fn connect(
    findings: &mut Findings,
    system: Option<&NatsConfig>,
) -> Option<Arc<Link>> {
    let config = system?;
    match Link::connect(config, &[], |_| {}).await {
        Ok(link) => Some(link),
        Err(error) => {
            let fix = "--system-credentials or --system-url must name a user of the system account, and a server";
            findings.fault("connection", "system account", error.to_string(), fix);
            None
        }
    }
}

/// What a server says of its JetStream.
#[derive(Debug, Deserialize)]
struct Settings {
    server: Named,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    config: Sync,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sync {
    sync_always: bool,
    /// In nanoseconds.
    sync_interval: u64,
}

/// Judges when the servers sync, by what the streams rely on.
pub(super) async fn examine(
    findings: &mut Findings,
    system: Option<&Link>,
    config: &NatsConfig,
    streams: &[StreamInfo],
) {
    let answers = match system {
        Some(system) => {
            ask_all(
                system,
                SETTINGS,
                r#"{"config":true}"#,
                config.request_timeout,
            )
            .await
        }
        None => Vec::new(),
    };
    let settings = answers
        .iter()
        .filter_map(|it| serde_json::from_slice::<Settings>(&it.payload).ok());
    let settings: Vec<_> = settings.filter(|it| !it.data.disabled).collect();
    if settings.is_empty() {
        findings.note(
            CHECK,
            "servers",
            "cannot be seen: servers tell only the system account when they sync to disk",
            "give --system-credentials or --system-url, or look for sync_interval in the servers' jetstream {}",
        );
    }
    for Settings { server, data } in &settings {
        examine_one(findings, &server.name, &data.config, streams);
    }
}

fn examine_one(findings: &mut Findings, server: &str, sync: &Sync, streams: &[StreamInfo]) {
    if sync.sync_always {
        return findings.ok(
            CHECK,
            server,
            "messages are synced to disk before they are acknowledged",
        );
    }
    let interval = humantime::format_duration(Duration::from_nanos(sync.sync_interval));
    let on_disk = streams
        .iter()
        .filter(|it| it.config.storage == Storage::File);
    let alone = on_disk.filter(|it| it.config.num_replicas < ENOUGH);
    let alone: Vec<_> = alone.map(|it| it.config.name.as_str()).collect();
    let fix = "set jetstream { sync_interval: always } on the servers; it costs most of a stream's throughput";
    if alone.is_empty() {
        let text = format!(
            "it syncs to disk every {interval}: a power cut of all replicas at once can lose what was acknowledged since"
        );
        findings.note(CHECK, server, text, fix);
    } else {
        let text = format!(
            "it syncs to disk every {interval}: a power cut can lose what streams without three replicas acknowledged \
             since ({})",
            alone.join(", ")
        );
        findings.warning(
            CHECK,
            server,
            text,
            format!("{fix}; or give these streams three replicas"),
        );
    }
}
