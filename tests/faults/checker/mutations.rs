//! Tests of the checker itself: it finds nothing in a good history, and every way to spoil one.

use std::collections::BTreeSet;

use fastrand::Rng;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::good::{self, ATOMIC, PLAIN, STRICT};
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

/// Whether an event is about this message, wherever it is.
fn is_about(event: &Event, key: Key) -> bool {
    match event {
        Event::Stored { content, .. }
        | Event::Delivered { content, .. }
        | Event::Read { content, .. } => content.key == Some(key),
        _ => false,
    }
}

/// The messages of a writer that are stored, in their order.
fn stored(history: &[Entry], writer: u32) -> Vec<Key> {
    let keys = history.iter().filter_map(|entry| match entry.event {
        Event::Stored {
            server: 0,
            content: Content { key: Some(key), .. },
            ..
        } => Some(key),
        _ => None,
    });
    keys.filter(|key| key.writer == writer).collect()
}

/// Removes a message from the stream and from whatever followed from it.
fn lose(history: &mut Vec<Entry>, key: Key) {
    history.retain(|entry| !is_about(&entry.event, key));
}

/// The attempts of a message.
fn ops(history: &[Entry], wanted: Key) -> Vec<u64> {
    let ops = history.iter().filter_map(|entry| match entry.event {
        Event::Invoke { op, key, .. } if key == wanted => Some(op),
        _ => None,
    });
    ops.collect()
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

fn drop_first(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    // The first of a writer that was refused before has no prefix to lose: it is found by the first stored.
    lose(history, stored(history, STRICT)[0]);
    Rule::LostPrefix
}

fn drop_middle(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, PLAIN);
    lose(history, keys[rng.usize(1..keys.len() - 1)]);
    Rule::LostMiddle
}

fn drop_last(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    lose(history, *stored(history, PLAIN).last().unwrap());
    Rule::LostTail
}

fn drop_everything(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    history.retain(|entry| !matches!(entry.event, Event::Stored { .. }));
    Rule::LostTail
}

fn drop_on_one_server(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Stored { server: 1.., .. })
    });
    history.remove(place);
    Rule::ReplicasDiffer
}

fn drop_all_of_one_server(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    history.retain(|entry| !matches!(entry.event, Event::Stored { server: 2, .. }));
    Rule::ReplicasDiffer
}

fn duplicate_stored(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let (last, at) = end(history);
    let keys = stored(history, PLAIN);
    let key = *rng.choice(&keys).unwrap();
    let place = places(history, |event| is_about(event, key))[0];
    let (Event::Delivered { content, .. } | Event::Read { content, .. }) = history[place].event
    else {
        panic!("it is delivered before it is read by the servers")
    };
    let copies = (0..3).map(|server| Event::Stored {
        server,
        sequence: last + 1,
        content,
    });
    history.extend(copies.map(|event| Entry { at, event }));
    Rule::StoredTwice
}

fn swap_strict(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, STRICT);
    let place = rng.usize(1..keys.len());
    for entry in history {
        if let Event::Stored { content, .. } = &mut entry.event {
            match content.key {
                Some(key) if key == keys[place] => content.key = Some(keys[place - 1]),
                Some(key) if key == keys[place - 1] => content.key = Some(keys[place]),
                _ => {}
            }
        }
    }
    Rule::StrictOrder
}

fn strict_hole(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, STRICT);
    let key = keys[rng.usize(1..keys.len() - 1)];
    lose(history, key);
    let ops = ops(history, key);
    history.retain(|entry| !matches!(&entry.event, Event::Ok { op, .. } if ops.contains(op)));
    Rule::StrictHole
}

fn corrupt(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(
            event,
            Event::Stored { .. } | Event::Delivered { .. } | Event::Read { .. }
        )
    });
    if let Event::Stored {
        content, server, ..
    } = &mut history[place].event
    {
        // The other servers are compared with the first: all of them.
        *server = 0;
        content.hash ^= 1 << rng.u32(0..32);
    } else if let Event::Delivered { content, .. } | Event::Read { content, .. } =
        &mut history[place].event
    {
        content.hash ^= 1 << rng.u32(0..32);
    }
    Rule::Corrupted
}

fn corrupt_beyond_recognition(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { .. })
    });
    if let Event::Delivered { content, .. } = &mut history[place].event {
        content.key = None;
    }
    Rule::NeverAttempted
}

fn unmark_attempt(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, PLAIN);
    let key = *rng.choice(&keys).unwrap();
    history.retain(|entry| !matches!(&entry.event, Event::Invoke { key: it, .. } if *it == key));
    Rule::NeverAttempted
}

fn unmark_ok(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, PLAIN);
    let ops = ops(history, *rng.choice(&keys).unwrap());
    for entry in history {
        if let Event::Ok { op, .. } | Event::Unknown { op, .. } = entry.event
            && ops.contains(&op)
        {
            let reason = "NATS_DISCONNECTED".to_owned();
            entry.event = Event::Refused { op, reason };
        }
    }
    Rule::StoredThoughRefused
}

fn misplace(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Ok { .. }));
    if let Event::Ok {
        sequence: Some(sequence),
        ..
    } = &mut history[place].event
    {
        *sequence += 1;
    }
    Rule::WrongSequence
}

fn tear_batch(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, ATOMIC);
    lose(history, *rng.choice(&keys).unwrap());
    Rule::TornBatch
}

fn drop_deliveries(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { .. })
    });
    let Event::Delivered {
        consumer, sequence, ..
    } = history[place].event.clone()
    else {
        panic!("it is one")
    };
    history.retain(|entry| {
        !matches!(&entry.event, Event::Delivered { consumer: whose, sequence: which, .. }
            if *whose == consumer && *which == sequence)
    });
    Rule::NeverDelivered
}

fn swap_deliveries(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let places = places(
        history,
        |event| matches!(event, Event::Delivered { consumer, attempt: 1, .. } if consumer == "c1"),
    );
    let place = rng.usize(1..places.len());
    let (a, b) = (places[place - 1], places[place]);
    let (first, second) = (history[a].event.clone(), history[b].event.clone());
    (history[a].event, history[b].event) = (second, first);
    Rule::DeliveryOrder
}

fn come_back(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    // Something else must be published and delivered behind the acknowledgement.
    let (_, now) = end(history);
    let acked = places(
        history,
        |event| matches!(event, Event::Acked { consumer, .. } if consumer == "c1"),
    );
    let acked = acked[rng.usize(0..acked.len() / 2)];
    let Event::Acked { sequence: gone, .. } = history[acked].event else {
        panic!("it is one")
    };
    let delivered = places(history, |event| {
        matches!(event, Event::Delivered { consumer, sequence, .. }
            if consumer == "c1" && *sequence == gone)
    });
    let mut again = history[*delivered.last().unwrap()].event.clone();
    if let Event::Delivered {
        consumer_sequence,
        attempt,
        ..
    } = &mut again
    {
        *consumer_sequence = u64::MAX;
        *attempt += 1;
    }
    history.push(Entry {
        at: now,
        event: again,
    });
    Rule::CameBack
}

fn unmark_attempt_number(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { attempt: 2.., .. })
    });
    if let Event::Delivered { attempt, .. } = &mut history[place].event {
        *attempt -= 1;
    }
    Rule::WrongAttempt
}

fn drop_read(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    history.remove(place);
    Rule::ReadHole
}

fn repeat_read(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    history.insert(place, history[place].clone());
    Rule::ReadOrder
}

fn invent_gap(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    let Event::Read { sequence, .. } = history[place].event else {
        panic!("it is one")
    };
    let event = Event::Gap {
        reader: "r".to_owned(),
        first_available: sequence + 1,
    };
    history[place].event = event;
    Rule::ReadHole
}

fn outlive_deadline(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    // Outside of the time in which callers were cut off.
    let healed = history[places(history, |event| matches!(event, Event::Healed))[0]].at;
    let returned = places(history, |event| matches!(event, Event::Returned { .. }));
    let after: Vec<usize> = returned
        .into_iter()
        .filter(|place| history[*place].at > healed)
        .collect();
    let place = *rng.choice(&after).unwrap();
    let late = history.remove(place).event;
    let (_, now) = end(history);
    history.push(Entry {
        at: now + 60_000_000,
        event: late,
    });
    Rule::DeadlineMissed
}

fn stay_away(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    let healed = places(history, |event| matches!(event, Event::Healed))[0];
    let mut place = 0;
    history.retain(|entry| {
        place += 1;
        place < healed || !matches!(entry.event, Event::Ok { .. })
    });
    Rule::NotRecovered
}

fn leak(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    for entry in history {
        if let Event::Resource { after, .. } = &mut entry.event {
            *after += 1;
        }
    }
    Rule::Leak
}

const MUTATIONS: [(&str, Mutation); 25] = [
    ("drop the first", drop_first),
    ("drop one in the middle", drop_middle),
    ("drop the last", drop_last),
    ("drop everything", drop_everything),
    ("drop on one server", drop_on_one_server),
    ("drop all of one server", drop_all_of_one_server),
    ("duplicate", duplicate_stored),
    ("swap two of a STRICT writer", swap_strict),
    ("a hole in a STRICT writer", strict_hole),
    ("corrupt", corrupt),
    ("corrupt beyond recognition", corrupt_beyond_recognition),
    ("un-mark an attempt", unmark_attempt),
    ("un-mark what was answered OK", unmark_ok),
    ("misplace", misplace),
    ("tear a batch", tear_batch),
    ("drop deliveries", drop_deliveries),
    ("swap two deliveries", swap_deliveries),
    ("deliver behind the acknowledgement", come_back),
    ("un-mark a repetition", unmark_attempt_number),
    ("drop from a read", drop_read),
    ("repeat in a read", repeat_read),
    ("invent a gap", invent_gap),
    ("outlive a deadline", outlive_deadline),
    ("stay away after the fault", stay_away),
    ("leak", leak),
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
        for (name, mutate) in MUTATIONS {
            let mut history = good::history(seed);
            let expected = mutate(&mut history, &mut Rng::with_seed(seed));
            let found = rules(&history);
            assert!(found.contains(&expected), "{name}: {found:?} instead of {expected:?}");
        }
    }
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
        let began = std::time::Instant::now();
        judge(&history);
        began.elapsed()
    });
    // Eight times the length; what is quadratic would take 64 times as long.
    assert!(
        times[1] < times[0] * 32 + std::time::Duration::from_millis(50),
        "{times:?}"
    );
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
