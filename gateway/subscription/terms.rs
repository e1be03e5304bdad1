//! The terms on which a consumer delivers: deadlines and delays, as JetStream computes them.

use std::time::Duration;

use crate::nats::api::ConsumerInfo;
use crate::proto::AckPolicy;

/// JetStream's ack wait where the consumer has none.
const DEFAULT_ACK_WAIT: Duration = Duration::from_secs(30);

/// The gateway's deadline comes this much before JetStream's own, as a share of it and at most: the
/// delivery was under way for a while, and what it takes for expired must not be someone else's.
const CAUTION: (u32, Duration) = (20, Duration::from_millis(250));

/// What a session needs to know of its consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What is acknowledged.
    pub ack_policy: AckPolicy,
    /// How long a first delivery may stay unsettled.
    pub ack_wait: Duration,
    /// How long the further ones may.
    pub backoff: Vec<Duration>,
    /// How many deliveries a message gets.
    pub max_deliver: Option<u64>,
    /// The most messages that one pull may ask for.
    pub max_batch: Option<u32>,
    /// The most bytes that one pull may ask for.
    pub max_bytes: Option<u64>,
    /// The longest time that a pull may wait.
    pub max_expires: Option<Duration>,
    /// How long a pinned client that does not pull stays pinned.
    pub pin_timeout: Option<Duration>,
    /// How many pulls may wait.
    pub max_waiting: usize,
    /// A fingerprint of the consumer's creation time.
    pub incarnation: u32,
}

/// Tells a consumer from every other, its own other incarnations included.
pub fn fingerprint(stream: &str, consumer: &str, incarnation: u32) -> u32 {
    crc32fast::hash(format!("{stream} {consumer} {incarnation}").as_bytes())
}

impl Terms {
    /// The terms of a consumer.
    pub fn of(info: &ConsumerInfo) -> Self {
        let config = &info.config;
        let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
        Self {
            ack_policy: crate::convert::consumer::ack_policy(config),
            ack_wait: config.ack_wait().unwrap_or(DEFAULT_ACK_WAIT),
            backoff: config.backoff(),
            max_deliver: positive(config.max_deliver),
            max_batch: positive(config.max_batch).map(|n| n.try_into().unwrap_or(u32::MAX)),
            max_bytes: positive(config.max_bytes),
            max_expires: config.max_expires(),
            pin_timeout: (config.priority_timeout > 0)
                .then(|| Duration::from_nanos(config.priority_timeout)),
            max_waiting: positive(config.max_waiting)
                .map_or(512, |n| n.try_into().unwrap_or(usize::MAX)),
            incarnation: crc32fast::hash(info.created.to_string().as_bytes()),
        }
    }

    /// Whether deliveries are settled at all.
    pub fn has_acks(&self) -> bool {
        self.ack_policy != AckPolicy::None
    }

    /// How long this delivery may stay unsettled; `attempt` counts from 1.
    pub fn lease(&self, attempt: u64) -> Duration {
        let wait = self.backoff_of(attempt).unwrap_or(self.ack_wait);
        wait - (wait / CAUTION.0).min(CAUTION.1)
    }

    /// Whether JetStream gives the message up when this delivery is naked.
    pub fn is_last(&self, attempt: u64) -> bool {
        self.max_deliver.is_some_and(|most| attempt >= most)
    }

    /// The delay to send with a nak so that JetStream waits for `wanted`: it adds what the backoff of
    /// this attempt has over the first (measured). `None` is no delay at all; where the wanted
    /// delay is less than what is added, `at_least` decides between too late and at once.
    pub fn nak_delay(&self, attempt: u64, wanted: Duration, at_least: bool) -> Option<Duration> {
        let first = self.backoff.first().copied().unwrap_or_default();
        let added = self
            .backoff_of(attempt)
            .map_or(Duration::ZERO, |wait| wait.saturating_sub(first));
        match wanted.checked_sub(added) {
            Some(delay) if !delay.is_zero() => Some(delay),
            // JetStream reads a delay of zero as none.
            _ if at_least && !wanted.is_zero() => Some(Duration::from_nanos(1)),
            _ => None,
        }
    }

    fn backoff_of(&self, attempt: u64) -> Option<Duration> {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.backoff
            .get(place)
            .or_else(|| self.backoff.last())
            .copied()
    }
}

#[cfg(test)]
impl Terms {
    pub(super) fn example() -> Self {
        Self {
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(30),
            backoff: Vec::new(),
            max_deliver: Some(3),
            max_batch: None,
            max_bytes: None,
            max_expires: None,
            pin_timeout: None,
            max_waiting: 512,
            incarnation: u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn terms(backoff: &[u32]) -> Terms {
        let backoff = backoff.iter().map(|seconds| *seconds * SECOND).collect();
        Terms {
            backoff,
            ..Terms::example()
        }
    }

    #[test]
    fn a_lease_follows_the_backoff_and_ends_a_little_early() {
        assert_eq!(terms(&[]).lease(1), Duration::from_millis(29_750));
        assert_eq!(terms(&[1, 2, 5]).lease(1), Duration::from_millis(950));
        assert_eq!(terms(&[1, 2, 5]).lease(9), Duration::from_millis(4_750));
    }

    #[test]
    fn a_nak_is_corrected_by_what_the_backoff_adds() {
        let terms = terms(&[1, 2, 5]);
        assert_eq!(terms.nak_delay(1, 3 * SECOND, true), Some(3 * SECOND));
        assert_eq!(terms.nak_delay(2, 3 * SECOND, true), Some(2 * SECOND));
        assert_eq!(
            terms.nak_delay(3, 3 * SECOND, true),
            Some(Duration::from_nanos(1))
        );
        assert_eq!(terms.nak_delay(3, 3 * SECOND, false), None);
        assert_eq!(terms.nak_delay(1, Duration::ZERO, true), None);
    }

    #[test]
    fn the_last_delivery_is_known() {
        assert!(!terms(&[]).is_last(2));
        assert!(terms(&[]).is_last(3));
    }
}
