//! The streams: on how many servers each is, and whether all of them are there.

use serde_json::json;

use super::asking::{Unanswered, ask};
use super::finding::Findings;
use crate::config::Config;
use crate::nats::Link;
use crate::nats::api::{ClusterInfo, PersistMode, Storage, StreamInfo, StreamPage};

const CHECK: &str = "streams";

/// Streams that are looked at.
const MOST: usize = 10_000;

/// From here on the loss of a server loses nothing, and stops nothing.
const ENOUGH: u32 = 3;

/// Judges every stream of the account, and says which there are.
pub(super) async fn examine(
    findings: &mut Findings,
    link: &Link,
    config: &Config,
    servers: usize,
) -> Vec<StreamInfo> {
    let streams = match list(link, config).await {
        Ok((streams, missing)) => {
            for stream in missing {
                let fix = "look at the log and at /healthz of the servers that hold it";
                findings.fault(CHECK, &stream, "its leader does not answer", fix);
            }
            streams
        }
        Err(why) => {
            let fix = format!(
                "allow the NATS user to publish to \"{}.STREAM.LIST\"",
                config.nats.api_prefix()
            );
            findings.note(
                CHECK,
                "account",
                format!("streams cannot be seen: {why}"),
                fix,
            );
            return Vec::new();
        }
    };
    for stream in &streams {
        examine_one(findings, stream, servers);
    }
    examine_letters(findings, config, &streams, servers);
    if !findings.has_trouble(CHECK) {
        let text = format!("{} streams, as they should be", streams.len());
        findings.ok(CHECK, "account", text);
    }
    streams
}

async fn list(link: &Link, config: &Config) -> Result<(Vec<StreamInfo>, Vec<String>), Unanswered> {
    let subject = format!("{}.STREAM.LIST", config.nats.api_prefix());
    let (mut streams, mut missing) = (Vec::new(), Vec::new());
    loop {
        let body = json!({"offset": streams.len()}).to_string();
        let page: StreamPage = ask(link, &subject, &body, config.nats.request_timeout).await?;
        let is_last = page.streams.is_empty() || streams.len() >= MOST;
        let total = usize::try_from(page.total).unwrap_or(usize::MAX);
        streams.extend(page.streams);
        missing.extend(page.missing);
        if is_last || streams.len() >= total {
            return Ok((streams, missing));
        }
    }
}

fn examine_one(findings: &mut Findings, stream: &StreamInfo, servers: usize) {
    let (config, name) = (&stream.config, stream.config.name.as_str());
    let is_clustered = stream
        .cluster
        .as_ref()
        .is_some_and(|it| !it.name.is_empty());
    let more = format!("nats stream edit {name} --replicas {ENOUGH}");
    match config.num_replicas {
        1 if is_clustered => {
            let of = if servers > 1 {
                format!(" of {servers}")
            } else {
                String::new()
            };
            let text = format!(
                "it is on one server{of}: while that is away nobody publishes, and its disk is the only copy"
            );
            findings.warning(CHECK, name, text, more);
        }
        0 | 1 => {
            let text = "it is on the only server there is: while that is away nobody publishes, and its disk is the only copy";
            let fix = "run a cluster of three servers where that matters";
            findings.note(CHECK, name, text, fix);
        }
        2 => {
            let text = "it is on two servers, and stops when either is away";
            findings.warning(CHECK, name, text, more);
        }
        _ => {}
    }
    if config.storage == Storage::Memory {
        let text = "it is kept in memory: what ends all of its servers ends what it holds";
        findings.note(
            CHECK,
            name,
            text,
            "make a stream with storage: file where that matters",
        );
    }
    if config.persist_mode == PersistMode::Async {
        let text = "it acknowledges messages before they are written";
        let fix = "make a stream without persist_mode: async where that matters";
        findings.warning(CHECK, name, text, fix);
    }
    if let Some(cluster) = &stream.cluster {
        examine_members(findings, name, cluster);
    }
}

fn examine_members(findings: &mut Findings, name: &str, cluster: &ClusterInfo) {
    const FIX: &str = "look at the log and at /healthz of these servers";
    if cluster.leader.is_empty() {
        findings.fault(
            CHECK,
            name,
            "it has no leader: nobody publishes or consumes",
            FIX,
        );
    }
    let away = cluster.replicas.iter().filter(|peer| peer.offline);
    let behind = cluster
        .replicas
        .iter()
        .filter(|peer| !peer.offline && !peer.current);
    for (peers, what) in [
        (away.collect::<Vec<_>>(), "are away"),
        (behind.collect(), "are behind"),
    ] {
        if !peers.is_empty() {
            let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
            let text = format!("some of its replicas {what}: {}", names.join(", "));
            findings.warning(CHECK, name, text, FIX);
        }
    }
}

/// Of dead letters: the gateway makes what is missing with the replicas that it is told.
fn examine_letters(
    findings: &mut Findings,
    config: &Config,
    streams: &[StreamInfo],
    servers: usize,
) {
    let letters = &config.dead_letters;
    let named = [&letters.letters, &letters.advisories]
        .into_iter()
        .flatten();
    let is_there = |name: &&String| streams.iter().any(|it| it.config.name == **name);
    for name in named.filter(|name| !is_there(name)) {
        if letters.replicas < ENOUGH && servers > 1 {
            let text = format!(
                "the gateway will make it with {} replica(s)",
                letters.replicas
            );
            let fix = format!("set dead_letters.replicas = {ENOUGH}");
            findings.warning(CHECK, name, text, fix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Finding, Level};
    use super::*;
    use crate::nats::api::PeerInfo;

    fn worst(num_replicas: u32, cluster: Option<ClusterInfo>) -> Option<Level> {
        let mut findings = Findings::default();
        let json = json!({"config": {"name": "S", "num_replicas": num_replicas}});
        let mut stream: StreamInfo = serde_json::from_value(json).unwrap();
        stream.cluster = cluster;
        examine_one(&mut findings, &stream, 3);
        let all: Vec<Finding> = findings.into();
        all.iter().map(|it| it.level).max()
    }

    fn cluster(leader: &str, follower: PeerInfo) -> Option<ClusterInfo> {
        Some(ClusterInfo {
            name: "c".to_owned(),
            leader: leader.to_owned(),
            replicas: vec![follower],
            ..ClusterInfo::default()
        })
    }

    #[test]
    fn a_stream_should_survive_a_server() {
        let current = PeerInfo {
            current: true,
            ..PeerInfo::default()
        };
        let away = PeerInfo {
            offline: true,
            ..PeerInfo::default()
        };
        assert_eq!(worst(3, cluster("n1", current.clone())), None);
        assert_eq!(
            worst(1, cluster("n1", current.clone())),
            Some(Level::Warning)
        );
        assert_eq!(
            worst(2, cluster("n1", current.clone())),
            Some(Level::Warning)
        );
        assert_eq!(worst(1, None), Some(Level::Note));
        assert_eq!(worst(3, cluster("n1", away)), Some(Level::Warning));
        assert_eq!(
            worst(3, cluster("n1", PeerInfo::default())),
            Some(Level::Warning)
        );
        assert_eq!(worst(3, cluster("", current)), Some(Level::Fault));
    }
}
