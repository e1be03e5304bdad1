//! What the configurations of streams and consumers have in common: checks of single fields here,
//! update masks in `config/mask.rs`, comparison and etags in `config/compare.rs`,
//! what applying changes in `config/plan.rs`.
//!
//! Paths in errors begin with `config.`, as every request that carries a configuration calls it so.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::time::span;
use crate::error::{Error, Result};
use crate::nats::api;
use crate::proto;

pub mod blame;
mod compare;
#[cfg(test)]
mod completeness;
mod mask;
mod plan;

pub use compare::{Difference, conflict};
pub(super) use compare::{compare, etag};
pub use mask::Mask;
pub(super) use mask::{object, patch};
pub use plan::{Change, Plan, shown as shown_changes};

/// The longest description, in bytes.
const LONGEST_DESCRIPTION: usize = 4096;

/// Labels of this prefix are written by the server; they differ between its answers.
const SERVER_LABEL: &str = "_nats.";

/// Any time that is more than none.
pub(super) const POSITIVE: Duration = Duration::from_nanos(1);

/// The value of an enum field.
pub(super) fn choice<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E> {
    let unknown = |_| Error::invalid(field, format!("{number} is none of this enum's values"));
    E::try_from(number).map_err(unknown)
}

/// A time in nanoseconds that is at least `least`; unset is 0.
pub(super) fn nanos(
    field: &str,
    time: Option<&prost_types::Duration>,
    least: Duration,
) -> Result<u64> {
    let Some(time) = time else { return Ok(0) };
    let refused = |why: String| Err(Error::invalid(field, why));
    let Some(time) = span(*time) else {
        return refused("must not be negative".to_owned());
    };
    if time < least {
        return refused(if least == POSITIVE {
            "must be more than 0".to_owned()
        } else {
            format!("must be at least {least:?}")
        });
    }
    // JetStream reads signed numbers.
    match i64::try_from(time.as_nanos()) {
        Ok(nanos) => Ok(nanos.unsigned_abs()),
        Err(_) => refused("must be less than 292 years".to_owned()),
    }
}

/// The time of so many nanoseconds; 0 is unset.
pub(super) fn duration(nanos: u64) -> Option<prost_types::Duration> {
    let time = Duration::from_nanos(nanos);
    (nanos > 0)
        .then(|| prost_types::Duration::try_from(time).ok())
        .flatten()
}

/// A limit: positive, or -1 for none.
pub(super) fn limit<N: From<i8> + PartialOrd>(field: &str, limit: Option<N>) -> Result<Option<N>> {
    match limit {
        Some(limit) if limit != N::from(-1) && limit < N::from(1) => Err(Error::invalid(
            field,
            "must be positive, or -1 for no limit",
        )),
        limit => Ok(limit),
    }
}

/// A number that is not negative.
pub(super) fn count(field: &str, number: i64) -> Result<i64> {
    if number < 0 {
        return Err(Error::invalid(field, "must not be negative"));
    }
    Ok(number)
}

/// A description.
pub(super) fn description(text: &str) -> Result<String> {
    if text.len() > LONGEST_DESCRIPTION {
        return Err(Error::invalid(
            "config.description",
            "must be at most 4096 bytes",
        ));
    }
    Ok(text.to_owned())
}

/// The caller's own labels.
pub(super) fn metadata(labels: &HashMap<String, String>) -> Result<BTreeMap<String, String>> {
    if let Some(key) = labels.keys().filter(|key| is_server_label(key)).min() {
        let why = format!("{key:?}: keys that begin with {SERVER_LABEL:?} are the server's");
        return Err(Error::invalid("config.metadata", why));
    }
    Ok(labels
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect())
}

/// Whether the server writes this label.
pub(super) fn is_server_label(key: &str) -> bool {
    key.starts_with(SERVER_LABEL)
}

/// The labels that are not the server's.
pub(super) fn own_labels(labels: &BTreeMap<String, String>) -> HashMap<String, String> {
    let own = labels.iter().filter(|(key, _)| !is_server_label(key));
    own.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The Raft group, which only clustered servers have: a single one merely names itself.
pub(super) fn cluster(cluster: Option<api::ClusterInfo>) -> Option<proto::ClusterInfo> {
    let cluster = cluster.filter(|it| !(it.name.is_empty() && it.replicas.is_empty()))?;
    let replicas = cluster.replicas.into_iter().map(|peer| proto::PeerInfo {
        name: peer.name,
        current: peer.current,
        offline: peer.offline,
        lag: peer.lag,
        active: duration(peer.active.max(0).cast_unsigned()),
    });
    Some(proto::ClusterInfo {
        name: cluster.name,
        leader: cluster.leader,
        leader_since: cluster.leader_since,
        replicas: replicas.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    #[test]
    fn times_are_in_range_or_refused() {
        let least = Duration::from_millis(100);
        assert_eq!(nanos("f", None, least).unwrap(), 0);
        assert_eq!(nanos("f", Some(&time(1, 5)), least).unwrap(), 1_000_000_005);
        for bad in [
            time(0, 0),
            time(0, 99_999_999),
            time(-1, 0),
            time(0, -1),
            time(i64::MAX, 0),
        ] {
            assert!(nanos("f", Some(&bad), least).is_err(), "{bad:?}");
        }
        let error = nanos("config.ack_wait", Some(&time(0, 0)), POSITIVE).unwrap_err();
        assert_eq!(error.message(), "config.ack_wait: must be more than 0");
    }

    #[test]
    fn limits_are_positive_or_none() {
        for good in [None, Some(-1), Some(1), Some(i64::MAX)] {
            assert_eq!(limit("f", good).unwrap(), good);
        }
        for bad in [0, -2, i64::MIN] {
            assert!(limit("f", Some(bad)).is_err());
        }
    }

    #[test]
    fn a_single_server_is_no_cluster() {
        let alone = api::ClusterInfo {
            leader: "NABC".into(),
            ..Default::default()
        };
        assert_eq!(cluster(Some(alone)), None);
        let member = api::ClusterInfo {
            name: "C".into(),
            ..Default::default()
        };
        assert_eq!(cluster(Some(member)).unwrap().name, "C");
    }

    proptest! {
        #[test]
        fn no_time_panics(seconds: i64, nanos: i32) {
            let _ = super::nanos("f", Some(&time(seconds, nanos)), POSITIVE);
        }

        #[test]
        fn times_come_back(nanos in 1..=i64::MAX) {
            let nanos = nanos.unsigned_abs();
            prop_assert_eq!(super::nanos("f", duration(nanos).as_ref(), POSITIVE).unwrap(), nanos);
        }
    }
}
