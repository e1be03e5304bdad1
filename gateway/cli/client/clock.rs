//! How long ago something was, by the clock of this machine.

use std::time::SystemTime;

use prost_types::Timestamp;

use super::quantity;

/// The age of a time: `3h2m`. What lies ahead, as clocks differ, is new.
pub(super) fn age(time: Timestamp) -> Option<String> {
    let time = SystemTime::try_from(time).ok()?;
    let age = SystemTime::now().duration_since(time).unwrap_or_default();
    Some(quantity::age(age))
}

/// `3h2m ago`.
pub(super) fn ago(time: Option<Timestamp>) -> Option<String> {
    Some(format!("{} ago", age(time?)?))
}
