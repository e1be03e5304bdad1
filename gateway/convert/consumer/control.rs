//! Requests that stop, move and unpin consumers.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use super::reading::check_time;
use crate::convert::config::{POSITIVE, duration, nanos};
use crate::error::{Error, Result};
use crate::names::GroupName;
use crate::nats::api;
use crate::proto;
use crate::proto::pause_consumer_request::End;

/// What a `PauseConsumerRequest` asks for. `now` is what `pause_for` begins at.
pub fn pause(request: &proto::PauseConsumerRequest, now: SystemTime) -> Result<api::Pause> {
    let end = match &request.end {
        None => {
            let why = "pause_until or pause_for is required";
            return Err(Error::invalid("pause_until", why));
        }
        Some(End::PauseUntil(time)) => *time,
        Some(End::PauseFor(time)) => {
            let time = nanos("pause_for", Some(time), POSITIVE)?;
            end_of(now, Duration::from_nanos(time))
        }
    };
    check_time("pause_until", Some(&end))?;
    Ok(api::Pause {
        pause_until: Some(end),
    })
}

/// The pause that JetStream reports.
pub fn paused(answer: &api::Paused) -> proto::PauseConsumerResponse {
    let remaining = answer.pause_remaining.max(0).cast_unsigned();
    proto::PauseConsumerResponse {
        paused: answer.paused,
        pause_until: answer.pause_until,
        pause_remaining: answer.paused.then(|| duration(remaining)).flatten(),
    }
}

/// What a `ResetConsumerRequest` asks for.
pub fn reset(request: &proto::ResetConsumerRequest) -> Result<api::Reset> {
    // For JetStream 0 is the ack floor, which a caller that counts from 0 does not mean.
    if request.sequence == Some(0) {
        let why = "must be at least 1; leave it unset for the ack floor";
        return Err(Error::invalid("sequence", why));
    }
    Ok(api::Reset {
        seq: request.sequence.unwrap_or_default(),
    })
}

/// What an `UnpinConsumerRequest` asks for.
pub fn unpin(request: &proto::UnpinConsumerRequest) -> Result<api::Unpin> {
    Ok(api::Unpin {
        group: GroupName::parse("group", &request.group)?.into(),
    })
}

/// A time that JetStream can read is at most 292 years from now, so it cannot overflow either.
fn end_of(now: SystemTime, wait: Duration) -> Timestamp {
    Timestamp::from(now.checked_add(wait).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(end: Option<End>) -> proto::PauseConsumerRequest {
        proto::PauseConsumerRequest {
            stream: "S".into(),
            consumer: "C".into(),
            end,
        }
    }

    #[test]
    fn a_pause_ends_at_a_time_or_after_one() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let until = Timestamp {
            seconds: 150,
            nanos: 0,
        };
        for end in [
            End::PauseUntil(until),
            End::PauseFor(duration(50_000_000_000).unwrap()),
        ] {
            let pause = pause(&asked(Some(end)), now).unwrap();
            assert_eq!(pause.pause_until, Some(until));
        }
        let never = Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        };
        for end in [
            None,
            Some(End::PauseFor(Default::default())),
            Some(End::PauseUntil(never)),
        ] {
            assert!(pause(&asked(end), now).is_err(), "{end:?}");
        }
    }

    #[test]
    fn the_ack_floor_is_not_sequence_0() {
        let asked = |sequence| proto::ResetConsumerRequest {
            sequence,
            ..Default::default()
        };
        assert_eq!(reset(&asked(None)).unwrap().seq, 0);
        assert_eq!(reset(&asked(Some(7))).unwrap().seq, 7);
        assert!(reset(&asked(Some(0))).is_err());
    }
}
