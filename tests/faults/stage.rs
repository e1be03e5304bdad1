//! What faults happen to: a cluster, gateways before it, and proxies or cables between all of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::Result;
use crate::access::Access;
use crate::callers::{self, Scene};
use crate::cluster::{Cluster, SIZE};
use crate::edge::Edge;
use crate::fleet::{self, Gateway, Plan};
use crate::jetstream::JetStream;
use crate::namespace;
use crate::network::Network;
use crate::options::Options;
use crate::recorder::Recorder;
use crate::setup::Setup;

/// How much the store of a server holds, where it is limited.
const STORE: &str = "size=192m";

/// Messages that each publisher sends in a second.
const RATE: f64 = 15.0;

/// All processes. They end with this value.
pub(crate) struct Stage {
    pub(crate) setup: Setup,
    /// What stands in front of the gateways.
    pub(crate) edge: Option<Edge>,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) cluster: Cluster,
    pub(crate) access: Arc<Access>,
    /// The cables, where there are any.
    pub(crate) network: Option<Network>,
    pub(crate) jetstream: JetStream,
    /// Whether the servers' stores are limited, so that they can be filled.
    pub(crate) is_limited: bool,
    _mounts: Vec<Mount>,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn start(options: &Options, setup: Setup) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("jetgate-faults-")
            .tempdir()?;
        let stores = (0..SIZE).map(|number| folder.path().join(format!("n{number}/store")));
        let mounts: Vec<Mount> = stores.filter_map(|store| Mount::new(&store)).collect();
        let machines = SIZE + options.gateways as usize;
        let network = match setup {
            Setup::Veth => Some(Network::lay(machines)?),
            _ => None,
        };
        let access = Arc::new(Access::start(folder.path(), network.is_none()).await?);
        let cluster = Cluster::start(options, network.as_ref(), folder.path()).await?;
        let gateways = fleet::start(Plan {
            options,
            setup,
            cluster: &cluster,
            access: &access,
            network: network.as_ref(),
            folder: folder.path(),
        })
        .await?;
        let edge = Edge::start(options, setup, &gateways, folder.path())?;
        let jetstream = JetStream::connect(&cluster.addresses()).await?;
        let stage = Self {
            setup,
            edge,
            gateways,
            cluster,
            access,
            network,
            jetstream,
            is_limited: mounts.len() == SIZE,
            _mounts: mounts,
            _folder: folder,
        };
        stage.until_well().await?;
        Ok(stage)
    }

    /// Where callers go.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        match &self.edge {
            Some(edge) => vec![edge.address],
            None => {
                let gateways = self.gateways.iter();
                gateways.map(|gateway| gateway.callers.address()).collect()
            }
        }
    }

    /// A run on a stream, as its callers know it.
    pub(crate) fn scene(&self, stream: String, recorder: Recorder) -> Scene {
        let tls = self.access.authority.tls();
        let doors = self.doors().into_iter();
        let gateways = doors.map(|door| callers::Gateway::at(door, tls.clone()));
        Scene::new(stream, gateways.collect(), recorder, RATE).showing(self.access.clone())
    }

    /// Waits until every process does what it is for.
    pub(crate) async fn until_well(&self) -> Result<()> {
        self.cluster.until_whole().await?;
        for gateway in &self.gateways {
            gateway.until_ready().await?;
        }
        match &self.edge {
            Some(edge) => edge.until_ready(&self.access).await,
            None => Ok(()),
        }
    }
}

/// A small file system in memory.
struct Mount(PathBuf);

impl Mount {
    /// `None` where the system does not let us.
    fn new(path: &Path) -> Option<Self> {
        if !namespace::is_entered() {
            return None;
        }
        std::fs::create_dir_all(path).ok()?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", STORE, "jetgate-faults"])
            .arg(path);
        let status = mount.stderr(std::process::Stdio::null()).status().ok()?;
        status.success().then(|| Self(path.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a server may still be about to end.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
