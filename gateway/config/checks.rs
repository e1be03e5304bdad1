//! Collects what sections find wrong with themselves.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use super::{ByteSize, Problem, Problems, Source};

/// The longest that any timeout or interval may be, unless its section says otherwise.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The collector that each section's `check` reports to, all rules of it, not only the first broken.
#[derive(Debug, Default)]
pub struct Checks {
    section: &'static str,
    problems: Vec<Problem>,
}

impl Checks {
    /// The same collector, with the keys that follow taken as keys of section `name`.
    pub(crate) fn section(&mut self, name: &'static str) -> &mut Self {
        self.section = name;
        self
    }

    /// Reports `message` for `key` unless `holds`.
    pub fn require(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        if !holds {
            self.problems.push(Problem {
                key: format!("{}.{key}", self.section),
                source: Source::Default,
                message: message.into(),
            });
        }
    }

    /// Requires `value` to lie within `range`.
    pub fn within<T>(&mut self, key: &str, value: T, range: RangeInclusive<T>)
    where
        T: PartialOrd + Display,
    {
        let message = format!(
            "must be from {} to {}, is {value}",
            range.start(),
            range.end()
        );
        self.require(range.contains(&value), key, message);
    }

    /// Requires a time of more than zero and at most one hour.
    pub fn positive_time(&mut self, key: &str, value: Duration) {
        self.time_within(key, value, Duration::from_nanos(1)..=LONGEST);
    }

    /// Requires a time of at least one second and at most one hour.
    pub fn whole_seconds(&mut self, key: &str, value: Duration) {
        self.time_within(key, value, Duration::from_secs(1)..=LONGEST);
    }

    /// Requires `value` to lie within `range`.
    pub fn time_within(&mut self, key: &str, value: Duration, range: RangeInclusive<Duration>) {
        let message = format!(
            "must be from {:?} to {:?}, is {value:?}",
            range.start(),
            range.end()
        );
        self.require(range.contains(&value), key, message);
    }

    /// Requires a size of at least `least`, and one that a 32-bit length can count.
    pub fn size(&mut self, key: &str, value: ByteSize, least: ByteSize) {
        self.within(key, value, least..=ByteSize::mib(4095));
    }

    pub(crate) fn finish(self) -> Result<(), Problems> {
        Problems::check(self.problems)
    }
}
