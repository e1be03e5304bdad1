//! The operator's listener: `/livez`, `/readyz` and `/metrics`, apart from the public one.
//!
//! Liveness never depends on NATS: restarting the gateway does not mend a broken NATS, and would
//! end every session that could have waited for it.

mod serving;

use std::{fmt, net::SocketAddr, time::Duration};

use axum::{
    Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing,
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{config::Checks, metrics::Metrics};

/// The content type that goes with the encoder's format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the operator's listener is, and how much it takes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:50052`.
    pub listen: SocketAddr,
    /// Connections open at a time; more are closed at once. Default 64.
    pub max_connections: u32,
    /// Connections open at a time from one address, of IPv6 from one /64. Default 16.
    pub max_connections_per_address: u32,
    /// Longest time for a connection: to ask, once or by HTTP/2 several times, and to read the answers. Default
    /// 10 s.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50052)),
            max_connections: 64,
            max_connections_per_address: 16,
            request_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.within("max_connections", self.max_connections, 1..=10_000);
        checks.within(
            "max_connections_per_address",
            self.max_connections_per_address,
            1..=10_000,
        );
        checks.positive_time("request_timeout", self.request_timeout);
    }
}

/// Whether callers should be sent here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// NATS was not reached yet.
    Starting,
    /// No connection to NATS, or JetStream does not answer.
    NatsUnavailable,
    /// About to end; only what runs is served.
    Draining,
    /// Calls are served.
    Ready,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting: nats was not reached yet",
            Self::NatsUnavailable => "nats is unavailable",
            Self::Draining => "draining",
            Self::Ready => "ready",
        })
    }
}

/// Serves `listener` until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    config: &Config,
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
    stop: CancellationToken,
) {
    serving::serve(listener, config, router(metrics, readiness), stop).await;
}

fn router(metrics: Metrics, readiness: watch::Receiver<Readiness>) -> Router {
    Router::new()
        .route("/livez", routing::get(async || "alive\n"))
        .route("/readyz", routing::get(readyz).with_state(readiness))
        .route("/metrics", routing::get(encode).with_state(metrics))
}

async fn readyz(State(readiness): State<watch::Receiver<Readiness>>) -> impl IntoResponse {
    let readiness = *readiness.borrow();
    let status = match readiness {
        Readiness::Ready => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{readiness}\n"))
}

async fn encode(State(metrics): State<Metrics>) -> impl IntoResponse {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
