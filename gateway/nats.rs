//! The bridge to JetStream: connections kept alive, requests, publishes, pulls and settlements.
//!
//! async-nats carries the connections; JetStream's protocol above it is the gateway's own.

mod account;
mod advisories;
pub mod api;
mod atomic;
pub mod config;
mod error;
mod fast_publish;
mod import;
mod lanes;
mod link;
mod lookup;
mod malformed;
mod outlet;
mod pipeline;
mod publish;
pub mod pull;
mod quarantine;
mod readback;
mod refusals;
mod replies;
mod request;
#[cfg(test)]
pub(crate) mod server_source;
mod settle;
mod slots;
mod stored;
mod supervisor;
mod validate;
pub mod version;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::ServerInfo;
use tokio::sync::OnceCell;

pub use account::{Account, Holder};
pub use error::from_request as request_failed;
pub use fast_publish::{FastIngest, Halts, Item, Progress};
pub use lanes::Lanes;
pub use link::{Link, RequestError};
pub use lookup::{AsOf, StreamFacts};
pub use pipeline::{Pipeline, Settled};
pub use publish::{Begun, HEADER_OVERHEAD, LARGEST_HEADERS, MESSAGE_ID, Outgoing};
pub use settle::Settlement;
pub use slots::Slot;
pub use stored::Stored;
pub use supervisor::Connection;

use crate::deadline::Deadline;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::names::Reserved;
use lookup::Lookups;
use quarantine::Register;
use slots::Slots;

/// A clonable handle to JetStream.
#[derive(Clone)]
pub struct Nats(Arc<Inner>);

struct Inner {
    config: Arc<config::Config>,
    api_prefix: String,
    reserved: Reserved,
    metrics: Metrics,
    /// Publishes, acknowledgements and API requests: nothing arrives here but replies.
    requests: Vec<Connection>,
    /// Pulled messages. Apart, so that a message that breaks a connection breaks no publish.
    deliveries: Vec<Connection>,
    turn: AtomicUsize,
    holder: Holder,
    account: OnceCell<Account>,
    lookups: Lookups,
    slots: Slots,
    batch_slots: Slots,
    quarantine: Register,
}

impl Nats {
    /// Starts to connect; nothing waits for it to succeed. `gateway` are the settings of the gateway's own
    /// login, whose subjects are no caller's, of whichever login.
    pub fn start(
        config: config::Config,
        holder: Holder,
        gateway: &config::Config,
        mut metrics: Metrics,
    ) -> Self {
        let api_prefixes = gateway.api_prefix.iter().chain(&config.api_prefix);
        let reserved = Reserved::new(&gateway.inbox_prefix).and(api_prefixes.cloned());
        let config = Arc::new(config);
        metrics.nats = metrics.nats.of(holder.tenant.clone());
        let connections = |count: usize, role: &'static str| {
            let start = |_| Connection::start(config.clone(), role, metrics.clone());
            (0..count.max(1)).map(start).collect()
        };
        Self(Arc::new(Inner {
            requests: connections(config.publish_connections, "requests"),
            deliveries: connections(config.consume_connections, "deliveries"),
            api_prefix: config.api_prefix(),
            reserved,
            slots: Slots::new(match config.api_prefix {
                Some(_) => config.pull_slots / import::PULLS as usize,
                None => config.pull_slots,
            }),
            batch_slots: Slots::new(fast_publish::OPEN_BATCHES),
            turn: AtomicUsize::new(0),
            holder,
            account: OnceCell::new(),
            lookups: Lookups::default(),
            quarantine: Register::default(),
            config,
            metrics,
        }))
    }

    /// The tenant whose login this is; `None` is the gateway's own.
    pub fn tenant(&self) -> Option<&str> {
        self.0.holder.tenant.as_deref()
    }

    /// Waits until it is known whether NATS lets this login in. Where its servers cannot be reached that is left
    /// open.
    ///
    /// # Errors
    ///
    /// `NATS_LOGIN_FAILED`.
    pub async fn login(&self, deadline: Deadline) -> Result<()> {
        let is_refused = deadline.bound(self.notices().is_refused()).await;
        match is_refused {
            Ok(true) => Err(error::login_failed()),
            _ => Ok(()),
        }
    }

    /// What callers may not publish to.
    pub fn reserved(&self) -> &Reserved {
        &self.0.reserved
    }

    /// What the subjects begin with that answers arrive on.
    pub fn inbox_prefix(&self) -> &str {
        &self.0.config.inbox_prefix
    }

    /// The JetStream domain, where one is configured.
    pub fn domain(&self) -> Option<&str> {
        self.0.config.domain.as_deref()
    }

    /// The largest message that the server takes; `None` while there is no connection.
    pub fn max_payload(&self) -> Option<usize> {
        self.0
            .requests
            .iter()
            .find_map(Connection::link)
            .map(|link| link.max_payload())
    }

    /// Whether there is a connection for requests.
    pub fn is_connected(&self) -> bool {
        self.0
            .requests
            .iter()
            .any(|connection| connection.link().is_some())
    }

    /// What the connected server says of itself; `None` while there is no connection.
    pub fn server_info(&self) -> Option<ServerInfo> {
        self.0
            .requests
            .iter()
            .find_map(Connection::link)
            .map(|link| link.server_info())
    }

    /// A connection for replies, the same every time.
    pub fn notices(&self) -> Connection {
        self.0.requests[0].clone()
    }

    /// The connection that the next requests, or the settlements of a new session, are sent on.
    pub fn request_connection(&self) -> Connection {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        self.0.requests[turn % self.0.requests.len()].clone()
    }

    /// The connection that a new session receives its messages on.
    pub fn delivery_connection(&self) -> Connection {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        self.0.deliveries[turn % self.0.deliveries.len()].clone()
    }

    /// A connection for whom others shall not be broken by; `role` names it in logs and metrics.
    pub fn own_connection(&self, role: &'static str) -> Connection {
        Connection::start(self.0.config.clone(), role, self.0.metrics.clone())
    }

    async fn request_link(&self, deadline: Deadline) -> Result<Arc<Link>> {
        self.request_connection().wait(deadline).await
    }

    fn api_prefix(&self) -> &str {
        &self.0.api_prefix
    }

    fn config(&self) -> &config::Config {
        &self.0.config
    }

    fn lookups(&self) -> &Lookups {
        &self.0.lookups
    }
}
