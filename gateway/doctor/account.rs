//! JetStream of the gateway's account: whether there is one, and how much room it leaves.

use super::asking::{Unanswered, ask};
use super::finding::Findings;
use crate::config::{ByteSize, Config};
use crate::nats::api::{AccountInfo, AccountUsage};
use crate::nats::{Link, RequestError};

const CHECK: &str = "jetstream";

/// The level of the API of the oldest server that the gateway works with.
const LEAST_LEVEL: u32 = 4;

/// How much of a limit, in percent, may be used without a word.
const FULL: u64 = 80;

/// JetStream's codes for being off: on the server, or for the account.
const NOT_ENABLED: [u64; 3] = [10035, 10039, 10076];

/// Whether JetStream answers.
pub(super) async fn examine(findings: &mut Findings, link: &Link, config: &Config) -> bool {
    let about = format!("{}.INFO", config.nats.api_prefix());
    let answer = ask::<AccountInfo>(link, &about, "", config.nats.request_timeout);
    match answer.await {
        Ok(info) => {
            examine_info(findings, &info, config);
            true
        }
        Err(why) => {
            let fix = remedy(&why, config);
            findings.fault(
                CHECK,
                &about,
                format!("JetStream does not answer: {why}"),
                fix,
            );
            false
        }
    }
}

fn remedy(why: &Unanswered, config: &Config) -> String {
    let off = match why {
        Unanswered::Api(error) => NOT_ENABLED.contains(&error.err_code),
        Unanswered::Request(error) => *error == RequestError::NoResponders,
        Unanswered::Unreadable(_) => false,
    };
    match (&config.nats.api_prefix, &config.nats.domain) {
        _ if !off => "look at the log and at /healthz of the servers".to_owned(),
        (Some(prefix), _) => format!(
            "import the other account's $JS.API to {prefix} as deploy/nats/api-prefix.conf does, or mend nats.api_prefix"
        ),
        (None, Some(domain)) => format!("set jetstream {{ domain: {domain} }} on the servers, or mend nats.domain"),
        (None, None) => "set jetstream { store_dir: \"...\" } on the servers, and jetstream: enabled for the gateway's account"
            .to_owned(),
    }
}

fn examine_info(findings: &mut Findings, info: &AccountInfo, config: &Config) {
    let level = info.api.level;
    if level < LEAST_LEVEL {
        findings.fault(
            CHECK,
            "api",
            format!("JetStream's API has level {level}, and the gateway needs {LEAST_LEVEL}"),
            "upgrade the servers to nats-server 2.14 or later, all of them",
        );
    }
    if info.tiers.is_empty() {
        examine_usage(findings, "account", &info.usage, config);
    }
    for (tier, usage) in &info.tiers {
        examine_usage(findings, &format!("account, tier {tier}"), usage, config);
    }
    if !findings.has_trouble(CHECK) {
        let (streams, consumers) = (info.usage.streams, info.usage.consumers);
        let text = format!(
            "JetStream answers: {streams} streams, {consumers} consumers, within the account's limits"
        );
        findings.ok(CHECK, "account", text);
    }
}

/// How an amount is shown.
type Show = fn(u64) -> String;

fn examine_usage(findings: &mut Findings, about: &str, usage: &AccountUsage, config: &Config) {
    let limits = &usage.limits;
    let bytes: Show = |bytes| ByteSize::bytes(bytes).to_string();
    let number: Show = |number| number.to_string();
    let shown: [(&str, u64, i64, Show); 4] = [
        (
            "storage",
            usage.storage.max(usage.reserved_storage),
            limits.max_storage,
            bytes,
        ),
        (
            "memory",
            usage.memory.max(usage.reserved_memory),
            limits.max_memory,
            bytes,
        ),
        ("streams", usage.streams, limits.max_streams, number),
        ("consumers", usage.consumers, limits.max_consumers, number),
    ];
    for (what, used, most, show) in shown {
        let Some(most) = u64::try_from(most).ok().filter(|most| *most > 0) else {
            continue;
        };
        if used.saturating_mul(100) >= most.saturating_mul(FULL) {
            findings.warning(
                CHECK,
                about,
                format!(
                    "{} of {} are used or reserved for {what}",
                    show(used),
                    show(most)
                ),
                format!("raise the account's limit for {what}, or remove some"),
            );
        }
    }
    let window = i64::from(config.subscribe.max_outstanding_messages);
    if limits.max_ack_pending > 0 && limits.max_ack_pending < window {
        findings.warning(
            CHECK,
            about,
            format!(
                "the account lets a consumer have {} messages unsettled, less than one session's window of {window}",
                limits.max_ack_pending
            ),
            "raise max_ack_pending of the account, or lower subscribe.max_outstanding_messages",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Finding, Level};
    use super::*;
    use crate::nats::api::{AccountLimits, ApiLevel};

    fn found(info: &AccountInfo) -> Vec<Level> {
        let mut findings = Findings::default();
        examine_info(&mut findings, info, &Config::default());
        let all: Vec<Finding> = findings.into();
        all.iter().map(|it| it.level).collect()
    }

    fn info(level: u32, storage: u64, limits: AccountLimits) -> AccountInfo {
        AccountInfo {
            api: ApiLevel { level },
            usage: AccountUsage {
                storage,
                limits,
                ..AccountUsage::default()
            },
            ..AccountInfo::default()
        }
    }

    #[test]
    fn limits_are_told_of_before_they_are_met() {
        let of_storage = |max_storage| AccountLimits {
            max_storage,
            ..AccountLimits::default()
        };
        assert_eq!(found(&info(4, 100, of_storage(-1))), [Level::Ok]);
        assert_eq!(found(&info(4, 79, of_storage(100))), [Level::Ok]);
        assert_eq!(found(&info(4, 80, of_storage(100))), [Level::Warning]);
        let narrow = AccountLimits {
            max_ack_pending: 10,
            ..AccountLimits::default()
        };
        assert_eq!(found(&info(4, 0, narrow)), [Level::Warning]);
        assert_eq!(found(&info(2, 0, AccountLimits::default())), [Level::Fault]);
    }
}
