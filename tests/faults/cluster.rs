//! Three nats-servers whose routes go through proxies, so that they can be parted.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::Result;
use crate::network::Network;
use crate::options::Options;
use crate::program::Program;
use crate::proxy::Proxy;
use crate::waiting::{get, until};

/// How many servers there are.
pub(crate) const SIZE: usize = 3;

/// How long a cluster may take to become whole, elections and catching up included.
const WHOLE: Duration = Duration::from_secs(90);

/// One server.
pub(crate) struct Node {
    pub(crate) program: Program,
    /// Where clients connect to.
    pub(crate) address: SocketAddr,
    monitoring: SocketAddr,
    /// Where it keeps its streams.
    pub(crate) store: PathBuf,
}

/// All of them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// `routes[a][b]`: a's way to b; none to itself.
    routes: Vec<Vec<Option<Proxy>>>,
}

impl Cluster {
    /// Starts the servers in folders below this one, and waits until they are one cluster.
    pub(crate) async fn start(
        options: &Options,
        network: Option<&Network>,
        folder: &Path,
    ) -> Result<Self> {
        let mut ports = free_addresses(3 * SIZE)?;
        if let Some(network) = network {
            for (place, port) in ports.iter_mut().enumerate() {
                port.set_ip(network.address(place % SIZE)?);
            }
        }
        let (clients, rest) = ports.split_at(SIZE);
        let (monitoring, peers) = rest.split_at(SIZE);
        let mut cluster = Self {
            nodes: Vec::new(),
            routes: Vec::new(),
        };
        for number in 0..SIZE {
            cluster.routes.push(match network {
                None => routes(number, peers).await?,
                Some(_) => (0..SIZE).map(|_| None).collect(),
            });
            let home = folder.join(format!("n{number}"));
            fs::create_dir_all(home.join("store"))?;
            let mut node = Node {
                program: Program::new(
                    &options.gateway,
                    &options.nats_server,
                    ["--config".into(), home.join("nats.conf")],
                    home.join("nats.log"),
                )
                .on(network.map_or_else(Vec::new, |it| it.on(number).to_vec())),
                address: clients[number],
                monitoring: monitoring[number],
                store: home.join("store"),
            };
            let config = cluster.config(number, &node, peers);
            fs::write(home.join("nats.conf"), config)?;
            node.program.start()?;
            cluster.nodes.push(node);
        }
        cluster.until_whole().await?;
        Ok(cluster)
    }

    /// Servers tell each other where to find the others: a place that nobody listens at, so that the
    /// proxies are the only ways. Clients are told nothing, for the same reason.
    fn config(&self, number: usize, node: &Node, peers: &[SocketAddr]) -> String {
        let peer = peers[number];
        let ways = (0..SIZE).filter(|other| *other != number);
        let way = |other: usize| {
            let proxy = self.routes[number][other].as_ref();
            proxy.map_or(peers[other], Proxy::address)
        };
        let ways: Vec<String> = ways.map(|other| format!("nats://{}", way(other))).collect();
        format!(
            "server_name: n{number}\nlisten: \"{}\"\nhttp: \"{}\"\n\
             jetstream {{ store_dir: \"{}\" }}\n\
             ping_interval: 2s\nping_max: 2\nwrite_deadline: 2s\n\
             lame_duck_duration: 30s\nlame_duck_grace_period: 2s\n\
             cluster {{ name: faults, listen: \"{peer}\", advertise: \"127.0.0.1:1\", \
             no_advertise: true, ping_interval: 2s, ping_max: 2, write_deadline: 2s, \
             routes: [{}] }}\n",
            node.address,
            node.monitoring,
            node.store.display(),
            ways.join(", ")
        )
    }

    /// The addresses of all servers, for clients that are not parted from them.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// The proxies between a server and the others: ways from it, then ways to it.
    pub(crate) fn around(&self, number: usize) -> (Vec<&Proxy>, Vec<&Proxy>) {
        let from = self.routes[number].iter().flatten().collect();
        let to = self.routes.iter().filter_map(|ways| ways[number].as_ref());
        (from, to.collect())
    }

    /// Asks a server to send its clients elsewhere and to end.
    pub(crate) fn lame_duck(&self, number: usize) {
        self.nodes[number].program.signal(Signal::USR2);
    }

    /// Waits until every server runs, has caught up, and knows a leader that all others follow.
    pub(crate) async fn until_whole(&self) -> Result<()> {
        let whole = until("a whole cluster", WHOLE, async || self.is_whole().await);
        whole.await.map_err(|error| {
            let logs = self.nodes.iter().map(|node| node.program.log());
            format!("{error}\n{}", logs.collect::<Vec<_>>().join("\n\n")).into()
        })
    }

    async fn is_whole(&self) -> Option<()> {
        let mut is_followed = false;
        for node in &self.nodes {
            get(node.monitoring, "/healthz").await?;
            let state = get(node.monitoring, "/jsz").await?;
            let meta = serde_json::from_str::<Value>(&state).ok()?["meta_cluster"].take();
            meta["leader"]
                .as_str()
                .filter(|leader| !leader.is_empty())?;
            if let Some(followers) = meta["replicas"].as_array() {
                let current = followers.iter().filter(|peer| peer["current"] == true);
                is_followed |= current.count() == SIZE - 1;
            }
        }
        is_followed.then_some(())
    }
}

/// A proxy from one server to each of the others.
async fn routes(from: usize, peers: &[SocketAddr]) -> Result<Vec<Option<Proxy>>> {
    let mut ways = Vec::new();
    for (to, peer) in peers.iter().enumerate() {
        ways.push(match to == from {
            true => None,
            false => Some(Proxy::start(*peer).await?),
        });
    }
    Ok(ways)
}

/// Addresses that were free a moment ago, all different.
pub(crate) fn free_addresses(count: usize) -> Result<Vec<SocketAddr>> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0"));
    let listeners = listeners.collect::<std::io::Result<Vec<_>>>()?;
    let addresses = listeners.iter().map(TcpListener::local_addr);
    Ok(addresses.collect::<std::io::Result<_>>()?)
}
