//! The `subscribe` section: how much a consuming session may hold, and how often it speaks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, Checks};

/// No time here is shorter.
const SHORTEST: Duration = Duration::from_secs(1);

/// A caller that says nothing for longer is gone.
const LONGEST_PING: Duration = Duration::from_secs(60 * 60);

/// No session gets older.
const LONGEST_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Limits of consuming sessions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Messages that may be delivered and not settled, unless the caller says otherwise.
    /// Default 256.
    pub max_outstanding_messages: u32,
    /// Bytes that may be delivered and not settled, unless the caller says otherwise.
    /// Default 8 MiB.
    pub max_outstanding_bytes: ByteSize,
    /// Time between two heartbeats of a session, unless the caller says otherwise; 1 s at least.
    /// Default 15 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// Longest time between two frames of the caller of a `Consume`; after twice that it counts as gone.
    /// From 1 s to 1 h. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub ping_within: Duration,
    /// The age at which a session ends in order, give or take a tenth: keep it below what any load
    /// balancer cuts. From 1 s to 30 days. Default 30 min.
    #[serde(with = "humantime_serde")]
    pub max_stream_age: Duration,
    /// The most messages that a caller may ask to hold unsettled. Default 65,536.
    pub max_window_messages: u32,
    /// The most bytes that a caller may ask to hold unsettled. Default 256 MiB.
    pub max_window_bytes: ByteSize,
    /// Sessions open at a time in this gateway. Default 10,000.
    pub max_sessions: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_outstanding_messages: 256,
            max_outstanding_bytes: ByteSize::mib(8),
            heartbeat_interval: Duration::from_secs(15),
            ping_within: Duration::from_secs(20),
            max_stream_age: Duration::from_secs(30 * 60),
            max_window_messages: 65_536,
            max_window_bytes: ByteSize::mib(256),
            max_sessions: 10_000,
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.within(
            "max_window_messages",
            self.max_window_messages,
            1..=1_000_000,
        );
        checks.size("max_window_bytes", self.max_window_bytes, ByteSize::kib(1));
        checks.whole_seconds("heartbeat_interval", self.heartbeat_interval);
        checks.time_within("ping_within", self.ping_within, SHORTEST..=LONGEST_PING);
        checks.time_within(
            "max_stream_age",
            self.max_stream_age,
            SHORTEST..=LONGEST_AGE,
        );
        checks.within("max_sessions", self.max_sessions, 1..=1_000_000);
        checks.require(
            (1..=self.max_window_messages).contains(&self.max_outstanding_messages),
            "max_outstanding_messages",
            "must be from 1 to subscribe.max_window_messages",
        );
        checks.require(
            (ByteSize::kib(1)..=self.max_window_bytes).contains(&self.max_outstanding_bytes),
            "max_outstanding_bytes",
            "must be from 1KiB to subscribe.max_window_bytes",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config as WholeConfig;

    #[test]
    fn the_default_window_fits_the_largest() {
        let mut config = WholeConfig::default();
        config.subscribe.max_window_messages = 100;
        config.subscribe.max_window_bytes = ByteSize::mib(1);

        let problems = config.validate().unwrap_err();

        assert_eq!(
            problems.keys(),
            [
                "subscribe.max_outstanding_messages",
                "subscribe.max_outstanding_bytes"
            ]
        );
    }

    #[test]
    fn heartbeats_come_at_most_every_second() {
        let mut config = WholeConfig::default();
        config.subscribe.heartbeat_interval = Duration::from_millis(999);

        assert_eq!(
            config.validate().unwrap_err().keys(),
            ["subscribe.heartbeat_interval"]
        );
    }
}
