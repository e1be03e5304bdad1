//! `jetgate dev`: a nats-server with JetStream of its own, that ends when the gateway does.

mod store;
mod version;
mod welcome;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

use self::store::{Store, unusable};
pub use self::welcome::print_welcome;
use crate::{
    cli::EXEC_WITH_PARENT,
    nats::config::{ParseServerUrlsError, ServerUrls},
};

/// Longest wait for nats-server to open its port; it reads its whole store first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest wait for nats-server to end after SIGTERM, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Which nats-server, and where its data is.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// The program: a path, or a name to be found on `PATH`.
    pub nats_server: PathBuf,
    /// Directory for streams, log and lock; made when missing. Streams stay there between runs.
    pub store_dir: PathBuf,
}

/// Why there is no nats-server.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// There is no such program, or it does not run.
    #[error(
        "cannot run {program}: {source}; install nats-server 2.14 or later \
         (https://github.com/nats-io/nats-server/releases), name one with --nats-server, \
         or use `jetgate serve --nats-url` with a server that runs already"
    )]
    Program {
        /// The program as it was given.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is older than the gateway can work with.
    #[error("{program} is too old ({found}), nats-server 2.14 or later is needed")]
    TooOld {
        /// The program as it was given.
        program: String,
        /// What it answered to `--version`.
        found: String,
    },
    /// A directory or file of the store cannot be used.
    #[error("cannot use {path}: {source}")]
    Store {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another `jetgate dev` has it; two servers on one store would destroy it.
    #[error("{0} is in use by another `jetgate dev`, choose another one with --store-dir")]
    StoreInUse(PathBuf),
    /// It ended before its port was open.
    #[error("nats-server ended early ({status}); the end of {log}:\n{lines}")]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        lines: String,
    },
    /// It runs, and its port did not open in time.
    #[error("nats-server did not open its port within 60 s; the end of {log}:\n{lines}")]
    Timeout {
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        lines: String,
    },
    /// The port that it named is no server address.
    #[error("nats-server named no usable address: {0}")]
    Address(#[from] ParseServerUrlsError),
}

/// A running nats-server; killed when dropped, better ended with [`DevServer::stop`].
#[derive(Debug)]
pub struct DevServer {
    child: Child,
    store: Store,
    url: ServerUrls,
}

impl DevServer {
    /// Starts nats-server and waits until its port is open.
    ///
    /// Call it from the future that the main thread runs by `block_on`, not from a spawned task:
    /// the kernel kills the child when the *thread* that started it ends, and a runtime's worker
    /// may end long before the process does.
    ///
    /// # Errors
    ///
    /// When the program is missing, too old or ends early, or the store cannot be used.
    pub async fn start(options: &DevOptions) -> Result<Self, DevError> {
        version::check(&options.nats_server).await?;
        let store = Store::open(&options.store_dir)?;
        let mut child = spawn(&options.nats_server, &store)?;

        let opened = timeout(START_TIMEOUT, store.wait_for_port(&mut child)).await;
        let url = match opened {
            Ok(url) => url?.parse()?,
            Err(_elapsed) => {
                return Err(DevError::Timeout {
                    lines: store.last_log_lines(),
                    log: store.log,
                });
            }
        };
        Ok(Self { child, store, url })
    }

    /// Where it listens.
    pub fn url(&self) -> &ServerUrls {
        &self.url
    }

    /// Where it keeps its streams and its log.
    pub fn store_dir(&self) -> &Path {
        &self.store.root
    }

    /// Completes when nats-server ends by itself, with what there is to say about it.
    pub async fn exited(&mut self) -> DevError {
        match self.child.wait().await {
            Ok(status) => self.store.exited(status),
            Err(source) => unusable(&self.store.root, source),
        }
    }

    /// Ends nats-server in good order, by force after 10 s.
    pub async fn stop(mut self) {
        terminate(&self.child);
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            tracing::warn!("nats-server does not end, killing it");
            if let Err(error) = self.child.kill().await {
                tracing::warn!(%error, "cannot kill nats-server");
            }
        }
    }
}

fn spawn(nats_server: &Path, store: &Store) -> Result<Child, DevError> {
    let failed = |source| DevError::Program {
        program: nats_server.display().to_string(),
        source,
    };
    let log = File::create(&store.log).map_err(|source| unusable(&store.log, source))?;
    let errors = log
        .try_clone()
        .map_err(|source| unusable(&store.log, source))?;
    Command::new(std::env::current_exe().map_err(failed)?)
        .arg(EXEC_WITH_PARENT)
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(nats_server)
        .args([
            "--addr",
            "127.0.0.1",
            "--port",
            "-1",
            "--jetstream",
            "--store_dir",
        ])
        .arg(&store.root)
        .arg("--ports_file_dir")
        .arg(&store.ports)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C in a terminal signals the whole group: nats-server has to outlive our drain.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)
}

fn terminate(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let Some(process) = id.and_then(rustix::process::Pid::from_raw) else {
        return; // It has ended already.
    };
    if let Err(error) = rustix::process::kill_process(process, rustix::process::Signal::TERM) {
        tracing::warn!(%error, "cannot signal nats-server");
    }
}
