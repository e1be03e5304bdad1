//! Whether callers should be sent here: asked of JetStream, told to probes and to gRPC health.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthService, HealthServer};
use tonic_health::server::HealthReporter;
use tracing::info;

use crate::admin::Readiness;
use crate::deadline::Deadline;
use crate::metrics::Metrics;
use crate::nats::Nats;
use crate::nats::api::AccountInfo;
use crate::server::SERVICES;

/// How often JetStream is asked while it answers, and while it does not.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(250));

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches JetStream and tells.
pub(crate) struct Health {
    nats: Nats,
    draining: CancellationToken,
    reporter: HealthReporter,
    readiness: watch::Sender<Readiness>,
    metrics: Metrics,
}

impl Health {
    /// The watcher, the gRPC service, and what the probes see.
    pub(crate) fn new(
        nats: Nats,
        draining: CancellationToken,
        metrics: Metrics,
    ) -> (
        Self,
        HealthServer<impl HealthService>,
        watch::Receiver<Readiness>,
    ) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let (readiness, watched) = watch::channel(Readiness::Starting);
        (
            Self {
                nats,
                draining,
                reporter,
                readiness,
                metrics,
            },
            service,
            watched,
        )
    }

    /// Watches for as long as the gateway runs.
    pub(crate) async fn watch(self) {
        self.tell(Readiness::Starting).await;
        loop {
            if self.draining.is_cancelled() {
                return self.tell(Readiness::Draining).await;
            }
            let answered = self.jetstream_answers().await;
            // Taken behind the answer, which may have come after a new connection was made.
            let link = self.nats.notices().link();
            let is_ready = answered && link.is_some();
            self.tell_if_new(is_ready).await;
            let interval = if is_ready { INTERVALS.0 } else { INTERVALS.1 };
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = tokio::time::sleep(interval) => {}
                // Told at once; the next answer may take its time.
                () = lost(link.as_deref()) => self.tell_if_new(false).await,
            }
        }
    }

    async fn tell_if_new(&self, is_ready: bool) {
        let current = *self.readiness.borrow();
        let next = match (is_ready, current) {
            (true, _) => Readiness::Ready,
            (false, Readiness::Starting) => Readiness::Starting,
            (false, _) => Readiness::NatsUnavailable,
        };
        if next != current {
            info!(readiness = %next, "readiness changed");
            self.tell(next).await;
        }
    }

    async fn jetstream_answers(&self) -> bool {
        let info = self
            .nats
            .api_get::<AccountInfo>("INFO", Deadline::within(PATIENCE))
            .await;
        info.is_ok()
    }

    /// The overall status starts as SERVING in tonic-health, so it is told at once.
    async fn tell(&self, readiness: Readiness) {
        let status = match readiness {
            Readiness::Ready => ServingStatus::Serving,
            _ => ServingStatus::NotServing,
        };
        self.readiness.send_replace(readiness);
        self.metrics.ready(readiness == Readiness::Ready);
        for service in SERVICES.into_iter().chain([""]) {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

async fn lost(link: Option<&crate::nats::Link>) {
    match link {
        Some(link) => link.lost().cancelled().await,
        None => std::future::pending().await,
    }
}
