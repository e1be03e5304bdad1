//! Every error code of JetStream's API, by the reason that the gateway reports.
//!
//! Each code has a row of its own, so that a code of a later server is noticed when the pinned one
//! is raised: until then such codes are the caller's fault, REJECTED_BY_JETSTREAM.

use crate::error::Reason;

/// The reason for an error code; `None` where no row names it. `description` decides where JetStream
/// has one code for several causes.
pub(super) fn find(err_code: u64, description: &str) -> Option<Reason> {
    let said = |texts: &[&str]| texts.iter().any(|text| description.contains(text));
    Some(match err_code {
        10014 | 10149 => Reason::ConsumerNotFound,
        10059 => Reason::StreamNotFound,
        10037 | 10043 => Reason::MessageNotFound,
        // "Delete failed": what the stores say of a sequence without a message. "EOF" is one behind
        // the last.
        10057 if said(&["no message found", "EOF"]) => Reason::MessageNotFound,

        10058 | 10130 => Reason::StreamExists,
        10013 | 10148 => Reason::ConsumerExists,
        10201 => Reason::DuplicateMessageId,

        10063 | 10071 | 10164 | 10180 => Reason::WrongLastSequence,
        10070 => Reason::WrongLastMessageId,

        // Between leaders, without a quorum, or a first attempt of the same message still in process.
        10004
        | 10007..=10009
        | 10041
        | 10075
        | 10118
        | 10119
        | 10158
        | 10163
        | 10194
        | 10195
        | 10202
        | 10228 => Reason::JetstreamUnavailable,

        10176 => Reason::BatchIncomplete,

        10026 => Reason::TooManyConsumers,
        10167 => Reason::TooManyRequests,
        // "Store failed": only these texts mean that the stream is full.
        10077 if said(&["maximum"]) => Reason::StreamFull,
        10002 | 10023 | 10027 | 10028 | 10047 | 10053 | 10117 | 10120..=10122 | 10210 | 10211 => {
            Reason::JetstreamLimit
        }

        10054 | 10097 => Reason::MessageTooLarge,

        10060 => Reason::WrongStream,
        10065 => Reason::SubjectsOverlap,
        10035 | 10039 | 10076 => Reason::JetstreamNotEnabled,
        // In a batch, a rollup of a subject that the batch has written before.
        10111 if description.starts_with("batch") => Reason::RejectedByJetstream,
        10111 | 10166 | 10168 | 10174 | 10188 | 10205 => Reason::NotEnabledOnStream,
        10012 if said(&["can not be updated"]) => Reason::ImmutableField,
        // An invalid stream configuration, where it names what an update may not change.
        10052
            if said(&[
                "can not change",
                "can not cancel",
                "can not unseal",
                "can not be disabled",
            ]) =>
        {
            Reason::ImmutableField
        }
        10055 => Reason::ImmutableField,
        // What deny_delete and deny_purge forbid; the codes stand for other faults, too.
        10057 | 10110 if said(&["not permitted"]) => Reason::FailedPrecondition,
        10005
        | 10006
        | 10010
        | 10011
        | 10036
        | 10040
        | 10044
        | 10061
        | 10074
        | 10084
        | 10092
        | 10093
        | 10098..=10101
        | 10105
        | 10106
        | 10109
        | 10113
        | 10123
        | 10124
        | 10126
        | 10129
        | 10134
        | 10172
        | 10185
        | 10204
        | 10208
        | 10224..=10226 => Reason::FailedPrecondition,

        10012
        | 10029
        | 10042
        | 10045
        | 10048..=10051
        | 10057
        | 10062
        | 10064
        | 10066
        | 10067
        | 10069
        | 10072
        | 10077
        | 10096
        | 10104
        | 10110 => Reason::Internal,

        code if is_rejection(code) => Reason::RejectedByJetstream,
        _ => return None,
    })
}

/// Whether JetStream finds the request wrong whatever the state of the system.
fn is_rejection(err_code: u64) -> bool {
    matches!(
        err_code,
        10003
            | 10015..=10022
            | 10024
            | 10025
            | 10030..=10034
            | 10038
            | 10046
            | 10052
            | 10056
            | 10068
            | 10073
            | 10078..=10083
            | 10085..=10091
            | 10094
            | 10095
            | 10102
            | 10103
            | 10107
            | 10108
            | 10112
            | 10114..=10116
            | 10125
            | 10127
            | 10128
            | 10131..=10133
            | 10135..=10147
            | 10150..=10157
            | 10159..=10162
            | 10165
            | 10169..=10171
            | 10173
            | 10175
            | 10177..=10179
            | 10181..=10184
            | 10186
            | 10187
            | 10189..=10193
            | 10196..=10200
            | 10203
            | 10206
            | 10207
            | 10209
            | 10212..=10223
            | 10227
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::server_source;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Entry {
        error_code: u64,
        constant: String,
        description: String,
    }

    #[test]
    fn every_code_of_the_pinned_server_has_a_row() {
        let Some(text) = server_source::file("errors.json") else {
            return;
        };
        let entries: Vec<Entry> = serde_json::from_str(&text).unwrap();
        assert!(entries.len() > 200);
        let missing: Vec<_> = entries
            .iter()
            .filter(|it| find(it.error_code, &it.description).is_none())
            .map(|it| format!("{} {}: {}", it.error_code, it.constant, it.description))
            .collect();
        assert!(missing.is_empty(), "without a row:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_row_is_a_code_of_the_pinned_server() {
        let Some(text) = server_source::file("errors.json") else {
            return;
        };
        let entries: Vec<Entry> = serde_json::from_str(&text).unwrap();
        let known: Vec<_> = entries.iter().map(|it| it.error_code).collect();
        for code in (10_000..11_000).filter(|code| !known.contains(code)) {
            assert_eq!(find(code, ""), None, "{code}");
        }
    }
}
