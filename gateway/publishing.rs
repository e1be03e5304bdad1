//! Publishing beside NATS itself: the `publish` section of the configuration, the way that messages
//! take out of the gateway, and what goes on when their caller is gone.

mod batch;
mod orphans;
mod outlet;
mod permit;
pub mod session;
mod share;

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use batch::Batch;
pub use orphans::Orphans;
pub use outlet::{Accepted, Outlet};
pub use permit::may_publish;

use crate::config::{ByteSize, Checks};

/// The least and the greatest age that streams may be given.
const STREAM_AGES: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 60 * 60);

/// How messages are published.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Longest wait for a message to be stored when the caller sets no deadline. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Which messages get an id from the gateway when the caller gives none. Default `unary`.
    pub mint_message_id: MintMessageId,
    /// Messages of a publish stream that may be unanswered, unless the caller says otherwise.
    /// Default 1,024.
    pub max_in_flight: u32,
    /// Bytes of a publish stream that may be on their way, unless the caller says otherwise.
    /// Default 8 MiB.
    pub max_in_flight_bytes: ByteSize,
    /// The most messages that a caller may ask to have unanswered. Default 16,384.
    pub max_window_messages: u32,
    /// The most bytes that a caller may ask to have on their way. Default 64 MiB.
    pub max_window_bytes: ByteSize,
    /// Time between two heartbeats of a publish stream, unless the caller says otherwise; 1 s at
    /// least. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// How often the caller of a publish stream sends a frame; one that sends none for twice this time
    /// is taken for gone. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub ping_within: Duration,
    /// The age at which a publish stream ends in order, give or take a tenth: keep it below what any
    /// load balancer cuts, and below `server.max_connection_age_grace`. From 1 s to 30 days. Default
    /// 30 min.
    #[serde(with = "humantime_serde")]
    pub max_stream_age: Duration,
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
            max_in_flight: 1_024,
            max_in_flight_bytes: ByteSize::mib(8),
            max_window_messages: 16_384,
            max_window_bytes: ByteSize::mib(64),
            heartbeat_interval: Duration::from_secs(15),
            ping_within: Duration::from_secs(20),
            max_stream_age: Duration::from_secs(30 * 60),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.positive_time("timeout", self.timeout);
        checks.within("max_window_messages", self.max_window_messages, 1..=32_768);
        checks.size("max_window_bytes", self.max_window_bytes, ByteSize::kib(1));
        checks.whole_seconds("heartbeat_interval", self.heartbeat_interval);
        checks.whole_seconds("ping_within", self.ping_within);
        checks.time_within("max_stream_age", self.max_stream_age, STREAM_AGES);
        checks.require(
            (1..=self.max_window_messages).contains(&self.max_in_flight),
            "max_in_flight",
            "must be from 1 to publish.max_window_messages",
        );
        checks.require(
            (ByteSize::kib(1)..=self.max_window_bytes).contains(&self.max_in_flight_bytes),
            "max_in_flight_bytes",
            "must be from 1KiB to publish.max_window_bytes",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config as WholeConfig;

    #[test]
    fn the_default_window_fits_the_largest_and_that_the_budget() {
        let mut config = WholeConfig::default();
        config.publish.max_window_messages = 100;
        config.publish.max_window_bytes = ByteSize::mib(2);
        config.memory.max_buffered_bytes = ByteSize::mib(1);

        assert_eq!(
            config.validate().unwrap_err().keys(),
            [
                "memory.max_buffered_bytes",
                "publish.max_in_flight",
                "publish.max_in_flight_bytes"
            ]
        );
    }
}
