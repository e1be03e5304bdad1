//! The sessions of this replica: who they are, how they end, and how they learn of settlements made
//! elsewhere.
//!
//! An acknowledgement can reach any replica. The one that settles it tells the session's own, over
//! core NATS and best effort; where that fails, the session finds out by the consumer's ack floor.
//! In the same way replicas ask each other for their sessions (`sessions/listing.rs`), and to end
//! one (`sessions/termination.rs`).

mod caller;
mod entry;
pub(crate) mod id;
mod listing;
mod mailbox;
mod notice;
mod peers;
mod query;
mod replicas;
mod termination;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use caller::Caller;
use entry::Entry;
pub use entry::{Description, Order, State};
pub use id::gateway_text;
pub use mailbox::Mailbox;
pub use notice::{Change, Notice};

use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::limits::Place;
use crate::nats::Nats;
use crate::token::Route;
use replicas::Replicas;

/// Notices in one message to another replica, which must fit the smallest `max_payload` in use.
const LETTER: usize = 500;

/// How long telling another replica may take.
const TELLING: Duration = Duration::from_secs(1);

/// The sessions of this replica. Clones are handles to the same.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    gateway: u64,
    /// What all replicas' subjects begin with.
    prefix: String,
    /// Whose they are, for logs; empty is the gateway's own login.
    tenant: Box<str>,
    most: usize,
    /// How long a drained session has.
    drain: Duration,
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Open>>,
    replicas: Replicas,
    draining: CancellationToken,
    tasks: TaskTracker,
}

struct Open {
    entry: Arc<Entry>,
    mailbox: Arc<Mailbox>,
}

/// A session's place in the books; dropping it removes the session.
pub struct Registration {
    sessions: Sessions,
    entry: Arc<Entry>,
    /// Where the session is found.
    pub route: Route,
    /// What is settled elsewhere.
    pub notices: Arc<Mailbox>,
    /// Counts for its caller.
    _place: Option<Place>,
}

impl Sessions {
    /// No sessions yet; at most `most` at a time. `draining` ends them within `drain`; `tasks` are those that
    /// shutting down waits for.
    pub fn new(
        nats: &Nats,
        most: usize,
        draining: CancellationToken,
        drain: Duration,
        tasks: TaskTracker,
    ) -> Self {
        Self(Arc::new(Inner {
            gateway: fastrand::u64(1..),
            prefix: format!("{}.jetgate", nats.inbox_prefix()),
            tenant: nats.tenant().unwrap_or_default().into(),
            most,
            drain,
            next: AtomicU64::new(1),
            open: Mutex::default(),
            replicas: Replicas::default(),
            draining,
            tasks,
        }))
    }

    /// This replica's id.
    pub fn gateway_id(&self) -> u64 {
        self.0.gateway
    }

    /// Fires when the gateway shuts down.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// How long a drained session has.
    pub fn drain_time(&self) -> Duration {
        self.0.drain
    }

    /// How a session ends that is as old as one may be.
    pub fn age_order(&self) -> Order {
        Order::for_age(self.0.drain)
    }

    /// The tasks that shutting down waits for.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// How many sessions are open.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Enters a session.
    pub fn register(&self, description: Description) -> Result<Registration> {
        if self.0.draining.is_cancelled() {
            return Err(Error::new(Reason::Draining, "the gateway is shutting down"));
        }
        let mut open = self.lock();
        if open.len() >= self.0.most {
            let text = format!(
                "there are {} sessions, as many as there may be",
                self.0.most
            );
            return Err(Error::new(Reason::TooManySessions, text));
        }
        let account = description.caller.access.account();
        let place = account.map(|account| account.open()).transpose()?;
        let session = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(Mailbox::default());
        let ending = self.0.draining.child_token();
        let entry = Arc::new(Entry::new(description, ending));
        open.insert(
            session,
            Open {
                entry: entry.clone(),
                mailbox: mailbox.clone(),
            },
        );
        let route = Route {
            gateway: self.0.gateway,
            session,
        };
        drop(open);
        entry.log_opened(route, &self.0.tenant);
        Ok(Registration {
            sessions: self.clone(),
            entry,
            route,
            notices: mailbox,
            _place: place,
        })
    }

    /// Tells a session, wherever it lives, what became of its deliveries.
    pub async fn tell(&self, nats: &Nats, route: Route, notices: &[Notice]) {
        if route.session == 0 || notices.is_empty() {
            return;
        }
        if route.gateway == self.0.gateway {
            return self.deliver(route.session, notices.into());
        }
        let Some(link) = nats.notices().link() else {
            return;
        };
        let (subject, deadline) = (self.subject(route.gateway), Deadline::within(TELLING));
        for notices in notices.chunks(LETTER) {
            let payload = notice::encode(route.session, notices);
            let _ = link
                .send(&subject, None, None, payload.into(), deadline)
                .await;
        }
    }

    /// Receives what other replicas tell, for as long as the gateway runs.
    pub async fn listen(self, nats: Nats) {
        let connection = nats.notices();
        loop {
            let link = connection.wait_forever().await;
            let Ok(mut messages) = link.subscribe(self.subject(self.0.gateway)).await else {
                tokio::task::yield_now().await;
                continue;
            };
            while let Some(Some(message)) = link.lost().run_until_cancelled(messages.next()).await {
                if let Some((session, notices)) = notice::decode(&message.payload) {
                    self.deliver(session, notices.into());
                }
            }
            link.lost().cancelled().await;
        }
    }

    fn deliver(&self, session: u64, notices: Arc<[Notice]>) {
        if let Some(open) = self.lock().get(&session) {
            open.mailbox.put(notices);
        }
    }

    fn subject(&self, gateway: u64) -> String {
        format!("{}.{gateway:x}", self.0.prefix)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.0.lock()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// The session's id as callers see it.
    pub fn id(&self) -> String {
        id::text(self.route)
    }

    /// What the caller calls itself, for logs.
    pub fn client_name(&self) -> &str {
        &self.entry.caller().name
    }

    /// Fires when the session is to end: the gateway shuts down, or somebody wants it to.
    pub fn ending(&self) -> &CancellationToken {
        self.entry.ending()
    }

    /// How to end, once [`Registration::ending`] has fired.
    pub fn order(&self) -> Order {
        self.entry.order(self.sessions.0.drain)
    }

    /// Says how the session stands.
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        self.entry.update(change);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.route.session);
        self.entry.log_closed(self.route, &self.sessions.0.tenant);
    }
}
