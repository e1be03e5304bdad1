//! The composition root: binds the listeners, wires the parts together, serves, drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::OptionFuture;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::admin::{self, Readiness};
use crate::auth::{AuthError, Authenticator};
use crate::cli::reachable;
use crate::config::Config;
use crate::console::Console;
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
use crate::traces::{Exporter, ReceiverError, Tracer};
use crate::web;

/// A gateway whose ports are bound and which serves nothing yet.
pub struct App {
    config: Config,
    metrics: Metrics,
    tls: Option<Tls>,
    authenticator: Authenticator,
    traces: Option<(Tracer, Exporter)>,
    public: TcpListener,
    admin: TcpListener,
    console: Option<TcpListener>,
    public_addr: SocketAddr,
    admin_addr: SocketAddr,
    console_addr: Option<SocketAddr>,
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
    /// The receiver of traces cannot be used.
    #[error(transparent)]
    Traces(#[from] ReceiverError),
}

impl App {
    /// Binds all listeners; port 0 takes a free one.
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
        let traces = Tracer::start(&config.traces, &metrics)?;
        let (public, public_addr) = bind(config.server.listen, "server.listen").await?;
        let (admin, admin_addr) = bind(config.admin.listen, "admin.listen").await?;
        let (console, console_addr) = match config.console.listen {
            Some(address) => Some(bind(address, "console.listen").await?).unzip(),
            None => (None, None),
        };
        Ok(Self {
            config,
            metrics,
            tls,
            authenticator,
            traces,
            public,
            admin,
            console,
            public_addr,
            admin_addr,
            console_addr,
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

    /// Where people reach the console, if there is one.
    pub fn console_addr(&self) -> Option<SocketAddr> {
        self.console_addr
    }

    /// The address of the console for browsers.
    pub fn console_url(&self) -> Option<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let address = reachable(self.console_addr?);
        Some(format!("{scheme}://{address}/"))
    }

    /// Serves until `shutdown` is requested, then drains.
    pub async fn run(self, shutdown: Shutdown) {
        let Self {
            config,
            metrics,
            tls,
            authenticator,
            traces,
            public,
            admin,
            console,
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
        let (tracer, exporter) = traces.unzip();
        let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(ended.clone())));
        tokio::spawn(serve_admin(admin, metrics.clone(), readiness, ended));

        let stop = CancellationToken::new();
        let (hard_stop, counted) = (shutdown.hard_stop().clone(), metrics.clone());
        let routes = server::routes(services, &config.server);
        let stack = |web: &web::Config| {
            let (authenticator, tracer) = (authenticator.clone(), tracer.clone());
            server::stack(routes.clone(), web, authenticator, tracer, metrics.clone())
        };
        let listener = |socket, http1| Listener {
            socket,
            http1,
            config: config.server.clone(),
            tls: tls.clone(),
            metrics: metrics.clone(),
        };
        let pages = console.map(|console| {
            let stack = stack(&web::Config::judged_before());
            let origins = config.console.origins.clone();
            let pages = Console::new(stack, origins, metrics.clone());
            listener(console, true).serve(pages, stop.clone(), hard_stop.clone())
        });
        let calls = listener(public, config.web.is_enabled());
        let calls = calls.serve(stack(&config.web), stop.clone(), hard_stop);
        tokio::join!(
            calls,
            OptionFuture::from(pages),
            drain(&shutdown, &sessions, &counted, stop)
        );
        orphans.wait(shutdown.hard_stop()).await;
        drop(background);
        sessions.say_goodbye(&nats).await;
        if let Some(exporting) = exporting {
            // It has a bound of its own; a panic in it is in the log.
            let _ = exporting.await;
        }
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
