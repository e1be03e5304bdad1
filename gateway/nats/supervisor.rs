//! Connections kept alive: each is a link that is replaced when it is lost.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_nats::{ServerAddr, ServerInfo};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Config;
use super::link::{ConnectError, Link};
use super::version::{OLDEST, Version};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::{Metrics, Share};

/// Waits between attempts to connect double from the first to the last of these, with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long a link whose server asked its clients to go elsewhere is still used.
const RETIREMENT: Duration = Duration::from_secs(5);

/// A link that lived this long counts as sound: its successor is made without waiting.
const SOUND: Duration = Duration::from_secs(5);

/// A connection to NATS that is replaced when it breaks. It ends when the last clone is dropped.
#[derive(Clone)]
pub struct Connection {
    current: Arc<Current>,
    stop: Arc<tokio_util::sync::DropGuard>,
}

/// How a connection stands.
#[derive(Clone, Default)]
enum State {
    /// The first attempt is under way.
    #[default]
    Beginning,
    /// There is a link.
    Up(Arc<Link>),
    /// The last attempt failed, or the link was lost.
    Down,
    /// NATS did not take the credentials, or there are none that could be shown.
    Refused,
}

/// A connection that this does not keep in use, nor its link.
#[derive(Clone)]
pub(super) struct WeakConnection {
    current: Weak<Current>,
    stop: Weak<tokio_util::sync::DropGuard>,
}

/// The state of now. Those who wait for a link get it in the order in which they began to wait.
#[derive(Default)]
struct Current {
    state: RwLock<State>,
    changed: Notify,
}

impl WeakConnection {
    /// The connection, while others use it.
    pub(super) fn upgrade(&self) -> Option<Connection> {
        Some(Connection {
            current: self.current.upgrade()?,
            stop: self.stop.upgrade()?,
        })
    }
}

impl Connection {
    /// The same without keeping it in use.
    pub(super) fn downgrade(&self) -> WeakConnection {
        WeakConnection {
            current: Arc::downgrade(&self.current),
            stop: Arc::downgrade(&self.stop),
        }
    }

    /// Starts to connect, and to reconnect for as long as the connection is in use. `role` names it in
    /// logs and metrics.
    pub(super) fn start(config: Arc<Config>, role: &'static str, metrics: Metrics) -> Self {
        metrics.nats.expect(role);
        let current = Arc::<Current>::default();
        let stop = CancellationToken::new();
        let supervisor = Supervisor {
            config,
            role,
            metrics,
            current: current.clone(),
            discovered: Vec::new(),
        };
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
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
        match self.current.state() {
            State::Up(link) if !link.lost().is_cancelled() => Some(link),
            _ => None,
        }
    }

    /// Whether NATS does not let this login in, once that is known.
    pub(super) async fn is_refused(&self) -> bool {
        loop {
            // Before the look: a change that comes in between is not missed.
            let changed = self.current.changed.notified();
            match self.current.state() {
                State::Beginning => changed.await,
                state => return matches!(state, State::Refused),
            }
        }
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
        loop {
            // Before the look: a link that comes in between is not missed.
            let changed = self.current.changed.notified();
            if let Some(link) = self.link() {
                return link;
            }
            changed.await;
        }
    }
}

impl Current {
    fn state(&self) -> State {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_waiters();
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
    current: Arc<Current>,
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
                    self.note_failure(&*error);
                    delay = next(delay);
                }
            }
        }
    }

    fn note_failure(&self, error: &(dyn std::error::Error + 'static)) {
        let tenant = self.metrics.nats.tenant();
        warn!(role = self.role, tenant, %error, "cannot connect to NATS");
        let state = match is_refusal(error) {
            true => {
                self.metrics.nats.login_refused();
                State::Refused
            }
            false => State::Down,
        };
        self.current.set(state);
    }

    async fn connect(&self) -> Result<Arc<Link>, ConnectError> {
        let (metrics, role) = (self.metrics.nats.clone(), self.role);
        let round_trip = move |took| metrics.round_trip(role, took);
        Link::connect(&self.config, &self.discovered, round_trip).await
    }

    /// Offers a link until it is lost; how long the last one lived.
    async fn serve(&mut self, mut link: Arc<Link>) -> Duration {
        loop {
            let _counted = self.offer(&link);
            let next = tokio::select! {
                biased;
                () = link.lost().cancelled() => None,
                next = self.successor(&link) => Some(next),
            };
            let Some(next) = next else { break };
            self.metrics.nats.reconnected(self.role);
            retire(std::mem::replace(&mut link, next));
        }
        self.current.set(State::Down);
        self.metrics.nats.reconnected(self.role);
        let tenant = self.metrics.nats.tenant();
        warn!(role = self.role, tenant, "connection to NATS lost");
        link.close().await;
        link.since().elapsed()
    }

    /// Offers a link, which counts as connected until what is returned is dropped.
    fn offer(&mut self, link: &Arc<Link>) -> (Share, Option<Share>) {
        let server = link.server_info();
        info!(
            role = self.role,
            tenant = self.metrics.nats.tenant(),
            server = %server.server_name,
            version = %server.version,
            "connected to NATS"
        );
        let urls = server.connect_urls.iter();
        self.discovered = urls.filter_map(|url| url.parse().ok()).collect();
        self.current.set(State::Up(link.clone()));
        let outdated = self.is_outdated(&server);
        let outdated = outdated.then(|| self.metrics.nats.outdated(self.role));
        (self.metrics.nats.connected(self.role), outdated)
    }

    /// Whether a server is older than it should be, and warns of it.
    fn is_outdated(&self, server: &ServerInfo) -> bool {
        let Some(version) = Version::parse(&server.version) else {
            return false; // A build of somebody's own.
        };
        let (name, advisories) = (&server.server_name, version.advisories());
        if !version.is_recent_enough() {
            warn!(role = self.role, server = %name, %version, oldest = %OLDEST, "nats-server is too old");
        }
        if !advisories.is_empty() {
            let advisories = advisories.join(",");
            warn!(role = self.role, server = %name, %version, advisories, "nats-server has known security advisories");
        }
        !version.is_recent_enough() || !version.advisories().is_empty()
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

/// Whether this is about the login, and not about the way to the server. The other errors of input and output are
/// the library's own by type; those of this type are of the credentials file.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    use async_nats::ConnectErrorKind::{Authentication, AuthorizationViolation};
    match error.downcast_ref::<async_nats::ConnectError>() {
        Some(error) => matches!(error.kind(), Authentication | AuthorizationViolation),
        None => error.is::<std::io::Error>(),
    }
}

/// Lets what is under way on a link come to an end before it is closed.
fn retire(link: Arc<Link>) {
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = link.lost().cancelled() => {}
            () = tokio::time::sleep(RETIREMENT) => {}
        }
        link.close().await;
    });
}

fn next(delay: Duration) -> Duration {
    (delay * 2).clamp(BACKOFF.0, BACKOFF.1)
}

/// Half to all of a delay, so that replicas do not come back all at once.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + fastrand::f64() / 2.0)
}
