//! Real gateway processes, each behind a proxy of its callers, with a proxy to each nats-server.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::cluster::{Cluster, free_addresses};
use crate::options::Options;
use crate::program::Program;
use crate::proxy::Proxy;
use crate::waiting::{get, until};

/// How long a gateway may take until it serves.
const STARTING: Duration = Duration::from_secs(60);

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) program: Program,
    admin: SocketAddr,
    /// Where its callers connect to.
    pub(crate) callers: Proxy,
    /// Its ways to the servers.
    pub(crate) servers: Vec<Proxy>,
}

/// Starts this many, and waits until they serve.
pub(crate) async fn start(
    options: &Options,
    cluster: &Cluster,
    folder: &Path,
) -> Result<Vec<Gateway>> {
    let mut gateways = Vec::new();
    for number in 0..options.gateways {
        let log = folder.join(format!("g{number}.log"));
        gateways.push(Gateway::start(options, cluster, &log).await?);
    }
    for gateway in &gateways {
        gateway.until_ready().await?;
    }
    Ok(gateways)
}

impl Gateway {
    async fn start(options: &Options, cluster: &Cluster, log: &Path) -> Result<Self> {
        let addresses = free_addresses(2)?;
        let mut servers = Vec::new();
        for address in cluster.addresses() {
            servers.push(Proxy::start(address).await?);
        }
        let urls = servers
            .iter()
            .map(|way| format!("nats://{}", way.address()));
        let urls: Vec<String> = urls.collect();
        let arguments = [
            "serve".to_owned(),
            format!("--listen={}", addresses[0]),
            format!("--admin-listen={}", addresses[1]),
            format!("--nats-url={}", urls.join(",")),
        ];
        let mut gateway = Self {
            program: Program::new(&options.gateway, &options.gateway, arguments, log.into()),
            admin: addresses[1],
            callers: Proxy::start(addresses[0]).await?,
            servers,
        };
        gateway.program.start()?;
        Ok(gateway)
    }

    /// Waits until it serves.
    pub(crate) async fn until_ready(&self) -> Result<()> {
        let ready = async || get(self.admin, "/readyz").await.map(drop);
        let ready = until("a gateway that serves", STARTING, ready).await;
        ready.map_err(|error| format!("{error}\n{}", self.program.log()).into())
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> Result<u64> {
        let metrics = get(self.admin, "/metrics").await.ok_or("no metrics")?;
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("no {name}"))?.trim().parse()?)
    }
}
