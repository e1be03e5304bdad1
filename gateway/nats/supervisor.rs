//! Connections kept alive: each is a link that is replaced when it is lost.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Config;
use super::link::Link;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::Metrics;

/// Waits between attempts to connect double from the first to the last of these, with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A link that lived this long counts as sound: its successor is made without waiting.
const SOUND: Duration = Duration::from_secs(5);

/// A connection to NATS that is replaced when it breaks. It ends when the last clone is dropped.
#[derive(Clone)]
pub struct Connection {
    current: watch::Receiver<Option<Arc<Link>>>,
    _stop: Arc<tokio_util::sync::DropGuard>,
}

impl Connection {
    /// Starts to connect, and to reconnect for as long as the connection is in use. `role` names it in
    /// logs and metrics.
    pub(super) fn start(config: Arc<Config>, role: &'static str, metrics: Metrics) -> Self {
        let (sender, current) = watch::channel(None);
        let stop = CancellationToken::new();
        let supervisor = Supervisor {
            config,
            role,
            metrics,
            sender,
            discovered: Vec::new(),
        };
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = supervisor.run() => {}
            }
        });
        Self {
            current,
            _stop: Arc::new(stop.drop_guard()),
        }
    }

    /// The link, unless the connection is down.
    pub fn link(&self) -> Option<Arc<Link>> {
        let link = self.current.borrow().clone();
        link.filter(|link| !link.lost().is_cancelled())
    }

    /// Waits for a link.
    pub async fn wait(&self, deadline: Deadline) -> Result<Arc<Link>> {
        deadline
            .bound(self.wait_forever())
            .await
            .map_err(|_| disconnected())
    }

    /// Waits for a link for as long as it takes.
    pub async fn wait_forever(&self) -> Arc<Link> {
        let mut current = self.current.clone();
        loop {
            if let Some(link) = self.link() {
                return link;
            }
            if current.changed().await.is_err() {
                // The supervisor outlives every clone of the connection.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The error of a request that was not sent as there is no connection.
pub(super) fn disconnected() -> Error {
    Error::new(
        Reason::NatsDisconnected,
        "not connected to NATS; nothing was sent",
    )
}

struct Supervisor {
    config: Arc<Config>,
    role: &'static str,
    metrics: Metrics,
    sender: watch::Sender<Option<Arc<Link>>>,
    /// Servers that the last one told of: a cluster is reached through any of its members.
    discovered: Vec<ServerAddr>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut delay = Duration::ZERO;
        loop {
            tokio::time::sleep(jittered(delay)).await;
            let started = Instant::now();
            match self.connect().await {
                Ok(link) => {
                    self.serve(link).await;
                    delay = if started.elapsed() >= SOUND {
                        Duration::ZERO
                    } else {
                        next(delay)
                    };
                }
                Err(error) => {
                    warn!(role = self.role, %error, "cannot connect to NATS");
                    delay = next(delay);
                }
            }
        }
    }

    async fn connect(&self) -> Result<Arc<Link>, Box<dyn std::error::Error + Send + Sync>> {
        let mut servers = self.config.servers()?;
        servers.extend(self.discovered.iter().cloned());
        let options: ConnectOptions = self.config.connect_options().await?;
        // One attempt a server; waiting and repeating is the supervisor's own business.
        let options = options.max_reconnects(servers.len());
        let id = uuid::Uuid::now_v7().simple().to_string();
        Link::connect(options, &self.config, &servers, &id).await
    }

    async fn serve(&mut self, link: Arc<Link>) {
        let server = link.server_info();
        info!(role = self.role, server = %server.server_name, version = %server.version, "connected to NATS");
        self.discovered = server
            .connect_urls
            .iter()
            .filter_map(|url| url.parse().ok())
            .collect();
        let _connected = Connected::new(&self.metrics, self.role);

        let lost = link.lost().clone();
        self.sender.send_replace(Some(link));
        lost.cancelled().await;

        self.sender.send_replace(None);
        self.metrics.nats_reconnected(self.role);
        warn!(role = self.role, "connection to NATS lost");
    }
}

/// Counts a connection as up until it is dropped, which is also how an unused connection ends.
struct Connected {
    metrics: Metrics,
    role: &'static str,
}

impl Connected {
    fn new(metrics: &Metrics, role: &'static str) -> Self {
        metrics.nats_connected(role, true);
        Self {
            metrics: metrics.clone(),
            role,
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.metrics.nats_connected(self.role, false);
    }
}

fn next(delay: Duration) -> Duration {
    (delay * 2).clamp(BACKOFF.0, BACKOFF.1)
}

/// Half to all of a delay, so that replicas do not come back all at once.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + fastrand::f64() / 2.0)
}
