//! What faults happen to: a cluster, gateways before it, and proxies between all of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Result;
use crate::cluster::{Cluster, SIZE};
use crate::fleet::{self, Gateway};
use crate::jetstream::JetStream;
use crate::namespace;
use crate::options::Options;

/// How much the store of a server holds, where it is limited.
const STORE: &str = "size=192m";

/// All processes. They end with this value.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) jetstream: JetStream,
    /// Whether the servers' stores are limited, so that they can be filled.
    pub(crate) is_limited: bool,
    _mounts: Vec<Mount>,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("jetgate-faults-")
            .tempdir()?;
        let stores = (0..SIZE).map(|number| folder.path().join(format!("n{number}/store")));
        let mounts: Vec<Mount> = stores.filter_map(|store| Mount::new(&store)).collect();
        let cluster = Cluster::start(options, folder.path()).await?;
        let gateways = fleet::start(options, &cluster, folder.path()).await?;
        let jetstream = JetStream::connect(&cluster.addresses()).await?;
        Ok(Self {
            cluster,
            gateways,
            jetstream,
            is_limited: mounts.len() == SIZE,
            _mounts: mounts,
            _folder: folder,
        })
    }

    /// Waits until every process does what it is for.
    pub(crate) async fn until_well(&self) -> Result<()> {
        self.cluster.until_whole().await?;
        for gateway in &self.gateways {
            gateway.until_ready().await?;
        }
        Ok(())
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
