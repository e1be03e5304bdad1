//! What each caller may take of this replica: the `limits` section of the configuration.
//!
//! A call beyond its caller's limits is refused when it begins; a stream that runs is held, as any peer is
//! that sends more than is read. Replicas do not tell each other, so a limit is one of each replica.

mod account;
mod accounts;
mod bucket;
mod network;

use serde::{Deserialize, Serialize};

pub use self::account::{Account, InFlight, Place};
pub use self::accounts::Accounts;
pub(crate) use self::network::network;
use crate::config::{ByteSize, Checks};
use crate::error::{Error, Reason};

/// The least that callers may be held to: a message of the usual size must get through in time.
const LEAST_BYTES: ByteSize = ByteSize::kib(64);

/// What each caller may take of this replica; 0 is no limit.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Requests a second: calls, and further frames of their streams. Default 0.
    pub requests_per_second: u32,
    /// Bytes a second of requests and responses together, at least 64 KiB. Default 0.
    pub bytes_per_second: ByteSize,
    /// Calls that run at a time; an open stream is one. Default 0.
    pub max_calls: u32,
    /// Sessions and publish streams that are open at a time. Default 0.
    pub max_sessions: u32,
    /// Messages that are published and not answered yet, beside one of each publish stream. Default 0.
    pub max_in_flight: u32,
    /// The largest message that may be published, headers included. Default 0.
    pub max_message_bytes: ByteSize,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Limit {
    /// Requests a second.
    Requests,
    /// Bytes a second.
    Bytes,
    /// Calls at a time.
    Calls,
    /// Sessions at a time.
    Sessions,
    /// Messages that are not answered.
    InFlight,
}

impl Limit {
    /// Its key in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_second",
            Self::Bytes => "bytes_per_second",
            Self::Calls => "max_calls",
            Self::Sessions => "max_sessions",
            Self::InFlight => "max_in_flight",
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        let bytes = self.bytes_per_second;
        checks.require(
            bytes == ByteSize::default() || bytes >= LEAST_BYTES,
            "bytes_per_second",
            "must be 0, for no limit, or at least 64KiB",
        );
    }

    fn is_off(&self) -> bool {
        *self == Self::default()
    }

    fn of(&self, limit: Limit) -> u64 {
        match limit {
            Limit::Requests => self.requests_per_second.into(),
            Limit::Bytes => self.bytes_per_second.as_u64(),
            Limit::Calls => self.max_calls.into(),
            Limit::Sessions => self.max_sessions.into(),
            Limit::InFlight => self.max_in_flight.into(),
        }
    }
}

fn exceeded(caller: &str, limit: Limit, most: u64) -> Error {
    let key = limit.key();
    let text = format!("the caller has reached its limit of this gateway, limits.{key} = {most}");
    Error::new(Reason::CallerLimit, text)
        .with("limit", key)
        .with("max", most)
        .exceeding(format!("caller:{caller}"), format!("limits.{key} = {most}"))
}
