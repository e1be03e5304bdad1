//! What a read misses that goes on: pure comparison of where it stands with what the stream has.

use prost_types::Timestamp;

use crate::nats::api::StreamInfo;
use crate::proto::Gap;

/// Where a read stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// When the stream was created that it reads.
    pub(super) created: Option<Timestamp>,
    /// The last sequence passed; 0 is none.
    pub(super) position: u64,
    /// The first sequence that it must not miss, where it misses anything by beginning later.
    pub(super) next: Option<u64>,
}

/// The messages between, where there are any.
pub(super) fn find(stream: &StreamInfo, place: Place) -> Option<Gap> {
    let gap = Gap {
        last_sequence: place.position,
        first_available_sequence: stream.state.first_seq,
        stream_recreated: place.created != stream.created,
    };
    if gap.stream_recreated {
        return Some(gap);
    }
    if lost_end(stream, place).is_some() {
        return Some(Gap {
            first_available_sequence: stream.state.last_seq + 1,
            ..gap
        });
    }
    let is_missing = place.next.is_some_and(|next| stream.state.first_seq > next);
    is_missing.then_some(gap)
}

/// Where the stream ends now, if that is before the position: a crash took its last messages, and others
/// will have their sequences. With several replicas a new leader may only not have come so far yet.
pub(super) fn lost_end(stream: &StreamInfo, place: Place) -> Option<u64> {
    let is_alone = stream.config.num_replicas <= 1 && stream.created == place.created;
    let last = stream.state.last_seq;
    (is_alone && last < place.position).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::api::{StreamConfig, StreamState};

    const CREATED: Timestamp = Timestamp {
        seconds: 7,
        nanos: 0,
    };

    fn stream(first_seq: u64, last_seq: u64, num_replicas: u32) -> StreamInfo {
        StreamInfo {
            config: StreamConfig {
                num_replicas,
                ..StreamConfig::default()
            },
            created: Some(CREATED),
            state: StreamState {
                first_seq,
                last_seq,
                ..StreamState::default()
            },
            domain: String::new(),
            cluster: None,
            mirror: None,
            sources: Vec::new(),
        }
    }

    fn place(position: u64) -> Place {
        Place {
            created: Some(CREATED),
            position,
            next: Some(position + 1),
        }
    }

    fn gap(stream: &StreamInfo, place: Place) -> Option<(u64, u64, bool)> {
        let gap = find(stream, place)?;
        let Gap {
            last_sequence,
            first_available_sequence,
            stream_recreated,
        } = gap;
        Some((last_sequence, first_available_sequence, stream_recreated))
    }

    #[test]
    fn what_the_stream_begins_behind_is_missing() {
        assert_eq!(gap(&stream(6, 9, 1), place(5)), None);
        assert_eq!(gap(&stream(7, 9, 1), place(5)), Some((5, 7, false)));
        // All of it is purged.
        assert_eq!(gap(&stream(10, 9, 1), place(5)), Some((5, 10, false)));
        assert_eq!(gap(&stream(10, 9, 1), place(9)), None);
        let anywhere = Place {
            next: None,
            ..place(0)
        };
        assert_eq!(gap(&stream(7, 9, 1), anywhere), None);
    }

    #[test]
    fn another_stream_of_the_name_is_new() {
        let other = Place {
            created: None,
            ..place(5)
        };
        assert_eq!(gap(&stream(1, 9, 1), other), Some((5, 1, true)));
        // It is shorter, and has lost nothing.
        assert_eq!(lost_end(&stream(1, 2, 1), other), None);
    }

    #[test]
    fn an_end_that_a_crash_took_is_missing() {
        assert_eq!(gap(&stream(1, 7, 1), place(9)), Some((9, 8, false)));
        assert_eq!(lost_end(&stream(1, 7, 1), place(9)), Some(7));
        assert_eq!(gap(&stream(1, 7, 3), place(9)), None);
    }
}
