//! Deadlines, and what becomes of callers and resources after a fault.

use std::collections::HashMap;
use std::time::Duration;

use super::delivering::disturbed;
use super::{Rule, Verdict, Violation};
use crate::history::{Entry, Event, Victim, micros};

/// By how much a call may outlive its deadline.
const EXCESS: Duration = Duration::from_secs(2);

/// Over how long a rate is taken.
const SECOND: u64 = 1_000_000;

/// How long after a fault callers must be served half as well as before.
const RECOVERY: Duration = Duration::from_secs(30);

/// Checks deadlines, recovery and resources.
pub(super) fn check(history: &[Entry], verdict: &mut Verdict) {
    check_deadlines(history, verdict);
    check_recovery(history, verdict);
    for Entry { event, .. } in history {
        if let Event::Resource {
            what,
            before,
            after,
            most,
        } = event
            && after > most
        {
            let detail = format!("{what}: {before} before, {after} after, at most {most} expected");
            verdict.violations.push(Violation::new(Rule::Leak, detail));
        }
    }
}

/// No call outlives its deadline, unless something stood between it and its gateway.
fn check_deadlines(history: &[Entry], verdict: &mut Verdict) {
    let is_cut = disturbed(history, Victim::Callers);
    let mut open: HashMap<u64, (u64, u64, &str)> = HashMap::new();
    for Entry { at, event } in history {
        let op = match event {
            Event::Invoke {
                op,
                deadline: Some(deadline),
                ..
            } => {
                open.insert(*op, (*at, *deadline, "Publish"));
                continue;
            }
            Event::Called {
                op,
                method,
                deadline,
            } => {
                open.insert(*op, (*at, *deadline, method));
                continue;
            }
            Event::Ok { op, .. } | Event::Refused { op, .. } | Event::Unknown { op, .. } => op,
            Event::Returned { op } => op,
            _ => continue,
        };
        let Some((invoked, deadline, method)) = open.remove(op) else {
            continue;
        };
        let excess = Duration::from_micros((at - invoked).saturating_sub(deadline));
        if is_cut(invoked, *at) {
            continue;
        }
        verdict.figures.excess = verdict.figures.excess.max(excess);
        if excess > EXCESS {
            let detail = format!("{method} {op} by {excess:?}");
            let violation = Violation::new(Rule::DeadlineMissed, detail);
            verdict.violations.push(violation);
        }
    }
}

/// Tells events of one kind.
type Kind = fn(&Event) -> bool;

/// Publishing and delivering come back to what they were before the fault.
fn check_recovery(history: &[Entry], verdict: &mut Verdict) {
    let at = |wanted: Kind| {
        let found = history.iter().find(|entry| wanted(&entry.event));
        found.map(|entry| entry.at)
    };
    let loaded = at(|event| matches!(event, Event::Loaded));
    let storm = at(|event| matches!(event, Event::Storm { .. }));
    let healed = at(|event| matches!(event, Event::Healed));
    let (Some(loaded), Some(storm), Some(healed)) = (loaded, storm, healed) else {
        return;
    };
    let drained = at(|event| matches!(event, Event::Drained)).unwrap_or(u64::MAX);
    let publishing: Kind = |event| matches!(event, Event::Ok { .. });
    let delivering: Kind = |event| matches!(event, Event::Delivered { .. });
    let kinds = [("publishing", publishing), ("delivering", delivering)];
    let mut slowest = Some(Duration::ZERO);
    for (what, is_one) in kinds {
        let ones = history.iter().filter(|entry| is_one(&entry.event));
        let times: Vec<u64> = ones.map(|entry| entry.at).collect();
        let before = count(&times, loaded, storm) as f64 / (storm - loaded).max(1) as f64;
        let reaches = |part: f64, within: Duration| {
            let least = (before * SECOND as f64 * part).floor() as usize;
            let latest = drained.min(healed.saturating_add(micros(within)));
            first_second(&times, healed, latest, least)
        };
        let recovered = reaches(0.9, RECOVERY * 4);
        slowest = slowest
            .zip(recovered)
            .map(|(slowest, time)| slowest.max(time));
        if reaches(0.5, RECOVERY).is_none() {
            let rate = before * SECOND as f64;
            let detail = format!("{what} did not come back to half of {rate:.0} a second");
            verdict
                .violations
                .push(Violation::new(Rule::NotRecovered, detail));
        }
    }
    verdict.figures.recovery = slowest;
}

fn count(times: &[u64], from: u64, to: u64) -> usize {
    let below = |time: u64| times.partition_point(|at| *at < time);
    below(to).saturating_sub(below(from))
}

/// After which time the first second begins in which so many of these times lie.
fn first_second(times: &[u64], from: u64, latest: u64, least: usize) -> Option<Duration> {
    let begins = times.partition_point(|at| *at < from);
    if least == 0 || count(times, from, from + SECOND) >= least {
        return Some(Duration::ZERO);
    }
    let begun = times[begins..].iter().take_while(|at| **at <= latest);
    let mut begun = begun.zip(begins..);
    let (at, _) = begun.find(|(at, place)| {
        let last = times.get(place + least - 1);
        last.is_some_and(|last| *last < *at + SECOND)
    })?;
    Some(Duration::from_micros(at - from))
}
