//! The configuration: what is valid, and unsafe or unlikely to be meant all the same.

use super::finding::Findings;
use crate::auth::{Authenticator, PolicyMode};
use crate::config::Config;
use crate::limits::Accounts;
use crate::metrics::Metrics;

const CHECK: &str = "configuration";

/// Judges what needs no server. That every value is valid was checked when it was loaded.
pub(super) fn examine(findings: &mut Findings, config: &Config) {
    examine_files(findings, config);
    if !config.server.is_local() {
        examine_exposure(findings, config);
    }
    if config.auth.policy_mode == PolicyMode::Shadow && config.auth.policy_file.is_some() {
        findings.warning(
            CHECK,
            "auth.policy_mode",
            "the rules are only logged: what they refuse is done all the same",
            "set auth.policy_mode = \"enforce\" once jetgate_policy_denials_total shows nothing unexpected",
        );
    }
    if config.shutdown.drain.is_zero() {
        let fix = "set shutdown.drain = \"30s\", below the termination grace period";
        findings.warning(
            CHECK,
            "shutdown.drain",
            "sessions are cut off when the gateway ends",
            fix,
        );
    }
    if !findings.has_trouble(CHECK) {
        findings.ok(CHECK, "all", "every value is valid");
    }
}

/// Keys, issuers, rules and tenants.
fn examine_files(findings: &mut Findings, config: &Config) {
    let metrics = Metrics::new();
    let accounts = Accounts::new(&config.limits, metrics.clone());
    if let Err(error) = Authenticator::load(config, accounts, metrics) {
        let fix = "mend the file that auth.api_keys_file, auth.token_issuers_file, auth.policy_file or tenants.file names";
        findings.fault(CHECK, "auth", error.to_string(), fix);
    }
}

/// What matters where others than this machine reach the listener.
fn examine_exposure(findings: &mut Findings, config: &Config) {
    let asks = config.tls.authenticates() || config.auth.asks_callers();
    if !asks {
        findings.warning(
            CHECK,
            "server.allow_anonymous",
            "the gateway asks nobody who they are, and is reachable from outside",
            "set auth.api_keys_file, auth.token_issuers_file or tls.client_ca_file, unless something in front asks",
        );
    }
    if config.auth.policy_file.is_none() {
        findings.warning(
            CHECK,
            "auth.policy_file",
            "there are no rules: whoever is let in may do whatever the gateway's NATS user may",
            "set auth.policy_file; deploy/config/policy.toml shows one",
        );
    }
    if !config.tls.is_enabled() {
        findings.note(
            CHECK,
            "tls.cert_file",
            "the listener has no TLS: keys and tokens of callers cross the network in the clear",
            "set tls.cert_file and tls.key_file, unless something in front encrypts",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Finding, Level};
    use super::*;

    fn found(change: impl FnOnce(&mut Config)) -> Vec<(Level, String)> {
        let (mut findings, mut config) = (Findings::default(), Config::default());
        change(&mut config);
        examine(&mut findings, &config);
        let all: Vec<Finding> = findings.into();
        all.into_iter().map(|it| (it.level, it.about)).collect()
    }

    #[test]
    fn what_only_this_machine_reaches_needs_no_protection() {
        assert_eq!(found(|_| {}), [(Level::Ok, "all".to_owned())]);
    }

    #[test]
    fn what_others_reach_does() {
        let open = found(|config| {
            config.server.listen = "0.0.0.0:50051".parse().unwrap();
            config.server.allow_anonymous = true;
        });
        let about: Vec<_> = open
            .iter()
            .map(|(level, about)| (*level, about.as_str()))
            .collect();
        assert_eq!(
            about,
            [
                (Level::Warning, "server.allow_anonymous"),
                (Level::Warning, "auth.policy_file"),
                (Level::Note, "tls.cert_file"),
            ]
        );
    }

    #[test]
    fn files_that_cannot_be_used_are_faults() {
        let broken = found(|config| config.auth.policy_file = Some("/nowhere".into()));
        assert_eq!(broken, [(Level::Fault, "auth".to_owned())]);
    }
}
