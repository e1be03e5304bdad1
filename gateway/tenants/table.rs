//! Who is of which tenant, and what each tenant has.

use std::path::Path;
use std::sync::Arc;

use super::file;
use crate::auth::{Audience, Caller, FileError};
use crate::config::{ByteSize, Config};
use crate::{limits, nats};

/// The tenants of one file, in its order.
#[derive(Debug, Default)]
pub struct Table(pub(super) Vec<Arc<Tenant>>);

/// Callers that belong together.
#[derive(Debug)]
pub struct Tenant {
    pub(super) name: Arc<str>,
    pub(super) audience: Audience,
    /// `None` is the gateway's own.
    pub(super) login: Option<Login>,
    /// What each of its callers may take.
    pub(super) limits: limits::Config,
}

/// A tenant's way to NATS, and what it may take of the gateway.
#[derive(Debug, PartialEq)]
pub(super) struct Login {
    pub(super) nats: nats::config::Config,
    /// Sessions at a time; an even part of the gateway's where it is not set.
    pub(super) max_sessions: Option<u32>,
    /// What may be held of messages for all of its callers, likewise.
    pub(super) max_buffered_bytes: Option<ByteSize>,
    /// Whether dead letters are collected there.
    pub(super) dead_letters: bool,
}

impl Table {
    /// Reads a file of tenants, whose settings go on from those of the gateway.
    ///
    /// # Errors
    ///
    /// When it cannot be read, and with everything in it that is not as it should be.
    pub fn read(file: &Path, gateway: &Config) -> Result<Self, FileError> {
        file::read(file, gateway)
    }

    /// The tenant of a caller: the first that it is among.
    pub(crate) fn of(&self, caller: &Caller) -> Option<&Arc<Tenant>> {
        self.0.iter().find(|it| it.audience.includes(caller))
    }

    /// The tenants that have logins.
    pub(super) fn with_logins(&self) -> impl Iterator<Item = (&Arc<Tenant>, &Login)> {
        self.0
            .iter()
            .filter_map(|it| Some((it, it.login.as_ref()?)))
    }
}

impl Tenant {
    /// Its name, for logs, metrics and answers.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What each of its callers may take.
    pub fn limits(&self) -> &limits::Config {
        &self.limits
    }

    /// Whether it has a login of its own.
    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }
}
