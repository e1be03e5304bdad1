//! Resume tokens of a session: whether one fits what is asked for.

use crate::error::{Error, Reason, Result};
use crate::names::StreamName;
use crate::nats::api::ConsumerConfig;
use crate::token::{Reached, ResumeToken};

/// Checks that a token is of this account and stream, and was made with these filters.
pub(super) fn check(
    token: &ResumeToken,
    account: u32,
    stream: &StreamName,
    filters: u32,
) -> Result<()> {
    if token.account != account {
        return Err(mismatch("it is of another account"));
    }
    if token.stream != stream.as_str() {
        return Err(mismatch("it is of another stream"));
    }
    if token.filters != filters {
        return Err(mismatch("it was made with other filters"));
    }
    Ok(())
}

/// An ordered read's position and the end of its snapshot.
pub(super) fn ordered(token: &ResumeToken) -> Result<(u64, u64)> {
    match token.reached {
        Reached::Ordered {
            position,
            snapshot_end,
        } => Ok((position, snapshot_end)),
        Reached::Ephemeral { .. } => Err(mismatch("it is of an ephemeral consumer")),
    }
}

/// Tells filters apart, in whichever order they stand.
pub(super) fn fingerprint(config: &ConsumerConfig) -> u32 {
    let mut filters: Vec<&str> = config.filters().collect();
    // Everything, said in the other way.
    filters.retain(|filter| *filter != ">");
    filters.sort_unstable();
    crc32fast::hash(filters.join(" ").as_bytes())
}

/// The error for a token that does not fit.
pub(super) fn mismatch(why: &str) -> Error {
    let text = format!("the resume token does not fit: {why}");
    Error::new(Reason::ResumeTokenMismatch, text).at("resume_token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Moment, Start};

    fn config(filters: &[&str]) -> ConsumerConfig {
        ConsumerConfig {
            filter_subjects: filters.iter().map(|it| (*it).to_owned()).collect(),
            ..ConsumerConfig::default()
        }
    }

    #[test]
    fn filters_are_equal_in_any_order_and_all_is_all() {
        let print = |filters: &[&str]| fingerprint(&config(filters));
        assert_eq!(print(&["a", "b.>"]), print(&["b.>", "a"]));
        assert_eq!(print(&[]), print(&[">"]));
        assert_ne!(print(&["a"]), print(&["b"]));
        assert_ne!(print(&["a"]), print(&[]));
    }

    #[test]
    fn a_token_fits_its_own_read_only() {
        let stream = StreamName::parse("stream", "S").unwrap();
        let token = ResumeToken {
            account: 7,
            stream: "S".to_owned(),
            created: Moment {
                seconds: 0,
                nanos: 0,
            },
            filters: 9,
            start: Start::All,
            reached: Reached::Ordered {
                position: 3,
                snapshot_end: 0,
            },
        };
        assert!(check(&token, 7, &stream, 9).is_ok());
        let other = StreamName::parse("stream", "T").unwrap();
        for refused in [
            check(&token, 8, &stream, 9),
            check(&token, 7, &other, 9),
            check(&token, 7, &stream, 8),
        ] {
            assert_eq!(refused.unwrap_err().reason(), Reason::ResumeTokenMismatch);
        }
    }
}
