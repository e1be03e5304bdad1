//! What the gateway's NATS user may do, against what a gateway does.

mod needs;

use serde::Deserialize;

use self::needs::{Need, Way, needs};
use super::asking::ask;
use super::finding::{Findings, Level};
use crate::config::Config;
use crate::names::{filter_covers, filters_overlap};
use crate::nats::Link;
use crate::nats::api::StreamInfo;

const CHECK: &str = "permissions";

/// What a user is asked by about itself.
const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// What a user may do, as far as it is known.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Permissions {
    publish: Subjects,
    subscribe: Subjects,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Subjects {
    /// Empty is every subject.
    allow: Vec<String>,
    deny: Vec<String>,
}

/// How much of a pattern is allowed.
#[derive(Debug, PartialEq, Eq)]
enum Extent {
    All,
    Some,
    None,
}

/// Asks what the user may do, and judges it. Where that cannot be known, everything is taken to be allowed.
pub(super) async fn examine(findings: &mut Findings, link: &Link, config: &Config) -> Permissions {
    #[derive(Deserialize)]
    struct Answer {
        data: User,
    }
    #[derive(Deserialize)]
    struct User {
        user: String,
        permissions: Option<Permissions>,
    }
    let user = match ask::<Answer>(link, USER_INFO, "", config.nats.request_timeout).await {
        Ok(answer) => answer.data,
        Err(why) => {
            let text = format!("what the NATS user may do cannot be seen: {why}");
            let fix = format!("allow it to publish to \"{USER_INFO}\"");
            findings.warning(CHECK, USER_INFO, text, fix);
            return Permissions::default();
        }
    };
    // A server without users tells no name.
    let name = match user.user.as_str() {
        "" => "user",
        name => name,
    };
    let Some(permissions) = user.permissions else {
        findings.note(
            CHECK,
            name,
            "the NATS user may do everything in its account",
            "give it no more than a gateway needs: deploy/nats/gateway-user.conf",
        );
        return Permissions::default();
    };
    for need in needs(config) {
        permissions.judge(findings, &need);
    }
    if !findings.has_trouble(CHECK) {
        findings.ok(CHECK, name, "the NATS user may do what a gateway needs");
    }
    permissions
}

/// Whether callers can publish what streams take.
pub(super) fn examine_subjects(
    findings: &mut Findings,
    permissions: &Permissions,
    streams: &[StreamInfo],
) {
    for stream in streams {
        for subject in &stream.config.subjects {
            if permissions.publish.extent(subject) == Extent::None {
                findings.note(
                    CHECK,
                    subject,
                    format!(
                        "no caller can publish to stream {} here",
                        stream.config.name
                    ),
                    format!("if some should, allow the NATS user to publish to \"{subject}\""),
                );
            }
        }
    }
}

impl Permissions {
    /// Whether publishing to the subject is allowed, as far as it is known.
    pub(super) fn may_publish(&self, subject: &str) -> bool {
        self.publish.extent(subject) == Extent::All
    }

    fn judge(&self, findings: &mut Findings, need: &Need) {
        let (subjects, verb) = match need.way {
            Way::Publish => (&self.publish, "publish"),
            Way::Subscribe => (&self.subscribe, "subscribe"),
        };
        let (subject, purpose) = (&need.subject, need.purpose);
        let fix = format!("allow the NATS user to {verb} to \"{subject}\"");
        let text = format!("the NATS user may not {verb} there, and without it {purpose}");
        match subjects.extent(subject) {
            Extent::All => {}
            // Restricted on purpose, most likely: to some streams, for example.
            Extent::Some => {
                let text =
                    format!("the NATS user may {verb} to a part of it only; elsewhere {purpose}");
                findings.note(CHECK, subject, text, fix);
            }
            Extent::None if need.level == Level::Note => findings.note(CHECK, subject, text, fix),
            Extent::None => findings.add(need.level, CHECK, subject, text, fix),
        }
    }
}

impl Subjects {
    fn extent(&self, wanted: &str) -> Extent {
        // What stands behind a space is a queue, and about queue subscriptions alone.
        let plain = |it: &&String| !it.contains(' ');
        let (mut allow, mut deny) = (
            self.allow.iter().filter(plain),
            self.deny.iter().filter(plain),
        );
        let is_open = self.allow.is_empty();
        if deny.clone().any(|it| filter_covers(it, wanted)) {
            return Extent::None;
        }
        if !is_open && !allow.clone().any(|it| filters_overlap(it, wanted)) {
            return Extent::None;
        }
        let is_whole = is_open || allow.any(|it| filter_covers(it, wanted));
        if is_whole && !deny.any(|it| filters_overlap(it, wanted)) {
            return Extent::All;
        }
        Extent::Some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(allow: &[&str], deny: &[&str], wanted: &str) -> Extent {
        let texts = |all: &[&str]| all.iter().map(|&it| it.to_owned()).collect();
        let subjects = Subjects {
            allow: texts(allow),
            deny: texts(deny),
        };
        subjects.extent(wanted)
    }

    #[test]
    fn a_pattern_is_allowed_as_far_as_no_denial_reaches() {
        assert_eq!(extent(&[], &[], "a.>"), Extent::All);
        assert_eq!(extent(&["a.>"], &[], "a.*"), Extent::All);
        assert_eq!(extent(&["a.b"], &[], "a.*"), Extent::Some);
        assert_eq!(extent(&["b"], &[], "a.*"), Extent::None);
        assert_eq!(extent(&[], &["a.b"], "a.*"), Extent::Some);
        assert_eq!(extent(&["a.>"], &[">"], "a.*"), Extent::None);
        assert_eq!(extent(&["a.> workers"], &[], "a.*"), Extent::None);
    }
}
