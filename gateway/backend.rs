//! All that hangs on one NATS login: connections, sessions, services, and the tasks beside them.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::admin::Readiness;
use crate::config::Config;
use crate::dead_letters::{self, Collector, DeadLetters};
use crate::memory::Budget;
use crate::metrics::Metrics;
use crate::nats::Nats;
use crate::publishing::{self, Orphans, Outlet};
use crate::server::{self, Services};
use crate::service::consumer::ConsumerService;
use crate::service::dead_letter::DeadLetterService;
use crate::service::gateway::Gateway;
use crate::service::publisher::Publisher;
use crate::service::stream::StreamService;
use crate::service::subscriber::Subscriber;
use crate::sessions::Sessions;
use crate::shutdown::Shutdown;
use crate::subscription;

/// What all backends of a gateway share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
    /// The publishes that go on without a caller.
    pub(crate) orphans: Orphans,
    /// What a drain waits for.
    pub(crate) tasks: TaskTracker,
    /// Whether the gateway itself is ready.
    pub(crate) readiness: watch::Receiver<Readiness>,
}

/// What one backend has for itself.
pub(crate) struct Own {
    pub(crate) nats: Nats,
    /// Sessions at a time.
    pub(crate) max_sessions: usize,
    /// What may be held of messages.
    pub(crate) budget: Budget,
    pub(crate) dead_letters: dead_letters::config::Config,
    /// Ends its sessions.
    pub(crate) draining: CancellationToken,
}

/// A NATS login with its services. Its background tasks end when it is dropped, its connections when nobody
/// uses them any more.
pub(crate) struct Backend {
    nats: Nats,
    sessions: Sessions,
    budget: Budget,
    routes: Routes,
    ended: CancellationToken,
    _background: DropGuard,
}

impl Backend {
    /// Wires the parts together and starts what runs beside calls.
    pub(crate) fn start(common: &Common, own: Own) -> Self {
        let (config, metrics, nats) = (&common.config, &common.metrics, own.nats);
        let sessions = Sessions::new(
            &nats,
            own.max_sessions,
            own.draining.clone(),
            common.shutdown.drain_time(),
            common.tasks.clone(),
        );
        let shared = subscription::Shared {
            nats: nats.clone(),
            sessions: sessions.clone(),
            budget: own.budget.clone(),
            metrics: metrics.clone(),
            max_stream_age: config.subscribe.max_stream_age,
        };
        let outlet = || Outlet::new(nats.clone(), metrics);
        let publishing = publishing::session::Shared {
            outlet: Arc::new(outlet()),
            sessions: sessions.clone(),
            budget: own.budget.clone(),
            config: config.publish.clone(),
        };
        let orphans = common.orphans.clone();
        let timeout = config.publish.timeout;
        let dead_letters = DeadLetters::new(nats.clone(), &own.dead_letters);
        let services = Services {
            publisher: Publisher::new(publishing, orphans.clone()),
            subscriber: Subscriber::new(shared, config.subscribe.clone(), &config.server),
            stream: StreamService::new(nats.clone(), config.streams.clone(), timeout),
            consumer: ConsumerService::new(nats.clone(), timeout),
            dead_letter: DeadLetterService::new(
                dead_letters.clone(),
                outlet(),
                orphans,
                own.draining.clone(),
                timeout,
            ),
            gateway: Gateway::new(
                nats.clone(),
                sessions.clone(),
                common.readiness.clone(),
                dead_letters.clone(),
                own.max_sessions,
                config,
            ),
        };

        let ended = CancellationToken::new();
        let background = ended.clone().drop_guard();
        if let Some(dead_letters) = dead_letters {
            let collecting = Collector::new(dead_letters, metrics.clone()).run(own.draining);
            // A drain waits for the letters that are being written.
            let tasks = sessions.tasks();
            tasks.spawn(ended.clone().run_until_cancelled_owned(collecting));
        }
        let listening = sessions.clone().listen(nats.clone());
        tokio::spawn(ended.clone().run_until_cancelled_owned(listening));
        let attending = sessions.clone().attend(nats.clone());
        tokio::spawn(ended.clone().run_until_cancelled_owned(attending));
        let following = nats.clone().follow_advisories();
        tokio::spawn(ended.clone().run_until_cancelled_owned(following));
        Self {
            nats,
            sessions,
            budget: own.budget,
            routes: server::routes(services, &config.server),
            ended,
            _background: background,
        }
    }

    /// The services.
    pub(crate) fn routes(&self) -> Routes {
        self.routes.clone()
    }

    /// What its calls take room from.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The sessions.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Ends what runs beside calls, and says so to the other replicas.
    pub(crate) async fn end(&self) {
        self.ended.cancel();
        self.sessions.say_goodbye(&self.nats).await;
    }
}
