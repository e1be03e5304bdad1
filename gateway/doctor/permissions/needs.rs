//! The subjects that a gateway uses, and what does not work without each. `deploy/nats/gateway-user.conf` has the
//! same for nats-server.

use super::super::finding::Level;
use super::super::servers::PING;
use crate::config::Config;

/// Which side of a subject.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Publish,
    Subscribe,
}

/// A subject that a gateway uses.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) way: Way,
    pub(super) subject: String,
    /// How bad it is without.
    pub(super) level: Level,
    /// What happens without.
    pub(super) purpose: &'static str,
}

/// Of JetStream's API, behind its prefix.
const API: [(&str, Level, &str); 19] = [
    ("INFO", Level::Fault, "the gateway is never ready"),
    (
        "STREAM.NAMES",
        Level::Warning,
        "errors of publishing say less of what is wrong",
    ),
    (
        "STREAM.INFO.*",
        Level::Warning,
        "errors of publishing say less of what is wrong",
    ),
    ("STREAM.LIST", Level::Warning, "nobody can list streams"),
    (
        "STREAM.MSG.GET.*",
        Level::Warning,
        "stored messages cannot be read",
    ),
    (
        "DIRECT.GET.>",
        Level::Warning,
        "stored messages of streams with allow_direct cannot be read",
    ),
    ("CONSUMER.INFO.>", Level::Fault, "nobody can consume"),
    (
        "CONSUMER.LIST.*",
        Level::Warning,
        "nobody can list consumers",
    ),
    ("CONSUMER.MSG.NEXT.>", Level::Fault, "nobody can consume"),
    (
        "CONSUMER.CREATE.>",
        Level::Fault,
        "ordered and ephemeral reads do not work, and nobody can create consumers",
    ),
    (
        "CONSUMER.DELETE.>",
        Level::Warning,
        "consumers of sessions stay until they are inactive for long enough",
    ),
    (
        "STREAM.CREATE.*",
        ADMINISTRATION,
        "nobody can create streams",
    ),
    (
        "STREAM.UPDATE.*",
        ADMINISTRATION,
        "nobody can change streams",
    ),
    (
        "STREAM.DELETE.*",
        ADMINISTRATION,
        "nobody can delete streams",
    ),
    ("STREAM.PURGE.*", ADMINISTRATION, "nobody can purge streams"),
    (
        "STREAM.MSG.DELETE.*",
        ADMINISTRATION,
        "nobody can delete messages",
    ),
    (
        "CONSUMER.PAUSE.>",
        ADMINISTRATION,
        "nobody can pause consumers",
    ),
    (
        "CONSUMER.RESET.>",
        ADMINISTRATION,
        "nobody can reset consumers",
    ),
    (
        "CONSUMER.UNPIN.>",
        ADMINISTRATION,
        "nobody can unpin the clients of priority groups",
    ),
];

/// Left out on purpose, where callers do not administer.
const ADMINISTRATION: Level = Level::Note;

/// What a gateway with this configuration uses.
pub(super) fn needs(config: &Config) -> Vec<Need> {
    let api = config.nats.api_prefix();
    let inbox = format!("{}.>", config.nats.inbox_prefix);
    let publish = |subject: String, level, purpose| Need {
        way: Way::Publish,
        subject,
        level,
        purpose,
    };
    let subscribe = |subject: &str, level, purpose| Need {
        way: Way::Subscribe,
        subject: subject.to_owned(),
        level,
        purpose,
    };
    let of_api = API.iter().map(|&(operation, level, purpose)| {
        let subject = format!("{api}.{operation}");
        publish(subject, level, purpose)
    });
    let mut needs: Vec<Need> = of_api.collect();
    needs.extend([
        publish(
            "$JS.ACK.>".to_owned(),
            Level::Fault,
            "nobody can acknowledge",
        ),
        publish(
            inbox.clone(),
            Level::Fault,
            "a connection is taken for broken, and replicas do not hear of each other",
        ),
        subscribe(&inbox, Level::Fault, "no answer arrives"),
        publish(
            PING.to_owned(),
            Level::Note,
            "only the servers of nats.url are examined here",
        ),
    ]);
    for kind in ["STREAM", "CONSUMER"] {
        let subject = format!("$JS.EVENT.ADVISORY.{kind}.>");
        let purpose = "what others change is noticed late";
        needs.push(subscribe(&subject, Level::Warning, purpose));
    }
    if config.dead_letters.letters.is_some() {
        let subject = format!("{}.>", config.dead_letters.subject);
        needs.push(publish(
            subject,
            Level::Fault,
            "no dead letters are written",
        ));
    }
    needs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const USER: &str = include_str!("../../../deploy/nats/gateway-user.conf");
    const IMPORT: &str = include_str!("../../../deploy/nats/api-prefix.conf");

    #[test]
    fn the_documented_user_has_what_is_needed_and_little_else() {
        let mut config = Config::default();
        config.nats.inbox_prefix = "_INBOX_jetgate".to_owned();
        config.dead_letters = config.dead_letters.or_with_streams("LETTERS", "ADVISORIES");
        let quoted = USER
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('"'));
        let documented: BTreeSet<_> = quoted
            .map(|line| line.trim_matches('"').to_owned())
            .collect();
        let is_covered = |need: &Need| {
            documented
                .iter()
                .any(|it| crate::names::filter_covers(it, &need.subject))
        };

        let all = needs(&config);

        for need in &all {
            assert!(is_covered(need), "{need:?}");
        }
        let needed: BTreeSet<_> = all.into_iter().map(|need| need.subject).collect();
        let beyond: Vec<_> = documented.difference(&needed).collect();
        assert_eq!(beyond, ["$SYS.REQ.USER.INFO", "orders.>"]);
    }

    #[test]
    fn the_documented_import_has_what_is_needed_and_each_subject_once() {
        let mut config = Config::default();
        config.nats.api_prefix = Some("hub.js".to_owned());
        config.dead_letters = config.dead_letters.or_with_streams("LETTERS", "ADVISORIES");
        let imports = IMPORT.lines().filter(|line| line.contains("account: HUB"));
        // The subject in the importing account stands last.
        let imported: Vec<_> = imports
            .map(|line| line.split('"').nth_back(1).unwrap())
            .collect();
        let is_local = |need: &Need| need.subject.starts_with("_INBOX") || need.subject == PING;

        let needs = needs(&config);

        for need in needs.iter().filter(|need| !is_local(need)) {
            let covers = |it: &&&str| crate::names::filter_covers(it, &need.subject);
            assert_eq!(imported.iter().filter(covers).count(), 1, "{need:?}");
        }
        for (place, one) in imported.iter().enumerate() {
            for other in &imported[place + 1..] {
                assert!(!crate::names::filters_overlap(one, other), "{one} {other}");
            }
        }
    }
}
