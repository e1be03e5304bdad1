//! Tenants: callers whose calls go to NATS by a login of their own, the `tenants` section of the configuration.
//!
//! Who is of which tenant stands in a file; a tenant's connections are made when it is first called, and
//! closed when it is not called any more. What goes wrong with them is the tenant's alone.

mod file;
mod registry;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::registry::Tenants;
pub use self::table::{Table, Tenant};
use crate::auth::FileError;
use crate::config::{self, ByteSize, Checks};

/// Who is of which tenant, and how many are connected at a time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File of the tenants. Default: none, and everybody uses the gateway's own login.
    pub file: Option<PathBuf>,
    /// Refuses callers of no tenant. Default false: they use the gateway's own login.
    pub required: bool,
    /// Tenants that are connected at a time. Default 64.
    pub max_open: usize,
    /// The time without calls and sessions after which a tenant's connections are closed. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            required: false,
            max_open: 64,
            idle_timeout: Duration::from_secs(300),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, whole: &config::Config, checks: &mut Checks) {
        checks.within("max_open", self.max_open, 1..=1_000);
        checks.whole_seconds("idle_timeout", self.idle_timeout);
        checks.require(
            self.file.is_some() || !self.required,
            "required",
            "needs tenants.file beside it",
        );
        if let Some(Err(error)) = self.read(whole) {
            checks.require(false, "file", error.to_string());
        }
    }

    /// Reads the file, if there is one.
    pub(crate) fn read(&self, whole: &config::Config) -> Option<Result<Table, FileError>> {
        let file = self.file.as_deref()?;
        Some(Table::read(file, whole))
    }
}

/// What one login may take of the gateway unless its entry says otherwise: as much as each other.
pub(crate) struct Part {
    /// Sessions at a time.
    pub(crate) sessions: usize,
    /// What may be held of messages for all of its callers.
    pub(crate) buffered_bytes: ByteSize,
}

impl Part {
    /// An even part for the gateway's own callers and each tenant that may be open.
    pub(crate) fn of(whole: &config::Config, table: Option<&Table>) -> Self {
        let logins = logins(whole, table);
        let bytes = whole.memory.max_buffered_bytes.as_u64();
        Self {
            sessions: (whole.subscribe.max_sessions as usize).div_ceil(logins),
            buffered_bytes: ByteSize::kib((bytes / 1024).div_ceil(logins as u64)),
        }
    }
}

/// The logins at NATS that may be in use at a time: the gateway's own, and one for each tenant that may be open.
pub(crate) fn logins(whole: &config::Config, table: Option<&Table>) -> usize {
    let tenants = table.map_or(0, |table| table.with_logins().count());
    1 + tenants.min(whole.tenants.max_open)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_all_may_take_is_parted_evenly_among_those_that_may_be_open() {
        let mut whole = config::Config::default();
        whole.subscribe.max_sessions = 100;
        whole.memory.max_buffered_bytes = ByteSize::mib(100);
        let of = |whole: &config::Config, tenants: usize| {
            let entry = |number| {
                let head = format!("[[tenant]]\nname = \"t{number}\"\ncallers = [\"t{number}\"]\n");
                format!("{head}[tenant.nats]\ntoken = \"t\"\n")
            };
            // Limits alone take nothing.
            let text: String = (0..tenants).map(entry).collect();
            let text = format!("{text}[[tenant]]\nname = \"limited\"\ncallers = [\"x\"]\n");
            let table = file::parse(Path::new("tenants.toml"), &text, whole).unwrap();
            let part = Part::of(whole, Some(&table));
            (part.sessions, part.buffered_bytes)
        };
        assert_eq!(of(&whole, 0), (100, ByteSize::mib(100)));
        assert_eq!(of(&whole, 3), (25, ByteSize::mib(25)));
        whole.tenants.max_open = 1;
        assert_eq!(of(&whole, 3), (50, ByteSize::mib(50)));
    }

    #[test]
    fn required_needs_a_file_and_the_file_is_looked_at() {
        let mut config = config::Config::default();
        config.tenants.required = true;
        assert_eq!(config.validate().unwrap_err().keys(), ["tenants.required"]);
        config.tenants.file = Some("/nowhere/tenants.toml".into());
        assert_eq!(config.validate().unwrap_err().keys(), ["tenants.file"]);
    }
}
