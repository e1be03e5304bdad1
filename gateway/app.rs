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
use crate::auth::{AuthError, Authenticator};
use crate::config::Config;
use crate::dead_letters::{Collector, DeadLetters};
use crate::health::Health;
use crate::limits::Accounts;
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::nats::Nats;
use crate::publishing::{self, Budget, Orphans, Outlet};
use crate::server::{self, Services};
use crate::service::consumer::ConsumerService;
use crate::service::dead_letter::DeadLetterService;
use crate::service::gateway::Gateway;
use crate::service::publisher::Publisher;
use crate::service::stream::StreamService;
use crate::service::subscriber::Subscriber;
use crate::sessions::Sessions;
use crate::shutdown::Shutdown;
use crate::subscription::Shared;
use crate::tls::{MaterialError, Tls};

/// A gateway whose ports are bound and which serves nothing yet.
pub struct App {
    config: Config,
    metrics: Metrics,
    tls: Option<Tls>,
    authenticator: Authenticator,
    public: TcpListener,
    admin: TcpListener,
    public_addr: SocketAddr,
    admin_addr: SocketAddr,
}

/// Why a gateway cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken, or not this machine's.
    #[error("cannot listen on {address} ({key}): {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// The key that it is from.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] MaterialError),
    /// The API keys or the rules cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl App {
    /// Binds both listeners; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When an address is taken or not this machine's, or the certificates, keys or rules cannot be
    /// used.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let tls = Tls::load(&config.tls, config.web.is_enabled(), metrics.clone())?;
        let certificates = config.tls.authenticates();
        let accounts = Accounts::new(&config.limits, metrics.clone());
        let authenticator =
            Authenticator::load(&config.auth, certificates, accounts, metrics.clone())?;
        let (public, public_addr) = bind(config.server.listen, "server.listen").await?;
        let (admin, admin_addr) = bind(config.admin.listen, "admin.listen").await?;
        Ok(Self {
            config,
            metrics,
            tls,
            authenticator,
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
            metrics,
            tls,
            authenticator,
            public,
            admin,
            ..
        } = self;
        let nats = Nats::start(config.nats.clone(), metrics.clone());
        let most = config.subscribe.max_sessions as usize;
        let draining = shutdown.draining().clone();
        let sessions = Sessions::new(
            &config.nats.inbox_prefix,
            most,
            draining.clone(),
            shutdown.drain_time(),
        );
        let (health, health_service, readiness) =
            Health::new(nats.clone(), draining, metrics.clone());
        let shared = Shared {
            nats: nats.clone(),
            sessions: sessions.clone(),
            metrics: metrics.clone(),
            max_stream_age: config.subscribe.max_stream_age,
        };
        let outlet = || Outlet::new(nats.clone(), &metrics);
        let publishing = publishing::session::Shared {
            outlet: Arc::new(outlet()),
            sessions: sessions.clone(),
            budget: Budget::new(config.publish.max_total_in_flight_bytes),
            config: config.publish.clone(),
        };
        let orphans = Orphans::default();
        let dead_letters = DeadLetters::new(nats.clone(), &config.dead_letters);
        let services = Services {
            publisher: Publisher::new(publishing, orphans.clone()),
            subscriber: Subscriber::new(shared, config.subscribe.clone(), &config.server),
            stream: StreamService::new(
                nats.clone(),
                config.streams.clone(),
                config.publish.timeout,
            ),
            consumer: ConsumerService::new(nats.clone(), config.publish.timeout),
            dead_letter: DeadLetterService::new(
                dead_letters.clone(),
                outlet(),
                orphans.clone(),
                shutdown.draining().clone(),
                config.publish.timeout,
            ),
            gateway: Gateway::new(
                nats.clone(),
                sessions.clone(),
                readiness.clone(),
                dead_letters.clone(),
                &config,
            ),
            health: health_service,
        };

        let ended = CancellationToken::new();
        let background = ended.clone().drop_guard();
        if let Some(dead_letters) = dead_letters {
            let collector = Collector::new(dead_letters, metrics.clone());
            let collecting = collector.run(shutdown.draining().clone());
            // A drain waits for the letters that are being written.
            let tasks = sessions.tasks();
            tasks.spawn(ended.clone().run_until_cancelled_owned(collecting));
        }
        tokio::spawn(ended.clone().run_until_cancelled_owned(health.watch()));
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(sessions.clone().listen(nats.clone())),
        );
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(sessions.clone().attend(nats.clone())),
        );
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(nats.clone().follow_advisories()),
        );
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(authenticator.clone().keep_fresh()),
        );
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(authenticator.clone().keep_issuers_fresh()),
        );
        if let Some(tls) = tls.clone() {
            tokio::spawn(ended.clone().run_until_cancelled_owned(tls.keep_fresh()));
        }
        tokio::spawn(serve_admin(admin, metrics.clone(), readiness, ended));

        let stop = CancellationToken::new();
        let stack = server::stack(services, &config, authenticator, metrics.clone());
        let (hard_stop, counted) = (shutdown.hard_stop().clone(), metrics.clone());
        let listener = Listener {
            socket: public,
            http1: config.web.is_enabled(),
            config: config.server,
            tls,
            metrics,
        };
        let serving = listener.serve(stack, stop.clone(), hard_stop);
        tokio::join!(serving, drain(&shutdown, &sessions, &counted, stop));
        orphans.wait(shutdown.hard_stop()).await;
        drop(background);
        sessions.say_goodbye(&nats).await;
        info!("ended");
    }
}

async fn bind(
    address: SocketAddr,
    key: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind {
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
async fn drain(
    shutdown: &Shutdown,
    sessions: &Sessions,
    metrics: &Metrics,
    stop: CancellationToken,
) {
    shutdown.draining().cancelled().await;
    metrics.drains();
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
