//! What one replica tells another of a session's deliveries, and its encoding.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::subscription::in_flight::Key;

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A fingerprint of the consumer and its incarnation: the route in a token is not to be trusted.
    pub consumer: u32,
    /// Which delivery.
    pub key: Key,
    /// What became of it.
    pub change: Change,
}

/// What an acknowledgement changes for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The delivery is settled.
    Settled,
    /// What the caller said of it came too late, or to nothing that is known; but the caller lives.
    Refused,
    /// It is given back: it will be delivered again.
    Returned,
    /// It is settled, and so is every earlier one (ack policy all).
    SettledThrough,
    /// Its lease starts anew.
    Extended(Duration),
}

#[derive(Serialize, Deserialize)]
struct Letter {
    session: u64,
    notices: Vec<(u32, u64, u64, Change)>,
}

pub(super) fn encode(session: u64, notices: &[Notice]) -> Vec<u8> {
    let row = |notice: &Notice| {
        let Key {
            stream_sequence,
            consumer_sequence,
        } = notice.key;
        (
            notice.consumer,
            stream_sequence,
            consumer_sequence,
            notice.change,
        )
    };
    let letter = Letter {
        session,
        notices: notices.iter().map(row).collect(),
    };
    // Numbers and enums always encode.
    serde_json::to_vec(&letter).unwrap_or_default()
}

pub(super) fn decode(payload: &[u8]) -> Option<(u64, Vec<Notice>)> {
    let letter: Letter = serde_json::from_slice(payload).ok()?;
    let notice = |(consumer, stream_sequence, consumer_sequence, change)| Notice {
        consumer,
        key: Key {
            stream_sequence,
            consumer_sequence,
        },
        change,
    };
    Some((
        letter.session,
        letter.notices.into_iter().map(notice).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip() {
        let key = Key {
            stream_sequence: 7,
            consumer_sequence: u64::MAX,
        };
        let notices = [
            Change::Settled,
            Change::Refused,
            Change::Returned,
            Change::SettledThrough,
            Change::Extended(Duration::from_millis(1_500)),
        ];
        let notices = notices.map(|change| Notice {
            consumer: 9,
            key,
            change,
        });
        assert_eq!(decode(&encode(42, &notices)), Some((42, notices.to_vec())));
        assert_eq!(decode(b"nonsense"), None);
    }
}
