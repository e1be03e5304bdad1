//! Ordered reads: the segments of all their sessions join to what is stored.

use std::collections::BTreeMap;

use super::publishing::Published;
use super::{Rule, Verdict, Violation};
use crate::history::{Entry, Event};

/// How far a read is.
#[derive(Default)]
struct Reader {
    last: u64,
    /// Where in what is stored it has to go on.
    next: usize,
}

/// Checks every reader.
pub(super) fn check(history: &[Entry], published: &Published, verdict: &mut Verdict) {
    let mut readers: BTreeMap<&str, Reader> = BTreeMap::new();
    let mut violations = Vec::new();
    for Entry { event, .. } in history {
        match event {
            Event::Reader { reader } => {
                readers.entry(reader).or_default();
            }
            Event::Read {
                reader,
                sequence,
                content,
            } => {
                let place = format!("{reader} read {sequence}");
                violations.extend(published.check_content(*content, &place));
                let state = readers.entry(reader).or_default();
                read(state, &place, *sequence, published, &mut violations);
                verdict.figures.delivered += 1;
            }
            Event::Gap {
                reader,
                first_available,
            } => {
                // What is missing is only what was removed.
                let state = readers.entry(reader).or_default();
                let next = published.stored.get(state.next);
                if next.is_some_and(|(sequence, _)| sequence < first_available) {
                    let detail = format!("{reader} was told of a gap up to {first_available}");
                    violations.push(Violation::new(Rule::ReadHole, detail));
                }
            }
            _ => {}
        }
    }
    for (reader, state) in readers {
        if let Some((sequence, _)) = published.stored.get(state.next) {
            let detail = format!("{reader} ended before {sequence}");
            violations.push(Violation::new(Rule::ReadHole, detail));
        }
    }
    verdict.violations.append(&mut violations);
}

fn read(
    state: &mut Reader,
    place: &str,
    sequence: u64,
    published: &Published,
    violations: &mut Vec<Violation>,
) {
    if sequence <= state.last {
        let detail = format!("{place} behind {}", state.last);
        violations.push(Violation::new(Rule::ReadOrder, detail));
        return;
    }
    let stored = |next: usize| published.stored.get(next).map(|(sequence, _)| *sequence);
    if let Some(missed) = stored(state.next).filter(|next| *next < sequence) {
        let detail = format!("{place} without {missed} before it");
        violations.push(Violation::new(Rule::ReadHole, detail));
    }
    while stored(state.next).is_some_and(|next| next <= sequence) {
        state.next += 1;
    }
    state.last = sequence;
}
