//! The tenants that are open: each has a backend from its first call until nobody calls any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::table::Login;
use super::{Config, Part, Tenant};
use crate::auth::Authenticator;
use crate::backend::{Backend, Common, Own};
use crate::dead_letters;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::memory::Budget;
use crate::metrics::Share;
use crate::nats::{Holder, Nats};

/// How often it is looked for what is not needed any more, unless tenants are idle sooner.
const LOOK: Duration = Duration::from_secs(1);

/// How long callers are told to wait for a place.
const RETRY: Duration = Duration::from_secs(5);

/// The tenants. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Tenants(Arc<Inner>);

struct Inner {
    config: Config,
    common: Common,
    authenticator: Authenticator,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    open: BTreeMap<Arc<str>, Arc<Room>>,
    /// Those whose entry in the file has changed: nobody comes any more, and who is there is told to go.
    leaving: Vec<Arc<Room>>,
}

/// A tenant that is open.
struct Room {
    tenant: Arc<Tenant>,
    nats: Nats,
    backend: Backend,
    draining: CancellationToken,
    /// When the last call ended.
    used: Mutex<Instant>,
    _open: Share,
}

/// A call of a tenant, which keeps it open.
pub(crate) struct Visit(Arc<Room>);

impl Tenants {
    /// None is open yet.
    pub(crate) fn new(common: &Common, authenticator: Authenticator) -> Self {
        Self(Arc::new(Inner {
            config: common.config.tenants.clone(),
            common: common.clone(),
            authenticator,
            rooms: Mutex::default(),
        }))
    }

    /// Refuses callers of no tenant, where there are to be none.
    ///
    /// # Errors
    ///
    /// `NO_TENANT`.
    pub(crate) fn admit_to_the_gateways_own(&self) -> Result<()> {
        if !self.0.config.required {
            return Ok(());
        }
        let text = "the caller is of none of the gateway's tenants, and others are not served";
        Err(Error::new(Reason::NoTenant, text))
    }

    /// Begins a call of a tenant that has a login, and opens it where it is not open yet. Calls that come at the
    /// same time share what is opened.
    ///
    /// # Errors
    ///
    /// `TOO_MANY_TENANTS` where as many are open as may be, and all are at work; `NATS_LOGIN_FAILED`.
    pub(crate) async fn visit(&self, tenant: &Arc<Tenant>, deadline: Deadline) -> Result<Visit> {
        let metrics = &self.0.common.metrics.tenants;
        let visit = self.enter(tenant);
        let visit = visit.inspect_err(|_| metrics.refused(&tenant.name, "too_many_open"))?;
        if !visit.0.nats.is_connected() {
            let patience = self.0.common.config.nats.connect_timeout;
            let login = visit.0.nats.login(deadline.at_most(patience)).await;
            login
                .inspect_err(|_| metrics.refused(&tenant.name, "login_failed"))
                .map_err(|error| error.with("tenant", &tenant.name))?;
        }
        Ok(visit)
    }

    fn enter(&self, tenant: &Arc<Tenant>) -> Result<Visit> {
        let mut rooms = self.rooms();
        if let Some(room) = rooms.open.get(&tenant.name) {
            if room.tenant.login == tenant.login {
                return Ok(Visit(room.clone()));
            }
            rooms.leave(&tenant.name);
        }
        if rooms.open.len() >= self.0.config.max_open {
            let idle = rooms.longest_idle();
            let idle = idle.ok_or_else(|| too_many(tenant, self.0.config.max_open))?;
            self.close(&mut rooms, &idle);
        }
        let room = Arc::new(self.open(tenant));
        rooms.open.insert(tenant.name.clone(), room.clone());
        Ok(Visit(room))
    }

    fn open(&self, tenant: &Arc<Tenant>) -> Room {
        let common = &self.0.common;
        // Tenants without a login do not come here.
        let login = tenant.login.as_ref();
        let config = login.map_or(&common.config.nats, |login| &login.nats);
        let holder = Holder {
            tenant: Some(tenant.name.clone()),
            has_others: true,
        };
        tracing::info!(tenant = &*tenant.name, "tenant opened");
        let gateway = &common.config.nats;
        let nats = Nats::start(config.clone(), holder, gateway, common.metrics.clone());
        let draining = common.shutdown.draining().child_token();
        let table = self.0.authenticator.tenants();
        let part = Part::of(&common.config, table.as_deref());
        let backend = Backend::start(
            common,
            Own {
                nats: nats.clone(),
                max_sessions: login
                    .and_then(|login| login.max_sessions)
                    .map_or(part.sessions, |most| most as usize),
                budget: Budget::new(
                    login
                        .and_then(|login| login.max_buffered_bytes)
                        .unwrap_or(part.buffered_bytes),
                    common.metrics.memory.clone(),
                ),
                dead_letters: match login.is_some_and(|login| login.dead_letters) {
                    true => common.config.dead_letters.clone(),
                    false => dead_letters::config::Config::default(),
                },
                draining: draining.clone(),
            },
        );
        Room {
            tenant: tenant.clone(),
            nats,
            backend,
            draining,
            used: Mutex::new(Instant::now()),
            _open: common.metrics.tenants.opened(),
        }
    }

    /// Closes what is not used any more and what the file does not have any more, for as long as the gateway runs.
    pub(crate) async fn look_after(self) {
        let mut changes = self.0.authenticator.changes();
        let interval = (self.0.config.idle_timeout / 4).clamp(LOOK / 10, LOOK);
        loop {
            self.let_go();
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                changed = changes.changed() => if changed.is_ok() { self.take_over() },
            }
        }
    }

    fn let_go(&self) {
        let mut rooms = self.rooms();
        let timeout = self.0.config.idle_timeout;
        let idle = |room: &&Arc<Room>| room.is_idle() && room.unused_for() >= timeout;
        let idle: Vec<_> = rooms.open.values().filter(idle).cloned().collect();
        for room in idle.iter().filter(|room| !room.stays()) {
            self.close(&mut rooms, &room.tenant.name);
        }
        let leaving = std::mem::take(&mut rooms.leaving);
        let (empty, rest): (Vec<_>, _) = leaving.into_iter().partition(Room::is_idle);
        rooms.leaving = rest;
        empty.into_iter().for_each(|room| self.end(room));
    }

    /// Goes by what the file has now.
    fn take_over(&self) {
        let Some(table) = self.0.authenticator.tenants() else {
            return;
        };
        let mut rooms = self.rooms();
        let is_old = |room: &Arc<Room>| {
            let mut logins = table.with_logins();
            !logins.any(|(it, login)| it.name == room.tenant.name && room.is_of(login))
        };
        let open = rooms.open.values();
        let old: Vec<_> = open.filter(|it| is_old(it)).cloned().collect();
        for room in old {
            rooms.leave(&room.tenant.name);
        }
        drop(rooms);
        // Dead letters are collected whether or not anybody calls.
        let staying = table.with_logins().filter(|(_, it)| it.dead_letters);
        for (tenant, _) in staying {
            if let Err(error) = self.enter(tenant) {
                tracing::warn!(tenant = &*tenant.name, %error, "dead letters are not collected");
            }
        }
    }

    /// Ends those that are open, once nobody is served any more.
    pub(crate) async fn end_all(&self) {
        let rooms = std::mem::take(&mut *self.rooms());
        let all = rooms.open.into_values().chain(rooms.leaving);
        let ending = all.map(async |room| room.backend.end().await);
        join_all(ending).await;
    }

    /// How many sessions the open tenants have.
    pub(crate) fn sessions(&self) -> usize {
        let rooms = self.rooms();
        let all = rooms.open.values().chain(&rooms.leaving);
        all.map(|room| room.backend.sessions().count()).sum()
    }

    fn close(&self, rooms: &mut Rooms, name: &Arc<str>) {
        if let Some(room) = rooms.open.remove(name) {
            self.end(room);
        }
    }

    fn end(&self, room: Arc<Room>) {
        tracing::info!(tenant = &*room.tenant.name, "tenant closed");
        // Bounded by itself, and what it says is best effort.
        tokio::spawn(async move { room.backend.end().await });
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    /// Nobody comes to this tenant any more as it was; who is there is told to go.
    fn leave(&mut self, name: &Arc<str>) {
        if let Some(room) = self.open.remove(name) {
            tracing::info!(tenant = &**name, "the tenant's login has changed");
            room.draining.cancel();
            self.leaving.push(room);
        }
    }

    fn longest_idle(&self) -> Option<Arc<str>> {
        let idle = self.open.values().filter(|it| it.is_idle() && !it.stays());
        let longest = idle.max_by_key(|room| room.unused_for())?;
        Some(longest.tenant.name.clone())
    }
}

impl Room {
    /// Whether nobody calls. Only asked under the lock, so that nobody comes meanwhile.
    fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && self.backend.sessions().count() == 0
    }

    fn unused_for(&self) -> Duration {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    /// Whether it is open without being called.
    fn stays(&self) -> bool {
        let login = self.tenant.login.as_ref();
        login.is_some_and(|login| login.dead_letters)
    }

    fn is_of(&self, login: &Login) -> bool {
        self.tenant.login.as_ref() == Some(login)
    }
}

impl Visit {
    /// The tenant's services.
    pub(crate) fn routes(&self) -> Routes {
        self.0.backend.routes()
    }

    /// What its calls take room from.
    pub(crate) fn budget(&self) -> &Budget {
        self.0.backend.budget()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

fn too_many(tenant: &Tenant, most: usize) -> Error {
    let text = format!("the gateway has {most} tenants at work, as many as it may have");
    Error::new(Reason::TooManyTenants, text)
        .with("tenant", &tenant.name)
        .with("max", most)
        .exceeding("gateway", format!("tenants.max_open = {most}"))
        .retry_after(RETRY)
}
