//! The directory of a development nats-server: one server at a time, its log and its port.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use serde::Deserialize;
use tokio::{process::Child, time::sleep};

use super::DevError;

/// How often the file that names the port is looked for.
const PORTS_INTERVAL: Duration = Duration::from_millis(20);

/// How many of the last log lines an error quotes.
const LOG_LINES: usize = 10;

/// The directory that one nats-server at a time lives in.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) root: PathBuf,
    pub(super) ports: PathBuf,
    pub(super) log: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

/// The file that nats-server writes once it listens, as far as it matters here.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl Store {
    pub(super) fn open(root: &Path) -> Result<Self, DevError> {
        fs::create_dir_all(root).map_err(|source| unusable(root, source))?;
        let root = root
            .canonicalize()
            .map_err(|source| unusable(root, source))?;

        let path = root.join("lock");
        let lock = File::create(&path).map_err(|source| unusable(&path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(DevError::StoreInUse(root)),
            Err(fs::TryLockError::Error(source)) => return Err(unusable(&path, source)),
        }
        // Keeps the store out of the repository that it may stand in.
        let ignore = root.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(|source| unusable(&ignore, source))?;

        // The file of a server that was killed would name its old port.
        let ports = root.join("ports");
        let _absent = fs::remove_dir_all(&ports);
        fs::create_dir_all(&ports).map_err(|source| unusable(&ports, source))?;

        Ok(Self {
            log: root.join("nats-server.log"),
            ports,
            root,
            _lock: lock,
        })
    }

    pub(super) async fn wait_for_port(&self, child: &mut Child) -> Result<String, DevError> {
        loop {
            if let Some(url) = self.named_url() {
                return Ok(url);
            }
            match child.try_wait() {
                Ok(None) => sleep(PORTS_INTERVAL).await,
                Ok(Some(status)) => return Err(self.exited(status)),
                Err(source) => return Err(unusable(&self.root, source)),
            }
        }
    }

    /// The URL in the ports file, once it is there and complete.
    fn named_url(&self) -> Option<String> {
        let entry = fs::read_dir(&self.ports).ok()?.next()?.ok()?;
        let ports: Ports = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
        ports.nats.into_iter().next()
    }

    pub(super) fn exited(&self, status: ExitStatus) -> DevError {
        DevError::Exited {
            status,
            log: self.log.clone(),
            lines: self.last_log_lines(),
        }
    }

    pub(super) fn last_log_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

pub(super) fn unusable(path: &Path, source: io::Error) -> DevError {
    DevError::Store {
        path: path.to_owned(),
        source,
    }
}
