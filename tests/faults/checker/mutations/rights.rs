//! Ways to spoil who was denied and who was let in.

#![allow(clippy::ptr_arg, reason = "all mutations have one type")]

use fastrand::Rng;

use super::super::Rule;
use super::super::good::GROUP;
use super::any_place;
use crate::history::{Entry, Event, Standing, Victim};

pub(super) fn deny(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Refused { .. }));
    if let Event::Refused { reason, .. } = &mut history[place].event {
        "PERMISSION_DENIED".clone_into(reason);
    }
    Rule::DeniedThoughAdmitted
}

pub(super) fn deny_a_session(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Invoke { .. }));
    let at = history[place].at;
    let group = GROUP.to_owned();
    let reason = "UNAUTHENTICATED".to_owned();
    let event = Event::Denied { group, reason };
    history.insert(place, Entry { at, event });
    Rule::DeniedThoughAdmitted
}

/// Bars everybody from a message on that is stored.
pub(super) fn bar_too_early(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let ok = any_place(history, rng, |event| matches!(event, Event::Ok { .. }));
    let Event::Ok { op: wanted, .. } = history[ok].event else {
        panic!("it is one")
    };
    let invoked = any_place(
        history,
        rng,
        |event| matches!(event, Event::Invoke { op, .. } if *op == wanted),
    );
    bar(history, invoked, GROUP);
    Rule::AllowedThoughBarred
}

pub(super) fn bar_a_reader_too_early(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    bar(history, place, "r");
    Rule::AllowedThoughBarred
}

fn bar(history: &mut Vec<Entry>, place: usize, group: &str) {
    let event = Event::Stands {
        group: group.to_owned(),
        standing: Standing::Barred,
    };
    let at = history[place].at;
    history.insert(place, Entry { at, event });
}

pub(super) fn take_over_late(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    for entry in history {
        if let Event::InForce { took, .. } = &mut entry.event {
            *took += 1;
        }
    }
    Rule::InForceLate
}

pub(super) fn interrupt(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    for entry in history {
        if let Event::Storm { victim } = &mut entry.event {
            *victim = Victim::Nothing;
        }
    }
    Rule::Interrupted
}
