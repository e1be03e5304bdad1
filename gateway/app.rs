//! The composition root: binds the listeners, wires the parts together, serves, drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::admin::{self, Readiness};
use crate::config::Config;
use crate::health::Health;
use crate::listener;
use crate::metrics::Metrics;
use crate::nats::Nats;
use crate::publishing::{self, Orphans, Outlet};
use crate::server::{self, Services};
use crate::service::consumer::ConsumerService;
use crate::service::gateway::Gateway;
use crate::service::publisher::Publisher;
use crate::service::stream::StreamService;
use crate::service::subscriber::Subscriber;
use crate::sessions::Sessions;
use crate::shutdown::Shutdown;
use crate::subscription::Shared;

/// A gateway whose ports are bound and which serves nothing yet.
pub struct App {
    config: Config,
    public: TcpListener,
    admin: TcpListener,
    public_addr: SocketAddr,
    admin_addr: SocketAddr,
}

/// Why a gateway cannot start.
#[derive(Debug, Error)]
#[error("cannot listen on {address} ({key})")]
pub struct StartError {
    address: SocketAddr,
    key: &'static str,
    source: io::Error,
}

impl App {
    /// Binds both listeners; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When an address is taken or not this machine's.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let (public, public_addr) = bind(config.server.listen, "server.listen").await?;
        let (admin, admin_addr) = bind(config.admin.listen, "admin.listen").await?;
        Ok(Self {
            config,
            public,
            admin,
            public_addr,
            admin_addr,
        })
    }

    /// Where callers reach the gateway.
    pub fn public_addr(&self) -> SocketAddr {
        self.public_addr
    }

    /// Where the operator reaches it.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Serves until `shutdown` is requested, then drains.
    pub async fn run(self, shutdown: Shutdown) {
        let Self {
            config,
            public,
            admin,
            ..
        } = self;
        let metrics = Metrics::new();
        let nats = Nats::start(config.nats.clone(), metrics.clone());
        let most = config.subscribe.max_sessions as usize;
        let draining = shutdown.draining().clone();
        let sessions = Sessions::new(&config.nats.inbox_prefix, most, draining.clone());
        let (health, health_service, readiness) = Health::new(nats.clone(), draining);
        let shared = Shared {
            nats: nats.clone(),
            sessions: sessions.clone(),
            metrics: metrics.clone(),
            drain: shutdown.drain_time(),
        };
        let publishing = publishing::session::Shared {
            outlet: Arc::new(Outlet::new(nats.clone(), metrics.clone())),
            sessions: sessions.clone(),
            config: config.publish.clone(),
            drain: shutdown.drain_time(),
        };
        let orphans = Orphans::default();
        let services = Services {
            publisher: Publisher::new(publishing, orphans.clone()),
            subscriber: Subscriber::new(shared, config.subscribe.clone(), &config.server),
            stream: StreamService::new(nats.clone(), config.publish.timeout),
            consumer: ConsumerService::new(nats.clone(), config.publish.timeout),
            gateway: Gateway::new(
                nats.clone(),
                sessions.gateway_id(),
                readiness.clone(),
                &config,
            ),
            health: health_service,
        };

        let ended = CancellationToken::new();
        let background = ended.clone().drop_guard();
        tokio::spawn(ended.clone().run_until_cancelled_owned(health.watch()));
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(sessions.clone().listen(nats.clone())),
        );
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(nats.follow_advisories()),
        );
        tokio::spawn(serve_admin(admin, metrics.clone(), readiness, ended));

        let stop = CancellationToken::new();
        let stack = server::stack(services, &config.server, metrics);
        let hard_stop = shutdown.hard_stop().clone();
        let serving = listener::serve(public, &config.server, stack, stop.clone(), hard_stop);
        tokio::join!(serving, drain(&shutdown, &sessions, stop));
        orphans.wait(shutdown.hard_stop()).await;
        drop(background);
        info!("ended");
    }
}

async fn bind(
    address: SocketAddr,
    key: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError {
        address,
        key,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Connections are told to go only when the last session has ended: until then acknowledgements are
/// taken on them.
async fn drain(shutdown: &Shutdown, sessions: &Sessions, stop: CancellationToken) {
    shutdown.draining().cancelled().await;
    info!(sessions = sessions.count(), "draining");
    sessions.tasks().close();
    tokio::select! {
        () = sessions.tasks().wait() => {}
        () = shutdown.hard_stop().cancelled() => {}
    }
    stop.cancel();
}

async fn serve_admin(
    listener: TcpListener,
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
    stop: CancellationToken,
) {
    if let Err(error) = admin::serve(listener, metrics, readiness, stop).await {
        error!(%error, "the admin listener ended");
    }
}
