//! Requests that stop, move and unpin consumers.

use serde::{Deserialize, Serialize};

use super::wire::is_zero;
use super::{ConsumerInfo, Time, wire};

/// Asks to pause a consumer, or to resume it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pause {
    /// Until when; `None` ends a pause.
    #[serde(with = "wire::time", skip_serializing_if = "Option::is_none")]
    pub pause_until: Time,
}

/// The answer to `CONSUMER.PAUSE`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Paused {
    /// Whether the consumer is paused now.
    pub paused: bool,
    /// Until when.
    #[serde(with = "wire::time")]
    pub pause_until: Time,
    /// For how long, in nanoseconds.
    pub pause_remaining: i64,
}

/// Asks to move a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reset {
    /// The next stream sequence; 0 is the one behind the ack floor.
    #[serde(skip_serializing_if = "is_zero")]
    pub seq: u64,
}

/// The answer to `CONSUMER.RESET`.
#[derive(Clone, Debug, Deserialize)]
pub struct WasReset {
    /// The consumer.
    #[serde(flatten)]
    pub info: ConsumerInfo,
    /// The stream sequence from which it goes on.
    #[serde(default)]
    pub reset_seq: u64,
}

/// Asks to serve another client of a priority group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unpin {
    /// The group.
    pub group: String,
}

/// An answer that says nothing but that there was no error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Done {}
