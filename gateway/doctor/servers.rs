//! The servers: their versions and their clocks.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde::Deserialize;

use super::asking::{Answer, ask_all};
use super::clock::skew;
use super::connecting::Seed;
use super::finding::Findings;
use super::permissions::Permissions;
use crate::nats::Link;
use crate::nats::config::Config as NatsConfig;
use crate::nats::version::{OLDEST, Version};

/// Answered by every server for the account that asks.
pub(super) const PING: &str = "$SYS.REQ.ACCOUNT.PING.STATZ";

/// Answered by every server for the system account.
const SYSTEM_PING: &str = "$SYS.REQ.SERVER.PING.STATSZ";

/// Clocks that are further apart are worth a word.
const LARGEST_SKEW: Duration = Duration::from_secs(1);

/// A server, as it tells of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    /// Its name.
    pub(super) name: String,
    #[serde(rename = "ver")]
    version: String,
    #[serde(default)]
    time: String,
    #[serde(skip)]
    skew: Option<Duration>,
}

/// The servers that answer, by their names.
pub(super) async fn ask(
    link: &Link,
    system: Option<&Link>,
    permissions: &Permissions,
    config: &NatsConfig,
) -> Vec<Server> {
    let patience = config.request_timeout;
    let mut answers = Vec::new();
    if let Some(system) = system {
        answers.extend(ask_all(system, SYSTEM_PING, "{}", patience).await);
    } else if permissions.may_publish(PING) {
        answers.extend(ask_all(link, PING, r#"{"include_unused":true}"#, patience).await);
    }
    let servers = answers.iter().filter_map(Server::of);
    let servers = servers.map(|server| (server.name.clone(), server));
    servers.collect::<BTreeMap<_, _>>().into_values().collect()
}

impl Server {
    fn of(answer: &Answer) -> Option<Self> {
        #[derive(Deserialize)]
        struct Envelope {
            server: Server,
        }
        let mut server = serde_json::from_slice::<Envelope>(&answer.payload)
            .ok()?
            .server;
        let written = server.time.parse::<Timestamp>().ok();
        let written = written.and_then(|time| SystemTime::try_from(time).ok());
        server.skew = written.map(|written| skew(answer.asked, written, answer.came));
        Some(server)
    }
}

/// Judges those that answered, and those that were connected to.
pub(super) fn examine(findings: &mut Findings, seeds: &[Seed], servers: &[Server]) {
    let mut versions = BTreeMap::new();
    for server in seeds.iter().filter_map(Seed::server) {
        versions.insert(server.server_name, server.version);
    }
    for server in servers {
        versions.insert(server.name.clone(), server.version.clone());
    }
    for (name, version) in &versions {
        examine_version(findings, name, version);
    }
    let mut distinct: Vec<_> = versions.values().collect();
    distinct.sort();
    distinct.dedup();
    if distinct.len() > 1 {
        findings.note(
            "version",
            "nats.url",
            "the servers are not of the same version",
            "bring all servers to the newest of their versions, one after the other",
        );
    }
    if servers.is_empty() {
        findings.note(
            "version",
            "nats.url",
            "only the servers of nats.url are seen, and no clock: the NATS user may not ask for the others",
            format!("allow it to publish to \"{PING}\", or give --system-credentials or --system-url"),
        );
    }
    for server in servers {
        examine_clock(findings, server);
    }
}

fn examine_version(findings: &mut Findings, name: &str, text: &str) {
    const CHECK: &str = "version";
    let Some(version) = Version::parse(text) else {
        let text = format!("nats-server {text}, which is no release");
        return findings.note(CHECK, name, text, "run a release of nats-server");
    };
    let advisories = version.advisories();
    if !version.is_recent_enough() {
        findings.fault(
            CHECK,
            name,
            format!("nats-server {version}: the gateway needs {OLDEST} at least"),
            "upgrade it to the newest release of nats-server",
        );
    } else if advisories.is_empty() {
        let text = format!("nats-server {version}, without a known security advisory");
        findings.ok(CHECK, name, text);
    }
    if !advisories.is_empty() {
        findings.warning(
            CHECK,
            name,
            format!(
                "nats-server {version} has known security advisories: {}",
                advisories.join(", ")
            ),
            "upgrade it to the newest patch release of its line; advisories.nats.io says what each is",
        );
    }
}

fn examine_clock(findings: &mut Findings, server: &Server) {
    const CHECK: &str = "clock";
    let Some(skew) = server.skew else { return };
    let skew = Duration::from_millis(u64::try_from(skew.as_millis()).unwrap_or(u64::MAX));
    if skew > LARGEST_SKEW {
        let shown = humantime::format_duration(skew);
        findings.warning(
            CHECK,
            &server.name,
            format!("its clock is {shown} from this machine's: deadlines of deliveries are judged wrongly"),
            "let NTP (chrony, systemd-timesyncd) set both clocks",
        );
    } else {
        findings.ok(CHECK, &server.name, "its clock agrees with this machine's");
    }
}
