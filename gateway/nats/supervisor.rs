//! Connections kept alive: each is a link that is replaced when it is lost.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Config;
use super::link::Link;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::Metrics;

/// Waits between attempts to connect double from the first to the last of these, with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long a link whose server asked its clients to go elsewhere is still used.
const RETIREMENT: Duration = Duration::from_secs(5);

/// A link that lived this long counts as sound: its successor is made without waiting.
const SOUND: Duration = Duration::from_secs(5);

/// A connection to NATS that is replaced when it breaks. It ends when the last clone is dropped.
#[derive(Clone)]
pub struct Connection {
    current: watch::Receiver<Option<Arc<Link>>>,
    stop: Arc<tokio_util::sync::DropGuard>,
}

/// A connection that this does not keep in use.
#[derive(Clone)]
pub(super) struct WeakConnection {
    current: watch::Receiver<Option<Arc<Link>>>,
    stop: std::sync::Weak<tokio_util::sync::DropGuard>,
}

impl WeakConnection {
    /// The connection, while others use it.
    pub(super) fn upgrade(&self) -> Option<Connection> {
        let stop = self.stop.upgrade()?;
        Some(Connection {
            current: self.current.clone(),
            stop,
        })
    }
}

impl Connection {
    /// The same without keeping it in use.
    pub(super) fn downgrade(&self) -> WeakConnection {
        WeakConnection {
            current: self.current.clone(),
            stop: Arc::downgrade(&self.stop),
        }
    }

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
            stop: Arc::new(stop.drop_guard()),
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
        if let Some(link) = self.link() {
            return link;
        }
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
            match self.connect().await {
                Ok(link) => {
                    let lived = self.serve(link).await;
                    delay = if lived >= SOUND {
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

    /// Offers a link until it is lost; how long the last one lived.
    async fn serve(&mut self, mut link: Arc<Link>) -> Duration {
        loop {
            let _connected = self.offer(&link);
            let next = tokio::select! {
                () = link.lost().cancelled() => None,
                next = self.successor(&link) => Some(next),
            };
            let Some(next) = next else { break };
            self.metrics.nats_reconnected(self.role);
            retire(std::mem::replace(&mut link, next));
        }
        self.sender.send_replace(None);
        self.metrics.nats_reconnected(self.role);
        warn!(role = self.role, "connection to NATS lost");
        link.close().await;
        link.since().elapsed()
    }

    fn offer(&mut self, link: &Arc<Link>) -> Connected {
        let server = link.server_info();
        info!(
            role = self.role,
            server = %server.server_name,
            version = %server.version,
            "connected to NATS"
        );
        let urls = server.connect_urls.iter();
        self.discovered = urls.filter_map(|url| url.parse().ok()).collect();
        self.sender.send_replace(Some(link.clone()));
        Connected::new(&self.metrics, self.role)
    }

    /// The link that follows one whose server asks its clients to go elsewhere.
    async fn successor(&self, link: &Link) -> Arc<Link> {
        link.retiring().cancelled().await;
        let mut delay = Duration::ZERO;
        loop {
            tokio::time::sleep(jittered(delay)).await;
            match self.connect().await {
                Ok(next) if next.server_info().server_id != link.server_info().server_id => {
                    return next;
                }
                Ok(same) => same.close().await,
                Err(error) => warn!(role = self.role, %error, "cannot connect to NATS"),
            }
            delay = next(delay);
        }
    }
}

/// Lets what is under way on a link come to an end before it is closed.
fn retire(link: Arc<Link>) {
    tokio::spawn(async move {
        tokio::select! {
            () = link.lost().cancelled() => {}
            () = tokio::time::sleep(RETIREMENT) => {}
        }
        link.close().await;
    });
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
