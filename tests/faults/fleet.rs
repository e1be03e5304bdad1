//! Real gateway processes, each behind a proxy of its callers, with a proxy to each nats-server or none.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::access::Access;
use crate::cluster::{Cluster, SIZE, free_addresses};
use crate::network::Network;
use crate::options::Options;
use crate::program::Program;
use crate::proxy::Proxy;
use crate::setup::Setup;
use crate::usage::Usage;
use crate::waiting::{get, until};

/// How long a gateway may take until it serves.
const STARTING: Duration = Duration::from_secs(60);

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) program: Program,
    admin: SocketAddr,
    /// Where its callers connect to.
    pub(crate) callers: Proxy,
    /// Its ways to the servers; none where it reaches them itself.
    pub(crate) servers: Vec<Proxy>,
    /// The number of a process, and what it used before its first run.
    pub(crate) first_usage: Option<(u32, Usage)>,
}

/// What gateways are started with.
pub(crate) struct Plan<'a> {
    pub(crate) options: &'a Options,
    pub(crate) setup: Setup,
    pub(crate) cluster: &'a Cluster,
    pub(crate) access: &'a Access,
    pub(crate) network: Option<&'a Network>,
    pub(crate) folder: &'a Path,
}

/// The place of a gateway in the network.
pub(crate) fn machine(gateway: usize) -> usize {
    SIZE + gateway
}

/// Starts all, and waits until they serve.
pub(crate) async fn start(plan: Plan<'_>) -> Result<Vec<Gateway>> {
    let mut gateways = Vec::new();
    for number in 0..plan.options.gateways as usize {
        gateways.push(Gateway::start(&plan, number).await?);
    }
    for gateway in &gateways {
        gateway.until_ready().await?;
    }
    Ok(gateways)
}

impl Gateway {
    async fn start(plan: &Plan<'_>, number: usize) -> Result<Self> {
        let mut addresses = free_addresses(2)?;
        let mut prefix = Vec::new();
        if let Some(network) = plan.network {
            let ip: IpAddr = network.address(machine(number))?;
            addresses.iter_mut().for_each(|address| address.set_ip(ip));
            prefix.extend(network.on(machine(number)));
        }
        let mut servers = Vec::new();
        let mut urls = Vec::new();
        for address in plan.cluster.addresses() {
            if plan.network.is_some() {
                urls.push(format!("nats://{address}"));
                continue;
            }
            let way = Proxy::start(address).await?;
            urls.push(format!("nats://{}", way.address()));
            servers.push(way);
        }
        let has_tls = matches!(plan.setup, Setup::Direct | Setup::Veth);
        let settings = plan.folder.join(format!("g{number}.toml"));
        std::fs::write(&settings, plan.access.settings(has_tls))?;
        let arguments = [
            "serve".to_owned(),
            format!("--config={}", settings.display()),
            format!("--listen={}", addresses[0]),
            format!("--admin-listen={}", addresses[1]),
            format!("--nats-url={}", urls.join(",")),
        ];
        let (gateway, log) = (
            &plan.options.gateway,
            plan.folder.join(format!("g{number}.log")),
        );
        let mut gateway = Self {
            program: Program::new(gateway, gateway, arguments, log).on(prefix),
            admin: addresses[1],
            callers: Proxy::start(addresses[0]).await?,
            servers,
            first_usage: None,
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

    /// Its metrics at a time.
    pub(crate) async fn metrics(&self) -> Result<Metrics> {
        let metrics = get(self.admin, "/metrics").await;
        Ok(Metrics(metrics.ok_or("no metrics")?))
    }
}

/// What a gateway says of itself.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The value of a metric, the sum of all its series.
    pub(crate) fn sum(&self, name: &str) -> Result<u64> {
        let series = self.0.lines().filter(|line| {
            let labels = line.strip_prefix(name);
            labels.is_some_and(|labels| labels.starts_with([' ', '{']))
        });
        let mut sum = None;
        for line in series {
            let (_, value) = line.rsplit_once(' ').ok_or("a series without a value")?;
            // Some are written as 1.0.
            let value: u64 = value.strip_suffix(".0").unwrap_or(value).parse()?;
            sum = Some(sum.unwrap_or(0) + value);
        }
        Ok(sum.ok_or_else(|| format!("no {name}"))?)
    }
}
