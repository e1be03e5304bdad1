//! How many files may be open, against what the configuration may need.

use super::finding::Findings;
use crate::config::Config;
use crate::open_files::{Need, highest_limit};
use crate::tenants::logins;

const CHECK: &str = "open_files";

/// Judges this process's limit, as the gateway's is not known. A gateway raises its own as far as it may.
pub(super) fn examine(findings: &mut Findings, config: &Config) {
    // A file that cannot be read has been found already.
    let tenants = config.tenants.read(config).and_then(Result::ok);
    let need = Need::of(config, logins(config, tenants.as_ref()));
    judge(findings, &need, highest_limit());
}

fn judge(findings: &mut Findings, need: &Need, limit: Option<u64>) {
    let (about, needed) = ("server.max_connections", need.total());
    match limit.filter(|limit| *limit < needed) {
        None => {
            let text =
                format!("as many files may be open here as a gateway needs: {needed} at most");
            findings.ok(CHECK, about, text);
        }
        Some(limit) => {
            let callers = need.for_callers(Some(limit));
            findings.warning(
                CHECK,
                about,
                format!("{limit} files may be open here, and {needed} may be needed: a gateway takes {callers} connections"),
                format!(
                    "start the gateway with a hard limit of at least {needed} (LimitNOFILE of systemd, ulimits of \
                     Docker, ulimit -Hn of a shell), or lower server.max_connections to {callers}"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Finding, Level};
    use super::*;

    fn found(limit: Option<u64>) -> Finding {
        let mut findings = Findings::default();
        judge(&mut findings, &Need::of(&Config::default(), 1), limit);
        Vec::from(findings).remove(0)
    }

    #[test]
    fn a_limit_that_is_too_low_is_found_with_what_it_costs() {
        assert_eq!(found(None).level, Level::Ok);
        assert_eq!(found(Some(10_134)).level, Level::Ok);
        let low = found(Some(1_024));
        assert_eq!(low.level, Level::Warning);
        assert!(low.text.contains("takes 890 connections"), "{}", low.text);
        assert!(low.fix.contains("at least 10134"), "{}", low.fix);
    }
}
