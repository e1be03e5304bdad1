//! A gateway as a process of its own, which can be killed as a crash does.

use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;

use super::{Clients, Process, SOON, eventually, http_get};

/// A gateway that runs `jetgate serve`, with the generated clients. Killed with this value.
pub(crate) struct Replica {
    pub(crate) process: Process,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clients: Clients,
}

impl Replica {
    /// A gateway with the default configuration, once it serves.
    pub(crate) async fn start(nats_url: &str) -> Self {
        let process = Process::start([
            "serve",
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
            "--nats-url",
            nats_url,
        ]);
        Self::once_ready(process, ["public=", "admin="]).await
    }

    /// A gateway with the configuration in this file, which logs JSON, once it serves.
    pub(crate) async fn configured(file: &Path) -> Self {
        let process = Process::start(["serve".as_ref(), "--config".as_ref(), file.as_os_str()]);
        Self::once_ready(process, ["\"public\":\"", "\"admin\":\""]).await
    }

    /// The same, where it may have only so many files open: at first, and at most.
    pub(crate) async fn with_open_files(limits: (u32, u32), file: &Path) -> Self {
        let arguments = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        let process = Process::with_open_files(limits, arguments);
        Self::once_ready(process, ["\"public\":\"", "\"admin\":\""]).await
    }

    /// Its addresses stand behind these labels in its log.
    async fn once_ready(process: Process, [public, admin]: [&str; 2]) -> Self {
        let public = process.address_after(public).await;
        let admin = process.address_after(admin).await;
        let url = format!("http://{admin}/readyz");
        eventually(SOON, async || {
            (http_get(&url).await?.0 == 200).then_some(())
        })
        .await;
        Self {
            process,
            public,
            admin,
            clients: Clients::at(public),
        }
    }

    /// Ends it as a crash does (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.ended(SOON).await;
    }
}
