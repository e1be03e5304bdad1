//! The operator's listener: `/livez`, `/readyz` and `/metrics`, apart from the public one.
//!
//! Liveness never depends on NATS: restarting the gateway does not mend a broken NATS, and would
//! end every session that could have waited for it.

use std::{fmt, io, net::SocketAddr, time::Duration};

use axum::{
    Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing,
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{config::Checks, metrics::Metrics};

/// How long answers that are under way may take once the listener is to end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The content type that goes with the encoder's format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the operator's listener is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:50052`.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50052)),
        }
    }
}

impl Config {
    /// Every address is a valid one.
    pub(crate) fn check(&self, _checks: &mut Checks) {}
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
///
/// # Errors
///
/// When accepting fails for good.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = router(metrics, readiness);
    let server =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    // A scraper that sends half a request would keep the graceful end waiting.
    tokio::select! {
        result = server => result,
        () = too_late => Ok(()),
    }
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
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    struct Running {
        address: SocketAddr,
        readiness: watch::Sender<Readiness>,
        stop: CancellationToken,
        server: tokio::task::JoinHandle<io::Result<()>>,
    }

    async fn run() -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (readiness, receiver) = watch::channel(Readiness::Starting);
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, Metrics::new(), receiver, stop.clone()));
        Running {
            address,
            readiness,
            stop,
            server,
        }
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_follows_its_channel_and_liveness_does_not() {
        let running = run().await;

        let starting = get(running.address, "/readyz").await;
        running.readiness.send_replace(Readiness::NatsUnavailable);
        let unavailable = get(running.address, "/readyz").await;
        let alive = get(running.address, "/livez").await;
        running.readiness.send_replace(Readiness::Ready);
        let ready = get(running.address, "/readyz").await;

        assert!(starting.starts_with("HTTP/1.1 503 "), "{starting}");
        assert!(
            unavailable.ends_with("nats is unavailable\n"),
            "{unavailable}"
        );
        assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
        assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    }

    #[tokio::test]
    async fn metrics_end_with_the_mark_that_scrapers_require() {
        let running = run().await;

        let answer = get(running.address, "/metrics").await;

        assert!(
            answer.contains("content-type: application/openmetrics-text"),
            "{answer}"
        );
        assert!(answer.ends_with("# EOF\n"), "{answer}");
    }

    #[tokio::test]
    async fn half_a_request_does_not_delay_the_end() {
        let running = run().await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /readyz HT").await.unwrap();
        get(running.address, "/livez").await;

        running.stop.cancel();

        running.server.await.unwrap().unwrap();
    }
}
