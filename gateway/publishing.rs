//! Publishing beside NATS itself: the `publish` section of the configuration, the way that messages
//! take out of the gateway, and what goes on when their caller is gone.

mod batch;
mod orphans;
mod outlet;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use batch::Batch;
pub use orphans::Orphans;
pub use outlet::{Accepted, Outlet};

use crate::config::Checks;

/// How messages are published.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Longest wait for a message to be stored when the caller sets no deadline. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Which messages get an id from the gateway when the caller gives none. Default `unary`.
    pub mint_message_id: MintMessageId,
}

/// Which messages without an id get one, so that a retry cannot store them twice.
///
/// An id costs the server memory for the whole duplicate window of the stream.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MintMessageId {
    /// Those of the unary `Publish` only.
    #[default]
    Unary,
    /// All, those of batches and streams included.
    Always,
    /// None.
    Never,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            mint_message_id: MintMessageId::default(),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.positive_time("timeout", self.timeout);
    }
}
