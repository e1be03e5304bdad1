//! Whether NATS is reached: every configured server, by itself; and the largest message that each takes.

use std::net::IpAddr;
use std::sync::Arc;

use async_nats::ServerInfo;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::finding::Findings;
use crate::config::{ByteSize, Config};
use crate::deadline::Deadline;
use crate::nats::config::{Config as NatsConfig, ServerUrls};
use crate::nats::{LARGEST_HEADERS, Link};

const CHECK: &str = "connection";

const TLS_FIX: &str = "nats.tls_ca_file must hold the authority of the server's certificate, which must name the host \
                       of nats.url; nats.tls_first must be as the server's handshake_first";

/// What gRPC clients take at most, unless told otherwise.
const GRPC_DEFAULT: ByteSize = ByteSize::mib(4);

/// A configured server, and the connection to it.
pub(super) struct Seed {
    pub(super) link: Option<Arc<Link>>,
}

impl Seed {
    /// What the server said of itself.
    pub(super) fn server(&self) -> Option<ServerInfo> {
        Some(self.link.as_ref()?.server_info())
    }
}

/// Connects to each of the servers.
pub(super) async fn connect(findings: &mut Findings, config: &NatsConfig) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for alone in config.of_each_server() {
        let url = alone.url.clone();
        let link = match Link::connect(&alone, &[], |_| {}).await {
            Ok(link) => {
                connected(findings, &url, &link.server_info(), config);
                Some(link)
            }
            Err(error) => {
                refused(findings, &url, &*error);
                None
            }
        };
        seeds.push(Seed { link });
    }
    seeds
}

fn connected(findings: &mut Findings, url: &ServerUrls, server: &ServerInfo, config: &NatsConfig) {
    let about = url.to_string();
    findings.ok(
        CHECK,
        &about,
        format!("connected to {}", server.server_name),
    );
    if is_local(&server.client_ip) {
        return;
    }
    if !server.auth_required {
        findings.warning(
            CHECK,
            &about,
            "the server lets everybody in",
            "give the gateway a user of its own on the server: deploy/nats/gateway-user.conf shows one",
        );
    }
    let encrypted = server.tls_required || config.require_tls || config.tls_first;
    if !encrypted && !config.url.expose().all(|url| url.starts_with("tls://")) {
        findings.note(
            CHECK,
            &about,
            "messages may cross the network in the clear",
            "set tls {} on the server, and nats.require_tls = true and nats.tls_ca_file here",
        );
    }
}

/// Whether the server sees us come from its own machine.
fn is_local(client_ip: &str) -> bool {
    client_ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn refused(
    findings: &mut Findings,
    url: &ServerUrls,
    error: &(dyn std::error::Error + Send + Sync + 'static),
) {
    use async_nats::ConnectErrorKind as Kind;
    let kind = error.downcast_ref::<async_nats::ConnectError>();
    let fix = match kind.map(async_nats::ConnectError::kind) {
        Some(Kind::Io) if is_of_tls(error) => TLS_FIX,
        Some(Kind::AuthorizationViolation | Kind::Authentication) => {
            "nats.credentials_file, nats.user and nats.password, nats.token or nats.nkey_seed must be of a user that \
             the server knows"
        }
        Some(Kind::Tls) => TLS_FIX,
        Some(Kind::Dns) => "nats.url must name a host that is known here",
        // What cannot be read is no error of the library.
        None => "nats.credentials_file and the files of nats.tls_* must be there and readable",
        Some(_) => "nats.url must name a nats-server that runs and is reached from here",
    };
    findings.fault(CHECK, &url.to_string(), text_of(error), fix);
}

/// Whether it comes from TLS, which the library takes for one of the network.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let of_network = cause.downcast_ref::<std::io::Error>();
        let inner = of_network.and_then(std::io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<rustls::Error>())
    })
}

/// An error with its causes.
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// Whether what the gateway sends to an inbox of its own comes back: otherwise no answer does.
pub(super) async fn hears_itself(
    findings: &mut Findings,
    link: &Link,
    config: &NatsConfig,
) -> bool {
    let hears = echoes(link, Deadline::within(config.request_timeout)).await;
    if !hears {
        let prefix = &config.inbox_prefix;
        findings.fault(
            "permissions",
            &format!("{prefix}.>"),
            "nothing that the gateway sends to its own inbox comes back, and answers would not either",
            format!(
                "allow the NATS user to publish and to subscribe to \"{prefix}.>\", or set nats.inbox_prefix to what it may"
            ),
        );
    }
    hears
}

async fn echoes(link: &Link, deadline: Deadline) -> bool {
    let inbox = link.new_inbox();
    let Ok(mut messages) = link.subscribe(inbox.clone()).await else {
        return false;
    };
    let sent = link.send(&inbox, None, None, Bytes::new(), deadline).await;
    sent.is_ok() && matches!(deadline.bound(messages.next()).await, Ok(Some(_)))
}

/// The largest messages of the servers, against those of the gateway.
pub(super) fn examine_payloads(findings: &mut Findings, seeds: &[Seed], config: &Config) {
    for seed in seeds {
        if let Some(server) = seed.server() {
            let most = u64::try_from(server.max_payload).unwrap_or(u64::MAX);
            examine_payload(findings, &server.server_name, ByteSize::bytes(most), config);
        }
    }
    let mut sizes: Vec<_> = seeds.iter().filter_map(Seed::server).collect();
    sizes.dedup_by_key(|server| server.max_payload);
    if sizes.len() > 1 {
        findings.warning(
            "max_payload",
            "nats.url",
            "the servers do not take messages of the same size",
            "set the same max_payload on every server",
        );
    }
}

fn examine_payload(findings: &mut Findings, server: &str, most: ByteSize, config: &Config) {
    const CHECK: &str = "max_payload";
    let largest = config.limits.max_message_bytes;
    if largest > most {
        findings.fault(
            CHECK,
            server,
            format!(
                "limits.max_message_bytes is {largest}, and the server takes {most} with headers"
            ),
            format!(
                "set max_payload: {} on the servers, or lower limits.max_message_bytes",
                largest.as_u64()
            ),
        );
        return;
    }
    let headers = ByteSize::bytes(LARGEST_HEADERS as u64);
    if most <= headers {
        findings.warning(
            CHECK,
            server,
            format!("the server takes messages of {most} only, less than the headers of one may be ({headers})"),
            "set max_payload: 1048576 on the servers, which is their default",
        );
    } else if most > config.server.max_request_bytes {
        let requests = config.server.max_request_bytes;
        findings.warning(
            CHECK,
            server,
            format!(
                "the server takes messages of {most}, and the gateway requests of {requests} only"
            ),
            format!(
                "raise server.max_request_bytes above {most}, or lower max_payload on the servers"
            ),
        );
    } else if most > GRPC_DEFAULT {
        findings.note(
            CHECK,
            server,
            format!("messages may have {most}, more than most gRPC clients receive ({GRPC_DEFAULT})"),
            "let callers raise what their gRPC library receives, or lower max_payload on the servers",
        );
    } else {
        findings.ok(CHECK, server, format!("messages of {most}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Finding, Level};
    use super::*;

    fn level(most: ByteSize, change: impl FnOnce(&mut Config)) -> Level {
        let (mut findings, mut config) = (Findings::default(), Config::default());
        change(&mut config);
        examine_payload(&mut findings, "n1", most, &config);
        let all: Vec<Finding> = findings.into();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].level
    }

    #[test]
    fn messages_fit_through_both() {
        let mib = ByteSize::mib;
        assert_eq!(level(mib(1), |_| {}), Level::Ok);
        assert_eq!(level(ByteSize::kib(32), |_| {}), Level::Warning);
        assert_eq!(level(mib(5), |_| {}), Level::Note);
        assert_eq!(level(mib(64), |_| {}), Level::Warning);
        let limited = |config: &mut Config| config.limits.max_message_bytes = mib(2);
        assert_eq!(level(mib(1), limited), Level::Fault);
        assert_eq!(level(mib(2), limited), Level::Ok);
    }
}
