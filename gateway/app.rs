//! The composition root: binds the listeners, wires the parts together, serves, drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::OptionFuture;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::admin;
use crate::auth::{AuthError, Authenticator};
use crate::backend::{Backend, Common, Own};
use crate::cli::reachable;
use crate::config::Config;
use crate::console::Console;
use crate::health::Health;
use crate::limits::Accounts;
use crate::listener::{self, Listener};
use crate::memory::Budget;
use crate::metrics::Metrics;
use crate::nats::{Holder, Nats};
use crate::open_files::{self, Need};
use crate::publishing::Orphans;
use crate::server::{self, Tenancy};
use crate::shutdown::Shutdown;
use crate::tenants::{Part, Table, Tenants, logins};
use crate::tls::{MaterialError, Tls};
use crate::traces::{Exporter, ReceiverError, Tracer};
use crate::web;

/// A gateway whose ports are bound and which serves nothing yet.
pub struct App {
    config: Arc<Config>,
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
    /// API keys, issuers of tokens, rules or tenants cannot be used.
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
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let tls = Tls::load(&config.tls, config.web.is_enabled(), metrics.clone())?;
        let accounts = Accounts::new(&config.limits, metrics.clone());
        let authenticator = Authenticator::load(&config, accounts, metrics.clone())?;
        config.server.max_connections = connections(&config, authenticator.tenants().as_deref());
        let traces = Tracer::start(&config.traces, &metrics)?;
        let (public, public_addr) = bind(config.server.listen, "server.listen").await?;
        let (admin, admin_addr) = bind(config.admin.listen, "admin.listen").await?;
        let (console, console_addr) = match config.console.listen {
            Some(address) => Some(bind(address, "console.listen").await?).unzip(),
            None => (None, None),
        };
        Ok(Self {
            config: Arc::new(config),
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
        let table = authenticator.tenants();
        let part = Part::of(&config, table.as_deref());
        let holder = Holder {
            tenant: None,
            has_others: table.is_some(),
        };
        let nats = Nats::start(config.nats.clone(), holder, &config.nats, metrics.clone());
        let draining = shutdown.draining().clone();
        let (health, health_service, readiness) =
            Health::new(nats.clone(), draining.clone(), metrics.clone());
        let common = Common {
            config: config.clone(),
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
            orphans: Orphans::default(),
            tasks: TaskTracker::new(),
            readiness: readiness.clone(),
        };
        let backend = Backend::start(
            &common,
            Own {
                nats,
                max_sessions: part.sessions,
                budget: Budget::new(part.buffered_bytes, metrics.memory.clone()),
                dead_letters: config.dead_letters.clone(),
                draining,
            },
        );

        let tenants = table.map(|_| Tenants::new(&common, authenticator.clone()));

        let ended = CancellationToken::new();
        let background = ended.clone().drop_guard();
        tokio::spawn(ended.clone().run_until_cancelled_owned(health.watch()));
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
        if let Some(tenants) = tenants.clone() {
            tokio::spawn(
                ended
                    .clone()
                    .run_until_cancelled_owned(tenants.look_after()),
            );
        }
        if let Some(tls) = tls.clone() {
            tokio::spawn(ended.clone().run_until_cancelled_owned(tls.keep_fresh()));
        }
        let (tracer, exporter) = traces.unzip();
        let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(ended.clone())));
        let (counted, admin_config) = (metrics.clone(), config.admin.clone());
        tokio::spawn(async move {
            admin::serve(admin, &admin_config, counted, readiness, ended).await;
        });

        let stop = CancellationToken::new();
        let hard_stop = shutdown.hard_stop().clone();
        let routes = server::with_health(backend.routes(), health_service, &config.server);
        let tenancy = Tenancy::new(routes, backend.budget().clone(), tenants.clone());
        let stack = |web: &web::Config| {
            let (authenticator, tracer) = (authenticator.clone(), tracer.clone());
            server::stack(tenancy.clone(), web, authenticator, tracer, metrics.clone())
        };
        let listener = |name, socket, http1, config| Listener {
            name,
            socket,
            http1,
            config,
            tls: tls.clone(),
            metrics: metrics.clone(),
        };
        let pages = console.map(|console| {
            let stack = stack(&web::Config::judged_before());
            let origins = config.console.origins.clone();
            let pages = Console::new(stack, origins, metrics.clone());
            let config = listener::Config {
                max_connections: config
                    .server
                    .max_connections
                    .min(config.console.max_connections),
                proxy_protocol_from: listener::Networks::default(),
                ..config.server.clone()
            };
            let listener = listener("console", console, true, config);
            listener.serve(pages, stop.clone(), hard_stop.clone())
        });
        let open = || tenants.as_ref().map_or(0, Tenants::sessions);
        let count = || backend.sessions().count() + open();
        let http1 = config.web.is_enabled();
        let calls = listener("public", public, http1, config.server.clone());
        let calls = calls.serve(stack(&config.web), stop.clone(), hard_stop);
        tokio::join!(
            calls,
            OptionFuture::from(pages),
            drain(&common, count, stop)
        );
        common.orphans.wait(shutdown.hard_stop()).await;
        drop(background);
        let others = tenants.as_ref().map(Tenants::end_all);
        tokio::join!(backend.end(), OptionFuture::from(others));
        if let Some(exporting) = exporting {
            // It has a bound of its own; a panic in it is in the log.
            let _ = exporting.await;
        }
        info!("ended");
    }
}

/// How many connections callers get: as many as they may, or as there are open files for.
fn connections(config: &Config, tenants: Option<&Table>) -> u32 {
    let (limit, need) = (
        open_files::limit(),
        Need::of(config, logins(config, tenants)),
    );
    let connections = need.for_callers(limit);
    let allowed = config.server.max_connections;
    if connections < allowed {
        let (limit, needed) = (limit.unwrap_or(u64::MAX), need.total());
        let text = "the limit of open files is below what server.max_connections needs: fewer connections are taken";
        warn!(connections, allowed, limit, needed, "{text}");
    }
    connections
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
async fn drain(common: &Common, sessions: impl Fn() -> usize, stop: CancellationToken) {
    common.shutdown.draining().cancelled().await;
    common.metrics.drains();
    info!(sessions = sessions(), "draining");
    common.tasks.close();
    tokio::select! {
        () = common.tasks.wait() => {}
        () = common.shutdown.hard_stop().cancelled() => {}
    }
    stop.cancel();
}
