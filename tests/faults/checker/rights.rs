//! Who was denied, who was let in, and how long that took to change.

use std::collections::HashMap;
use std::time::Duration;

use super::{Rule, Verdict, Violation};
use crate::history::{Entry, Event, Standing, Victim, micros};

/// What is unknown so long after it began was perhaps given up at its deadline, on a machine that stood still.
const DEADLINE: Duration = Duration::from_secs(3);

/// Who publishes with which rights.
#[derive(Default)]
struct Groups<'a> {
    standings: HashMap<&'a str, Standing>,
    of_writers: HashMap<u32, &'a str>,
    /// The group of each attempt, when it began, and what was right then.
    ops: HashMap<u64, (&'a str, u64, Standing)>,
}

/// Checks what was denied and what was not.
pub(super) fn check(history: &[Entry], verdict: &mut Verdict) {
    let is_calm = is_calm(history);
    let mut groups = Groups::default();
    for Entry { at, event } in history {
        let violation = match event {
            Event::Stands { group, standing } => {
                groups.standings.insert(group, *standing);
                None
            }
            Event::Writer { writer, group, .. } => {
                groups.of_writers.insert(*writer, group);
                None
            }
            Event::Invoke { op, key, .. } => {
                let group = groups.of_writers.get(&key.writer).copied();
                let group = group.unwrap_or_default();
                let standing = groups.standing(group);
                groups.ops.insert(*op, (group, *at, standing));
                None
            }
            Event::Denied { group, reason } => groups.denied(group, reason),
            Event::Refused { op, reason } => groups.refused(*op, reason),
            Event::Ok { op, .. } => groups.allowed(*op),
            Event::Unknown { op, reason } if is_calm => groups.unknown(*op, *at, reason),
            Event::Read {
                reader, sequence, ..
            } => groups.read(reader, *sequence),
            Event::InForce { what, took, most } if took > most => {
                let detail = format!("{what} after {:?}", Duration::from_micros(*took));
                Some(Violation::new(Rule::InForceLate, detail))
            }
            _ => None,
        };
        verdict.violations.extend(violation);
    }
}

/// Whether nothing happened that breaks a connection or ends a process.
fn is_calm(history: &[Entry]) -> bool {
    let mut storms = history.iter().filter_map(|entry| match entry.event {
        Event::Storm { victim } => Some(victim),
        _ => None,
    });
    storms.all(|victim| matches!(victim, Victim::Nothing | Victim::Peace))
}

impl Groups<'_> {
    fn standing(&self, group: &str) -> Standing {
        let standing = self.standings.get(group).copied();
        standing.unwrap_or(Standing::Admitted)
    }

    fn denied(&self, group: &str, reason: &str) -> Option<Violation> {
        let is_wrong = self.standing(group) == Standing::Admitted;
        let denied = || Violation::new(Rule::DeniedThoughAdmitted, format!("{group}: {reason}"));
        is_wrong.then(denied)
    }

    /// A message of a stream was refused by itself.
    fn refused(&self, op: u64, reason: &str) -> Option<Violation> {
        let is_denial = reason == "PERMISSION_DENIED" || reason == "UNAUTHENTICATED";
        let (group, _, before) = *self.ops.get(&op)?;
        (is_denial && before == Standing::Admitted)
            .then(|| self.denied(group, reason))
            .flatten()
    }

    fn allowed(&self, op: u64) -> Option<Violation> {
        let (group, _, before) = *self.ops.get(&op)?;
        let is_wrong = before == Standing::Barred && self.standing(group) == Standing::Barred;
        let allowed = || Violation::new(Rule::AllowedThoughBarred, format!("{group}, op {op}"));
        is_wrong.then(allowed)
    }

    /// Readers of a group whose rights change are called like it.
    fn read(&self, reader: &str, sequence: u64) -> Option<Violation> {
        let detail = || format!("{reader} read {sequence}");
        (self.standing(reader) == Standing::Barred)
            .then(|| Violation::new(Rule::AllowedThoughBarred, detail()))
    }

    fn unknown(&self, op: u64, at: u64, reason: &str) -> Option<Violation> {
        let (group, invoked, _) = *self.ops.get(&op)?;
        // A stream that loses its rights ends with what is under way.
        let is_sure = !self.standings.contains_key(group);
        let is_soon = at - invoked < micros(DEADLINE);
        let detail = || format!("op {op} of {group}: {reason}");
        (is_sure && is_soon).then(|| Violation::new(Rule::Interrupted, detail()))
    }
}
