//! How fast things went between two looks.

use std::{collections::HashMap, time::Duration};

use super::snapshot::{Snapshot, name};
use crate::proto::{Consumer, Stream};

/// Messages in a second. What was not there at both looks, or began anew, has none.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Stored in a stream.
    streams: HashMap<String, f64>,
    /// Delivered by a consumer of a stream.
    consumers: HashMap<(String, String), f64>,
}

impl Rates {
    pub(super) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let elapsed = after.taken.saturating_duration_since(before.taken);
        let stream = |it: &Stream| (name(it).to_owned(), stored(it));
        let consumer = |it: &Consumer| (key(it), delivered(it));
        Self {
            streams: rates(
                before.streams.iter().map(stream).collect(),
                after.streams.iter().map(stream),
                elapsed,
            ),
            consumers: rates(
                before.consumers.iter().map(consumer).collect(),
                after.consumers.iter().map(consumer),
                elapsed,
            ),
        }
    }

    pub(super) fn of_stream(&self, stream: &Stream) -> Option<f64> {
        self.streams.get(name(stream)).copied()
    }

    pub(super) fn of_consumer(&self, consumer: &Consumer) -> Option<f64> {
        self.consumers.get(&key(consumer)).copied()
    }
}

fn rates<K: Eq + std::hash::Hash>(
    before: HashMap<K, u64>,
    after: impl Iterator<Item = (K, u64)>,
    elapsed: Duration,
) -> HashMap<K, f64> {
    if elapsed.is_zero() {
        return HashMap::new();
    }
    let rate = |(key, now): (K, u64)| {
        let more = now.checked_sub(*before.get(&key)?)?;
        Some((key, more as f64 / elapsed.as_secs_f64()))
    };
    after.filter_map(rate).collect()
}

fn key(consumer: &Consumer) -> (String, String) {
    (consumer.stream.clone(), consumer.name.clone())
}

fn stored(stream: &Stream) -> u64 {
    stream.state.map_or(0, |state| state.last_sequence)
}

fn delivered(consumer: &Consumer) -> u64 {
    let delivered = consumer.state.as_ref().and_then(|state| state.delivered);
    delivered.map_or(0, |delivered| delivered.consumer_sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_in_a_second() {
        let before = HashMap::from([("a", 10), ("gone", 1), ("anew", 50)]);
        let after = [("a", 25), ("new", 7), ("anew", 3)];

        let rates = rates(before, after.into_iter(), Duration::from_secs(2));

        assert_eq!(rates, HashMap::from([("a", 7.5)]));
    }

    #[test]
    fn two_looks_at_once_tell_nothing() {
        let before = HashMap::from([("a", 10)]);
        assert!(rates(before, [("a", 25)].into_iter(), Duration::ZERO).is_empty());
    }
}
