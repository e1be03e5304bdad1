//! The accept loop of the operator's listener: whoever asks nothing, or reads nothing, keeps no probe away.
//!
//! A connection lasts for a time that is bounded, one of HTTP/1.1 for one request: nothing has to be known of what it
//! waits for. HTTP/2 is what checks of proxies speak that reach gateways by it.

use std::{error::Error, time::Duration};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Config;
use crate::listener::preface::{self, Protocol};
use crate::listener::{Limit, Refusals, accept};

/// How long answers that are under way may take once the listener is to end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What is read of a head, and written of an answer, at a time. hyper's own is 400 KiB.
const BUFFER: usize = 16 * 1024;

/// The longest header list of HTTP/2.
const HEADERS: u32 = 16 * 1024;

/// Requests at a time of a connection of HTTP/2.
const STREAMS: u32 = 8;

/// Serves `router` until `stop` is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    config: &Config,
    router: Router,
    stop: CancellationToken,
) {
    let limit = Limit::new(config.max_connections, config.max_connections_per_address);
    let refusals = Refusals::new("admin");
    let connections = TaskTracker::new();
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        let slot = match limit.take(Some(peer.ip())) {
            Ok(slot) => slot,
            Err(refusal) => {
                refusals.say(refusal, peer, None);
                continue; // The stream is dropped, which closes it.
            }
        };
        let (router, time, stop) = (router.clone(), config.request_timeout, stop.clone());
        connections.spawn(async move {
            let _slot = slot;
            tokio::select! {
                served = timeout(time, answer(stream, router)) => {
                    if served.is_err() {
                        tracing::debug!(%peer, "a connection to the admin port took too long");
                    }
                }
                () = too_late(&stop) => {}
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn answer(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let served = match preface::read(stream, None).await {
        Ok((Protocol::Http1, stream)) => {
            let served = http1().serve_connection(TokioIo::new(stream), service);
            served.await.map_err(Into::into)
        }
        Ok((Protocol::Http2, stream)) => {
            let served = http2().serve_connection(TokioIo::new(stream), service);
            served.await.map_err(Into::into)
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = served {
        let error: Box<dyn Error + Send + Sync> = error;
        tracing::debug!(%error, "a connection to the admin port failed");
    }
}

fn http1() -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new());
    http1.keep_alive(false).max_buf_size(BUFFER);
    http1
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2.timer(TokioTimer::new());
    http2
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(BUFFER);
    http2
}

async fn too_late(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LAST_ANSWERS).await;
}
