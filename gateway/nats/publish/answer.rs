//! What an answer to a publish says: stored, surely not stored, or neither.

use serde::Deserialize;
use tonic::Code;

use crate::error::Error;
use crate::nats::api::{ApiError, PubAck};
use crate::nats::error::{from_api, is_passing};

/// JetStream's code for a duplicate of a message that it has not stored yet.
const IN_PROCESS: u64 = 10158;

/// What one attempt came to.
pub(in crate::nats) enum Attempt {
    Stored(PubAck),
    /// Not stored, and the next attempt would fail as well.
    Failed(Error),
    /// Not stored, but the next attempt may succeed.
    Refused(Error),
    /// Sent, without an answer.
    Unknown(Code),
}

/// What an answer says of the message; `None` where it is not a stream's.
pub(in crate::nats) fn judge(answer: &[u8]) -> Option<Attempt> {
    if let Some(ack) = plain(answer) {
        return Some(Attempt::Stored(ack));
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(match answer.error {
        // An earlier message of this id is on its way: this one was not stored, but that one may be.
        Some(error) if error.err_code == IN_PROCESS => Attempt::Unknown(Code::Unavailable),
        Some(error) if is_passing(error.err_code) => Attempt::Refused(from_api(&error)),
        Some(error) => Attempt::Failed(from_api(&error)),
        None => Attempt::Stored(PubAck {
            // Required, so that no other JSON is taken for an acknowledgement.
            stream: answer.stream?,
            seq: answer.seq?,
            duplicate: answer.duplicate,
            domain: answer.domain,
            val: answer.val,
        }),
    })
}

/// The acknowledgement that nearly every message gets, which says nothing but where it is stored: read
/// without a parser, as this is done for each. Whatever else it may be, is left to the parser.
fn plain(answer: &[u8]) -> Option<PubAck> {
    let rest = answer.strip_prefix(br#"{"stream":""#)?;
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (stream, rest) = rest.split_at(end);
    let number = rest.strip_prefix(br#"","seq":"#)?.strip_suffix(b"}")?;
    if !number.first()?.is_ascii_digit() {
        return None;
    }
    Some(PubAck {
        stream: str::from_utf8(stream).ok()?.to_owned(),
        seq: str::from_utf8(number).ok()?.parse().ok()?,
        duplicate: false,
        domain: String::new(),
        val: None,
    })
}

/// An acknowledgement or an error.
#[derive(Deserialize)]
struct Answer {
    error: Option<ApiError>,
    stream: Option<String>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    domain: String,
    val: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_acknowledgement_needs_no_parser() {
        let ack = plain(br#"{"stream":"S","seq":7}"#).unwrap();
        assert_eq!((&*ack.stream, ack.seq, ack.duplicate), ("S", 7, false));
        for other in [
            r#"{"stream":"S","seq":7,"duplicate":true}"#,
            r#"{"stream":"S","seq":7,"domain":"hub"}"#,
            r#"{"stream":"S\u0041","seq":7}"#,
            r#"{"stream":"S","seq":+7}"#,
            r#"{"stream":"S","seq":}"#,
            r#"{"stream":"S","seq":18446744073709551616}"#,
            r#"{"stream":"S"#,
        ] {
            assert_eq!(plain(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_an_acknowledgement_reads_as_one() {
        let text = br#"{"stream":"S","seq":7,"duplicate":true,"val":"12"}"#;
        let Some(Attempt::Stored(ack)) = judge(text) else {
            panic!("not stored");
        };
        assert_eq!(
            (ack.seq, ack.duplicate, ack.val.as_deref()),
            (7, true, Some("12"))
        );
        for other in ["", "{}", r#"{"stream":"S"}"#, r#"{"seq":1}"#, "[]"] {
            assert!(judge(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn an_error_says_whether_another_attempt_may_help() {
        let answer = |code: u64| {
            let text = format!(r#"{{"error":{{"err_code":{code}}},"stream":"S","seq":0}}"#);
            judge(text.as_bytes())
        };
        assert!(matches!(answer(10_077), Some(Attempt::Failed(_))));
        assert!(matches!(answer(10_008), Some(Attempt::Refused(_))));
        assert!(matches!(answer(IN_PROCESS), Some(Attempt::Unknown(_))));
    }
}
