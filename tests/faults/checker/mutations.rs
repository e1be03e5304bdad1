//! Tests of the checker itself: it finds nothing in a good history, and every way to spoil one.

mod received;
mod rights;
mod stored;

use std::collections::BTreeSet;

use fastrand::Rng;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::good;
use super::{Rule, judge};
use crate::history::{Content, Entry, Event, Key, read, write};

fn rules(history: &[Entry]) -> BTreeSet<Rule> {
    let violations = judge(history).violations;
    violations.iter().map(|violation| violation.rule).collect()
}

/// The places of the entries that are wanted; there are some.
fn places(history: &[Entry], wanted: impl Fn(&Event) -> bool) -> Vec<usize> {
    let all = history.iter().enumerate();
    let places = all.filter(|(_, entry)| wanted(&entry.event));
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    assert!(!places.is_empty(), "nothing to spoil");
    places
}

fn any_place(history: &[Entry], rng: &mut Rng, wanted: impl Fn(&Event) -> bool) -> usize {
    *rng.choice(&places(history, wanted)).unwrap()
}

/// The last sequence that is stored, and a time after everything.
fn end(history: &[Entry]) -> (u64, u64) {
    let sequences = history.iter().filter_map(|entry| match entry.event {
        Event::Stored { sequence, .. } => Some(sequence),
        _ => None,
    });
    (sequences.max().unwrap(), history.last().unwrap().at + 1)
}

/// Spoils a history in one way; the rules that must be named for it, one of them at least.
type Mutation = fn(&mut Vec<Entry>, &mut Rng) -> Rule;

const MUTATIONS: [(&str, Mutation); 33] = [
    ("drop the first", stored::drop_first),
    ("drop one in the middle", stored::drop_middle),
    ("drop the last", stored::drop_last),
    ("drop everything", stored::drop_everything),
    ("drop on one server", stored::drop_on_one_server),
    ("drop all of one server", stored::drop_all_of_one_server),
    ("duplicate", stored::duplicate_stored),
    ("swap two of a STRICT writer", stored::swap_strict),
    ("a hole in a STRICT writer", stored::strict_hole),
    ("corrupt", stored::corrupt),
    (
        "corrupt beyond recognition",
        stored::corrupt_beyond_recognition,
    ),
    ("un-mark an attempt", stored::unmark_attempt),
    ("un-mark what was answered OK", stored::unmark_ok),
    ("misplace", stored::misplace),
    ("tear a batch", stored::tear_batch),
    ("drop deliveries", received::drop_deliveries),
    ("swap two deliveries", received::swap_deliveries),
    ("deliver behind the acknowledgement", received::come_back),
    ("un-mark a repetition", received::unmark_attempt_number),
    ("deliver to nobody in peace", received::deliver_in_vain),
    ("allow fewer deliveries", received::allow_fewer),
    ("drop from a read", received::drop_read),
    ("repeat in a read", received::repeat_read),
    ("invent a gap", received::invent_gap),
    ("deny a message", rights::deny),
    ("deny a session", rights::deny_a_session),
    ("bar a writer that goes on", rights::bar_too_early),
    ("bar a reader that goes on", rights::bar_a_reader_too_early),
    ("take over late", rights::take_over_late),
    ("lose outcomes in calm", rights::interrupt),
    ("outlive a deadline", received::outlive_deadline),
    ("stay away after the fault", received::stay_away),
    ("leak", received::leak),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_nothing_in_a_good_history(seed in any::<u64>()) {
        let history = good::history(seed);
        let verdict = judge(&history);
        assert_eq!(verdict.violations, []);
        assert!(verdict.figures.stored > 100 && verdict.figures.again > 100);
    }

    #[test]
    fn catches_every_mutation(seed in any::<u64>()) {
        let good = good::history(seed);
        for (name, mutate) in MUTATIONS {
            let mut history = good.clone();
            let expected = mutate(&mut history, &mut Rng::with_seed(seed));
            let found = rules(&history);
            assert!(found.contains(&expected), "{name}: {found:?} instead of {expected:?}");
        }
    }
}

/// A message that was answered OK, is sent again when its sequence is gone, and is stored at another.
fn sent_again(gone: Event) -> BTreeSet<Rule> {
    let key = Key {
        writer: 1,
        counter: 0,
    };
    let hash = 7;
    let invoke = |op| Event::Invoke {
        op,
        key,
        hash,
        deadline: Some(1_000_000),
        atomic: None,
    };
    let ok = |op, sequence| Event::Ok {
        op,
        sequence: Some(sequence),
        duplicate: false,
    };
    let content = Content {
        key: Some(key),
        hash,
    };
    let (server, sequence) = (0, 11);
    let events = [
        Event::Stream {
            stream: "F".to_owned(),
            duplicate_window: 600_000_000,
        },
        invoke(1),
        ok(1, 5),
        gone,
        invoke(2),
        ok(2, sequence),
        Event::Server { server },
        Event::Stored {
            server,
            sequence,
            content,
        },
    ];
    let entries = (1..).zip(events).map(|(at, event)| Entry { at, event });
    rules(&entries.collect::<Vec<_>>())
}

#[test]
fn a_deleted_stream_knows_no_ids_and_a_purged_one_does() {
    assert_eq!(sent_again(Event::Deleted { through: 10 }), BTreeSet::new());
    let broken = BTreeSet::from([Rule::WrongSequence]);
    assert_eq!(sent_again(Event::Purged { through: 10 }), broken);
}

#[test]
fn a_history_is_the_same_after_it_was_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let history = good::history(7);
    write(&path, &history).unwrap();
    assert_eq!(read(&path).unwrap(), history);
}

#[test]
fn takes_time_in_proportion_to_the_length() {
    let times = [1, 8].map(|copies| {
        let mut history = Vec::new();
        for copy in 0..copies {
            history.extend(shifted(good::history(copy), copy));
        }
        let before = processor_time();
        judge(&history);
        processor_time() - before
    });
    // Eight times the length; what is quadratic would take 64 times as long.
    assert!(times[1] < times[0] * 32, "{times:?}");
}

/// What this thread has used, in nanoseconds: how busy the machine is does not matter.
fn processor_time() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split_whitespace().next().unwrap().parse().unwrap()
}

/// The same history of other writers, consumers and readers.
fn shifted(history: Vec<Entry>, copy: u64) -> Vec<Entry> {
    let shift_key = |key: &mut Key| key.writer += 10 * copy as u32;
    let shift = |mut entry: Entry| {
        match &mut entry.event {
            Event::Writer { writer, .. } => *writer += 10 * copy as u32,
            Event::Invoke { op, key, .. } => {
                *op += copy << 32;
                shift_key(key);
            }
            Event::Ok { op, .. } | Event::Refused { op, .. } | Event::Unknown { op, .. } => {
                *op += copy << 32;
            }
            Event::Stored { content, .. }
            | Event::Delivered { content, .. }
            | Event::Read { content, .. } => content.key.iter_mut().for_each(shift_key),
            _ => {}
        }
        entry
    };
    history.into_iter().map(shift).collect()
}
